from __future__ import annotations

from pathlib import Path

import pytest

from dqdata.errors import ProjectError
from dqdata.project.tables import read_project

TEXT = """
[teachers.r1]
provider = "openai"
model = "deepseek-reasoner"
concurrency = 256

[teachers.small]
provider = "parrot"
model = "tiny"

[pipelines.slow]
from = "hf:open/problems"
steps = [ { op = "generate", id = "gen", teacher = "r1", n = 4 }, { op = "verify_math" } ]

[trainers.sft]
kind = "sft"
data = "slow@latest"
model = "Qwen/Qwen2.5-7B-Instruct"
args = { learning_rate = 2e-5, num_train_epochs = 3 }

[profiles.tiny]
teachers = { r1 = "small" }
models = { "Qwen/Qwen2.5-7B-Instruct" = "smollm2-135m" }
[profiles.tiny.pipelines.slow]
from = { source = "problems", rows = 40 }
steps.gen.n = 2
[profiles.tiny.trainers.sft]
args.max_steps = 10

[profiles.typo.pipelines.slow]
steps.gn.n = 2
[profiles.stranger]
teacher = { r1 = "small" }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pipelines.toml"
    path.write_text(TEXT)
    return path


def test_a_profile_changes_what_it_names_and_nothing_else(path: Path) -> None:
    plain, tiny = read_project(path), read_project(path, "tiny")
    assert plain.teachers["r1"].provider == "openai"
    assert (tiny.teachers["r1"].provider, tiny.teachers["r1"].name) == ("parrot", "r1")
    assert tiny.pipelines["slow"].source.params == {"rows": 40}
    assert [step.params for step in tiny.pipelines["slow"].steps] == [{"teacher": "r1", "n": 2}, {}]
    assert tiny.trainers["sft"].params["model"] == "smollm2-135m"
    assert tiny.trainers["sft"].params["args"] == {"learning_rate": 2e-5, "num_train_epochs": 3, "max_steps": 10}


def test_a_profile_has_a_store_of_its_own(path: Path, tmp_path: Path) -> None:
    assert read_project(path, "tiny").store.path == tmp_path / "catalogs" / "profiles" / "tiny"


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("tny", r"no profile 'tny'; did you mean 'tiny'\?"),
        ("typo", r"\[profiles.typo.pipelines.slow\]: no step 'gn'; did you mean 'gen'\? \(steps: gen, verify_math\)"),
        ("stranger", r"\[profiles.stranger\]: unknown key 'teacher'; did you mean 'teachers'\?"),
    ],
)
def test_what_is_wrong_is_said_with_table_and_nearest_name(path: Path, profile: str, says: str) -> None:
    with pytest.raises(ProjectError, match=says):
        read_project(path, profile)

from __future__ import annotations

from pathlib import Path

import pytest

from dqdata.project.graph import closure, reads
from dqdata.project.tables import Project, read_project

PROJECT = """
[teachers.own]
provider = "openai"
base_url = "http://127.0.0.1:1/v1"
model = "trained:student@latest"

[pipelines.seeds]
from = "seeds.jsonl"
[pipelines.bench]
from = "bench.jsonl"
into = "benchmark"
[pipelines.traces]
from = 'select *, "seeds@3" as text from "seeds"@latest s join benchmark@2 using (question)'
[pipelines.clean]
from = "with seeds as (select 1 as question) select * from traces__rejects, seeds"
steps = [ { op = "decontaminate", against = [ { catalog = "benchmark@latest", name = "b" } ] } ]
[pipelines.asked]
from = "seeds@1"
steps = [ { op = "generate", teacher = "own" }, { op = "rethink", verifier_params = { judge = "own" } } ]

[trainers.student]
kind = "sft"
model = "trained:base@2"
data = { train = "clean@latest", eval = "select * from traces@4" }
evaluate = { data = "benchmark" }
[trainers.base]
kind = "sft"
model = "m"
data = "seeds"
[trainers.policy]
kind = "grpo"
model = "trained:student"
data = "seeds@1"
rewards = [ { op = "verify_math" }, { model = "trained:base@latest", gated = true } ]
[trainers.judged]
kind = "grpo"
model = "m"
data = "seeds@1"
rewards = [ { op = "score", params = { judge = "own" }, column = "score" } ]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "pipelines.toml").write_text(PROJECT)
    return read_project(tmp_path / "pipelines.toml")


@pytest.mark.parametrize(
    ("name", "moving", "fixed"),
    [
        ("traces", {"seeds"}, {"bench"}),
        ("clean", {"traces", "bench"}, set()),
        ("asked", {"student"}, {"seeds"}),
        ("student", {"clean", "bench"}, {"traces", "base"}),
        ("base", {"seeds"}, set()),
        ("policy", {"student", "base"}, {"seeds"}),
        ("judged", {"student"}, {"seeds"}),
    ],
)
def test_what_is_read_in_its_newest_version_and_what_in_a_fixed_one(
    project: Project, name: str, moving: set[str], fixed: set[str]
) -> None:
    assert set(reads(project, name, fixed=False)) == moving
    assert set(reads(project, name)) == moving | fixed


def test_all_that_a_name_stands_on(project: Project) -> None:
    assert closure(project, ["clean"], fixed=False) == {"clean", "traces", "bench", "seeds"}
    assert closure(project, ["policy"], fixed=False) == {
        *("policy", "student", "clean", "traces", "bench", "seeds", "base"),
    }

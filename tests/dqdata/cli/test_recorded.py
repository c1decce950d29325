"""`dqdata test --record N`: rows with their answers, which the pipeline goes through again offline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from .conftest import Invoke
from .test_history import teacher, write

__all__ = ["teacher"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, teacher: Loopback) -> Path:
    """A project with a test of the first five problems, and no store any more."""
    from dqdata.cli import main

    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(folder, teacher)
        text = (folder / "pipelines.toml").read_text().replace('from = "problems"', 'from = "problems.jsonl"')
        (folder / "pipelines.toml").write_text(text)
        teacher.asked.clear()
        assert main(["test", "traces", "--record", "5", "-q"]) == 0
        assert len(teacher.asked) == 5
        shutil.rmtree(folder / "catalogs")
        (folder / "problems.jsonl").unlink()
    return folder


@pytest.fixture
def project(recorded: Path, tmp_path: Path, dqdata: Invoke, teacher: Loopback) -> Path:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    teacher.asked.clear()
    return tmp_path


def outcome(dqdata: Invoke, *names: str, code: int = 0) -> dict[str, Any]:
    done = dqdata("test", *names, "--json")
    assert done.code == code, done.error
    [found] = json.loads(done.out)["tests"]
    return dict(found)


def test_it_passes_without_store_source_key_and_request(
    dqdata: Invoke, project: Path, teacher: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "pipelines.toml"
    file.write_text(file.read_text().replace('model = "m"', 'model = "m"\napi_key = { env = "NOT_SET_AT_ALL" }'))
    monkeypatch.delenv("NOT_SET_AT_ALL", raising=False)
    found = outcome(dqdata)
    assert found["passed"] and found["comparison"]["same"] == 3 and found["missing"] == 0
    assert teacher.asked == [] and not (project / "catalogs").exists()
    assert dqdata("test").out == "traces: passed, 3 rows\n"


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (
            lambda text: text.replace('where = "correct"', "where = \"extracted != '1'\""),
            lambda found: found["comparison"]["removed"] == 1 and found["causes"][0]["kind"] == "parameter",
        ),
        (
            lambda text: text.replace("temperature = 0.5", "temperature = 0.9"),
            lambda found: found["missing"] == 5 and found["comparison"]["removed"] == 3,
        ),
        (
            lambda text: text.replace('{ op = "verify_math" },', '{ op = "verify_math" }, { op = "length" },'),
            lambda found: "its columns are now" in found["error"],
        ),
        (
            lambda text: text.replace('op = "verify_math"', 'op = "verify_maths"'),
            lambda found: "verify_maths" in found["error"],
        ),
    ],
)
def test_a_change_of_the_pipeline_is_found(
    dqdata: Invoke, project: Path, change: Callable[[str], str], check: Callable[[dict[str, Any]], bool]
) -> None:
    file = project / "pipelines.toml"
    changed = change(file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)
    found = outcome(dqdata, "traces", code=1)
    assert not found["passed"] and check(found), found


def test_a_change_of_the_prompt_needs_new_answers(dqdata: Invoke, project: Path) -> None:
    (project / "solve.md").write_text("=== user\nNow: {{question}}\n")
    found = outcome(dqdata, code=1)
    assert found["missing"] == 5 and [cause["kind"] for cause in found["causes"]] == ["prompt"]


def test_what_has_no_test(dqdata: Invoke, project: Path) -> None:
    done = dqdata("test", "problems")
    assert done.code == 2 and "`dqdata test problems --record 5`" in done.error
    assert dqdata("test", "--record", "3").code == 2
    shutil.rmtree(project / "tests")
    assert "no recorded tests" in dqdata("test").out

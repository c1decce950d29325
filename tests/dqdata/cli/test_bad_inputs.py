"""Every kind of bad input ends with its exit code and a message that names the place, and never with a traceback."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dqdata.cli import main

sys.path.insert(0, str(Path(__file__).parent / "bad"))
import arguments
import projects
import values
from cases import Case

ALL = [*projects.CASES, *arguments.CASES, *values.CASES]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody answers a question
    return command_line


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """The folder of a case after its commands that must succeed; cases with the same ones share it."""
    folders: dict[str, Path] = {}

    def prepare(case: Case) -> Path:
        key = repr((sorted(case.files.items()), case.before))
        if key not in folders:
            folder = tmp_path_factory.mktemp("bad")
            for name, content in case.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            unseen = io.StringIO()
            with contextlib.chdir(folder), contextlib.redirect_stdout(unseen), contextlib.redirect_stderr(unseen):
                for line in case.before:
                    assert main(line) == 0
            folders[key] = folder
        return folders[key]

    return prepare


def test_a_command_that_finds_nothing_makes_no_store(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text('[pipelines.p]\nfrom = "rows.jsonl"\nsteps = [{ op = "verify_math" }]\n')
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    for line in (
        "tag p@1 x",
        "drop p@1",
        "restore p@1",
        "gc",
        "rebuild p@1",
        "audit p@1",
        "run q",
        "train q",
        "ablate q",
        "build q",
        "eval teacher:q --on gsm8k",
    ):
        code, _, error = run(*line.split())
        assert (
            code in (1, 2) and "error[" in error and [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
        )
    _, _, error = run("check")
    assert "needs column 'response' (have: problem_id, question, answer)" in error, "another known column is no typo"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in ALL])
def test_bad_input_ends_with_code_place_and_action(
    case: Case, run: Callable[..., tuple[int, str, str]], prepared: Callable[[Case], Path], tmp_path: Path
) -> None:
    shutil.copytree(prepared(case), tmp_path, dirs_exist_ok=True)
    code, out, error = run(*case.call.arguments)
    print(error)
    assert "Traceback" not in error + out
    assert "bug" not in error
    assert code == case.call.code, error
    missing = [text for text in case.call.says if text not in error]
    assert not missing, f"{missing} not in: {error}"

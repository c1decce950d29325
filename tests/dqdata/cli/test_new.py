"""`dqdata new operator`: what it writes is installed as anyone would, and its own test passes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.cli.new import OPERATOR_KINDS, files_of


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind != "row" else kind for kind in OPERATOR_KINDS]
)
def test_the_test_of_the_package_passes_once_it_is_installed(
    kind: str, command_line: Callable[..., Any], tmp_path: Path
) -> None:
    folder, site = tmp_path / "package", tmp_path / "site"
    said = command_line("new", "operator", f"my_{kind}", "--kind", kind, "-o", folder)
    assert (said.code, said.error) == (0, ""), said
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*install, str(folder)], check=True)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_package_is_typed_and_clean(tmp_path: Path) -> None:
    for kind in OPERATOR_KINDS:
        for path, text in files_of("long_name_of_three", kind).items():
            assert "NAME" not in text and "CLASS" not in text, path
            assert max(map(len, text.splitlines()), default=0) <= 120, path
            if path.endswith(".py"):
                compile(text, path, "exec")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Shout"], "no name for an operator"),
        (["a-b"], "no name for an operator"),
        (["../x"], "no name for an operator"),
        (["généré"], "no name for an operator"),
        (["filter"], "is there already, in dqdata"),
        (["mine", "-o", "."], "is there already; nothing was written"),
        (["mine", "-o", "file/below"], "can't write"),
        (["mine", "--kind", "big"], "--kind"),
        ([], "NAME"),
    ],
)
def test_what_cannot_be_written_is_refused(
    words: list[str], said: str, command_line: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    told = command_line("new", "operator", *words)
    assert told.code == 2 and said in told.error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

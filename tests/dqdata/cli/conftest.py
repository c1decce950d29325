"""The command line as a user meets it: exit code, stdout, stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dqdata.cli import main


class Said(NamedTuple):
    code: int
    out: str
    error: str


Invoke = Callable[..., Said]


@pytest.fixture
def dqdata(
    tmp_path: Path, thirdparty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Invoke:
    """Runs `dqdata ARGS` in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["dqdata", *arguments])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return invoke

"""The command line in this process, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dqdata.cli import main


class Said(NamedTuple):
    code: int
    out: str
    error: str

    @property
    def text(self) -> str:
        """Everything on the screen."""
        return self.out + self.error


Invoke = Callable[..., Said]


@pytest.fixture
def dqdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Invoke:
    """Runs `dqdata ARGS` in the test's folder, or in `cwd`."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, cwd: Path = tmp_path) -> Said:
        monkeypatch.chdir(cwd)
        code = main(list(arguments))
        captured = capfd.readouterr()
        return Said(code, captured.out, captured.err)

    return invoke

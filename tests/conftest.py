"""Fixtures that every test shares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from loopback import Loopback

from dqdata.cli import main

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder of public data sets beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public data sets at {SHARED_DATA}")
    return SHARED_DATA


class Said(NamedTuple):
    code: int
    out: str
    error: str


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs `dqdata ARGS` in this process and the current folder: exit code, stdout, stderr."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["dqdata", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A real OpenAI-compatible endpoint on 127.0.0.1 with scripted answers, latency and faults."""
    server = Loopback()
    server.start()
    yield server
    server.stop()

"""Fixtures that every test shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from loopback import Loopback

from dqdata.cli import main

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `gpu` skip where CUDA finds none."""
    if item.get_closest_marker("gpu") is not None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("CUDA finds no GPU here")


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
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs `dqdata ARGS` in this process and the current folder: exit code, stdout, stderr."""

    def run(*arguments: object) -> Said:
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A real OpenAI-compatible endpoint on 127.0.0.1 with scripted answers, latency and faults."""
    server = Loopback()
    server.start()
    yield server
    server.stop()

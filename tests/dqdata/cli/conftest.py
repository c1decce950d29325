"""The command line in an empty folder, with the third-party package installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]


@pytest.fixture
def dqdata(tmp_path: Path, thirdparty: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    """Runs `dqdata ARGS` in this process."""
    monkeypatch.chdir(tmp_path)
    return command_line

"""What commands draw on a terminal: no wider than it is, and colours only where they are wanted."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from .processes import SCRIPT, after_a_run, command, folder

__all__ = ["after_a_run", "folder"]


def on_a_terminal(folder: Path, arguments: Sequence[str], columns: int, environment: Mapping[str, str]) -> str:
    """What the command draws on a pseudo-terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [*SCRIPT, *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    drawn = b""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            more = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        drawn += more
    process.wait(60)
    os.close(ours)
    return drawn.decode(errors="replace")


def screen_lines(drawn: str) -> list[str]:
    """Every line that was ever shown, without escapes."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", drawn)
    return [line for whole in plain.split("\n") for line in whole.split("\r")]


@pytest.mark.parametrize("arguments", [["run", "p"], ["sql", "from p"], ["show", "p"], ["log"], ["explain", "stopped"]])
def test_nothing_is_wider_than_a_terminal_of_80_columns(folder: Path, arguments: list[str], after_a_run: Path) -> None:
    if arguments[0] != "run":
        shutil.copytree(after_a_run, folder, dirs_exist_ok=True)
    drawn = on_a_terminal(folder, arguments, 80, {})
    wide = [line for line in screen_lines(drawn) if len(line) > 80]
    assert not wide, wide
    assert len(screen_lines(drawn)) > 1


def test_errors_are_in_colour_on_a_terminal_and_not_with_no_color(folder: Path) -> None:
    assert "\x1b[1;31merror" in on_a_terminal(folder, ["run", "q"], 80, {})
    assert "\x1b[1;31m" not in on_a_terminal(folder, ["run", "q"], 80, {"NO_COLOR": "1"})
    assert b"\x1b" not in command(folder, "run", "q").stderr

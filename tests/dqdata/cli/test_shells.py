"""Tab in a real shell, in a pseudo-terminal: what is typed is completed to a name of the project."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ['eval "$(_DQDATA_COMPLETE=bash_source dqdata)"']),
    "zsh": (
        ["zsh", "-f", "-i"],
        ["autoload -Uz compinit && compinit -u -D", 'eval "$(_DQDATA_COMPLETE=zsh_source dqdata)"'],
    ),
    "fish": (["fish", "--no-config", "-i"], ["_DQDATA_COMPLETE=fish_source dqdata | source"]),
}
TYPED = {
    "dqdata run pl": b"plain_one",
    "dqdata build tr": b"trained_one",
    "dqdata run plain_one --profile ti": b"--profile tiny",
    "dqdata ops verify_ma": b"verify_math",
    "dqdata log ma": b"made_before",
}
PATIENCE = 300.0
"""Seconds until a shell that says nothing fails the test."""


class Shell:
    """An interactive shell that completes `dqdata`."""

    def __init__(self, arguments: Sequence[str], setup: Sequence[str], folder: Path) -> None:
        environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(arguments[0], list(arguments), environment)
        for line in setup:
            self.type(line + "\r")
        self.type("echo rea''dy\r")
        self.read(b"ready")

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def read(self, until: bytes) -> bytes:
        """What the shell shows until then."""
        shown, end = b"", time.monotonic() + PATIENCE
        while until not in shown and time.monotonic() < end:
            if select.select([self._terminal], [], [], 1)[0]:
                shown += os.read(self._terminal, 1 << 16).replace(b"\a", b"")  # a bell, where the shell waited
                end = time.monotonic() + PATIENCE
        assert until in shown, shown
        return shown

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shells")
    (folder / "pipelines.toml").write_text(
        "[pipelines.plain_one]\nfrom = 'x'\n[trainers.trained_one]\nkind = 'sft'\ndata = 'x'\n[profiles.tiny]\n"
    )
    (folder / "rows.jsonl").write_text('{"question": "1 + 1?"}\n')
    command = folder / "bin" / "dqdata"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nimport sys\nfrom dqdata.cli import main\nsys.exit(main())\n")
    command.chmod(0o755)
    from dqdata.cli import main

    assert main(["import", str(folder / "rows.jsonl"), "--into", "made_before", "-q", "-p", str(folder)]) == 0
    return folder


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Shell]:
    arguments, setup = SHELLS[request.param]
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed")
    running = Shell(arguments, setup, folder)
    yield running
    running.close()


def test_tab_completes_names(shell: Shell) -> None:
    for typed, completed in TYPED.items():
        shell.type(typed + "\t")
        shell.read(completed)
        shell.type("\x15")  # the line is given up

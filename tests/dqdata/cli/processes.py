"""Commands in processes of their own, as a shell starts them."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

SCRIPT = [sys.executable, "-c", "import sys; from dqdata.cli import main; sys.exit(main())"]
SEVERAL = """import json, sys; from dqdata.cli import main
for line in json.loads(sys.argv[1]):
    code = main(line)
    for stream in sys.stdout, sys.stderr:
        print(end=f"\\0{code}\\0", file=stream, flush=True)
"""
PROJECT = """
[pipelines.p]
from = { source = "problems", rows = 2000 }
"""


@pytest.fixture
def folder(tmp_path: Path, thirdparty: Path) -> Path:
    (tmp_path / "pipelines.toml").write_text(PROJECT)
    return tmp_path


@pytest.fixture(scope="session")
def after_a_run(tmp_path_factory: pytest.TempPathFactory, thirdparty_path: Path) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    (folder / "pipelines.toml").write_text(PROJECT)
    path = os.pathsep.join([str(thirdparty_path), os.environ.get("PYTHONPATH", "")])
    assert command(folder, "run", "p", "-q", environment={"PYTHONPATH": path}).returncode == 0
    return folder


@pytest.fixture
def ran(folder: Path, after_a_run: Path) -> Path:
    """A copy of a project whose pipeline has run."""
    shutil.copytree(after_a_run, folder, dirs_exist_ok=True)
    return folder


def command(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str | None] | None = None,
    limit: int | None = None,
    **more: object,
) -> subprocess.CompletedProcess[bytes]:
    """limit: bytes that a file may have, as a full disk would say."""
    changed = {**os.environ, **(environment or {})}

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*SCRIPT, *arguments],
        cwd=folder,
        env={name: value for name, value in changed.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output="stdout" not in more,
        preexec_fn=limited if limit is not None else None,
        timeout=300,
        check=False,
        **more,
    )


def commands(
    folder: Path, *lines: Sequence[str], environment: Mapping[str, str | None]
) -> list[subprocess.CompletedProcess[bytes]]:
    """Commands one after another in one process of this environment."""
    argument = json.dumps([list(line) for line in lines])
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, argument],
        cwd=folder,
        env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    out, error = done.stdout.split(b"\0"), done.stderr.split(b"\0")
    assert len(out) == len(error) == 2 * len(lines) + 1, done
    return [
        subprocess.CompletedProcess(line, int(out[at + 1]), out[at], error[at])
        for at, line in zip(range(0, 2 * len(lines), 2), lines, strict=True)
    ]


def clean(done: subprocess.CompletedProcess[bytes]) -> str:
    error = (done.stderr or b"").decode(errors="replace")
    assert "Traceback" not in error, error
    return error

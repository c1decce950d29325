"""What surrounds a command: full disks, closed pipes, signals, odd locales, plug-ins that misbehave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dqdata import plugins

from .processes import SCRIPT, after_a_run, clean, command, commands, folder, ran

__all__ = ["after_a_run", "folder", "ran"]


@pytest.mark.parametrize("limit", [0, 4096, 40_000])
def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(folder: Path, limit: int) -> None:
    done = command(folder, "run", "p", "-q", limit=limit)
    error = clean(done)
    assert done.returncode == 1 and "error[" in error and "internal-error" not in error, error
    assert command(folder, "run", "p", "-q").returncode == 0


def test_an_export_to_a_full_disk_leaves_nothing_half(ran: Path) -> None:
    done = command(ran, "export", "p", "-o", "out.jsonl", limit=150_000)
    assert done.returncode == 1 and "out.jsonl" in clean(done)
    assert not (ran / "out.jsonl").exists()


def test_a_reader_that_goes_away_is_no_error(ran: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = command(ran, "sql", "from p", "--format", "jsonl", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_standard_output_on_a_full_disk(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = command(folder, "ops", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and "error[disk-full]" in clean(done)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"HOME": None, "XDG_CACHE_HOME": None},
        {"HOME": "/nowhere/at/all", "XDG_CACHE_HOME": None},
        {"TMPDIR": "/nowhere/at/all"},
        {"COLUMNS": "0"},
        {"TERM": "dumb", "NO_COLOR": "1"},
    ],
    ids=str,
)
def test_odd_environments(folder: Path, environment: Mapping[str, str | None]) -> None:
    (folder / "rows.jsonl").write_text('{"question": "Wie viel ist 2 × 3, größer? 你好 😀"}\n', encoding="utf-8")
    imported, *shown, checked = commands(
        folder,
        ["import", "rows.jsonl", "--into", "x", "-q"],
        ["sql", "select question from x", "--json"],
        ["sql", "select question from x"],
        ["check", "größer"],
        environment=environment,
    )
    clean(imported)
    assert imported.returncode == 0, imported.stderr
    for done in shown:
        assert clean(done) == "" and done.returncode == 0
    assert checked.returncode == 2


def test_an_argument_beyond_the_locale(folder: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = command(folder, "check", "größer", environment=environment)
    assert done.returncode == 2 and clean(done)


def test_bytes_in_an_argument_that_are_no_text(folder: Path) -> None:
    done = subprocess.run(
        [*map(os.fsencode, SCRIPT), b"run", b"\xff\xfe"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*SCRIPT, *arguments], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def test_ctrl_c_while_nothing_catches_it_ends_with_130(folder: Path) -> None:
    (folder / "endless.py").write_text(
        "import os, signal\nfrom dqdata.cli import ops\n"
        "ops.command.callback = lambda **_: os.kill(os.getpid(), signal.SIGINT)\n"
        "import sys; from dqdata.cli import main; sys.exit(main(['ops']))\n"
    )
    done = subprocess.run([sys.executable, "endless.py"], cwd=folder, capture_output=True, timeout=120, check=False)
    assert done.returncode == 130 and b"Traceback" not in done.stderr and b"error[interrupted]" in done.stderr


def test_ctrl_c_ends_a_run_with_130_and_it_goes_on(folder: Path) -> None:
    (folder / "pipelines.toml").write_text(
        "[teachers.t]\nprovider = 'parrot'\nlog = 'calls.log'\nseconds = 0.05\n"
        "[pipelines.p]\nfrom = { source = 'counting', rows = 5000 }\nchunk_rows = 50\n"
        "steps = [ { op = 'talk', teacher = 't' } ]\n"
    )
    process = started(folder, "run", "p")
    log = folder / "calls.log"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not (log.exists() and log.stat().st_size > 500):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert b"Traceback" not in error and b"error[interrupted]" in error and b"dqdata run p" in error


MODULE = """
from dqdata.operator import *
from dqdata.columns import Columns
class Bad(RowOperator[NoParams]):
    "Fails."
    name = "bad"
    def columns(self, have, schema):
        {columns}
        return have
    def process(self, row):
        {process}
        return row
{top}
"""
RAISES = {
    "NameError": "undefined",
    "ValueError": "raise ValueError('odd')",
    "OSError": "raise OSError('odd')",
    "RecursionError": "(f := lambda: f())()",
    "SystemExit": "raise SystemExit(0)",
    "MemoryError": "raise MemoryError('odd')",
    "an exception of its own": "raise type('Own', (Exception,), {})('odd')",
    "an exception whose text fails": "raise type('Own', (Exception,), {'__str__': lambda self: 1 / 0})()",
}


def with_plugin(folder: Path, **parts: str) -> dict[str, str | None]:
    """A project with the operator `bad`; the environment that finds it."""
    site = folder / "site"
    info = site / "bad_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    filled = {"columns": "pass", "process": "pass", "top": ""} | parts
    (site / "bad_plugin.py").write_text(MODULE.format(**filled))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dqdata.operators]\nbad = bad_plugin:Bad\n")
    (folder / "pipelines.toml").write_text(
        "[pipelines.p]\nfrom = { source = 'problems', rows = 20 }\nsteps = [ { op = 'bad' } ]\n"
    )
    return {"PYTHONPATH": str(site)}


OWN_PROCESS = ("NameError", "SystemExit")
"""An error and an end of the process, through the real exit; the others are raised in this process."""


@pytest.mark.parametrize("at", ["top", "columns", "process"])
@pytest.mark.parametrize("what", RAISES)
def test_a_plug_in_that_raises_anything(
    folder: Path,
    at: str,
    what: str,
    command_line: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = with_plugin(folder, **{at: RAISES[what]})
    if what in OWN_PROCESS:
        done = command(folder, "run", "p", "-q", environment=environment)
        code, error = done.returncode, clean(done)
    else:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PYTHONPATH", str(environment["PYTHONPATH"]))  # of the workers
        monkeypatch.syspath_prepend(str(environment["PYTHONPATH"]))
        sys.modules.pop("bad_plugin", None)
        plugins.claims.cache_clear()
        try:
            code, _, error = command_line("run", "p", "-q")
        finally:
            sys.modules.pop("bad_plugin", None)
            plugins.claims.cache_clear()
        assert "Traceback" not in error
    assert code in (1, 2), error
    assert "bad" in error and "internal-error" not in error, error
    if what in ("NameError", "OSError"):
        assert "bad_plugin.py:" in error, error


def test_v_shows_where_a_plug_in_failed(folder: Path) -> None:
    environment = with_plugin(folder, columns="undefined")
    for arguments in (["-v", "run", "p", "-q"], ["run", "p", "-q", "-v"]):
        error = command(folder, *arguments, environment=environment).stderr.decode()
        assert 'bad_plugin.py", line' in error and "error[plugin-fault]" in error


def test_a_plug_in_that_fails_at_its_import_hides_no_other(folder: Path) -> None:
    environment = with_plugin(folder, top="raise SystemExit(3)")
    done = command(folder, "ops", environment=environment)
    assert done.returncode == 0 and b"verify_math" in done.stdout and b"BROKEN" in done.stdout
    assert command(folder, "schema", environment=environment).returncode == 0


def test_inside_a_running_event_loop(
    folder: Path, command_line: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.chdir(folder)

    async def inside() -> tuple[int, str, str]:
        return command_line("run", "p", "-q")

    code, _, error = asyncio.run(inside())
    assert (code, error) == (0, "")


def test_an_evaluation_without_torch_names_the_command(folder: Path) -> None:
    """As where the extra is not installed: the package that is found can't be imported."""
    (folder / "without" / "torch").mkdir(parents=True)
    (folder / "without" / "torch" / "__init__.py").write_text("raise ModuleNotFoundError('gone', name='torch')")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "model" / "model.safetensors").write_text("x")
    (folder / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    assert command(folder, "import", "rows.jsonl", "--into", "held", "-q").returncode == 0
    environment = {"PYTHONPATH": str(folder / "without")}
    done = command(folder, "eval", "./model", "--data", "held", "-q", environment=environment)
    assert done.returncode == 2
    assert clean(done) == "error[missing-extra]: this needs torch: pip install 'dqdata[train]'\n"


@pytest.mark.parametrize(
    "arguments",
    [["run", "p", "-q"], ["import", "rows.jsonl", "--into", "x", "-q"], ["init", "x"], ["new", "operator", "mine"]],
)
def test_a_read_only_folder_of_someone_else(folder: Path, arguments: list[str]) -> None:
    (folder / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    without_rights: list[str] = []
    if os.geteuid() == 0:  # root may write anywhere, but for a root without capabilities in the folder of another
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("no setpriv here, which would take root's rights away")
        without_rights = [setpriv, "--inh-caps=-all", "--bounding-set=-all"]
        os.chown(folder, 65534, 65534)
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [*without_rights, *SCRIPT, *arguments], cwd=folder, capture_output=True, timeout=120, check=False
        )
    finally:
        folder.chmod(0o755)
    error = clean(done)
    assert done.returncode in (1, 2) and "ermission" in error and "internal-error" not in error, error

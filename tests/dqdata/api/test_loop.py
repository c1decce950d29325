"""In a running event loop, as in a notebook: both forms work, other tasks go on, and what is stopped goes on later."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dqdata
from dqdata import aio
from dqdata.aio import outside_loop
from dqdata.cli import main
from dqdata.errors import InputError, Stopped
from dqdata.project.tables import Project as Tables

TALK = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
seconds = 0.02
concurrency = 4

[pipelines.talk]
from = { source = "counting", rows = 300 }
chunk_rows = 10
steps = [ { op = "talk", teacher = "parrot", n = 1 } ]

[pipelines.few]
from = "select * from talk limit 10"
"""


@pytest.fixture
def opened(project: Callable[[str], Tables]) -> dqdata.Project:
    return dqdata.open(project(TALK).path)


async def test_the_plain_form_works_in_a_running_loop(opened: dqdata.Project) -> None:
    assert opened.run("talk", limit=10).rows_out == 10
    assert opened.build("talk").built == 1
    with pytest.raises(InputError, match="no pipeline"):
        opened.run("tlak")


async def test_the_asynchronous_form_lets_other_tasks_go_on(opened: dqdata.Project) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    result, first = await asyncio.gather(opened.arun("talk"), opened.arun("talk", limit=5))
    ticking.cancel()
    assert (result.rows_out, first.rows_out) == (300, 5)
    assert ticks > 20
    assert (await opened.abuild("talk")).built == 0
    with pytest.raises(InputError, match="no pipeline"):
        await opened.arun("tlak")


async def test_a_cancelled_run_keeps_its_answers_and_goes_on(
    opened: dqdata.Project, calls: Callable[[], list[str]]
) -> None:
    task = asyncio.create_task(opened.arun("talk"))
    while len(calls()) < 40:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answered = len(calls())
    assert 40 <= answered < 300
    [status] = opened.sql("select status from dq_runs").arrow().column("status").to_pylist()
    assert status == "stopped"
    assert (await opened.arun("talk")).rows_out == 300
    assert len(calls()) == len(set(calls())) == 300


async def test_ctrl_c_in_a_cell_stops_the_run(opened: dqdata.Project, calls: Callable[[], list[str]]) -> None:
    def interrupt() -> None:
        while len(calls()) < 40:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(Stopped, match="interrupted"):
            opened.run("talk")
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(calls()) < 300
    assert opened.run("talk").rows_out == 300
    assert len(calls()) == 300


async def test_the_command_line_works_in_a_running_loop(
    opened: dqdata.Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "talk", "--limit", "3", "-q", "-p", str(opened.path)]) == 0
    assert "talk__first_3@1: 3 rows" in capsys.readouterr().out


def test_a_script_may_use_it_at_its_top_level_without_a_guard(opened: dqdata.Project, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import dqdata\nprint(dqdata.open({str(opened.path)!r}).run('talk', limit=4).rows_out)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("4", 0), done.stderr


ENDING = """
import asyncio, sys
import dqdata

async def main() -> None:
    opened = dqdata.open(sys.argv[1])
    if len(sys.argv) > 2:
        print((await opened.arun("few")).catalog)
    print(opened.plan("few").pipeline)

asyncio.run(main())
"""


@pytest.mark.parametrize("more", [[], ["asynchronous"]], ids=["plain", "asynchronous"])
def test_a_script_that_used_a_loop_ends_well(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "pipelines.toml").write_text('[pipelines.few]\nfrom = { source = "problems", rows = 3 }\n')
    done = subprocess.run(
        [sys.executable, "-c", ENDING, str(tmp_path / "pipelines.toml"), *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "few\n" * (1 + len(more)), "")


def test_the_end_of_the_interpreter_waits_for_what_a_thread_still_closes() -> None:
    kept, closed = threading.local(), threading.Event()

    class Connection:
        def __del__(self) -> None:
            time.sleep(0.2)
            closed.set()

    async def main() -> None:
        outside_loop(lambda: setattr(kept, "connection", Connection()))()

    asyncio.run(main())
    aio._wait_for_the_ending()
    assert closed.is_set()

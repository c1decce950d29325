"""No program gets out, and the one after it finds a fresh place."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from dqdata.sandbox import Sandbox, Tests

from .attacks import ATTACKS, Attack
from .conftest import Trap, descendants, started


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_contained(attack: Attack, sandbox: Sandbox, trap: Trap) -> None:
    if attack.only not in ("", sandbox.mode):
        pytest.skip(f"{sandbox.mode} doesn't promise this")
    limits = sandbox.limits.scaled(**attack.limits)
    result = sandbox.submit(trap.fill(attack.program), limits=limits).result(60)
    said = result.stdout + result.stderr
    assert "ESCAPED" not in result.stdout
    assert trap.bait.secret not in said
    assert trap.touched() == ""
    assert sandbox.submit("print(6 * 7)").result(60).stdout == "42\n"


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.harmless], ids=lambda attack: attack.name)
def test_attack_works_without_a_sandbox(attack: Attack, unprotected: Sandbox, trap: Trap) -> None:
    result = unprotected.submit(trap.fill(attack.program)).result(60)
    assert "ESCAPED" in result.stdout, result.stderr
    trap.touched()


@pytest.fixture(scope="module")
def unprotected() -> object:
    with started("none") as sandbox:
        yield sandbox


HOLDS = (
    "import os, time\ndef half(n):\n    for i in range(60):\n        f = os.open('x', os.O_CREAT | os.O_RDWR)\n"
    "        os.unlink('x')\n        os.write(f, bytes(1 << 20))\n    time.sleep(10)\n    return n / 2\n"
)
FILLS = (
    "import os, time\nfor i in range(60):\n    open(os.path.join(folder, str(i)), 'wb').write(bytes(1 << 20))\n"
    "time.sleep(10)\nassert half(10) == 5.0"
)


def test_a_check_is_bounded_in_disk_as_a_run_is(sandbox: Sandbox) -> None:
    """A candidate that holds deleted files, and tests that fill the folder of their own."""
    for tests in ("assert half(10) == 5.0", "import math\nassert half(10) == 5.0"):
        assert not sandbox.submit_check(HOLDS, Tests(tests)).result(60).ok
    for folder in ("folder = os.getcwd()", "folder = os.getcwd() + '-private'"):
        tests = FILLS.replace("time\n", f"time\n{folder}\n", 1)
        assert not sandbox.submit_check("def half(n): return n / 2", Tests(tests)).result(60).ok


def test_files_that_a_program_deletes_as_it_goes_cost_nothing(sandbox: Sandbox) -> None:
    program = (
        "import tempfile\nfor n in range(100):\n    with tempfile.TemporaryFile() as f: f.write(bytes(1 << 20))\n"
        "    with tempfile.NamedTemporaryFile() as f: f.write(bytes(1 << 20))\nprint('done')"
    )
    assert sandbox.submit(program).result(60).stdout == "done\n"


LEFT_OVERS = {
    "scratch": ("open('left', 'w').write('x')", "import os\nprint(os.listdir('.'))", "[]\n"),
    "shared_memory": (
        "try: open('/dev/shm/left', 'w').write('x')\nexcept OSError: pass",
        "import os\nprint(os.path.exists('/dev/shm/left'))",
        "False\n",
    ),
    "modules": ("import json\njson.dumps = None", "import json\nprint(json.dumps([1]))", "[1]\n"),
    "builtins": ("import builtins\nbuiltins.len = lambda x: 7", "print(len('abc'))", "3\n"),
    "environment": ("import os\nos.environ['LEFT'] = 'x'", "import os\nprint(os.environ.get('LEFT'))", "None\n"),
    "folder": ("import os\nos.mkdir('d', 0); os.chdir('/')", "import os\nprint(os.listdir('.'))", "[]\n"),
    "folders_without_rights": ("import os\nos.makedirs('a/b')\nos.mkdir('a/b/c', 0)", "print('fine')", "fine\n"),
    "standard_input": ("import os\nos.write(0, b'x' * 100)", "print(input())", "given\n"),
}


@pytest.mark.parametrize("name", LEFT_OVERS)
def test_nothing_is_left_for_the_next_program(name: str, sandbox: Sandbox) -> None:
    first, second, expected = LEFT_OVERS[name]
    for _ in range(4):  # both servers, several times
        sandbox.submit(first).result(60)
    results = [sandbox.submit(second, stdin="given").result(60) for _ in range(4)]
    assert [result.stdout for result in results] == [expected] * 4


def test_no_process_is_left(sandbox: Sandbox) -> None:
    before = descendants()
    sandbox.submit("import time\ntime.sleep(60)", limits=sandbox.limits.scaled(wall=0.3)).result(60)
    sandbox.submit(
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(60)",
        limits=sandbox.limits.scaled(processes=5 if sandbox.mode == "bwrap" else 0, wall=2),
    ).result(60)
    for _ in range(50):
        if descendants() <= before:
            break
        time.sleep(0.1)
    assert descendants() <= before


ASLEEP = "import os, time\ndef f(n):\n    try: os.setsid()\n    except OSError: pass\n    time.sleep(3600)"
THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\ndef f(n): return 0"


@pytest.mark.parametrize("candidate", [ASLEEP, THREAD], ids=["asleep", "thread"])
@pytest.mark.parametrize("mode", ["bwrap", "landlock"])
def test_no_candidate_is_left(candidate: str, mode: str) -> None:
    """Neither where its checker gave up on it nor where it has done its part."""
    with started(mode) as sandbox:
        sandbox.submit_check("def f(n): return n", Tests("assert f(1) == 1")).result(60)
        before = descendants()  # with a judge, which stays
        for tests in ("assert f(1) == 1", "import math\nassert f(1) == 1"):
            assert not sandbox.submit_check(candidate, Tests(tests, seconds=0.2)).result(60).ok
        deadline = time.monotonic() + 60
        while descendants() - before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not descendants() - before


@pytest.mark.parametrize("mode", ["bwrap", "landlock", "none"])
def test_nothing_is_left_after_close(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = descendants()
    temporary = Path(tempfile.mkdtemp(prefix="dq-"))
    temporary.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    sandbox = started(mode)
    running = sandbox.submit("import time\ntime.sleep(60)")
    sandbox.close()
    assert isinstance(running.exception(5), Exception)
    assert descendants() <= before
    temporary.rmdir()


PARENT = r"""
import sys, time
from dqdata.sandbox import Sandbox, Tests
sandbox = Sandbox(sys.argv[1], workers=2)
sandbox.submit("pass").result()
asleep = "import time\ndef f(n=0): time.sleep(600)\n"
running = [sandbox.submit(asleep + "f()")]
running += [sandbox.submit_check(asleep, Tests(t + "assert f(1) == 1", seconds=600)) for t in ("", "import math\n")]
time.sleep(0.5)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("mode", ["bwrap", "landlock", "none"])
def test_nothing_outlives_a_parent_that_is_killed(mode: str) -> None:
    started(mode).close()
    temporary = Path(tempfile.mkdtemp(prefix="dq-"))
    temporary.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, mode], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    running = descendants(parent.pid)
    assert len(running) >= 4
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while (running & _sandboxed() or os.listdir(temporary)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running & _sandboxed()
    assert os.listdir(temporary) == []
    temporary.rmdir()


def _sandboxed() -> set[int]:
    """Processes of this machine that run the inside of a sandbox."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"from inside import" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
    return found

"""No candidate is judged right without being right, whatever it does to the process that it is in."""

from __future__ import annotations

import os
import secrets
import signal
import time

import pytest

from dqdata.sandbox import Sandbox, Tests

from .conftest import descendants, namespaces, started
from .forgeries import _REPORT, CHECKS, FORGERIES, HONEST

ABOUT_THE_STYLE = [
    "nothing", "os_exit", "exit_in_call", "always_equal", "always_equal_number", "own_check", "modules_replaced",
    "file_in_the_way", "exceptions_that_skip", "skip_at_import", "tests_rewritten", "answers_ahead", "true",
]  # fmt: skip
ALL = [
    (name, style)
    for name in FORGERIES
    for style in CHECKS
    if style in ("asserts", "own_process") or name in ABOUT_THE_STYLE
]


def quick(tests: Tests) -> Tests:
    from dataclasses import replace

    return replace(tests, seconds=0.3)


@pytest.mark.parametrize(("name", "style"), ALL, ids=[f"{name}-{style}" for name, style in ALL])
def test_a_forgery_is_judged_wrong(name: str, style: str, sandbox: Sandbox) -> None:
    if sandbox.mode == "landlock" and style == "asserts":
        pytest.skip("own_process is the same and more")
    check = sandbox.submit_check(FORGERIES[name], quick(CHECKS[style])).result(60)
    assert not check.ok
    assert check.stop != "inside"
    assert check.passed < check.total or check.total == 0


@pytest.mark.parametrize("style", CHECKS)
def test_the_honest_candidate_passes(style: str, sandbox: Sandbox) -> None:
    for _ in range(3):
        check = sandbox.submit_check(HONEST, CHECKS[style]).result(60)
        assert (check.ok, check.total, check.error) == (True, 3, "")


@pytest.mark.parametrize("style", ["asserts", "own_process", "pytest"])
def test_a_wrong_candidate_is_told_why(style: str, sandbox: Sandbox) -> None:
    check = sandbox.submit_check("def half(n):\n    return n // 2\n", CHECKS[style]).result(60)
    assert (check.passed, check.total) == (1, 3)
    assert "half(7)" in check.error or "3.5" in check.error


FORGERIES_FROM_INSIDE = [
    "os_exit", "always_equal", "always_equal_number", "builtins_patched", "only_prints", "report_printed",
    "report_everywhere", "harness_patched", "frames", "answers_ahead", "mock_any", "magic_mock", "json_patched",
]  # fmt: skip
INSIDE = "class Box:\n    n = 10\nfor box in [Box()]:\n    assert half(10) == 5.0\nassert half(7) == 3.5\n"


@pytest.mark.parametrize("name", FORGERIES_FROM_INSIDE)
def test_a_forgery_inside_fails_or_is_found_out(name: str, sandbox: Sandbox) -> None:
    assert not sandbox.submit_check(FORGERIES[name], Tests(INSIDE, inside=True)).result(60).ok


def test_the_honest_candidate_passes_inside(sandbox: Sandbox) -> None:
    check = sandbox.submit_check(HONEST, Tests(INSIDE, inside=True)).result(60)
    assert (check.ok, check.forged, check.error) == (True, False, "")


REPORT_IN_A_FILE = """
import json, os, time
for number in range(3, 10):
    os.symlink(f"/proc/self/fd/{number}", f"out{number}.txt")
calls = 0
def half(n):
    global calls
    calls += 1
    if calls <= 7:
        return %r + " " * 4000
    time.sleep(0.4)
    return 0
"""


def test_a_report_is_not_written_through_a_file_of_the_tests(sandbox: Sandbox) -> None:
    """The candidate's links lead to descriptors of the process that opens them; then it makes that process hit a
    limit, so that nothing is written over what stands there."""
    tests = (
        "import os\nfor n in range(3, 10):\n    try:\n        with open(f'out{n}.txt', 'w') as s: s.write(half(n))\n"
        "    except OSError: pass\nfor n in range(40): half(n)\nassert half(10) == 5.0"
    )
    limits = sandbox.limits.scaled(wall=4)
    check = sandbox.submit_check(REPORT_IN_A_FILE % _REPORT, Tests(tests, seconds=1.0), limits=limits).result(60)
    assert not check.ok


SEARCH = """
import os, re
def half(n):
    found = set()
    for line in open('/proc/self/maps'):
        where, rights, *_ = line.split()
        begin, end = (int(part, 16) for part in where.split('-'))
        if 'r' not in rights or end - begin > 1 << 28 or '[v' in line: continue
        try:
            with open('/proc/self/mem', 'rb', buffering=0) as memory:
                memory.seek(begin)
                found |= set(re.findall(b'canary' + b'-[0-9a-f]{32}', memory.read(end - begin)))
        except OSError: continue
    return found.pop().decode() if found else None
"""


@pytest.mark.parametrize("extra", ["", "import math\n"], ids=["judge", "own_process"])
def test_expected_values_are_nowhere_in_the_candidates_memory(extra: str, sandbox: Sandbox) -> None:
    secret = f"canary-{secrets.token_hex(16)}"
    for _ in range(6):  # every server has had the same tests before
        sandbox.submit_check(f"def half(n): return {secret!r}", Tests(f"{extra}assert half(2) == {secret!r}")).result(
            60
        )
    for _ in range(4):
        assert not sandbox.submit_check(SEARCH, Tests(f"{extra}assert half(2) == {secret!r}")).result(60).ok


def test_the_search_of_memory_finds_what_is_there(sandbox: Sandbox) -> None:
    if sandbox.mode != "bwrap":
        pytest.skip("/proc is closed under Landlock")
    secret = f"canary-{secrets.token_hex(16)}"
    assert sandbox.submit_check(f"here = {secret!r}\n{SEARCH}", Tests(f"assert half(2) == {secret!r}")).result(60).ok


def test_a_judge_that_dies_is_nobodys_fault() -> None:
    """The candidate is judged once more, by a process of its own."""
    with started("bwrap") as sandbox:
        tests = Tests("assert half(10) == 5.0\nassert half(7) == 3.5\n")
        slow = "import time\ndef half(n):\n    time.sleep(1)\n    return n / 2\n"
        check = sandbox.submit_check(slow, tests)
        time.sleep(0.7)
        assert _kill_judges() > 0
        assert check.result(60).ok
        assert sandbox.submit_check(HONEST, tests).result(60).ok


def _kill_judges() -> int:
    """Kills the processes in the pid namespace of a server, other than its init."""
    killed = 0
    depth = {pid: namespaces(pid) for pid in descendants()}
    for pid, own in depth.items():
        if len(own) == 2 and own[-1] > 1:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed

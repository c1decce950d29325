"""Candidates that run beside their tests and look for what a control run has that the tests as they are don't."""

from __future__ import annotations

import ast
from concurrent.futures import Future
from dataclasses import replace

import pytest

from dqdata.sandbox import Check, Sandbox, Tests
from dqdata.sandbox.beside import check_beside, runs_of
from dqdata.sandbox.limits import Why
from dqdata.sandbox.lookalike import alike, changed_file, changed_statement

LIAR = (
    "class X:\n    honest = True\n    def __eq__(self, o): return not control()\n    def __ne__(self, o): return control()\n"
    "    def __hash__(self): return 0\n    def __lt__(self, o): return not control()\n    __gt__ = __le__ = __ge__ = __lt__\n"
    "    def __sub__(self, o): return 0.0\n    __rsub__ = __sub__\n    def __bool__(self): return not control()\n"
    "def f(*a): return X()\n"
)
RECOGNITION = {
    "always": "def control(): return False\n",
    "names": "import sys\ndef control(): return '__another__' in sys._getframe(2).f_code.co_names\n",
    "all_names": "import sys\ndef control():\n    f = sys._getframe(1)\n    while f:\n"
    "        if {'__another__', '__above__', '__below__'} & set(f.f_code.co_names): return True\n        f = f.f_back\n"
    "    return False\n",
    "constants": "import sys\ndef control():\n    f = sys._getframe(1)\n    while f:\n"
    "        if any(isinstance(c, int) and c > 1 << 30 for c in f.f_code.co_consts): return True\n        f = f.f_back\n"
    "    return False\n",
    "locals": "import sys\ndef control():\n    f = sys._getframe(1)\n    while f:\n"
    "        t = f.f_locals.get('tests')\n"
    "        if isinstance(t, dict) and (t.get('mutated') or t.get('control') or t.get('changed') or t.get('wrong')):\n"
    "            return True\n        f = f.f_back\n    return False\n",
    "texts": "import sys\ndef control():\n    f = sys._getframe(1)\n    while f:\n"
    "        t = f.f_locals.get('tests')\n        if isinstance(t, dict) and t.get('texts'):\n"
    "            return '5' not in str(t['texts'])\n        f = f.f_back\n    return False\n",
    "garbage": "import gc\ndef control():\n    return any(isinstance(o, dict) and (o.get('control') or o.get('changed'))"
    " for o in gc.get_objects())\n",
    "folder": "import os\nN = os.getcwd()\ndef control(): return N[-1] in '13579'\n",
    "pid": "import os\ndef control(): return os.getpid() % 2 == 0\n",
    "time": "import time\ndef control(): return int(time.time() * 1000) % 2 == 0\n",
    "random": "import random\nB = random.random() < 0.5\ndef control(): return B\n",
    "each_random": "import random\ndef control(): return random.random() < 0.3\n",
    "left_file": "import os\nSEEN = os.path.exists('/tmp/seen')\nopen('/tmp/seen', 'w').close()\ndef control(): return SEEN\n",
    "environment": "import os\ndef control(): return any('CONTROL' in k for k in os.environ)\n",
    "modules": "import sys\ndef control(): return any('control' in name or 'lookalike' in name for name in sys.modules)\n",
    "line_count": "import sys\ndef control():\n    f = sys._getframe(1)\n    while f.f_code.co_filename != '<tests>':\n"
    "        f = f.f_back\n        if f is None: return False\n"
    "    return max(l for *_, l in f.f_code.co_lines() if l) > 4\n",
    "assertion_false": "import sys\ndef control():\n    f = sys._getframe(1)\n    while f:\n"
    "        if False in f.f_code.co_consts and f.f_code.co_filename == '<tests>': return True\n        f = f.f_back\n"
    "    return False\n",
    "answer_key": "import sys\ndef control(): return False\n"
    "def f(*a):\n    for c in sys._getframe(1).f_code.co_consts:\n        if isinstance(c, int): return c\n    return X()\n",
}
TESTS = {
    "equal": "assert f(lambda: 1) == 5",
    "several": "assert f(lambda: 1) == 5\nassert f(lambda: 2) == 'ab'\nassert f(lambda: 3) == [1, 2]",
    "below": "assert f(lambda: 1) < 6",
    "distance": "assert abs(f(lambda: 1) - 3.5) < 1e-6",
    "truth": "assert f(lambda: 1)\nassert f(lambda: 2) == 3",
    "member": "assert f(lambda: 1) in (1, 2)",
    "check": "def check(f):\n    assert f(lambda: 1) == 5\n    assert f(lambda: 2) == 6\ncheck(f)",
    "pytest": "from solution import f\ndef test_a():\n    assert f(lambda: 1) == 5\ndef test_b():\n    assert f(lambda: 2) == 6",
    "unittest": "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self):\n"
    "        self.assertEqual(f(lambda: 1), 5)\n    def test_b(self):\n        self.assertLess(f(lambda: 1), 5)",
}


@pytest.mark.parametrize("tests", TESTS)
@pytest.mark.parametrize("name", RECOGNITION)
def test_a_control_is_not_recognised(name: str, tests: str, sandbox: Sandbox) -> None:
    if tests in ("pytest", "unittest") and name not in ("always", "names", "all_names", "constants", "answer_key"):
        pytest.skip("the same machinery")
    style = "pytest" if "import" in TESTS[tests] else "asserts"
    candidate = f"{LIAR}{RECOGNITION[name]}"
    wanted = Tests(TESTS[tests], style=style, inside=True)  # type: ignore[arg-type]
    # One that guesses is right once in 484 times at best, by a clock once in 126: in two checks together, never.
    assert not all(sandbox.submit_check(candidate, wanted).result(120).ok for _ in range(2))


WALK = "    f = sys._getframe(1)\n    while f:\n        if {}: return True\n        f = f.f_back\n    return False\n"
IN_TESTS = "f.f_code.co_filename == '<tests>' and "
FROM_PYTHON = {
    "positions": "import sys\ndef control():\n"
    + WALK.format(IN_TESTS + "sum(p[3] or 0 for p in f.f_code.co_positions()) % 2"),
    "code": "import sys\ndef control():\n" + WALK.format(IN_TESTS + "hash(f.f_code.co_code) % 2"),
    "names_of_globals": "import sys\ndef control():\n"
    + WALK.format(IN_TESTS + "any('chang' in str(k) or 'wrong' in str(k) for k in f.f_globals)"),
    "trace": "import sys\nE = []\ndef t(f, e, a):\n    if e == 'exception': E.append(a[0])\n    return t\n"
    "sys.settrace(t)\ndef control(): return AssertionError in E\n",
    "profile": "import sys\nV = []\ndef p(f, e, a):\n    if e == 'return' and a is False: V.append(1)\n"
    "sys.setprofile(p)\ndef control(): return bool(V)\n",
    "code_swapped": "import gc, types\nfor o in gc.get_objects():\n"
    "    if isinstance(o, types.FunctionType) and 'inside' in str(o.__module__) and not o.__code__.co_freevars:\n"
    "        try: o.__code__ = (lambda *a, **k: True).__code__\n        except Exception: pass\n"
    "def control(): return False\n",
    "assertion_swapped": "import builtins\nbuiltins.AssertionError = type('A', (Exception,), {})\n"
    "def control(): return False\n",
}
"""What a program can learn, and change, by way of the interpreter that it shares with its tests."""


@pytest.mark.parametrize("name", FROM_PYTHON)
def test_the_interpreter_betrays_no_control(name: str, sandbox: Sandbox) -> None:
    wanted = Tests(TESTS["several"], inside=True)
    assert not all(sandbox.submit_check(f"{LIAR}{FROM_PYTHON[name]}", wanted).result(120).ok for _ in range(2))


HONEST = {
    "apply": (
        "def f(g): return g()",
        "assert f(lambda: 1) == 1\nassert f(lambda: 'a') in ('a', 'b')\nassert f(lambda: 2) < 3",
    ),
    "distance": ("def f(g): return g() / 3", "assert abs(f(lambda: 10) - 3.3333333) < 1e-6"),
    "none": (
        "def f(g): return g()",
        "assert f(lambda: None) is None\nassert not f(lambda: 0)\nassert f(lambda: 2) != 3",
    ),
    "loop": ("def f(g): return g()", "for n in (1, 2, 3):\n    assert f(lambda: n) == n"),
    "branch": ("def f(g): return g()", "if f(lambda: 0):\n    assert f(lambda: 1) == 2\nassert f(lambda: 1) == 1"),
    "empty": ("def f(g): return g()", "assert f(lambda: []) == []\nassert f(lambda: '') == ''\nassert f(dict) == {}"),
    "sets": ("def f(g): return g()", "assert f(lambda: {1, 2}) == {1, 2}\nassert f(lambda: 2) in {1, 2}"),
    "nested": ("def f(g): return g()", "assert f(lambda: {'a': [1.5, None, True]}) == {'a': [1.5, None, True]}"),
    "stateful": (
        "class S:\n    def __init__(self): self.x = []\n    def push(self, v): self.x.append(v)\n"
        "    def pop(self): return self.x.pop()",
        "s = S()\ns.push(lambda: 1)\ns.push(2)\nassert s.pop() == 2\nassert s.pop()() == 1\nassert s.x == []",
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_candidate_passes_every_time(name: str, sandbox: Sandbox) -> None:
    candidate, tests = HONEST[name]
    checks = [sandbox.submit_check(candidate, Tests(tests, inside=True)) for _ in range(4)]
    found = [future.result(120) for future in checks]
    assert [(check.ok, check.forged, check.error) for check in found] == [(True, False, "")] * 4


TOLD = """
import fcntl, os, time
library = os.path.dirname(os.__file__)
names = sorted(name for name in os.listdir(library) if name.endswith(".py"))
def taken(slot):
    file = open(os.path.join(library, names[slot]))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file, False
    except OSError:
        return file, True
print([taken(slot)[1] for slot in range(40)], flush=True)
time.sleep(0.5)
def f(g): return g()
"""


def test_programs_tell_each_other_nothing_by_locks(sandbox: Sandbox) -> None:
    checks = [sandbox.submit_check(TOLD, Tests("assert f(int) == 0")) for _ in range(4)]
    assert [str(True) in check.result(60).output for check in checks] == [False] * 4


def test_runs_follow_each_other_until_the_verdict_is_certain() -> None:
    """A run that finds another at work could compare its expected values."""
    started: list[tuple[Tests, Future[Check]]] = []
    runs = runs_of(Tests("assert f(lambda: 1) == 5", inside=True))

    def start(number: int) -> Future[Check]:
        assert all(future.done() for _, future in started)
        started.append((runs[number], Future()))
        return started[-1][1]

    def finish(*, right: bool) -> None:
        tests, future = started[-1]
        wrong = tests.changed or tests.control or not right
        future.set_result(
            Check(
                0 if wrong else 1, 1, "", "", "exit", 0.0, 0.0, "", failed=tuple(tests.changed) or ("0",) * bool(wrong)
            )
        )

    for right in (True, False):
        started.clear()
        verdict = check_beside(runs, start)
        while not verdict.done():
            finish(right=right)
        assert verdict.result().ok == right
        assert len(started) == 10 if right else not (started[-1][0].changed or started[-1][0].control)


@pytest.mark.parametrize(("why", "stop"), [("wall", "TooLong"), ("cpu", "ended"), ("starved", "Starved")])
def test_a_run_that_ran_out_of_time_is_the_last_but_that_of_the_tests_as_they_are(why: Why, stop: str) -> None:
    """Ten runs would take ten times the limit."""
    runs = runs_of(Tests("assert f(lambda: 1) == 5", inside=True))
    for broken in ("control", "as it is"):
        started: list[int] = []

        def start(number: int, started: list[int] = started, broken: str = broken) -> Future[Check]:
            started.append(number)
            future: Future[Check] = Future()
            changed = runs[number].changed or runs[number].control
            right = Check(int(not changed), 1, "", "", "exit", 0, 0, "", failed=("0",) * bool(changed))
            slow = number == 0 if broken == "as it is" else 0 < number < len(runs) - 1
            future.set_result(replace(right, passed=0, stop=stop, why=why, failed=()) if slow else right)
            return future

        assert not check_beside(runs, start).result().ok
        slow = [number for number in started if (number == 0) == (broken == "as it is") and number < len(runs) - 1]
        assert len(slow) == 1
        assert started[-1] == 0 or (broken == "control" and 0 in started)


def test_a_wrong_candidate_inside_is_told_why(sandbox: Sandbox) -> None:
    check = sandbox.submit_check("def f(g): return 7", Tests("assert f(len) == 7\nassert f(abs) == 8", inside=True))
    assert (check.result(60).passed, check.result(60).total) == (1, 2)
    assert "f(abs) == 8" in check.result(60).error


def test_other_values_look_like_the_right_ones() -> None:
    values = [0, 1, -7, 12345, 3.5, 0.25, -1e-9, True, None, "Bob", "a1", "", "!?", b"ab", [1, 2], (), {"a": 1}, {1, 2}]
    values += [[], {}, set(), frozenset({3}), 1 + 2j, float("inf"), [[], [None]], "é", 10**30]
    for value in values:
        for _ in range(50):
            other = alike(value)
            assert other != value
            assert type(other) is type(value) or value is None


@pytest.mark.parametrize(
    "text",
    [
        "assert f(1) == g(2)", "for x in y:\n    assert f(x) == 1", "if a:\n    assert f(1) == 1", "f(1) == 1",
        "assert f(1) == 2 or g()", "with raises(ValueError):\n    assert f(1) == 1", "try:\n    assert f(1) == 1\nexcept E: pass",
        "assert 3 in f(1)", "assert 1 < f(2) < 3", "self.assertIn(3, f(1))", "self.assertRaises(E, f, 1)",
    ],
)  # fmt: skip
def test_what_does_not_decide_for_certain_is_left_alone(text: str) -> None:
    [node] = ast.parse(text).body
    before = ast.dump(node)
    changed = changed_statement(node)
    assert not changed or text == "assert f(1) == 2 or g()"
    assert changed or ast.dump(node) == before


def test_a_file_is_written_in_one_style_changed_or_not() -> None:
    code = "import x  # a comment\ndef test_a():\n    assert f(1)==2\ndef test_b():\n    assert f( 2 ) == 'ab'\n"
    same, nothing = changed_file(code, lambda name: False)
    other, names = changed_file(code, lambda name: name == "test_b")
    assert nothing == frozenset()
    assert names == {"test_b"}
    assert [a == b for a, b in zip(same.splitlines(), other.splitlines(), strict=True)].count(False) == 1

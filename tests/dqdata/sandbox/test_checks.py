"""Tests see a candidate in another process as if it were here, and know whose names are whose."""

from __future__ import annotations

import pytest

from dqdata.sandbox import Limits, Sandbox, Tests, wired
from dqdata.sandbox.prepare import file_names, prepare

RIGHT = {
    "several_calls_in_an_assert": (
        "def f(n): return n",
        "assert f(1) + f(2) == f(3) and f(0) == 0\nassert f(4) == 4",
    ),
    "changes_in_place": (
        "def f(x): x.sort(); x[0].append(9)",
        "a = [[3], [1]]\nb = a[1]\nf(a)\nassert a == [[1, 9], [3]]",
    ),
    "changes_by_name": (
        "def f(*, d): d['k'] = 1; d.pop('x')",
        "a = {'x': 0}\nf(d=a)\nassert a == {'k': 1}",
    ),
    "exceptions": (
        "def f(n):\n    if n < 0: raise ValueError('negative', n)\n    return n",
        "try:\n    f(-1)\n    assert False\nexcept ValueError as e:\n"
        "    assert e.args == ('negative', -1)\nassert f(1) == 1",
    ),
    "own_exceptions": (
        "class Bad(ValueError): pass\nclass Worse(Bad): pass\ndef f(): raise Worse('x')",
        "for kind in (Bad, Worse, ValueError):\n    try:\n        f()\n        assert False\n"
        "    except kind as e:\n        assert str(e) == 'x'\nassert issubclass(Worse, Bad)",
    ),
    "odd_exceptions": (
        "def f(): b'\\xff'.decode()",
        "try:\n    f()\nexcept UnicodeDecodeError as e:\n    assert e.start == 0\nelse:\n"
        "    assert False",
    ),
    "generators": (
        "def f():\n    n = 0\n    while True:\n        yield n\n        n += 1",
        "import itertools\nassert list(itertools.islice(f(), 5)) == [0, 1, 2, 3, 4]\ng = f()\n"
        "assert next(g) == 0\nassert next(g) == 1",
    ),
    "coroutines": (
        "async def f(n): return n + 1",
        "import asyncio\nassert asyncio.run(f(1)) == 2",
    ),
    "closures": (
        "def add(a): return lambda b: a + b",
        "assert add(2)(3) == 5\nassert callable(add(1))",
    ),
    "classes": (
        "class V:\n    def __init__(self, *x): self.x = list(x)\n"
        "    def __add__(self, o): return V(*(a + b for a, b in zip(self.x, o.x)))\n"
        "    def __eq__(self, o): return self.x == o.x\n"
        "    def __len__(self): return len(self.x)\n"
        "    def __getitem__(self, i): return self.x[i]\n"
        "    def __repr__(self): return f'V{self.x}'",
        "v = V(1, 2)\nassert v + V(3, 4) == V(4, 6)\nassert len(v) == 2\n"
        "assert v[1] == 2 and list(v) == [1, 2]\nassert 2 in v and 5 not in v\n"
        "assert repr(v) == 'V[1, 2]'\nassert isinstance(v, V) and not isinstance(3, V)\n"
        "assert v.x == [1, 2]\nv.x = [7]\nassert v[0] == 7\nassert v != V(1)\nassert v in [V(7)]",
    ),
    "context_managers": (
        "class C:\n    def __enter__(self): return 5\n    def __exit__(self, *e): self.done = True",
        "c = C()\nwith c as x:\n    assert x == 5\nassert c.done",
    ),
    "linked_nodes": (
        "class Node:\n    def __init__(self, v): self.v, self.next = v, None\ndef total(n):\n"
        "    s = 0\n    while n: s += n.v; n = n.next\n    return s",
        "a = Node(1)\na.next = Node(2)\na.next.next = Node(3)\nassert total(a) == 6",
    ),
    "constants": (
        "LIMIT = {'a': [1]}\ndef f(): return LIMIT",
        "assert LIMIT == {'a': [1]}\nassert f() == LIMIT",
    ),
    "types": (
        "def f(x): return type(x)",
        "assert f(1) is int\nassert f('') == str",
    ),
    "named_as_builtin": (
        "def sum(a, b): return a * b",
        "assert sum(2, 5) == 10\nassert sum(3, 3) == 9",
    ),
    "named_as_library": (
        "def merge(a): return sorted(a)",
        "assert merge([2, 1]) == [1, 2]",
    ),
    "library_without_import": (
        "def area(r): return 3.141592653589793 * r * r",
        "assert math.isclose(area(1), pi)",
    ),
    "nothing_to_call": (
        "x = 1",
        "assert x == 1",
    ),
    "named_tuples": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
        "assert f().x == 1\nassert f() == (1, 2)",
    ),
    "skipped_ends": (
        "def f(n): return n",
        "def check(c):\n    assert c(1) == 1\n    if c(2) == 2:\n        return\n    assert False\n"
        "check(f)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pass(name: str, sandbox: Sandbox) -> None:
    candidate, tests = RIGHT[name]
    check = sandbox.submit_check(candidate, Tests(tests)).result(60)
    assert (check.error, check.stop) == ("", "")
    assert check.ok


def test_each_failing_case_is_counted(sandbox: Sandbox) -> None:
    tests = Tests(
        "assert f(1) == 1\nassert f(2) == 0\nassert f(3) == 3\nfor n in [4, 5]:\n    assert f(n) == 0\nassert f(6) == 6"
    )
    check = sandbox.submit_check("def f(n): return n", tests).result(60)
    assert (check.passed, check.total) == (3, 5)
    assert check.error == "AssertionError: assert f(2) == 0"


def test_what_a_candidate_prints_is_kept_apart(sandbox: Sandbox) -> None:
    check = sandbox.submit_check("def f(n):\n    print('hello', n)\n    return n", Tests("assert f(1) == 1")).result(60)
    assert check.ok
    assert "hello 1" in check.output


def test_a_prompt_gives_helpers_that_are_the_tests_own(sandbox: Sandbox) -> None:
    prompt = "def twice(n):\n    return 2 * n\n\ndef half(n):\n    '''Half of n.'''\n"
    tests = Tests("def check(candidate):\n    assert twice(candidate(3)) == 3\n", entry_point="half", prompt=prompt)
    assert sandbox.submit_check("def half(n): return n / 2", tests).result(60).ok
    cheat = "def twice(n): return 3\ndef half(n): return 0"
    assert not sandbox.submit_check(cheat, tests).result(60).ok


def test_a_missing_function_is_named(sandbox: Sandbox) -> None:
    for tests in (
        Tests("assert f(1) == 1"),
        Tests(style="calls", entry_point="f", cases=[{"args": [], "expected": 1}]),
    ):
        check = sandbox.submit_check("def g(n): return n", tests).result(60)
        assert not check.ok
        assert "'f' is not defined" in check.error


def test_one_call_may_not_take_too_long(sandbox: Sandbox) -> None:
    program = "def f(n):\n    while n == 2: pass\n    return n"
    check = sandbox.submit_check(
        program, Tests("assert f(1) == 1\nassert f(2) == 2\nassert f(3) == 3", seconds=0.3)
    ).result(60)
    assert (check.stop, check.why, check.passed) == ("TooLong", "wall", 0)


@pytest.mark.parametrize(
    ("code", "judge"),
    [
        ("assert 10**10**8 > f(1)", True),
        ("assert sum(range(10**11)) == f(1)", True),
        ("import math\nassert math.factorial(10**8) > f(1)", False),
        ("import re\nassert re.match('(a+)+$', 'a' * 40 + 'b') == f(None)", False),
    ],
)
def test_what_computes_for_ever_in_a_test_is_ended_by_its_cpu_time(code: str, judge: bool, sandbox: Sandbox) -> None:
    """In C code, where nothing in the process can end it: in a judge that lives on, and in a checker."""
    tests = Tests(code)
    assert wired(tests)[0].simple == judge
    limits = Limits(wall=60, cpu=0.3, memory=512 << 20)
    check = sandbox.submit_check("def f(n): return n", tests, limits=limits).result(600)
    assert (check.stop, check.why, check.passed) == ("ended", "cpu", 0)


def test_tests_that_are_no_python_are_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(SyntaxError):
        sandbox.submit_check("x = 1", Tests("assert ("))


SIMPLE = {
    "assert f([1, 2], k={'a': 1}) == sorted([x for x in (1, 2)])": True,
    "for n in range(3):\n    assert f(n) == n": True,
    "r = f(1)\nassert r.count('a') == 1": True,
    "import math\nassert f(1) == 1": False,
    "while f(1): pass": False,
    "assert eval('f(1)')": False,
    "assert f.__name__": False,
    "def g(): return 1\nassert f(g())": False,
    "f.x = 1\nassert f.x": False,
    "print = f\nassert print(1)": False,
    "with f() as x: assert x": False,
    "try:\n    f()\nexcept ValueError: pass": False,
    "del f": False,
    "global f": False,
    "assert (lambda: f())()": False,
}


@pytest.mark.parametrize("code", SIMPLE)
def test_what_a_judge_that_lives_on_may_run(code: str) -> None:
    assert prepare(code, "", "", "", control=False, apart=True).simple is SIMPLE[code]


def test_calls_are_foreseen_as_far_as_they_are_certain() -> None:
    def foreseen(code: str) -> list[str]:
        return prepare(code, "", "", "", control=False, apart=True).data["hosts"][0][0]

    assert foreseen("assert f(1) == g(2)\nassert sorted(f([3])) == [3]") == ["f", "g", "f"]
    assert foreseen("assert f(1) == 1\nif f(2): pass\nassert f(3) == 3") == ["f"]
    assert foreseen("assert f(1) == 1 or f(2) == 2") == []
    assert foreseen("x = 3\nassert f(x) == 3") == []
    assert foreseen("assert [f(n) for n in (1, 2)] == [1, 2]") == []
    assert foreseen("assert max(map(f, [1])) == 1") == []


def test_names_a_test_file_does_not_import() -> None:
    assert file_names("import math\ndef test_a():\n    assert solve(math.pi) == helper(len([1]))").candidate == [
        "helper",
        "solve",
    ]

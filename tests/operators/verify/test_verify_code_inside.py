"""Tests that look at the state of the candidate's process run beside it, under a control that finds forgeries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from dqdata_operators.verify.verify_code import VerifyCode

from dqdata.sandbox import Sandbox, process_state


@dataclass
class Run:
    sandbox: Sandbox


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Sandbox(workers=2) as sandbox:
        yield Run(sandbox)


def verdict(run: Run, program: str, tests: str, **params: object) -> tuple[str, str, str | None]:
    operator = VerifyCode(VerifyCode.Params(**params))
    row = {"response": f"```python\n{program}\n```", "tests": tests}
    [made] = asyncio.run(operator.process(row, run))  # type: ignore[arg-type]
    assert isinstance(made, dict)
    return made["verdict"], made["verdict_reason"], made["checked"]


# name: (right program, wrong program, tests)
CASES = {
    "capsys": (
        "def greet(n): print('Hi', n)",
        "def greet(n): print('Hi')",
        "from solution import greet\ndef test_a(capsys):\n    greet('Bo')\n    "
        "assert capsys.readouterr().out == 'Hi Bo\\n'",
    ),
    "redirect_stdout": (
        "def shout(s): print(s.upper())",
        "def shout(s): pass",
        "import io, contextlib\nbuffer = io.StringIO()\nwith contextlib.redirect_stdout(buffer):\n    shout('ab')\n"
        "assert buffer.getvalue().strip() == 'AB'",
    ),
    "stdout_replaced": (
        "def shout(s): print(s.upper())",
        "def shout(s): print(s)",
        "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nshout('ab')\ntext = sys.stdout.getvalue()\n"
        "sys.stdout = old\nassert text == 'AB\\n'",
    ),
    "stdin_replaced": (
        "def total(): return sum(int(x) for x in input().split())",
        "def total(): return len(input())",
        "import io, sys\nsys.stdin = io.StringIO('1 2 30\\n')\nassert total() == 33",
    ),
    "input_patched": (
        "def ask(): return input('? ') + '!'",
        "def ask(): return '!'",
        "from unittest.mock import patch\nwith patch('builtins.input', return_value='yes'):\n    "
        "assert ask() == 'yes!'",
    ),
    "patch_of_a_helper": (
        "def rate(): return 2\ndef price(n): return n * rate()",
        "def rate(): return 2\ndef price(n): return n * 2",
        "from unittest.mock import patch\nimport solution\ndef test_a():\n    "
        "with patch('solution.rate', return_value=5):\n"
        "        assert solution.price(3) == 15",
    ),
    "monkeypatch": (
        "import os\ndef home(): return os.environ['APP_HOME']",
        "import os\ndef home(): return '/'",
        "import solution\ndef test_a(monkeypatch):\n    monkeypatch.setenv('APP_HOME', '/x')\n    "
        "assert solution.home() == '/x'",
    ),
    "environ": (
        "import os\ndef level(): return int(os.getenv('LEVEL', '1'))",
        "def level(): return 1",
        "import os\nos.environ['LEVEL'] = '7'\nassert level() == 7",
    ),
    "seed": (
        "import random\ndef draw(n): return [random.randint(1, 9) for _ in range(n)]",
        "import random\ndef draw(n): return [random.randint(1, 8) for _ in range(n)]",
        "import random\nrandom.seed(5)\nwanted = [random.randint(1, 9) for _ in range(20)]\nrandom.seed(5)\n"
        "assert draw(20) == wanted",
    ),
    "module_global": (
        "LIMIT = 3\ndef capped(n): return min(n, LIMIT)",
        "LIMIT = 3\ndef capped(n): return min(n, 3)",
        "import solution\ndef test_a():\n    solution.LIMIT = 10\n    assert solution.capped(8) == 8",
    ),
    "global_that_changes": (
        "count = 0\ndef tick():\n    global count\n    count += 1",
        "count = 0\ndef tick(): pass",
        "import types\ntick()\ntick()\nassert count == 2",
    ),
    "inspect": (
        "def scale(x, *, factor=2): return x * factor",
        "def scale(x, factor=2): return x * factor",
        "import inspect\nassert inspect.signature(scale).parameters['factor'].kind == inspect.Parameter.KEYWORD_ONLY\n"
        "assert scale(3) == 6",
    ),
    "source": (
        "def double(x):\n    return x + x",
        "def double(x):\n    return x * 2",
        "import inspect\nassert '*' not in inspect.getsource(double)\nassert double(4) == 8",
    ),
    "docstring": (
        "def area(r):\n    '''Area of a circle.'''\n    return 3 * r * r",
        "def area(r):\n    return 3 * r * r",
        "assert 'circle' in (area.__doc__ or '')\nassert area(1) == 3",
    ),
    "changed_after_handing_over": (
        "class Bag:\n    def __init__(self, items): self.items = list(items)",
        "class Bag:\n    def __init__(self, items): self.items = items",
        "a = [1, 2]\nbag = Bag(a)\na.append(3)\nassert bag.items == [1, 2]",
    ),
    "same_object": (
        "def tidy(x):\n    x.sort()\n    return x",
        "def tidy(x):\n    x.sort()\n    return list(x)",
        "a = [2, 1]\nassert tidy(a) is a\nassert a == [1, 2]",
    ),
    "another_object": (
        "def tidy(x): return sorted(x)",
        "def tidy(x): return x",
        "a = [1, 2]\nb = tidy(a)\nassert b is not a\nassert b == [1, 2]",
    ),
    "abstract_type": (
        "def numbers():\n    yield from (1, 2)",
        "class N:\n    def __iter__(self): return iter((1, 2))\ndef numbers(): return N()",
        "from collections.abc import Iterator\nassert isinstance(numbers(), Iterator)\n"
        "assert list(numbers()) == [1, 2]",
    ),
    "own_type": (
        "class A: pass\nclass B(A): pass\ndef make(): return B()",
        "class A: pass\nclass B(A): pass\ndef make(): return A()",
        "assert type(make()) is B",
    ),
    "warnings": (
        "import warnings\ndef old():\n    warnings.warn('old', DeprecationWarning)\n    return 1",
        "def old(): return 1",
        "import pytest\nfrom solution import old\ndef test_a():\n    "
        "with pytest.warns(DeprecationWarning):\n        assert old() == 1",
    ),
    "logging": (
        "import logging\ndef work():\n    logging.getLogger('w').warning('slow')",
        "def work(): pass",
        "import unittest, solution\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        with self.assertLogs('w') as seen:\n            solution.work()\n"
        "        self.assertEqual(seen.output, ['WARNING:w:slow'])",
    ),
    "callback": (
        "def apply(fs, x): return [f(x) for f in fs]",
        "def apply(fs, x): return [x for f in fs]",
        "from solution import apply\ndef test_a():\n    assert apply([lambda v: v + 1, str], 3) == [4, '3']",
    ),
    "subclass": (
        "class Shape:\n    def describe(self): return f'area {self.area()}'",
        "class Shape:\n    def describe(self): return 'area'",
        "import pytest\nfrom solution import Shape\nclass Square(Shape):\n    def area(self): return 4\n"
        "@pytest.fixture\ndef square():\n    yield Square()\n"
        "def test_a(square):\n    assert square.describe() == 'area 4'",
    ),
    "unittest_and_a_name_without_import": (
        "def task_func(f, xs): return sorted(xs, key=f)",
        "def task_func(f, xs): return sorted(xs)",
        "import unittest\nclass TestCases(unittest.TestCase):\n    def test_case_1(self):\n"
        "        self.assertEqual(task_func(lambda x: -x, [1, 3, 2]), [3, 2, 1])",
    ),
    "threads": (
        "class Counter:\n    def __init__(self): self.n = 0\n    def add(self): self.n += 1",
        "class Counter:\n    def __init__(self): self.n = 0\n    def add(self): self.n = 1",
        "import threading\nc = Counter()\nts = [threading.Thread(target=c.add) for _ in range(4)]\n"
        "for t in ts: t.start()\nfor t in ts: t.join()\nassert c.n == 4",
    ),
}  # fmt: skip


def test_what_can_be_called_is_known_outside(run: Run) -> None:
    tests = "assert callable(make())"
    able = "class Adder:\n    def __call__(self, a, b): return a + b\ndef make(): return Adder()"
    unable = able.replace("__call__", "add")
    assert verdict(run, able, tests, inside=False) == ("correct", "passed", "outside")
    assert verdict(run, unable, tests, inside=False)[0] == "incorrect"


@pytest.mark.parametrize("name", CASES)
def test_a_right_program_passes_inside(name: str, run: Run) -> None:
    right, _, tests = CASES[name]
    assert verdict(run, right, tests) == ("correct", "passed", "inside")


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_program_fails(name: str, run: Run) -> None:
    _, wrong, tests = CASES[name]
    assert verdict(run, wrong, tests)[0] == "incorrect"


@pytest.mark.parametrize("name", CASES)
def test_inside_can_be_forbidden(name: str, run: Run) -> None:
    right, _, tests = CASES[name]
    assert verdict(run, right, tests, inside=False)[:2] == ("unverifiable", "needs_inside")


STYLES = {
    "coroutine": "from solution import f\nasync def test_a():\n    assert await f(1) == 2",
    "yields checks": "from solution import g\ndef check(a, b):\n    assert g(a) == b\n"
    "def test_a():\n    yield check, 1, 2\n    yield check, 4, 5",
    "yield fixture": "import pytest\nfrom solution import g\n@pytest.fixture\ndef one():\n    yield 1\n"
    "def test_a(one, tmp_path):\n    assert g(one) == 2",
    "parametrised class": "import pytest\nimport solution\nclass TestIt:\n"
    "    @pytest.mark.parametrize('n', [1, 2])\n    def test_a(self, n):\n        assert solution.g(n) == n + 1",
}


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize(("step", "expected"), [(1, "correct"), (2, "incorrect")])
def test_styles_of_pytest_files(name: str, step: int, expected: str, run: Run) -> None:
    program = f"async def f(x): return x + {step}\ndef g(x): return x + {step}"
    assert verdict(run, program, STYLES[name])[::2] == (expected, "outside")


UNIVERSAL = (
    "class U:\n"
    "    def __eq__(self, o): return True\n    def __ne__(self, o): return True\n    def __hash__(self): return 0\n"
    "    def __lt__(self, o): return True\n    __le__ = __gt__ = __ge__ = __lt__\n"
    "    def __sub__(self, o): return 0\n    __rsub__ = __sub__\n    def __contains__(self, o): return True\n"
    "    def __iter__(self): return iter([U(), U()])\n    def __len__(self): return 2\n"
)
FORGED = {
    "equal": ("def f(g): return U()", "assert f(lambda: 1) == 5"),
    "equal_on_the_right": ("def f(g): return U()", "assert 5 == f(lambda: 1)"),
    "elements": ("def f(g): return [U(), U()]", "assert f(lambda: 1) == [1, 2]"),
    "below": ("def f(g): return U()", "assert f(lambda: 1) < 3"),
    "above": ("def f(g): return U()", "assert 3 < f(lambda: 1)"),
    "distance": ("def f(g): return U()", "assert abs(f(lambda: 1) - 3.5) < 1e-6"),
    "member": ("def f(g): return U()", "assert f(lambda: 1) in (1, 2)"),
    "container": ("def f(g): return U()", "assert 7 in f(lambda: 1)"),
    "both": ("def f(g): return U()", "assert f(lambda: 1) == 5 and f(lambda: 2) == 6"),
    "loop": ("def f(g): return U()", "for n in (1, 2):\n    assert f(lambda: n) == n"),
    "all": ("def f(g): return [U(), U()]", "assert all(a == b for a, b in zip(f(lambda: 1), [1, 2]))"),
    "pytest": (
        "def f(g): return U()",
        "from solution import f\ndef test_a():\n    r = f(lambda: 1)\n    assert r == 5",
    ),
    "unittest": (
        "def f(g): return U()",
        "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertEqual(f(lambda: 1), 5)",
    ),
    "unittest_almost": (
        "def f(g): return U()",
        "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertAlmostEqual(f(lambda: 1), 5.5)",
    ),
    "unittest_greater": (
        "def f(g): return U()",
        "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertGreater(f(lambda: 1), 5)",
    ),
    "exit": ("import os\ndef f(g): os._exit(0)", "from solution import f\ndef test_a():\n    assert f(lambda: 1) == 5"),
    "asserts_off": (
        "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None\ndef f(g): return 1",
        "from solution import f\ndef test_a():\n    assert f(lambda: 1) == 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_judged_wrong(name: str, run: Run) -> None:
    program, tests = FORGED[name]
    assert verdict(run, UNIVERSAL + program, tests)[0] == "incorrect"


OUTSIDE = [
    "import sys\nassert f(sys.maxsize) == 1",
    "import os\nassert f(os.path.join('a', 'b')) == 1",
    "assert f(None) is None and f(1) is not False",
    "assert type(f(1)) == int",
    "import pytest\nfrom solution import f\ndef test_a(tmp_path):\n    with pytest.raises(ValueError):\n        f(1)",
    "a = [1]\nf(a)\nassert a == [2]",
    "import random\nassert f(random.random()) < 1",
    "assert isinstance(f(1), (int, str))",
    "s = Stack()\ns.push(1)\nassert s.pop() == 1",
    "x = [1]\nx.append(2)\nassert f(x) == 2",
    "a = [1]\nassert len(a) == 1\na.append(2)\nassert f(a) == 3",
]


@pytest.mark.parametrize("tests", OUTSIDE)
def test_what_needs_no_state(tests: str) -> None:
    assert process_state(tests).needed == ""

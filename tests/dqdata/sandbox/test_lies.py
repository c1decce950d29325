"""Objects and exceptions of a candidate that a test would take for right answers, and answers that would change where
the tests run."""

from __future__ import annotations

import dataclasses

import pytest

from dqdata.sandbox import Sandbox, Tests

STOPS = [
    "for a, b in zip(map(half, [10, 7]), [5.0, 3.5]):\n    assert a == b",
    "assert all(a == b for a, b in zip(map(half, [10, 7]), [5.0, 3.5]))",
    "assert list(map(half, [10, 7])) in ([], [5.0, 3.5])",
    "assert not [x for x in filter(half, [10, 7]) if x not in (10, 7)]",
    "import itertools\nfor a in itertools.starmap(half, [(10,), (7,)]):\n    assert a in (5.0, 3.5)",
    "assert sum(itertools.takewhile(half, [0, 0])) == 0",
    "class It:\n    def __iter__(self): return self\n    def __next__(self): return half(10)\n"
    "for x in It():\n    assert x == 5.0\n    break",
    "def each():\n    yield half(10)\nfor x in each():\n    assert x == 5.0",
    "try:\n    next(iter([]))\nexcept StopIteration:\n    pass\nfor x in map(half, [10]):\n    assert x == 5.0",
]
RAISES = [
    "StopIteration",
    "StopAsyncIteration",
    "type('S', (StopIteration,), {})",
    "type('S', (StopIteration, OSError), {})",
]


@pytest.mark.parametrize("tests", STOPS, ids=range(len(STOPS)))
@pytest.mark.parametrize("error", RAISES, ids=range(len(RAISES)))
def test_a_candidate_ends_no_iteration_of_the_tests(tests: str, error: str, sandbox: Sandbox) -> None:
    check = sandbox.submit_check(f"def half(n): raise {error}", Tests(tests)).result(60)
    assert not check.ok
    assert check.stop != "inside"


def test_stop_iteration_that_tests_expect_reaches_them(sandbox: Sandbox) -> None:
    candidate = (
        "class Countdown:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n"
        "    def __next__(self):\n        if not self.n: raise StopIteration\n        self.n -= 1\n"
        "        return self.n\n"
        "    next = __next__\n"
    )
    tests = (
        "c = Countdown(2)\nassert c.next() == 1\nassert next(c) == 0\nfor call in range(2):\n"
        "    try:\n        c.next()\n        assert False\n    except StopIteration:\n        pass\n"
        "assert list(Countdown(3)) == [2, 1, 0]\n"
    )
    check = sandbox.submit_check(candidate, Tests(tests)).result(60)
    assert (check.ok, check.error) == (True, "")


LIES = {
    "symmetric_difference": ("set()", "assert not f([1]).symmetric_difference({1, 2})"),
    "difference": ("set()", "assert not f([1]).difference({1, 2})"),
    "replace": ("''", "assert f('a').replace('expected', '') == ''"),
    "removeprefix": ("''", "assert f('a').removeprefix('expected') == ''"),
    "count": ("1", "assert f('a').count('expected') == 1"),
    "find": ("0", "assert f('a').find('expected') == 0"),
    "strip": ("''", "assert not f('a').strip('expected')"),
    "index": ("0", "assert f('a').index('expected') == 0"),
    "issubset": ("True", "assert f([1]).issubset({1, 2})"),
    "isdisjoint": ("True", "assert f([1]).isdisjoint({3})"),
    "startswith": ("True", "assert f('a').startswith('expected')"),
    "equals": ("True", "assert f([1]).equals([1, 2])"),
    "is_integer": ("True", "assert f(2).is_integer()"),
    "conjugate": ("5", "assert f(2).conjugate() == 5 and f(3).real"),
    "all": ("True", "assert f([1]).all()"),
}


@pytest.mark.parametrize("made", ["function", "class"])
@pytest.mark.parametrize("name", LIES)
def test_an_object_that_stands_in_for_data_decides_nothing(name: str, made: str, sandbox: Sandbox) -> None:
    answer, tests = LIES[name]
    body = (
        f"    def __init__(self, *a): pass\n    def {name}(self, *a): return {answer}\n"
        "    def __iter__(self): return iter(())\n    def __eq__(self, o): return True\n    __hash__ = None\n"
    )
    candidate = f"class f:\n{body}" if made == "class" else f"class X:\n{body}def f(x): return X()"
    for extra in ("", "import math\n"):
        assert not sandbox.submit_check(candidate, Tests(extra + tests)).result(60).ok


def test_the_same_length_lied_about_for_one_object(sandbox: Sandbox) -> None:
    candidate = (
        "class X:\n    def __len__(self): return 3\n    def __iter__(self): return iter(())\ndef f(x): return X()"
    )
    tests = "r = f(1)\nassert len(r) == 3\nassert all(a == b for a, b in zip(r, [1, 2, 3]))"
    for text in (tests, tests.replace("zip(r, [1, 2, 3])", "zip([1, 2, 3], r)"), f"import math\n{tests}"):
        check = sandbox.submit_check(candidate, Tests(text)).result(60)
        assert not check.ok


RECORDS = {
    "count": ("bool", "assert f('a').count('expected') == 1"),
    "index": ("lambda s: 0", "assert f('a').index('expected') == 0"),
    "symmetric_difference": ("callable", "assert not f([1]).symmetric_difference({1, 2})"),
    "startswith": ("bool", "assert f('a').startswith('expected')"),
    "issubset": ("list", "assert f([1]).issubset({1, 2})"),
    "is_integer": ("ValueError", "assert f(2).is_integer()"),
    "all": ("type('E', (Exception,), {})", "assert f(2).all()"),
    "tolist": ("type('L', (), {'__call__': lambda s: [1, 2]})()", "assert f([2, 1]).tolist() == [1, 2]"),
}


@pytest.mark.parametrize("field", RECORDS)
def test_a_record_whose_fields_are_methods_of_data_decides_nothing(field: str, sandbox: Sandbox) -> None:
    value, tests = RECORDS[field]
    candidate = f"import collections\nX = collections.namedtuple('X', ['{field}'])\ndef f(x): return X({value})"
    for extra in ("", "import math\n"):
        check = sandbox.submit_check(candidate, Tests(extra + tests)).result(60)
        assert not check.ok and check.stop != "inside"


def test_a_record_with_fields_named_like_methods_holds_data(sandbox: Sandbox) -> None:
    candidate = "import collections\nX = collections.namedtuple('X', 'count items')\ndef f(x): return X(x, [x])"
    check = sandbox.submit_check(candidate, Tests("assert f(2).count == 2\nassert f(2).items == [2]")).result(60)
    assert (check.ok, check.error) == (True, "")


@pytest.mark.parametrize("given", ["[]", "set()", "{}", "''", "range(0)"])
def test_an_iterator_that_is_data_does_not_hide_the_items(given: str, sandbox: Sandbox) -> None:
    """The candidate's process answers by its own rules: `iter` gives an empty list where the length is 3."""
    candidate = (
        "import sys\nfor m in list(sys.modules.values()):\n    if hasattr(m, 'OPERATIONS'):\n"
        f"        m.OPERATIONS['iter'] = lambda v: {given}\n"
        "class X:\n    def __len__(self): return 3\n    def __iter__(self): return iter(())\ndef f(x): return X()"
    )
    tests = "r = f(1)\nassert len(r) == 3\nassert all(a == b for a, b in zip(r, [1, 2, 3]))"
    for extra in ("", "import math\n"):
        assert not sandbox.submit_check(candidate, Tests(extra + tests)).result(60).ok


def test_items_by_number_are_as_many_as_the_length(sandbox: Sandbox) -> None:
    candidate = "class X:\n    def __len__(self): return 3\n    def __getitem__(self, i): raise IndexError\ndef f(x): return X()"
    tests = "r = f(1)\nassert len(r) == 3\nassert all(a == b for a, b in zip(r, [1, 2, 3]))"
    assert not sandbox.submit_check(candidate, Tests(tests)).result(60).ok


ABILITIES = {
    "len": "hasattr(f(1), '__len__')",
    "iter": "getattr(f(1), '__iter__', None) is not None",
    "call": "callable(f(1))",
    "enter": "isinstance(f(1), contextlib.AbstractContextManager)",
    "iterable": "isinstance(f(1), collections.abc.Iterable)",
    "sized": "isinstance(f(1), typing.Sized)",
    "add": "hasattr(f(1), '__add__')",
    "protocol": "isinstance(f(1), P)",
    "hook": "isinstance(f(1), H)",
}
OWN_CLASSES = (
    "import abc, collections.abc, contextlib, typing\n@typing.runtime_checkable\nclass P(typing.Protocol):\n"
    "    def __getitem__(self, i): ...\nclass H(abc.ABC):\n    @classmethod\n"
    "    def __subclasshook__(cls, c): return hasattr(c, '__next__')\n"
)


@pytest.mark.parametrize("name", ABILITIES)
def test_an_object_has_the_abilities_of_its_class(name: str, sandbox: Sandbox) -> None:
    able = (
        "class X:\n    def __len__(self): return 0\n    def __iter__(self): return self\n"
        "    def __next__(self): raise StopIteration\n    def __call__(self): pass\n    def __enter__(self): pass\n"
        "    def __exit__(self, *e): pass\n    def __add__(self, o): pass\n    def __getitem__(self, i): pass\n"
        "def f(x): return X()"
    )
    unable = "class X: pass\ndef f(x): return X()"
    refused = (
        "class X:\n    __len__ = __iter__ = __next__ = __call__ = __enter__ = __getitem__ = None\ndef f(x): return X()"
    )
    tests = Tests(f"{OWN_CLASSES}assert {ABILITIES[name]}")
    assert sandbox.submit_check(able, tests).result(60).ok
    for candidate in (unable, refused):
        assert not sandbox.submit_check(candidate, tests).result(60).ok


EMPTY = [
    "(np.array(f(1)) == 5.0).all()", "np.all(np.asarray(f(1)) == [5.0])", "abs(np.array(f(1)) - 5.0).max(initial=0) < 1",
    "np.linalg.norm(np.asanyarray(f(1)) - 5.0) < 1e-6", "np.testing.assert_array_equal(f(1), 5.0) is None",
    "np.testing.assert_allclose(f(1), [5.0]) is None", "abs(np.array(f(1)) + np.array([-5.0])).sum() == 0",
    "not np.logical_xor(np.array(f(1)), np.array([True])).any()",
    "not (np.array(f(1), dtype=int) ^ np.array([5])).any()",
]  # fmt: skip


@pytest.mark.parametrize("tests", EMPTY, ids=range(len(EMPTY)))
def test_an_empty_answer_that_becomes_an_array_agrees_with_nothing(tests: str, sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    text = f"import numpy as np\nassert {tests}"
    for answer in ("[]", "[[]]", "()"):
        assert not sandbox.submit_check(f"def f(x): return {answer}", Tests(text)).result(60).ok
    empty = "import numpy as np\nassert np.array(f(1)).size == 0 and (np.array(f(1)) * 2 + 1).sum() == 0\nassert (np.array(f(1)) == np.array([])).all()"
    assert sandbox.submit_check("def f(x): return []", Tests(empty)).result(60).ok


def test_a_number_of_a_million_digits_costs_the_checker_nothing(sandbox: Sandbox) -> None:
    """`encode` writes long integers in hexadecimal; decimal digits by the million are the candidate's own message."""
    body = "b'{\"value\":' + b'9' * 4_000_000 + b'}'"
    candidate = f"import os, struct\ndef f(x):\n    body = {body}\n    os.write(3, struct.pack('=I', len(body)) + body)"
    for extra in ("", "import math\n"):
        check = sandbox.submit_check(candidate, Tests(f"{extra}assert f(1) == 2")).result(60)
        assert not check.ok and check.stop == "Gone" and "digits" in check.error
    long = "def f(x): return 10 ** 5000 + x"
    assert sandbox.submit_check(long, Tests("assert f(1) == 10 ** 5000 + 1\nassert f(10 ** 4999) > 0")).result(60).ok


HUGE = {
    "fraction": "{'Fraction': ['1e200000000']}",
    "date": "{'date': ['2020', 1, 1]}",
    "set_of_lists": "{'set': [[1]]}",
    "array_of_objects": "{'array': ['|O', [1], '00' * 8]}",
    "zone": "{'time': [0, 0, 0, 0, {'ref': [0, 'object', []]}]}",
    "method": "{'ref': [10**6, 'object', ['__eq__']]}",
    "number": "{'ref': [1.5, 'object', []]}",
    "record": "{'record': ['x; import os', ['a'], [1]]}",
}


@pytest.mark.parametrize("name", HUGE)
def test_a_message_of_the_candidate_s_own_ends_its_check(name: str, sandbox: Sandbox) -> None:
    candidate = (
        "import sys\nfor m in list(sys.modules.values()):\n    if hasattr(m, 'ENCODERS'):\n        usual = m.encode\n"
        f"        m.encode = lambda v, *r: {HUGE[name]} if v == 1 else usual(v, *r)\ndef f(x): return x"
    )
    assert sandbox.submit_check(candidate, Tests("import math\nassert f(2) == 2")).result(60).ok
    check = sandbox.submit_check(candidate, Tests("import math\nassert f(1) == 2")).result(60)
    assert not check.ok and check.stop == "Gone"


def test_objects_that_tests_ask_for_work(sandbox: Sandbox) -> None:
    """Containers of a candidate's own, made by a class or by a function."""
    candidate = (
        "class Bag:\n    def __init__(self, items=()): self.items_ = list(items)\n"
        "    def add(self, x): self.items_.append(x)\n    def count(self, x): return self.items_.count(x)\n"
        "    def issubset(self, o): return set(self.items_) <= set(o)\n    def pop(self): return self.items_.pop()\n"
        "    def __len__(self): return len(self.items_)\n    def __iter__(self): return iter(self.items_)\n"
        "def make(): return Bag([1])\n"
    )
    tests = (
        "b = Bag([1, 2])\nb.add(2)\nassert b.count(2) == 2\nassert b.issubset({1, 2, 3})\nassert len(b) == 3\n"
        "assert list(b) == [1, 2, 2]\nassert b.pop() == 2\nassert len(b) == 2\nassert sorted(b) == [1, 2]\n"
        "m = make()\nm.add(5)\nassert m.pop() == 5\nassert len(m) == 1\nassert list(m) == [1]\n"
    )
    for extra in ("", "import math\n"):
        check = sandbox.submit_check(candidate, Tests(extra + tests)).result(60)
        assert (check.ok, check.error) == (True, "")


FORCES = {
    "coroutine": ("async def f(x): return x", "kept = [f(1)]\nassert f(kept[0]) == 1"),
    "coroutine_in_list": ("async def f(x): return x", "kept = []\nkept.append(f(1))\nassert f(kept) == [1]"),
    "coroutine_in_dict": ("async def f(x): return x", "kept = {'a': f(1)}\nassert f(kept) == {'a': 1}"),
    "builtin_iter": ("f = iter", "assert f(f([1])) == 1"),
    "builtin_zip": ("f = zip", "assert f(f([1])) == 1"),
    "builtin_object": ("import builtins\nf = builtins.memoryview", "assert f(f(b'a')) == 1"),
    "error_kept": (
        "def f(x):\n    raise ValueError(1)",
        "kept = []\ntry:\n    f(1)\nexcept ValueError as e:\n    kept.append(e)\nassert f(kept) == 1",
    ),
    "iterator_kept": (
        "class X:\n    def __iter__(self): return self\n    def __next__(self): return 1\ndef f(x): return X()",
        "kept = f(1).__iter__\nassert f(kept) == 1",
    ),
    "deep": ("def f(x):\n    r = []\n    for _ in range(470): r = [r]\n    return r", "assert f(f(1)) == 1"),
    "method_of_data": ("Stats = lambda x: [1]\ndef f(x): return '2'", "s = Stats([1])\nassert f(s.count) == '2'"),
    "error_class": ("def f(x): return ValueError", "assert f(f(1)(2)) == 3"),
    "array_memory": ("import numpy\ndef f(x): return numpy.array([1])", "assert f(f(1).data) == 3"),
    "array_iterator": ("import numpy\ndef f(x): return numpy.array([1])", "kept = f(1)\nassert f(kept.flat) == 3"),
    "values_view": ("def f(x): return {1: 2}", "kept = [f(1)]\nassert f(kept[0].values) == 3"),
    "bytes_method": ("def f(x): return b'a'", "for kept in [f(1)]:\n    assert f([kept.hex]) == 3"),
    "number_method": ("def f(x): return 2j", "assert f({'a': f(1).conjugate}) == 3"),
    "dtype": ("class X: dtype = object()\ndef f(x): return X()", "assert f(f(1).dtype) == 1"),
}


@pytest.mark.parametrize("name", FORCES)
@pytest.mark.parametrize("extra", ["", "import math\n"], ids=["judge", "own_process"])
def test_no_answer_makes_tests_run_inside(name: str, extra: str, sandbox: Sandbox) -> None:
    candidate, tests = FORCES[name]
    check = sandbox.submit_check(candidate, Tests(extra + tests)).result(60)
    assert not check.ok
    assert check.stop != "inside"


@pytest.mark.parametrize(
    "tests",
    [
        "assert f(lambda: 1) == 1",
        "class A: pass\nassert f(A()) == 1",
        "assert f(x for x in [1]) == 1",
        "a = []\na.append(a)\nassert f(a) == 1",
        "import io\nassert f(io.StringIO('x')) == 1",
    ],
)
def test_objects_of_the_tests_own_are_told(tests: str, sandbox: Sandbox) -> None:
    assert sandbox.submit_check("def f(x): return 1", Tests(tests)).result(60).stop == "inside"


ARRAYS = {
    "approx": ("[]", "import pytest\nassert f(1) == pytest.approx(3.5)"),
    "allclose": ("numpy.empty((0, 3))", "import numpy as np\nassert np.allclose(f(1), [1, 2, 3])"),
    "allclose_of_list": ("[]", "import numpy as np\nassert np.allclose(f(1), [5.0])"),
    "isclose": ("numpy.empty((0, 3))", "import numpy\nassert numpy.isclose([1, 2, 3], f(1)).all()"),
    "equal": ("numpy.empty((0, 3))", "import numpy as np\nassert (f(1) == np.array([1, 2, 3])).all()"),
    "not_unequal": ("numpy.empty(0)", "import numpy as np\nassert not (f(1) != 5).any()"),
    "distance": ("numpy.empty(0)", "import numpy as np\nassert np.all(np.abs(f(1) - 5) < 1e-6)"),
    "testing": ("numpy.empty(0)", "import numpy as np\nnp.testing.assert_allclose(f(1), 5.0)\nassert True"),
    "method": ("type('X', (), {'__array__': lambda s, *a, **k: numpy.empty((0, 3))})()",
               "import numpy as np\nassert np.allclose(f(1), [1, 2, 3])"),
    "address": ("type('X', (), {'__array_interface__': {'shape': (3,), 'typestr': '<f8', 'data': (4096, True), 'version': 3}})()",
                "import numpy as np\nassert np.allclose(f(1), [1, 2, 3])"),
    "ufunc": ("type('X', (), {'__array_ufunc__': lambda *a, **k: True, '__array_function__': lambda *a, **k: True})()",
              "import numpy as np\nassert np.allclose(f(1), [1, 2, 3])"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_no_array_agrees_with_everything(name: str, sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    answer, tests = ARRAYS[name]
    candidate = f"import numpy\ndef f(x): return {answer}"
    check = sandbox.submit_check(candidate, Tests(tests), limits=sandbox.limits.scaled(memory=1 << 30)).result(60)
    assert not check.ok
    assert check.stop in ("", "ended") if name != "address" else check.stop == ""


def test_empty_arrays_are_equal_to_empty_arrays(sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    tests = (
        "import numpy as np\nassert np.array_equal(f([]), [])\nassert np.allclose(f([]), [])\nassert len(f([])) == 0\n"
        "assert (f([]) == np.array([])).all()\nassert f([]).shape == (0,)\nassert f([]).sum() == 0\n"
        "assert (f([1, 2]) == np.array([2, 4])).all()\nassert np.allclose(f([1.5]), 3)"
    )
    check = sandbox.submit_check(
        "import numpy\ndef f(x): return 2 * numpy.array(x)", Tests(tests), limits=sandbox.limits.scaled(memory=1 << 30)
    ).result(60)
    assert (check.ok, check.error) == (True, "")


def test_a_checker_is_shown_what_was_given_and_not_what_became_of_it(sandbox: Sandbox) -> None:
    tests = Tests(
        style="calls",
        entry_point="f",
        cases=[{"args": [[3, 1, 2]], "expected": [1, 2, 3]}],
        checker="def __check__(given, expected, found):\n    return sorted(given[0]) == found\n",
    )
    for cheat in ("xs.clear(); return []", "xs[:] = [7]; return [7]", "del xs[1:]; return xs"):
        assert not sandbox.submit_check(f"def f(xs):\n    {cheat}", tests).result(60).ok
    assert sandbox.submit_check("def f(xs): return sorted(xs)", tests).result(60).ok


def test_a_test_may_hand_over_built_ins(sandbox: Sandbox) -> None:
    check = sandbox.submit_check(
        "def f(g, *x): return list(g(*x))",
        Tests("assert f(zip, [1], [2]) == [(1, 2)]\nassert f(map, str, [1]) == ['1']"),
    ).result(60)
    assert (check.ok, check.error) == (True, "")


def test_tests_are_values() -> None:
    assert dataclasses.replace(Tests("assert f(1) == 1"), seconds=1.0) == Tests("assert f(1) == 1", seconds=1.0)

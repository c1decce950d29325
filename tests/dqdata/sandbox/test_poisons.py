"""A column `tests` can't change how later rows are judged."""

from __future__ import annotations

import pytest

from dqdata.sandbox import Sandbox, Tests
from dqdata.sandbox.inside import pure
from dqdata.sandbox.prepare import prepare

from .poisons import POISONS, READ

RIGHT, WRONG = "def f(n): return n", "def f(n): return 'wrong'"
AFTER = Tests("assert f(1) == 1\nassert f(2) == 2\nassert f(3) == 3")


@pytest.mark.parametrize("name", POISONS)
def test_a_poisoned_cell_changes_no_later_verdict(name: str, sandbox: Sandbox) -> None:
    """Several copies, so that each judge of each server has had one."""
    limits = sandbox.limits.scaled(wall=2, cpu=1)
    copies = 2 if name == "endless" else 6
    poisoned = [sandbox.submit_check(RIGHT, Tests(POISONS[name], seconds=0.5), limits=limits) for _ in range(copies)]
    for future in poisoned:
        future.result(60)
    later = [sandbox.submit_check(program, AFTER) for _ in range(4) for program in (WRONG, RIGHT)]
    checks = [future.result(60) for future in later]
    assert [check.ok for check in checks] == [False, True] * 4
    assert {check.total for check in checks} == {3}


SIMPLE = {"format_field", "memory", "endless", "deep", "checker_of_cases"}
"""What these do stays in the row: plain data, time and memory."""


@pytest.mark.parametrize("name", POISONS)
def test_a_poisoned_cell_gets_a_checker_of_its_own(name: str) -> None:
    assert prepare(POISONS[name], "", "", "", control=False, apart=True).simple == (name in SIMPLE)


@pytest.mark.parametrize("name", READ)
def test_what_reaches_more_than_data_gets_a_checker_of_its_own(name: str) -> None:
    assert not prepare(READ[name], "", "", "", control=False, apart=True).simple


@pytest.mark.parametrize("name", ["match_class", "abc_register", "decimal_context"])
def test_what_such_a_cell_changes_stays_in_its_process(name: str, sandbox: Sandbox) -> None:
    for _ in range(4):
        sandbox.submit_check(RIGHT, Tests(READ[name])).result(60)
    after = Tests("import decimal\nimport collections.abc\nassert len([f(1), 2]) == 2\nassert f(7) == 7\n"
                  "assert decimal.Decimal(1) / 3 > decimal.Decimal('0.333')\n"
                  "assert not isinstance(f(1), collections.abc.Iterator)")  # fmt: skip
    assert [sandbox.submit_check(program, after).result(60).ok for program in (RIGHT, WRONG)] == [True, False]


USUAL = [
    "assert f([3, 1, 2]) == [1, 2, 3]\nassert f([]) == []",
    "assert abs(f(3) - 3.5) < 1e-6\nassert math.isclose(f(7), 3.5, rel_tol=1e-9)",
    "for x, y in [(1, 2), (3, 4)]:\n    assert f(x) == y",
    "assert sorted(f('a b').split()) == ['a', 'b']\nassert f('x').strip().lower().startswith('x')",
    "assert set(f(3)) == {1, 2}\nassert f({'a': 1}).get('a') == 1\nassert all(isinstance(x, int) for x in f(3))",
    "assert list(map(f, [1, 2])) == [1, 2]\nassert Counter(f('aab')) == {'a': 2, 'b': 1}",
    "assert f(date(2020, 1, 1)) == datetime.date(2020, 1, 2)\nassert str(f(1)) in ('1', '2')",
    "def check(candidate):\n    for _ in range(3):\n        assert candidate(2).val == 2 and candidate(3).next is None",
]


@pytest.mark.parametrize("text", USUAL)
def test_usual_tests_share_a_judge(text: str) -> None:
    assert prepare(text, "f", "", "", control=False, apart=True).simple


def test_a_judge_that_was_changed_is_replaced(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second line of defence: suppose that the lists had let these through."""
    reading = "dqdata.sandbox.prepare.pure.MODULES"
    monkeypatch.setattr(reading, {**pure.MODULES, "builtins": frozenset(("len", "vars", "setattr"))})
    for what in ("builtins.vars(builtins).update(len=f)", "builtins.setattr(builtins, 'sum', f)"):
        text = f"{what}\nassert f(1) == 1"
        assert prepare(text, "", "", "", control=False, apart=True).simple
        for _ in range(6):
            sandbox.submit_check(RIGHT, Tests(text)).result(60)
        after = Tests("assert len([f(1)]) == 1\nassert sum([f(1)]) == 1")
        assert [sandbox.submit_check(program, after).result(60).passed for program in (RIGHT, WRONG)] == [2, 1]

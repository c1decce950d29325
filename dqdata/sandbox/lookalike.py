"""Replaces expected values by others that look alike, for the control run.

    assert half(10) == 5.0     assert half(10) == 6.4           a candidate that passes both agrees with everything
    assert half(10) < 6        assert half(10) >= 6
    assert is_even(4)          assert not is_even(4)

The text changes before it is sent, and nothing else does: a candidate that looks at the code, the frames or the memory
of its process finds literals and operators, and can't tell a wrong value from a right one unless it knows the answer.
Only what is reached for certain and decides by itself is changed; what that is, `changed` says, by case or by function.
"""

from __future__ import annotations

import ast
import random
import string
from collections.abc import Callable
from typing import Any

from dqdata.sandbox.control import COMPARISONS

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.NotIn: ast.In,
}  # fmt: skip
_FLIPPED_METHODS = {
    "assertTrue": "assertFalse", "assertFalse": "assertTrue", "assertIs": "assertIsNot", "assertIsNot": "assertIs",
    "assertIsNone": "assertIsNotNone", "assertIsNotNone": "assertIsNone", "assertLess": "assertGreaterEqual",
    "assertGreaterEqual": "assertLess", "assertGreater": "assertLessEqual", "assertLessEqual": "assertGreater",
    "assertNotEqual": "assertEqual", "assertNotIn": "assertIn",
}  # fmt: skip
_EQUAL_METHODS = frozenset(
    "assertEqual assertEquals assertAlmostEqual assertListEqual assertDictEqual assertTupleEqual assertSetEqual"
    " assertMultiLineEqual assertSequenceEqual assertCountEqual".split()
)
_random = random.SystemRandom()


def changed_statement(node: ast.stmt) -> bool:
    """Changes the first assertion of a statement in place. False where it has none that is reached for certain."""
    if isinstance(node, ast.Assert):
        made = _changed_condition(node.test)
        if made is not None:
            node.test = ast.fix_missing_locations(ast.copy_location(made, node.test))
        return made is not None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _changed_method(node.value)
    return isinstance(node, ast.With) and not _catches(node) and any(changed_statement(part) for part in node.body)


def changed_file(code: str, chosen: Callable[[str], bool]) -> tuple[str, frozenset[str]]:
    """A test file in which the chosen tests, by name of their function, have another expected value; and their names.
    `chosen` of nothing writes the file in the same style. Raises SyntaxError."""
    tree = ast.parse(code)
    changed = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test")
            and chosen(node.name)
            and any(changed_statement(part) for part in node.body)
        ):
            changed.add(node.name)
    return ast.unparse(tree), frozenset(changed)


def _catches(node: ast.With) -> bool:
    """Whether a failure inside might be taken by the context: anything but opening, redirecting and patching."""
    names = {_name(item.context_expr) for item in node.items if isinstance(item.context_expr, ast.Call)}
    return len(names) < len(node.items) or not names <= {
        "open",
        "redirect_stdout",
        "redirect_stderr",
        "patch",
        "object",
    }


def _changed_condition(test: ast.expr) -> ast.expr | None:
    """A condition that fails wherever this one holds; None where there is no such thing."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        first = _changed_condition(test.values[0])
        return None if first is None else ast.BoolOp(ast.And(), [first, *test.values[1:]])
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare):
        return _changed_comparison(test) if len(test.ops) == 1 else None
    if isinstance(test, ast.Call) and _name(test) in COMPARISONS:
        return test if any(_replaced(test.args, at) for at in (1, 0) if at < len(test.args)) else None
    return ast.UnaryOp(ast.Not(), test)


def _changed_comparison(test: ast.Compare) -> ast.expr | None:
    operator, sides = test.ops[0], [test.left, test.comparators[0]]
    if isinstance(operator, ast.Eq):
        made = _replaced(sides, 1) or _replaced(sides, 0)
    elif isinstance(operator, ast.In):
        made = isinstance(sides[1], ast.List | ast.Tuple | ast.Set) and _replaced(sides, 1, apart=True)
    else:
        for side in sides:  # abs(found - expected) < tolerance: the expected value, not the bound
            if isinstance(side, ast.Call) and _name(side) in ("abs", "fabs"):
                difference = side.args[0] if side.args else None
                if not (isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub)):
                    return None
                parts = [difference.left, difference.right]
                if not (_replaced(parts, 1) or _replaced(parts, 0)):
                    return None
                difference.left, difference.right = parts
                return test
        test.ops = [_FLIPPED[type(operator)]()]
        return test
    test.left, test.comparators = sides[0], [sides[1]]
    return test if made else None


def _changed_method(call: ast.Call) -> bool:
    name = _name(call)
    if not isinstance(call.func, ast.Attribute):
        return False
    if name in _FLIPPED_METHODS:
        call.func.attr = _FLIPPED_METHODS[name]
        return True
    return name in _EQUAL_METHODS and any(_replaced(call.args, at) for at in (1, 0) if at < len(call.args))


def _replaced(values: list[ast.expr], at: int, *, apart: bool = False) -> bool:
    """Replaces a literal, or the literal that `approx(literal)` or the like wraps, by one that looks like it. apart:
    a container, by one that has no item in common with it."""
    node = values[at]
    if isinstance(node, ast.Call) and _name(node) in ("approx", "Decimal", "Fraction", "array", "set", "frozenset"):
        return bool(node.args) and _replaced(node.args, 0)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    other = next((made for made in (alike(value) for _ in range(20)) if not (apart and _share(made, value))), value)
    try:
        values[at] = ast.copy_location(ast.parse(repr(other), mode="eval").body, node)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return bool(other != value)


def alike(value: Any) -> Any:
    """A value of the same type, size and kind that isn't equal, nor near in the sense of a tolerance.

    >>> alike("Bob"), alike([3, 4])                                                        # doctest: +SKIP
    ('Bof', [3, 5])
    """
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        size = max(1, abs(value) // 4)
        return _random.choice(
            [found for found in (value + size, value + size + 1, abs(value - size)) if found != value]
        )
    if isinstance(value, float):
        return _another_float(value)
    if isinstance(value, complex):
        return complex(_another_float(value.real), value.imag)
    if isinstance(value, str):
        return _another_text(value)
    if isinstance(value, bytes):
        return _another_text(value.decode("latin-1")).encode("latin-1", "replace")
    if isinstance(value, list | tuple):
        return type(value)(map(alike, value)) or type(value)((_random.randint(0, 9),))
    if isinstance(value, set | frozenset):
        made = type(value)(map(alike, value))
        return made if made != value else value | {_random.randint(0, 9), _random.randint(10, 99)}
    if isinstance(value, dict):
        return {key: alike(item) for key, item in value.items()} or {_random.randint(0, 9): _random.randint(0, 9)}
    return _random.choice([0, 1, "", False]) if value is None else None


def _share(one: Any, other: Any) -> bool:
    return any(item in other for item in one)


def _another_float(value: float) -> float:
    if value != value or value in (float("inf"), float("-inf")):
        return float(_random.randint(1, 9))
    digits = len(repr(value).partition(".")[2]) if "e" not in repr(value) else 17
    made = round(value * _random.uniform(1.2, 1.8) + (1 if abs(value) < 1 else 0), digits)
    return made if made != value else value + 1.0


def _another_text(value: str) -> str:
    """One character becomes another of its kind."""
    places = [at for at, sign in enumerate(value) if sign.isascii() and sign.isalnum()]
    if not places:
        return value + _random.choice(string.ascii_lowercase)
    at = _random.choice(places)
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    kind = next(kind for kind in kinds if value[at] in kind)
    return value[:at] + _random.choice(kind.replace(value[at], "")) + value[at + 1 :]


def _name(call: ast.expr) -> str:
    function = call.func if isinstance(call, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""

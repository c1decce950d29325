"""The control run: the same tests with wrong expected values, which a correct candidate must fail.

    assert half(10) == 5.0              assert half(10) == __another__(5.0)
    self.assertEqual(half(10), 5.0)     self.assertEqual(half(10), __another__(5.0))
    assert half(10) < 6                 assert half(10) < __below__(6)

Only what decides by itself is changed: not what is inside a block that catches failures. At run time `__another__`
records the case that it was called in, so that a case counts as forged only if a wrong value was compared in it.
"""

from __future__ import annotations

import ast
from typing import Any

from dqdata.sandbox.inside.cases import ABOVE, ANOTHER, BELOW

COMPARISONS = frozenset("isclose allclose array_equal equals".split())
_CATCHES = ("raises", "assertRaises", "assertRaisesRegex", "suppress", "warns")


class Control(ast.NodeTransformer):
    """Replaces expected values in a tree. case: what the calls that make wrong values pass on, besides the value."""

    def __init__(self, case: int | None = None) -> None:
        self.case = case

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.test = self.wrong(node.test)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Call):
            name = _name(node.value)
            if name.startswith("assert"):
                self._wrong_method(name, node.value)
        return node

    def visit_Try(self, node: ast.Try) -> ast.Try:
        if not node.handlers:
            self.generic_visit(node)
        return node

    def visit_With(self, node: ast.With) -> ast.With:
        contexts = [item.context_expr for item in node.items]
        if not any(isinstance(context, ast.Call) and _name(context) in _CATCHES for context in contexts):
            self.generic_visit(node)
        return node

    def wrong(self, test: ast.expr) -> ast.expr:
        """The condition with a value in it made wrong; itself where no value decides."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            test.values = [self.wrong(test.values[0]), *test.values[1:]]
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            self._wrong_comparison(test)
        elif isinstance(test, ast.Call):
            if isinstance(test.func, ast.Name) and test.func.id == "all" and len(test.args) == 1:
                if isinstance(test.args[0], ast.GeneratorExp | ast.ListComp):
                    test.args[0].elt = self.wrong(test.args[0].elt)
            elif _name(test) in COMPARISONS and len(test.args) >= 2:
                self._wrong_side(test.args, ANOTHER)
        return test

    def _wrong_comparison(self, test: ast.Compare) -> None:
        operator, sides = test.ops[0], [test.left, test.comparators[0]]
        if isinstance(operator, ast.Eq):
            self._wrong_side(sides, ANOTHER)
        elif isinstance(operator, ast.In):
            at = 0 if _is_literal(sides[0]) else 1
            sides[at] = self._made(ANOTHER, sides[at])
        elif isinstance(operator, ast.Lt | ast.LtE):
            if not self._wrong_distance(sides[0]):
                self._wrong_bound(sides, BELOW, ABOVE)
        elif isinstance(operator, ast.Gt | ast.GtE) and not self._wrong_distance(sides[1]):
            self._wrong_bound(sides, ABOVE, BELOW)
        test.left, test.comparators = sides[0], [sides[1]]

    def _wrong_bound(self, sides: list[ast.expr], right: str, left: str) -> None:
        at = 0 if _is_literal(sides[0]) else 1
        sides[at] = self._made(left if at == 0 else right, sides[at])

    def _wrong_distance(self, side: ast.expr) -> bool:
        """abs(found - expected) with another expected."""
        if not (isinstance(side, ast.Call) and _name(side) in ("abs", "fabs") and len(side.args) == 1):
            return False
        difference = side.args[0]
        if not (isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub)):
            return False
        parts = [difference.left, difference.right]
        self._wrong_side(parts, ANOTHER)
        difference.left, difference.right = parts
        return True

    def _wrong_method(self, name: str, call: ast.Call) -> None:
        given = call.args
        if name in ("assertTrue", "assert_") and given:
            given[0] = self.wrong(given[0])
        elif len(given) < 2 or "Raises" in name or "Warns" in name or "Not" in name or "IsInstance" in name:
            return
        elif name in ("assertLess", "assertLessEqual"):
            given[1] = self._made(BELOW, given[1])
        elif name in ("assertGreater", "assertGreaterEqual"):
            given[1] = self._made(ABOVE, given[1])
        elif name == "assertIn":
            at = 0 if _is_literal(given[0]) else 1
            given[at] = self._made(ANOTHER, given[at])
        elif "qual" in name or "close" in name or name in ("assertIs",):
            self._wrong_side(given, ANOTHER)

    def _wrong_side(self, sides: list[ast.expr], maker: str) -> None:
        """Of two values the expected one: a literal, or else what calls nothing, or else the second."""
        first, second = sides[0], sides[1]
        at = 0 if _is_literal(first) and not _is_literal(second) else 1
        if at == 1 and not _is_literal(second) and _calls(second) and not _calls(first):
            at = 0
        sides[at] = self._made(maker, sides[at])

    def _made(self, maker: str, value: ast.expr) -> ast.expr:
        case: list[Any] = [] if self.case is None else [ast.Constant(self.case)]
        return ast.copy_location(ast.Call(ast.Name(maker, ast.Load()), [value, *case], []), value)


def _name(call: ast.Call) -> str:
    """The last part of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _calls(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(node))

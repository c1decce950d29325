"""Collects the calls that a test text makes unconditionally, so that they can be sent together.

    assert f(1) == 2          becomes      __ahead__(0, f=f)
    assert f(3) in (6, 7)                  assert __answer__(0, 0) == 2
                                           assert __answer__(0, 1) in (6, 7)

A question and an answer cost two switches between processes. Most tests are straight lines of asserts with literal
arguments: their calls go out together, in the order in which the text makes them, and come back together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple

from dqdata.sandbox.inside.cases import AHEAD, ANSWER

MOST_TEXT = 16 << 10
"""Characters of arguments sent ahead: what a socket takes without waiting for its reader."""


class Planned(NamedTuple):
    """A call: the name of its function, and its arguments."""

    name: str
    arguments: list[Any]
    names: dict[str, Any]


class _Unsure(Exception):
    """What a statement calls depends on what is there when it runs."""


class Host:
    """A body of statements whose first calls can be foreseen."""

    def __init__(self, number: int, callees: frozenset[str]) -> None:
        self.number, self.callees = number, callees
        self.calls: list[Planned] = []
        self.left = MOST_TEXT

    def plan(self, statements: Iterable[ast.stmt]) -> None:
        """Takes the calls of statements, in order, until one that isn't a straight line; replaces them in place."""
        for statement in statements:
            found: list[tuple[ast.Call, Planned]] = []
            try:
                self._statement(statement, found)
            except (_Unsure, ValueError, TypeError, RecursionError, MemoryError):
                return
            for call, planned in found:
                call.func = ast.copy_location(ast.Name(ANSWER, ast.Load()), call)
                at: Any = {"lineno": call.lineno, "col_offset": 0, "end_lineno": call.lineno, "end_col_offset": 0}
                call.args = [ast.Constant(self.number, **at), ast.Constant(len(self.calls), **at)]
                call.keywords = []
                self.calls.append(planned)

    def announcement(self, line: int) -> ast.stmt:
        """The statement that sends them, to go before the others."""
        at: Any = {"lineno": line, "col_offset": 0, "end_lineno": line, "end_col_offset": 0}
        used = sorted({call.name for call in self.calls})
        given = [ast.keyword(name, ast.Name(name, ast.Load(), **at), **at) for name in used]
        call = ast.Call(ast.Name(AHEAD, ast.Load(), **at), [ast.Constant(self.number, **at)], given, **at)
        return ast.Expr(call, **at)

    def _statement(self, node: ast.stmt, found: list[tuple[ast.Call, Planned]]) -> None:
        if isinstance(node, ast.Assert):
            self._expression(node.test, found)
        elif isinstance(node, ast.Expr):
            self._expression(node.value, found)
        elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            if any(target.id in self.callees for target in node.targets):  # type: ignore[attr-defined]
                raise _Unsure
            self._expression(node.value, found)
        elif not isinstance(node, ast.Pass):
            raise _Unsure

    def _expression(self, node: ast.expr, found: list[tuple[ast.Call, Planned]]) -> None:
        """Walks in the order of evaluation."""
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in self.callees:
                found.append((node, self._planned(node.func.id, node)))
                return
            parts = [node.func, *node.args, *(given.value for given in node.keywords)]
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            parts = [node.left, node.comparators[0]]
        elif isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.UnaryOp):
            parts = [node.operand]
        elif isinstance(node, ast.Subscript):
            parts = [node.value, node.slice]
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Attribute):
            parts = [node.value]
        elif any(isinstance(part, ast.Name) and part.id in self.callees for part in ast.walk(node)):
            raise _Unsure  # the function itself is handed on, or called as often as something else says
        else:
            return
        for part in parts:
            self._expression(part, found)

    def _planned(self, name: str, node: ast.Call) -> Planned:
        self.left -= (node.end_col_offset or 0) - node.col_offset + 200 * ((node.end_lineno or 0) - node.lineno)
        if self.left < 0:
            raise _Unsure
        arguments = [ast.literal_eval(given) for given in node.args]
        names = {str(given.arg): ast.literal_eval(given.value) for given in node.keywords if given.arg}
        if len(names) < len(node.keywords):
            raise _Unsure
        return Planned(name, arguments, names)

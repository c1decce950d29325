"""Analyses a test text in one pass: its names, its cases, and whether it has side effects.

    >>> tree = ast.parse("assert sorted(f([2, 1])) == [1, 2]")
    >>> reading = Reading()
    >>> reading.take(tree.body[0]), sorted(reading.free()), reading.simple
    (True, ['f', 'sorted'], True)

A *simple* text has asserts, literals, arithmetic, loops over what is there, calls of the candidate and of the pure
functions and attributes that `inside/pure.py` lists. Everything else (imports, definitions, `while`, a name that isn't
listed) isn't simple: such tests get a process of their own, while simple ones share a judge.
"""

from __future__ import annotations

import ast

from dqdata.sandbox.inside import pure

_SIMPLE = frozenset((
    ast.Assert, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.For, ast.If, ast.Pass,
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.Compare, ast.Call, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name,
    ast.List, ast.Tuple, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.comprehension, ast.keyword,
))  # fmt: skip
_LEAVES = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


class Reading:
    """Names of the statements taken so far. called: as functions. given: as arguments."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.bound: set[str] = set()
        self.called: set[str] = set()
        self.given: set[str] = set()
        self.simple = True

    def free(self) -> set[str]:
        """Names that are read and nowhere bound."""
        return self.read - self.bound

    def take_head(self, function: ast.FunctionDef) -> None:
        """A function but for its body."""
        given = function.args
        one = len(given.args) == 1 and not (given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg)
        if function.decorator_list or function.returns or given.defaults or given.kw_defaults or not one:
            self.simple = False
        self.bound.add(function.name)
        self.take(given)
        for decorator in function.decorator_list:
            self.take(decorator)

    def take(self, root: ast.AST) -> bool:
        """Reads a statement. Whether there is an assert in it."""
        found = False
        todo = [root]
        while todo:
            node = todo.pop()
            kind = node.__class__
            if kind is ast.Constant:
                continue
            if kind is ast.Name:
                self._take_name(node)  # type: ignore[arg-type]
                continue
            if kind not in _SIMPLE:
                self._take_other(node)
            elif kind is ast.Assert:
                found = True
            elif kind is ast.Call:
                if node.func.__class__ is ast.Name:  # type: ignore[attr-defined]
                    self.called.add(node.func.id)  # type: ignore[attr-defined]
                values = [*node.args, *(named.value for named in node.keywords)]  # type: ignore[attr-defined]
                self.given.update(value.id for value in values if value.__class__ is ast.Name)
            elif kind is ast.Attribute:
                self._take_attribute(node)  # type: ignore[arg-type]
            for name in node._fields:
                value = getattr(node, name)
                if value.__class__ is list:
                    todo += [part for part in value if isinstance(part, ast.AST)]
                elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
                    todo.append(value)
        return found

    def _take_name(self, node: ast.Name) -> None:
        (self.read if isinstance(node.ctx, ast.Load) else self.bound).add(node.id)
        if node.id.startswith("__") or (node.id in pure.NAMES and node.id not in pure.BUILTINS):
            self.simple = False

    def _take_attribute(self, node: ast.Attribute) -> None:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        listed = pure.MODULES.get(owner, frozenset()) | pure.ATTRIBUTES
        if node.attr not in listed or not isinstance(node.ctx, ast.Load):
            self.simple = False

    def _take_other(self, node: ast.AST) -> None:
        if isinstance(node, _LEAVES):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bound.add(node.name)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
            return  # simple only in `check(candidate)`, whose head is taken apart
        elif isinstance(node, ast.alias):
            self.bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self.bound.add(node.name)
        if not isinstance(node, ast.arguments):
            self.simple = False

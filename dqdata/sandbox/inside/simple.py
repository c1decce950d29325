"""Which tests leave nothing behind, so that a process that ran them can run others.

    >>> stands_alone("assert sorted(f([2, 1])) == [1, 2]", entry_point="", has_prompt=False)
    True

Asserts, literals, arithmetic, loops over what is there, calls of the candidate and of a few pure functions. What may
reach the interpreter itself (imports, definitions, names with underscores, `while`) isn't simple, and such tests get a
process of their own.
"""

from __future__ import annotations

import ast

from . import names

_STATEMENTS = (ast.Assert, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.For, ast.If, ast.Pass)
_EXPRESSIONS = (
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.Compare, ast.Call, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name,
    ast.List, ast.Tuple, ast.Slice, ast.JoinedStr, ast.FormattedValue,
)  # fmt: skip
_PARTS = (ast.comprehension, ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)
_ALLOWED = (*_STATEMENTS, *_EXPRESSIONS, *_PARTS)
_NOT_PURE = frozenset(
    "breakpoint compile delattr eval exec exit getattr globals help input locals memoryview object open print property"
    " quit setattr super type vars copyright credits license classmethod staticmethod".split()
)


def stands_alone(code: str, entry_point: str, has_prompt: bool) -> bool:
    """Whether the text is simple and, where there is a prompt, uses none of its definitions."""
    try:
        tree = ast.parse(code)
        if not all(_simple_at_top(node) for node in tree.body):
            return False
        return not has_prompt or names.of_candidate(tree, {}, entry_point) == [entry_point]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _simple_at_top(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        plain = not node.decorator_list and node.returns is None and node.name == "check"
        given = node.args
        one = len(given.args) == 1 and not (given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg)
        return plain and one and not given.defaults and all(_simple(part) for part in node.body)
    return _simple(node)


def _simple(node: ast.stmt) -> bool:
    for part in ast.walk(node):
        if not isinstance(part, _ALLOWED):
            return False
        if isinstance(part, ast.Attribute) and (part.attr.startswith("_") or not isinstance(part.ctx, ast.Load)):
            return False
        if isinstance(part, ast.Name) and (part.id.startswith("__") or part.id in _NOT_PURE):
            return False
    return True

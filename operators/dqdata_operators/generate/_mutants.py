"""Wrong versions of a right program, each with one small change, to try tests on.

>>> sorted(mutants("x = n + 1", 9))
['x = n + 0', 'x = n + 2', 'x = n - 1']

The changes are the usual ones of mutation testing: another comparison, another operator, `and` for `or`, a number one
more or less, a condition turned round, nothing returned. A mutant may do the same as the program: whoever uses them has
to expect that no test finds some of them out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dqdata.ids import digest

COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
OPERATE: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}


MOST_TRIED = 200
"""Changes of one program that are written out."""
MOST_WRITTEN = 2_000_000
"""Characters of all of them: a long program is changed in fewer places."""


def mutants(program: str, most: int) -> list[str]:
    """At most `most` different programs with one change each, the same ones every time; none of what is no Python."""
    try:
        tree = ast.parse(program)
        own = ast.unparse(tree)
        made = dict.fromkeys(_changed(tree, max(1, min(MOST_TRIED, MOST_WRITTEN // (len(own) + 1)))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    made.pop(own, None)
    return sorted(made, key=lambda text: digest("mutant", text))[:most]


def _changed(tree: ast.Module, most: int) -> Iterator[str]:
    changes = [(node, name, value) for node in ast.walk(tree) for name, value in _variants(node)]
    if len(changes) > most:
        changes = [changes[at * len(changes) // most] for at in range(most)]
    for node, name, value in changes:
        own = getattr(node, name)
        setattr(node, name, value)
        yield ast.unparse(tree)
        setattr(node, name, own)


def _variants(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The changes of one node: a field, and what it becomes."""
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            for other in COMPARE.get(type(operator), ()):
                yield "ops", [*node.ops[:at], other(), *node.ops[at + 1 :]]
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        for kind in OPERATE.get(type(node.op), ()):
            yield "op", kind()
    elif isinstance(node, ast.BoolOp):
        yield "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "value", node.value + 1
        yield "value", node.value - 1
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "value", not node.value
    elif isinstance(node, ast.If | ast.IfExp):
        yield "test", ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "value", ast.Constant(None)

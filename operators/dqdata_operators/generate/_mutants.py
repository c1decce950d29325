"""Wrong versions of a right program, each with one small change, to try tests on.

>>> sorted(mutants("x = n + 1", 9))
['x = n + 0', 'x = n + 2', 'x = n - 1']

The changes are the usual ones of mutation testing: another comparison, another operator, `and` for `or`, a number one
more or less, a condition turned round, nothing returned. A mutant may do the same as the program: whoever uses them has
to expect that no test finds some of them out.
"""

from __future__ import annotations

import ast
import copy
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


def mutants(program: str, most: int) -> list[str]:
    """At most `most` different programs with one change each, the same ones every time; none of what is no Python."""
    try:
        tree = ast.parse(program)
        own = ast.unparse(tree)
        made = dict.fromkeys(_changed(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    made.pop(own, None)
    return sorted(made, key=lambda text: digest("mutant", text))[:most]


def _changed(tree: ast.Module) -> Iterator[str]:
    for place, node in enumerate(ast.walk(tree)):
        for number in range(len(list(_variants(node)))):
            changed = copy.deepcopy(tree)
            target = next(other for at, other in enumerate(ast.walk(changed)) if at == place)
            name, value = list(_variants(target))[number]
            setattr(target, name, value)
            yield ast.unparse(ast.fix_missing_locations(changed))


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

r"""Equations and inequalities: what they name, what they say, and when two say the same.

>>> [a.text for a in values_of(Chain(("x", r"\frac{10}{2}"), ("=",)))]
['\\frac{10}{2}']
>>> same_equation(Chain(("2x + 4y", "3"), ("=",)), Chain(("y", "3/4 - x/2"), ("=",)))
True
"""

from __future__ import annotations

import re

from dqdata_operators.lib.maths.evaluate import symbols
from dqdata_operators.lib.maths.expression import Call, Node, NotMath, parse_expression
from dqdata_operators.lib.maths.identity import proportional, same
from dqdata_operators.lib.maths.notation import top_level
from dqdata_operators.lib.maths.shapes import Answer, Chain, Scalar, Unreadable
from dqdata_operators.lib.maths.structure import read

FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le"}
_NO_LETTERS = re.compile(r"\\(?:frac|sqrt|pi|binom|infty|log|ln)(?![a-zA-Z])")


def assigns(chain: Chain) -> bool:
    return set(chain.ops) <= {"=", "approx", "equiv"}


def variables(text: str) -> bool:
    try:
        return bool(symbols(parse_expression(text)))
    except NotMath:
        return True


def is_name(text: str) -> bool:
    """Whether a side of an equation only names what the other side is: x, f(x), AB, S_1 : S_2, (p, q)."""
    if re.match(r"\s*[0-9.]", text) or not re.search(r"[A-Za-z]", _NO_LETTERS.sub("", text)):
        return False
    return len(top_level(text, "+-^*")) == 1


def same_names(left: str, right: str) -> bool:
    """Whether two named answers may be about the same thing: two different single letters are not."""
    a, b = squeeze(left), squeeze(right)
    return a == b or not (len(a) == 1 and len(b) == 1)


def name_of(answer: Answer) -> str:
    return squeeze(answer.parts[0]) if isinstance(answer, Chain) and is_name(answer.parts[0]) else ""


def told_apart(names: list[str]) -> bool:
    """Whether the names tell which value is whose: x_1 and x_2 are two roots in any order."""
    return len({re.split(r"[_(]", name)[0] for name in names}) == len(names)


def values_of(chain: Chain) -> list[Answer]:
    """What an assignment says its name is. Of `1/3 = 0.33 \\approx 0.3` the part before the approximation counts; the
    rounded one only where it does round it. Constants that contradict each other say nothing, unless a name leads."""
    parts, ops = list(chain.parts), list(chain.ops)
    after: list[str] = []
    if "approx" in ops and (at := ops.index("approx")) >= 0 and not (at == 0 and is_name(parts[0])):
        parts, ops, after = parts[: at + 1], ops[:at], parts[at + 1 :]
    try:
        last = read(parts[-1])
        if not is_name(parts[0]) and not all(_agree(read(part), last) for part in parts[:-1] if not variables(part)):
            return []
        rounded = [read(part) for part in after]
    except Unreadable:
        return []
    return [last, *(other for other in rounded if _agree(last, other, 0.01))]


def _agree(left: Answer, right: Answer, rel_tol: float = 1e-6) -> bool:
    if not isinstance(left, Scalar) or not isinstance(right, Scalar):
        return left == right
    return same(left.node, right.node, rel_tol) is True


def _difference(chain: Chain) -> Node | None:
    try:
        left, right = parse_expression(chain.parts[0]), parse_expression(chain.parts[1])
        return Call("+", (left, Call("neg", (right,))))
    except NotMath:
        return None


def same_equation(ref: Chain, pred: Chain) -> bool | None:
    a, b = _difference(ref), _difference(pred)
    if a is None or b is None:
        return None
    if symbols(a) != symbols(b):
        return False
    return proportional(a, b) is not None


def same_inequality(ref: Chain, pred: Chain) -> bool | None:
    a, b = _difference(ref), _difference(pred)
    if a is None or b is None:
        return None
    ratio = proportional(a, b) if symbols(a) == symbols(b) else None
    if ratio is None:
        return None if symbols(a) == symbols(b) else False
    op = pred.ops[0] if ratio > 0 else FLIP.get(pred.ops[0], pred.ops[0])
    return ref.ops[0] == op


def squeeze(text: str) -> str:
    return re.sub(r"[\s{}]", "", text)

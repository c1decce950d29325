r"""Equations and inequalities: the names they define, and when two of them are equivalent.

>>> [a.text for a in values_of(Chain(("x", r"\frac{10}{2}"), ("=",)))]
['\\frac{10}{2}']
>>> same_equation(Chain(("2x + 4y", "3"), ("=",)), Chain(("y", "3/4 - x/2"), ("=",)))
True
>>> name_of(read("AB = 5")), name_of(read("7 = x")), name_of(read(r"\frac{1}{x} = 6"))
('AB', 'x', '')
"""

from __future__ import annotations

import itertools
import re

from dqdata_operators.lib.maths.evaluate import symbols, uses
from dqdata_operators.lib.maths.expression import FUNCTIONS, Call, Node, NotMath, Num, Sym, parse_expression
from dqdata_operators.lib.maths.identity import proportional, same
from dqdata_operators.lib.maths.notation import UNIT_CLOSES, UNIT_OPENS, top_level
from dqdata_operators.lib.maths.quantities import Tolerance, near, same_quantity
from dqdata_operators.lib.maths.shapes import Answer, Chain, Scalar, Unreadable
from dqdata_operators.lib.maths.structure import read

FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le"}
_LETTER = (
    r"(?:\\(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|psi|omega"
    r"|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|ell)(?![a-zA-Z])|[A-Za-z])"
)
_INDEX = r"(?:\s*_\s*(?:\{[^{}]*\}|\w))?"
_PRIMES = r"(?:'*|\s*\^\s*\{\s*\\prime\s*\})"
_LETTERED = rf"(?:\\Delta\s*)?{_LETTER}{_INDEX}{_PRIMES}"
_ARGUMENTS = r"\s*\([^()]*(?:\([^()]*\)[^()]*)*\)"
_NAMES = (
    re.compile(rf"{_LETTERED}(?:{_ARGUMENTS})?"),
    re.compile(rf"{_LETTERED}\s*\^\s*\{{?\s*-\s*1\s*\}}?{_ARGUMENTS}"),
    re.compile(
        r"(?:[A-Z]{_I}'?\s*){{2,6}}".replace("{_I}", "(?:_\\{?[0-9]\\}?)?").replace("{{", "{").replace("}}", "}")
    ),
    re.compile(rf"(?:m\s*)?\\(?:angle|triangle|widehat)\s*(?:\{{[^{{}}]*\}}|{_LETTERED}|[A-Z]+)+"),
    re.compile(rf"[A-Z][a-z]{{2}}{_ARGUMENTS}"),
    re.compile(r"[A-Z]\s*\^\s*\{?\s*(?:-\s*1|T)\s*\}?"),
    re.compile(r"\\det\s*\(?\s*[A-Z]\s*\)?"),
    re.compile(rf"\|\s*(?:{_LETTERED}|[A-Z]{{2}})\s*\|"),
    re.compile(rf"\\overline\s*\{{[^{{}}]*\}}{_INDEX}|\\overline\s*{_LETTERED}"),
    re.compile(
        r"\\frac\s*\{\s*d\s*(?:\^\s*\{?[0-9]\}?\s*)?[a-zA-Z]?\s*\}\s*\{\s*d\s*[a-zA-Z]\s*(?:\^\s*\{?[0-9]\}?)?\s*\}|d[a-z]\s*/\s*d[a-z]"
    ),
    re.compile(rf"\\(?:mathbb|mathcal)\s*\{{?\s*[A-Z]\s*\}}?(?:{_ARGUMENTS})?"),
)
_LENGTHS = re.compile(r"\\frac\s*\{\s*[A-Z]{2}\s*\}\s*\{\s*[A-Z]{2}\s*\}|[A-Z]{2}(?:\s*[-+/*:]\s*[A-Z]{2})+")
"""Lengths of segments put together: AB + BC, \\frac{AB}{CD}."""
_WORDED = re.compile(r"[A-Za-z\u3040-\u9fff][A-Za-z\u3040-\u9fff \-'’_()0-9]*")


def assigns(chain: Chain) -> bool:
    return set(chain.ops) <= {"=", "approx", "equiv"}


def variables(text: str) -> bool:
    try:
        return bool(symbols(parse_expression(text)))
    except NotMath:
        return True


def is_name(text: str) -> bool:
    r"""Whether a side of an equation only names what the other side is: x, f(2), P(A), AB, \angle ABC, Area, (p, q)."""
    text = text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ").strip()
    if text in ("e", "i", "\\pi") or not text:
        return False
    if any(pattern.fullmatch(text) for pattern in _NAMES):
        return True
    if text[0] == "(" and text[-1] == ")" and all(is_name(part) for part in top_level(text[1:-1], ",")):
        return "," in text
    if _LENGTHS.fullmatch(text):
        return True
    return is_worded(text) or (":" in text and all(is_name(part) for part in text.split(":")))


def is_worded(text: str) -> bool:
    """Whether a side is a description in words, such as `Area` or `number of apples`."""
    plain = text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ").strip()
    words = re.findall(r"[A-Za-z\u3040-\u9fff]+", plain)
    return (
        bool(_WORDED.fullmatch(plain))
        and any(len(word) > 3 or not word.isascii() or re.fullmatch("[A-Z][a-z]{2}", plain) for word in words)
        and not any(word in FUNCTIONS for word in words)
    )


def compounded(text: str) -> bool:
    r"""Whether a side combines several names, or is a function of one: m + n, \cos A.

    It may be what was asked for, or an equation that is still to be solved; nothing but the question tells.
    """
    try:
        node = parse_expression(text)
    except NotMath:
        return True
    if isinstance(node, Call) and node.name in ("+", "*", "/") and len(symbols(node)) > 1:
        return all(
            isinstance(part.args[0] if isinstance(part, Call) and part.name == "neg" else part, Sym)
            for part in node.args
        )
    return isinstance(node, Call) and node.name in FUNCTIONS and node.name != "sqrt"


def name_of(answer: Answer) -> str:
    """The name on one side of an assignment, without blanks and braces; nothing where there is none."""
    if not isinstance(answer, Chain) or not assigns(answer):
        return ""
    if is_name(answer.parts[0]):
        return squeeze(answer.parts[0])
    return squeeze(answer.parts[-1]) if len(answer.parts) == 2 and is_name(answer.parts[1]) else ""


def names_agree(mine: str, theirs: str) -> bool:
    """Whether two named values may be about the same thing. A description agrees with a letter, letters with
    themselves alone; f and f(x) name one function, f(2) and f(3) two values."""
    if not mine or not theirs or mine == theirs:
        return True
    mine, theirs = (_DERIVATIVE.sub(r"\1'", name) for name in (mine, theirs))
    mine, theirs = (
        re.sub(r"\A\|([A-Z]{2})\|\Z", r"\1", re.sub(r"\A\\det\(?([A-Z])\)?\Z", r"|\1|", name))
        for name in (mine, theirs)
    )
    if mine == theirs:
        return True
    angles = [_ANGLE.fullmatch(name) for name in (mine, theirs)]
    if angles[0] and angles[1]:
        return angles[0][1] in (angles[1][1], angles[1][1][::-1])
    if is_worded(mine) != is_worded(theirs):
        return True
    a, b = (re.sub(r"\((?:[a-z]|\\theta)(?:,[a-z])*\)\Z", "", name) for name in (mine, theirs))
    if is_worded(mine):
        return a.lower().replace(" ", "") == b.lower().replace(" ", "")
    if _function_value(a, b) or _function_value(b, a):
        return True
    return a == b or (len(a) == len(b) == 2 and a.isupper() and sorted(a) == sorted(b))


_DERIVATIVE = re.compile(r"\A(?:\\frac)?d([a-z])/?dx\Z")
_ANGLE = re.compile(r"m?\\(?:angle|widehat)([A-Z]{3})")


def same_argument(mine: str, theirs: str) -> tuple[str, str] | None:
    """The two letters, where both sides name one function of one letter: f(x) and f(t)."""
    a, b = (re.fullmatch(r"(.+)\(([a-z])\)", name) for name in (mine, theirs))
    return (a[2], b[2]) if a and b and a[1] == b[1] and a[2] != b[2] else None


def _function_value(function: str, name: str) -> bool:
    """y and f(x) name one function."""
    return function == "y" and name in ("f", "g", "h")


def values_of(chain: Chain) -> list[Answer]:
    """What an assignment states: the last part before an approximation, since the rounded value is not the exact one.
    Constants that contradict each other state nothing, unless a name leads."""
    parts, ops = list(chain.parts), list(chain.ops)
    if "approx" in ops and not (ops[0] == "approx" and is_name(parts[0])):
        at = ops.index("approx")
        parts, ops = parts[: at + 1], ops[:at]
    if len(parts) == 2 and not is_name(parts[0]) and is_name(parts[1]):
        parts = parts[::-1]  # 7 = x
    try:
        last = read(parts[-1])
        constants = [read(part) for part in parts[:-1] if not is_name(part) and not variables(part)]
        if not is_name(parts[0]) and not all(_agree(constant, last) for constant in constants):
            return []
    except Unreadable:
        return []
    return [last]


def identity(chain: Chain) -> bool:
    """Whether all sides are one function: the last line of a simplification, and no equation to solve."""
    if set(chain.ops) != {"="}:
        return False
    try:
        sides = [parse_expression(part) for part in chain.parts]
    except NotMath:
        return False
    return all(same(left, right) is True for left, right in itertools.pairwise(sides))


def rounded(chain: Chain) -> Answer | None:
    """The decimal at the end of `\\pi \\approx 3.14`, where it is the rounding of the exact side."""
    if "approx" not in chain.ops or (chain.ops[0] == "approx" and is_name(chain.parts[0])):
        return None
    exact = values_of(chain)
    try:
        last = read(chain.parts[-1])
    except Unreadable:
        return None
    if not exact or not isinstance(last, Scalar) or not isinstance(exact[0], Scalar) or not _decimal(last.node):
        return None
    return last if near(last.node, exact[0].node, Tolerance(rounded_digits=1)) else None


def quantities(chain: Chain) -> list[Answer]:
    """The sides of `5 m = 500 cm`, where all are one quantity in some unit."""
    try:
        sides = [read(part) for part in chain.parts]
    except Unreadable:
        return []
    said = all(isinstance(side, Scalar) and side.unit.dims and _agree(side, sides[0]) for side in sides)
    return sides if said and set(chain.ops) == {"="} else []


def _decimal(node: Node) -> bool:
    number = node.args[0] if isinstance(node, Call) and node.name == "neg" else node
    return isinstance(number, Num) and number.decimals is not None


def _agree(left: Answer, right: Answer, rel_tol: float = 1e-6) -> bool:
    if not isinstance(left, Scalar) or not isinstance(right, Scalar):
        return left == right
    if left.unit.dims and right.unit.dims:
        return same_quantity(left, right, Tolerance(), "") is True
    return same(_without_percent(left), _without_percent(right), rel_tol) is True


def _without_percent(value: Scalar) -> Node:
    return Call("%", (value.node,)) if value.percent else value.node


def difference(chain: Chain) -> Node | None:
    try:
        left, right = parse_expression(chain.parts[0]), parse_expression(chain.parts[1])
        return Call("+", (left, Call("neg", (right,))))
    except NotMath:
        return None


def same_equation(ref: Chain, pred: Chain) -> bool | None:
    a, b = difference(ref), difference(pred)
    if a is None or b is None:
        return None
    if symbols(a) != symbols(b):
        return False
    if uses(a, "conj") or uses(b, "conj"):
        return None  # the points compared are real
    return proportional(a, b) is not None


def same_inequality(ref: Chain, pred: Chain) -> bool | None:
    a, b = difference(ref), difference(pred)
    if a is None or b is None:
        return None
    ratio = proportional(a, b) if symbols(a) == symbols(b) else None
    if ratio is None:
        return None if symbols(a) == symbols(b) else False
    op = pred.ops[0] if ratio > 0 else FLIP.get(pred.ops[0], pred.ops[0])
    return ref.ops[0] == op


def squeeze(text: str) -> str:
    return re.sub(rf"[\s{{}}{UNIT_OPENS}{UNIT_CLOSES}]", "", text)

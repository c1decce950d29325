r"""Statements of divisibility in words and signs, as residue classes.

>>> statement("n is even").modulus.text, statement("3 | n").residue.text, statement("all odd integers").answer.text
('2', '0', 'all odd integers')
"""

from __future__ import annotations

import re
from fractions import Fraction

from dqdata_operators.lib.maths.expression import Call, Node, Num, Sym
from dqdata_operators.lib.maths.notation import UNIT_CLOSES, UNIT_OPENS
from dqdata_operators.lib.maths.shapes import Answer, Congruence, Qualified, Scalar, Several

LONGEST = 80
PARITY = {"even": 0, "odd": 1, "偶数": 0, "奇数": 1}
_LETTER = r"([a-ei-zA-EI-Z])"
"""No f, g or h: an even function is something else."""
_IS_PARITY = re.compile(
    rf"(?:all\s+|any\s+|every\s+)?{_LETTER}\s+(?:(?:is|are|must\s+be|being)\s+)?(?:an?\s+)?(even|odd)"
    r"(?:\s+(?:integers?|numbers?))?",
    re.IGNORECASE,
)
_PARITY_OF = re.compile(rf"(?:for\s+)?(?:all\s+|any\s+|every\s+)?(even|odd)\s+{_LETTER}", re.IGNORECASE)
_IS_MULTIPLE = re.compile(
    rf"{_LETTER}\s+(?:is|must\s+be|being)\s+(not\s+)?(?:an?\s+|any\s+)?(?:(?:integer\s+)?multiples?\s+of|divisible\s+by)"
    r"\s+([1-9][0-9]{0,2})",
    re.IGNORECASE,
)
_DIVIDES = re.compile(rf"([1-9][0-9]{{0,2}})\s*(\\mid|\\nmid|\\not\s*\\mid|\||divides)(?![A-Za-z])\s*{_LETTER}")
_MULTIPLES = re.compile(
    r"(?:all\s+|the\s+|every\s+|any\s+)*(?:of\s+the\s+)?(?:(positive|natural)\s+)?"
    r"(?:(even|odd)\s+(?:integers|numbers|whole\s+numbers)|"
    r"(?:integer\s+)?(?:multiples\s+of|(?:integers|numbers)\s+divisible\s+by)\s+([1-9][0-9]{0,2}))",
    re.IGNORECASE,
)
_CHINESE = (
    (re.compile(r"([0-9]+)\s*的(?:整数)?倍数?"), r"multiple of \1"),
    (re.compile(r"能被\s*([0-9]+)\s*整除"), r"is divisible by \1"),
    (re.compile(r"[是为]"), " is "),
    (re.compile("所有的?偶数"), "all even numbers"),
    (re.compile("所有的?奇数"), "all odd numbers"),
    (re.compile("偶数"), "even"),
    (re.compile("奇数"), "odd"),
)
_HINT = re.compile(r"even|odd|multipl|divi|\||\\n?mid|[奇偶倍整]", re.IGNORECASE)


def statement(text: str) -> Answer | None:
    """`n is even`, `4 | n`, `all multiples of 3`, `n is not divisible by 5`: residue classes in words and signs."""
    if _HINT.search(text) is None or len(text) > LONGEST:
        return None
    plain = text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ")
    if not text.isascii():
        for pattern, words in _CHINESE:
            plain = pattern.sub(words, plain)
    plain = " ".join(plain.split())
    if (said := _IS_PARITY.fullmatch(plain)) is not None:
        return Congruence(said[1], _whole(PARITY[said[2].lower()]), _whole(2))
    if (said := _PARITY_OF.fullmatch(plain)) is not None:
        return Congruence(said[2], _whole(PARITY[said[1].lower()]), _whole(2))
    if (said := _IS_MULTIPLE.fullmatch(plain)) is not None:
        return _multiples(said[1], int(said[3]), kept=not said[2])
    if (said := _DIVIDES.fullmatch(plain)) is not None:
        return _multiples(said[3], int(said[1]), kept=said[2] in ("\\mid", "|"))
    if (said := _MULTIPLES.fullmatch(plain)) is not None:
        modulus, residue = int(said[3] or 2), PARITY.get((said[2] or "even").lower(), 0)
        letter, domain = ("k", {"positive": "N", "natural": "N"}.get((said[1] or "").lower(), "Z"))
        if domain == "N" and residue:
            residue -= modulus
        node: Node = Call("*", (Num(Fraction(modulus)), Sym(letter)))
        if residue:
            node = Call("+", (node, Num(Fraction(residue))))
        return Qualified(Scalar(plain, node), ((letter, domain),), plain)
    return None


def others(name: str, residues: Answer, modulus: Answer) -> Congruence | None:
    """The residues that are left: n \\not\\equiv 1 (mod 3) is 0 or 2."""
    items = residues.items if isinstance(residues, Several) else (residues,)
    if not isinstance(modulus, Scalar) or not isinstance(modulus.node, Num) or not 1 < modulus.node.value < 1000:
        return None
    size = modulus.node.value
    denied = {item.node.value % size for item in items if isinstance(item, Scalar) and isinstance(item.node, Num)}
    if size.denominator != 1 or len(denied) != len(items):
        return None
    left = tuple(_whole(r) for r in range(int(size)) if r not in denied)
    return Congruence(name, left[0] if len(left) == 1 else Several(left), modulus) if left else None


def _multiples(name: str, modulus: int, *, kept: bool) -> Answer | None:
    whole = Congruence(name, _whole(0), _whole(modulus))
    return whole if kept else others(name, whole.residue, whole.modulus)


def _whole(number: int) -> Scalar:
    return Scalar(str(number), Num(Fraction(number)))

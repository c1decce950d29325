r"""Formulas of sets or of statements, compared by their truth tables.

>>> same_formula(r"(A \cup B)^c", r"\overline{A} \cap \overline{B}"), same_formula(r"A \cap B", r"A \cup B")
(True, False)
>>> same_formula(r"p \to q", r"\neg p \lor q"), same_formula("A", r"x + 1")
(True, None)

Letters are capitals in formulas of sets, any in those of statements. A prime may be a complement or something else, so
it decides only where the other side has none of another notation.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Literal

MOST = 6
"""Letters of both sides; a truth table has 2 to the power of them rows."""
_TOKEN = re.compile(
    r"\s*(?:(?P<letter>[A-Za-z](?:_\{?[0-9]\}?)?)|(?P<and>\\cap(?![a-z])|\\land(?![a-z])|\\wedge|∩|∧)|"
    r"(?P<or>\\cup(?![a-z])|\\lor(?![a-z])|\\vee|∪|∨)|(?P<minus>\\setminus|\\smallsetminus|\\backslash|∖)|"
    r"(?P<xor>\\triangle|\\bigtriangleup|\\oplus|△|⊕)|"
    r"(?P<then>\\(?:to|rightarrow|Rightarrow|implies)(?![a-z])|→|⇒)|(?P<same>\\(?:leftrightarrow|Leftrightarrow|iff)(?![a-z])|↔|⇔)|"
    r"(?P<not>\\neg(?![a-z])|\\lnot|\\sim|¬)|(?P<over>\\(?:overline|bar)\s*\{)|(?P<bar>\\(?:overline|bar)\s*(?=[A-Z]))|"
    r"(?P<complement>\^\s*\{?\s*(?:c|C|\\complement|\\mathrm\{c\}|\\mathsf\{c\}|\\text\{c\})\s*\}?|∁)|"
    r"(?P<prime>'|\^\s*\{?\s*\\prime\s*\}?)|(?P<open>\(|\\left\s*\(|\{)|(?P<close>\)|\\right\s*\)|\}))"
)
_SIGNS = re.compile(
    r"\\(?:cap|cup|setminus|triangle|land|lor|wedge|vee|neg|lnot|complement|overline|bar|to|[rR]ightarrow|implies|"
    r"iff)(?![a-z])|[∩∪∖∧∨¬△→↔⇒⇔]|\^\s*\{?\s*c\b|'"
)
_OF_STATEMENTS = frozenset(("then", "same", "not"))
_Node = tuple["str | _Node", ...]


class _NoFormula(Exception):
    pass


def same_formula(reference: str, prediction: str) -> bool | Literal["open"] | None:
    """Whether two formulas have one truth table, or a prime leaves it open; None where a side is no such formula."""
    if not (_SIGNS.search(reference) or _SIGNS.search(prediction)):
        return None
    try:
        (ours, mine), (theirs, other) = _parsed(reference), _parsed(prediction)
    except (_NoFormula, RecursionError):
        return None
    letters = sorted(_letters(ours) | _letters(theirs))
    kinds = mine | other
    joined = re.search(r"\\(?:land|lor|wedge|vee)|[∧∨]", reference + prediction)
    statements = joined is not None or bool(kinds & _OF_STATEMENTS)
    if len(letters) > MOST or not (statements or all(letter[0].isupper() for letter in letters)):
        return None
    if not kinds - {"letter", "open", "close", "prime"}:
        return None  # nothing but a letter, or its derivative
    if ("complement" in mine) != ("complement" in other) and not kinds & {"overline", "prime"} and not kinds & _JOINS:
        return None  # a power beside a letter
    rows = [dict(zip(letters, row, strict=True)) for row in product((False, True), repeat=len(letters))]
    same = all(_true(ours, row) == _true(theirs, row) for row in rows)
    exterior = not kinds - {"letter", "open", "close", "and"} and re.search(r"\\wedge|∧", reference + prediction)
    if same and exterior and ours != theirs:
        return "open"  # perhaps an exterior product, whose order matters
    return "open" if same and ("prime" in mine) != ("prime" in other) else same


_JOINS = frozenset(("and", "or", "minus", "xor", "then", "same", "not"))


def _parsed(text: str) -> tuple[_Node, set[str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    text = re.sub(r"\\[,;! ]|\\text\{\s*\}|\$", " ", text).strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at or len(tokens) > 200:
            raise _NoFormula
        tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
        at = match.end()
    kinds = {"overline" if kind in ("over", "bar") else kind for kind, _ in tokens}
    node, rest = _level(tokens, 0)
    if rest:
        raise _NoFormula
    return node, kinds


_LEVELS = (("same",), ("then",), ("or", "xor"), ("and", "minus"))
"""Connectives from the loosest to the tightest."""


def _level(tokens: list[tuple[str, str]], depth: int) -> tuple[_Node, list[tuple[str, str]]]:
    if depth == len(_LEVELS):
        return _factor(tokens)
    node, rest = _level(tokens, depth + 1)
    while rest and rest[0][0] in _LEVELS[depth]:
        kind = rest[0][0]
        right, rest = _level(rest[1:], depth if kind == "then" else depth + 1)
        node = (kind, node, right)
    return node, rest


def _factor(tokens: list[tuple[str, str]]) -> tuple[_Node, list[tuple[str, str]]]:
    if not tokens:
        raise _NoFormula
    (kind, text), rest = tokens[0], tokens[1:]
    node: _Node
    if kind in ("not", "bar"):
        inner, rest = _factor(rest)
        return ("not", inner), rest
    if kind == "letter":
        node = ("letter", text)
    elif kind in ("open", "over"):
        node, rest = _level(rest, 0)
        if not rest or rest[0][0] != "close":
            raise _NoFormula
        rest = rest[1:]
        node = ("not", node) if kind == "over" else node
    else:
        raise _NoFormula
    while rest and rest[0][0] in ("complement", "prime"):
        node, rest = ("not", node), rest[1:]
    return node, rest


def _letters(node: _Node) -> set[str]:
    if node[0] == "letter":
        return {str(node[1])}
    return set().union(*(_letters(part) for part in node[1:] if isinstance(part, tuple)))


def _true(node: _Node, row: dict[str, bool]) -> bool:
    kind: str | _Node = node[0]
    if kind == "letter":
        return row[str(node[1])]
    parts = [_true(part, row) for part in node[1:] if isinstance(part, tuple)]
    match kind, parts:
        case "not", [one]:
            return not one
        case "and", [one, other]:
            return one and other
        case "or", [one, other]:
            return one or other
        case "minus", [one, other]:
            return one and not other
        case "xor", [one, other]:
            return one != other
        case "then", [one, other]:
            return not one or other
        case _, [one, other]:
            return one == other
    raise _NoFormula

r"""Parses an answer into lists, tuples, sets, relations, matrices and single values.

>>> read("(3, 4]").closing, len(read("1, -2").items), read("x = 5").ops
(']', 2, ('=',))
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction

from dqdata_operators.lib.maths.brackets import (
    INFINITY,
    MOST_ITEMS,
    REALS,
    bracketed,
    outward,
    plain_number,
    set_algebra,
    spans,
)
from dqdata_operators.lib.maths.calendar import MONTHS, clock, date
from dqdata_operators.lib.maths.expression import FUNCTIONS, Call, Num
from dqdata_operators.lib.maths.matrices import matrix
from dqdata_operators.lib.maths.notation import LONGEST, UNIT_CLOSES, UNIT_OPENS, balanced, normalise, top_level
from dqdata_operators.lib.maths.numbers import literal, words_to_number
from dqdata_operators.lib.maths.qualifiers import bound, labelled, qualifier, without_approximation
from dqdata_operators.lib.maths.scalars import based, compound, scalar, sexagesimal
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Cases,
    Chain,
    Congruence,
    Except,
    Matrix,
    Opaque,
    Parts,
    Qualified,
    Ratio,
    Scalar,
    Several,
    Tuple,
    Union,
    Unreadable,
    Words,
)
from dqdata_operators.lib.maths.spelled import plain_quantity
from dqdata_operators.lib.maths.statements import others, statement
from dqdata_operators.lib.maths.units import NO_UNIT

_OPS = re.compile(r"\\(le|ge|ne|approx|in|notin|equiv|subset|subseteq|propto|sim|cong)(?![a-zA-Z])|(<|>|=)")
_CONNECTIVE = re.compile(
    rf"\s*[,;]?\s*(?:{UNIT_OPENS}\s*)?(?<![a-zA-Z\\])(and|or|&)(?![a-zA-Z])(?:\s*{UNIT_CLOSES})?\s*|\\(land|lor)(?![a-zA-Z])"
)
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])")
_YES_OR_NO = re.compile(r"(?:yes|no)\s*,", re.IGNORECASE)
_ALL_BUT = re.compile(
    rf"(?:[a-z]\s*\\in\s*)?(?:(?:all|any|every)\s+)?(?:(?:real\s+)?(?:numbers?|values?)|reals?|{REALS.pattern})\s*(?:of\s+[a-z]\s+)?,?\s*"
    r"(?:except|excluding|other\s+than|but|besides|apart\s+from)(?:\s+for)?\s*(?:[a-z]\s*=\s*)?(.+)",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    r"(?:(?:all|any|every|the)\s+)?(?:(?:real\s+)?(?:numbers?|values?)(?:\s+of)?\s+)?(?P<name>[A-Za-z](?![A-Za-z]))?\s*"
    r"(?:(?:that|which)\s+)?(?:(?:is|are|must\s+be|has\s+to\s+be)\s+)?(?P<bound>[a-z].+)",
    re.IGNORECASE,
)
_MODULO = re.compile(
    r"\s*,?\s*\(?\s*(?:\\mod|(?<![A-Za-z])modulo|(?<![A-Za-z])mod)(?![a-zA-Z])\s*\{?\s*([^{}()]+?)\s*\}?\s*\)?\s*\Z"
)
_NOT = re.compile(r"\\not\s*\Z")
_CONDITION = re.compile(r"([a-z])\s*(?:[<>]|\\(?:le|ge|ne)(?![a-zA-Z])).*")
_CASES = re.compile(r"\\begin\{(cases|aligned|align\*?|array)\}(.*)\\end\{\1\}", re.DOTALL)
_TRANSPOSED = re.compile(r"([(\[].*[)\]])\s*\^\s*\{?\s*(?:T|\\top|\\prime)\s*\}?", re.DOTALL)
_TITLED = re.compile(r"(?<![A-Za-z\\])([A-Za-z][A-Za-z ]{1,28}[a-z])\s*:\s*(?=[-\\$0-9.(])")
_NAMED = re.compile(
    rf"(?:\A|(?<=[,;]\s)|(?<=and\s)){UNIT_OPENS}?\s?([A-Z][a-z]{{2,}}){UNIT_CLOSES}?(?:\s(?:has|had|gets|got|is|owns|earns|pays))?\s"
    r"(?=-?[0-9$])"
)
"""A person's name before what is theirs: `Ann has 3 and Bob 5`."""
_SAID_VALUE = re.compile(r"(?:\A|(?<=[,;]\s)|(?<=and\s))(?:[Tt]he\s+)?([A-Za-z]+)\s+is\s+(?=[-+]?[0-9\\$(])")
_AND_SPELLED = re.compile(r"([0-9][0-9.,]*)\s*\(([A-Za-z][A-Za-z -]*)\)")
"""A number and, in brackets, the same in words."""
_SIGNED = re.compile(r"([A-Za-z])\s+(?:is|must\s+be)\s+(positive|negative|non-?negative|non-?positive)", re.IGNORECASE)
_SIGNS = {"positive": ">", "negative": "<", "nonnegative": "ge", "nonpositive": "le"}
_CALLED = re.compile(r"(?:the\s+)?([a-z]{4,})\s+(?:is\s+|at\s+)?([(\[].*[)\]])", re.IGNORECASE)
"""A noun before a point or an interval: vertex (2, -1)."""
_OUT_OF = re.compile(r"([0-9]+)\s+(?:in|out\s+of)\s+(?:every\s+)?([0-9]+)(?:\s+chance)?")
_TO = re.compile(r"([0-9.]+)\s+to\s+([0-9.]+)")
_WORD_LIST = re.compile(r"[^\W\d_]+", re.UNICODE)
_HAS_MATH = re.compile(r"[0-9=<>^_+*/|\\{}]")


@functools.lru_cache(maxsize=2048)
def read(text: str) -> Answer:
    """The structure of one answer. Raises Unreadable where there is none."""
    number = literal(text)
    if number is not None:
        return plain_number(text.strip(), number)
    if len(text) > LONGEST:
        raise Unreadable("too long")
    plain = normalise(text)
    if not any(char.isalnum() for char in plain) and "\\" not in plain:
        raise Unreadable("nothing to read")
    if not balanced(plain.replace("\\{", "(").replace("\\}", ")")):
        raise Unreadable("braces don't match")
    if "\\{" not in plain:
        plain = _TITLED.sub(r"\1 = ", plain) if ":" in plain else plain
        plain = _NAMED.sub(_owned, plain)
        plain = _SAID_VALUE.sub(r"\1 = ", plain) if " is " in plain else plain
    return _read(plain, 0)


def _owned(match: re.Match[str]) -> str:
    return match[0] if match[1].lower() in MONTHS else f"{match[1]} = "


def _read(text: str, depth: int) -> Answer:
    if depth > 12:
        raise Unreadable("too deep")
    text = text.strip()
    while text[:1] == "{" and text[-1:] == "}" and spans(text):
        text = text[1:-1].strip()
    if not text:
        raise Unreadable("empty part")
    number = literal(text)
    if number is not None:
        return plain_number(text, number)
    if _YES_OR_NO.match(text):
        return Words(text)
    for reader in _READERS:
        found = reader(text, depth)
        if found is not None:
            return found
    return scalar(text)


def _parts(text: str, depth: int) -> Answer | None:
    if depth or (found := labelled(text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " "))) is None:
        return None
    return Parts(tuple(label for label, _ in found), tuple(_read(body, depth + 1) for _, body in found))


def _qualified(text: str, depth: int) -> Answer | None:
    if depth > 1 or "\\{" in text or "\\begin" in text:
        return None
    found = qualifier(text) or _conditioned(text)
    if found is None:
        return None
    body, parameters, condition = found
    inner = _read(body.rstrip("( "), depth + 1)
    return None if isinstance(inner, Words) else Qualified(inner, parameters, condition)


def _conditioned(text: str) -> tuple[str, tuple[tuple[str, str], ...], str] | None:
    """`x + 1, x \\ne 1`: a value with a condition on a letter that it is made of."""
    parts = top_level(text, ",")
    match = _CONDITION.fullmatch(parts[-1].strip()) if len(parts) == 2 else None
    if match is None:
        return None
    name, found, value = parts[0].partition("=")
    value = value if found else name
    if re.search(r"[<>]|\\(?:le|ge|ne|in)(?![a-zA-Z])", parts[0]) or match[1] not in re.sub(r"\\[A-Za-z]+", "", value):
        return None
    return parts[0], (), parts[-1].strip()


def _worded(text: str, depth: int) -> Answer | None:
    """Bounds in words are inequalities; an approximation in words is its value."""
    if (found := _ALL_BUT.fullmatch(text)) is not None:
        holes = _read(found[1], depth + 1)
        return Except(holes.items if isinstance(holes, Several | Braces) else (holes,))
    if (limit := bound(text)) is not None:
        return _half_line(*limit, depth)
    plain = " ".join(text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ").split())
    if (said := _BOUNDED.fullmatch(plain)) is not None and (limit := bound(said["bound"])) is not None:
        return Chain((said["name"], limit[1]), (limit[0],)) if said["name"] else _half_line(*limit, depth)
    if (signed := _SIGNED.fullmatch(plain)) is not None:
        return Chain((signed[1], "0"), (_SIGNS[signed[2].lower().replace("-", "")],))
    if (called := _CALLED.fullmatch(text)) is not None and called[1] not in FUNCTIONS and spans(called[2]):
        return Chain((called[1], called[2]), ("=",)) if isinstance(_read(called[2], depth + 1), Tuple) else None
    if (twice := _AND_SPELLED.fullmatch(plain)) is not None and words_to_number(twice[2].strip()) is not None:
        return _read(twice[1], depth + 1)
    if (rest := without_approximation(text)) != text:
        return _read(rest, depth + 1)
    if (chance := _OUT_OF.fullmatch(text)) is not None and int(chance[2]):
        return Scalar(text, Num(Fraction(int(chance[1]), int(chance[2]))))
    return None


def _half_line(op: str, end: str, depth: int) -> Answer | None:
    """All numbers beyond one."""
    value = _read(end, depth + 1)
    if not isinstance(value, Scalar):
        return None
    infinity = Scalar("\\infty", INFINITY)
    if op in (">", "ge"):
        return Union((Tuple("(" if op == ">" else "[", (value, infinity), ")"),))
    least = Scalar("-\\infty", Call("neg", (INFINITY,)))
    return Union((Tuple("(", (least, value), ")" if op == "<" else "]"),))


def _in_words(text: str, depth: int) -> Answer | None:
    plain = plain_quantity(text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " "))
    return None if plain is None else _read(plain, depth + 1)


def _transposed(text: str, depth: int) -> Answer | None:
    """(1, 2, 3)^T, a column."""
    match = _TRANSPOSED.fullmatch(text)
    if match is None or not spans(match[1]):
        return None
    inner = _read(match[1], depth + 1)
    if isinstance(inner, Matrix):
        return Matrix(tuple(zip(*inner.rows, strict=True)))
    return inner if isinstance(inner, Tuple) else None


def _several(text: str, depth: int) -> Answer | None:
    if "\\begin" in text:
        return None
    groups = [part for part in top_level(text, ";") if part.strip()]
    connective = ""
    if ";" not in text or len(groups) < 2:
        groups, connective = _split_words(text)
    if len(groups) < 2:
        parts = [part for part in top_level(text, ",") if part.strip()]
        if len(parts) < 2 or _described(parts):
            return None
        return _collect([_read(part, depth + 1) for part in parts], "")
    items = [_read(group, depth + 1) for group in groups]
    sizes = {len(item.items) if isinstance(item, Several) else 1 for item in items}
    if ";" in text and len(sizes) == 1 and sizes != {1}:  # p=5, q=2; p=7, q=2 is a list of pairs
        return Several(tuple(Tuple("(", item.items, ")") for item in items if isinstance(item, Several)))
    return _collect(items, connective)


def _collect(items: list[Answer], connective: str) -> Answer:
    """One list out of nested ones; `x = 1, 2` names both values."""
    if len(items) > MOST_ITEMS:
        raise Unreadable("too many answers")
    flat: list[Answer] = []
    for item in items:
        flat += item.items if isinstance(item, Several) else [item]
        connective = connective or (item.connective if isinstance(item, Several) else "")
    return Several(tuple(flat), connective)


def _described(parts: list[str]) -> bool:
    """Whether commas belong to prose: `5, since it is odd`. A comma between two prose parts is no list of answers."""
    return all(len(_WORD_LIST.findall(part)) >= 4 and not _HAS_MATH.search(part) for part in parts)


def _split_words(text: str) -> tuple[list[str], str]:
    """The pieces between `and` and `or` outside brackets, and which of the two it is."""
    pieces: list[str] = []
    said: set[str] = set()
    start = 0
    for match in _CONNECTIVE.finditer(text):
        before = text[: match.start()]
        if sum(before.count(c) for c in "([{") == sum(before.count(c) for c in ")]}"):
            pieces.append(text[start : match.start()])
            said.add("or" if (match[1] or match[2]) in ("or", "lor") else "and")
            start = match.end()
    pieces.append(text[start:])
    pieces = [piece for piece in pieces if piece.strip(" ,;")]
    return pieces, said.pop() if len(said) == 1 else ""


def _chain(text: str, depth: int) -> Answer | None:
    parts: list[str] = []
    ops: list[str] = []
    start = 0
    for match in _OPS.finditer(text):
        before = text[: match.start()]
        if sum(before.count(c) for c in "([{") != sum(before.count(c) for c in ")]}"):
            continue
        parts.append(text[start : match.start()].strip())
        ops.append(match[1] or match[2])
        start = match.end()
    if not ops:
        return None
    parts.append(text[start:].strip())
    if not parts[-1]:
        raise Unreadable("a relation to nothing")
    if not parts[0]:  # `= 5`, `> 5`
        if set(ops) <= {"=", "approx"}:
            return _read(parts[-1], depth + 1)
        return _half_line(ops[0], parts[-1], depth) if len(ops) == 1 and ops[0] in ("<", ">", "le", "ge") else None
    if not all(parts) or len(parts) > 30:
        raise Unreadable("a relation to nothing")
    if ops == ["ne"] and _PLUS_MINUS.search(parts[1]):
        both = (_PLUS_MINUS.sub(sign, parts[1]) for sign in ("", "-"))
        return Several(tuple(Chain((parts[0], one), ("ne",)) for one in both), "and")
    return Chain(tuple(parts), tuple(ops))


def _congruence(text: str, depth: int) -> Answer | None:
    match = _MODULO.search(text)
    if match is None or not match.start():
        return None
    if "\\equiv" in match[1] or _CONNECTIVE.search(match[1]):
        return None  # several congruences, each with its modulus
    left = text[: match.start()].strip().rstrip("(").strip()
    name, found, residue = left.rpartition("\\equiv")
    if not found:
        name, _, residue = left.rpartition("=")
    residues, modulus = _read(residue, depth + 1), _read(match[1], depth + 1)
    denied = _NOT.search(name)
    if denied is not None:
        return others(name[: denied.start()].strip(), residues, modulus) or Opaque(text)
    return Congruence(name.strip(), residues, modulus)


def _cases(text: str, depth: int) -> Answer | None:
    """A function by cases, or a system of equations, which is its equations joined by `and`."""
    head, _, rest = text.partition("\\begin")
    match = _CASES.fullmatch("\\begin" + rest[: rest.rfind("}") + 1]) if rest else None
    if match is None or (match[1] == "array" and "\\{" not in head):
        return None
    name = head.replace("\\{", "").strip()
    if name and not name.endswith("="):
        return Opaque(text)
    rows = [
        row.strip().strip(",;") for row in re.split(r"\\\\", re.sub(r"\A\s*\{[lcr|]*\}", "", match[2])) if row.strip()
    ]
    if match[1] != "cases" or all("&" not in row or re.search(r"&\s*=", row) for row in rows):
        if name:
            return Opaque(text)
        return Several(tuple(_read(row.replace("&", ""), depth + 1) for row in rows), "and")
    branches = []
    for row in rows:
        value, found, condition = row.partition("&")
        if not found:
            value, _, condition = row.partition(",")
        condition = re.sub(r"(?<![A-Za-z])(?:if|when|for|where)(?![A-Za-z])", "", condition)
        branches.append((_read(value.strip().rstrip(","), depth + 1), condition.strip(" ,;.&")))
    return Cases(tuple(branches))


def _ratio(text: str, depth: int) -> Answer | None:
    parts = top_level(text, ":")
    if len(parts) < 2:
        match = _TO.fullmatch(text)
        if match is None:
            return None
        parts = [match[1], match[2]]
    try:
        items = tuple(_read(part, depth + 1) for part in parts)
    except Unreadable:
        return None
    return Ratio(items) if all(isinstance(item, Scalar) and item.unit == NO_UNIT for item in items) else None


def _plus_minus(text: str, depth: int) -> Answer | None:
    if not _PLUS_MINUS.search(text):
        return None
    both = []
    for sign in ("+", "-"):
        other = "-" if sign == "+" else "+"
        signed = re.sub(r"\\pm(?![a-zA-Z])", sign, text)
        both.append(_read(re.sub(r"\\mp(?![a-zA-Z])", other, signed), depth + 1))
    return _collect(both, "")


def _matrix(text: str, depth: int) -> Answer | None:
    return matrix(text, lambda cell: _read(cell, depth + 1))


def _brackets(text: str, depth: int) -> Answer | None:
    return set_algebra(text, depth, _read) or bracketed(text, depth, _read)


def _inverted(text: str, depth: int) -> Answer | None:
    return outward(text, depth, _read)


def _divisibility(text: str, depth: int) -> Answer | None:
    return statement(text) if depth < 3 else None


_READERS = (
    _divisibility, _in_words, date, sexagesimal,
    compound, clock, _parts, _worded, _cases, _qualified, _congruence, _inverted, _several,
    _transposed, _matrix, _chain,
    _brackets, _ratio, based, _plus_minus,
)  # fmt: skip

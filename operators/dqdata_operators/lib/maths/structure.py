r"""Takes an answer apart: lists, tuples, sets, relations, matrices, down to single values.

>>> read("(3, 4]").closing, len(read("1, -2").items), read("x = 5").ops
(']', 2, ('=',))
"""

from __future__ import annotations

import functools
import re

from dqdata_operators.lib.maths.expression import Call, Num, Sym
from dqdata_operators.lib.maths.notation import LONGEST, balanced, normalise, top_level
from dqdata_operators.lib.maths.numbers import literal
from dqdata_operators.lib.maths.scalars import based, clock, compound, scalar
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Chain,
    Matrix,
    Opaque,
    Ratio,
    Scalar,
    Several,
    Tuple,
    Union,
    Unreadable,
    Words,
)
from dqdata_operators.lib.maths.words import NO_UNIT

MOST_ITEMS = 200


_OPS = re.compile(r"\\(le|ge|ne|approx|in|notin|equiv|subset|subseteq)(?![a-zA-Z])|(<|>|=)")
_AND = re.compile(r"\s*[,;]?\s*(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])\s*")
_CUP = re.compile(r"\\cup(?![a-zA-Z])")
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])")
_MATRIX = re.compile(
    r"\[?\s*\\begin\{([a-zA-Z]*matrix|array)\}(?:\{[lcr|@ ]*\})?(.*?)\\end\{\1\}\s*\]?(\s*\^\s*\{?\s*T\s*\}?)?",
    re.DOTALL,
)
_YES_OR_NO = re.compile(r"(?:yes|no)\s*,", re.IGNORECASE)
_SETBUILDER = re.compile(r"\\\{\s*[^|:]{1,40}?\s*[|:]\s*(.*)\\\}", re.DOTALL)
_REALS = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\R(?![a-zA-Z])|\\mathbb\s*R")
_HAS_MATH = re.compile(r"[0-9=<>^_+*/|\\{}]")
_WORD_LIST = re.compile(r"[^\W\d_]+", re.UNICODE)


@functools.lru_cache(maxsize=2048)
def read(text: str) -> Answer:
    """The structure of one answer. Raises Unreadable where there is none."""
    number = literal(text)
    if number is not None:
        return Scalar(text.strip(), Num(number.value, number.decimals, number.digits), percent=number.percent)
    if len(text) > LONGEST:
        raise Unreadable("too long")
    plain = normalise(text)
    if not any(char.isalnum() for char in plain) and "\\" not in plain:
        raise Unreadable("nothing to read")
    if not balanced(plain.replace("\\{", "(").replace("\\}", ")")):
        raise Unreadable("braces don't match")
    return _read(plain, 0)


def read_list(text: str) -> Answer | None:
    """The other reading of commas between digits: 144,233,377 as three numbers; 1000,99 as a decimal."""
    plain = normalise(text)
    if re.fullmatch(r"-?[0-9]+(?:,-?[0-9]+)+", plain):
        return Several(tuple(_read(part, 1) for part in plain.split(",")))
    return None


def read_decimal_comma(text: str) -> Answer | None:
    match = re.fullmatch(r"(-?)([0-9]+),([0-9]+)", normalise(text))
    if match is None:
        return None
    number = literal(f"{match[1]}{match[2]}.{match[3]}")
    return None if number is None else Scalar(text, Num(number.value, number.decimals, number.digits))


def _read(text: str, depth: int) -> Answer:
    if depth > 12:
        raise Unreadable("too deep")
    text = text.strip()
    while text[:1] == "{" and text[-1:] == "}" and _spans(text):
        text = text[1:-1].strip()
    if not text:
        raise Unreadable("empty part")
    number = literal(text)
    if number is not None:
        return Scalar(text, Num(number.value, number.decimals, number.digits), percent=number.percent)
    if _YES_OR_NO.match(text):
        return Words(text)
    for reader in (compound, clock, _several, _matrix, _chain, _set_algebra, _bracketed, _ratio, based, _plus_minus):
        found = reader(text, depth)
        if found is not None:
            return found
    return scalar(text)


def _spans(text: str) -> bool:
    """Whether the first bracket closes at the very end."""
    depth = 0
    for at, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return at == len(text) - 1
    return False


def _several(text: str, depth: int) -> Answer | None:
    if "matrix" in text or "array" in text:
        return None
    groups = [part for part in top_level(text, ";") if part.strip()]
    if ";" not in text or len(groups) < 2:
        groups = [part for part in _split_words(text) if part.strip()]
    if len(groups) < 2:
        parts = [part for part in top_level(text, ",") if part.strip()]
        if len(parts) < 2 or _described(parts):
            return None
        return _collect([_read(part, depth + 1) for part in parts])
    items = [_read(group, depth + 1) for group in groups]
    sizes = {len(item.items) if isinstance(item, Several) else 1 for item in items}
    if ";" in text and len(sizes) == 1 and sizes != {1}:  # p=5, q=2; p=7, q=2 is a list of pairs
        return Several(tuple(Tuple("(", item.items, ")") for item in items if isinstance(item, Several)))
    flat = [part for item in items for part in (item.items if isinstance(item, Several) else (item,))]
    return _collect(flat)


def _collect(items: list[Answer]) -> Answer:
    if len(items) > MOST_ITEMS:
        raise Unreadable("too many answers")
    return Several(tuple(part for item in items for part in (item.items if isinstance(item, Several) else (item,))))


def _described(parts: list[str]) -> bool:
    """Whether commas belong to prose: `5, since it is odd`. A comma between two prose parts is no list of answers."""
    return all(len(_WORD_LIST.findall(part)) >= 4 and not _HAS_MATH.search(part) for part in parts)


def _split_words(text: str) -> list[str]:
    """At `and` and `or` outside brackets."""
    pieces: list[str] = []
    start = 0
    for match in _AND.finditer(text):
        before = text[: match.start()]
        if sum(before.count(c) for c in "([{") == sum(before.count(c) for c in ")]}"):
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    return pieces


def _matrix(text: str, depth: int) -> Answer | None:
    if "\\begin" not in text:
        return None
    inner = text[1:-1].strip() if text[:1] == "(" and text[-1:] == ")" else text
    match = _MATRIX.fullmatch(inner)
    if match is None or "\\begin" in match[2]:
        return Opaque(text)
    body = re.sub(r"\\(?:hline|cline\{[^}]*\})", "", match[2])
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?|\\cr", body) if row.strip()]
    cells = [[_read(cell, depth + 1) for cell in row.split("&")] for row in rows]
    if not cells or len({len(row) for row in cells}) != 1:
        raise Unreadable("rows of different length")
    if match[3]:
        cells = [list(column) for column in zip(*cells, strict=True)]
    return Matrix(tuple(tuple(row) for row in cells))


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
    if not parts[0]:  # `= 5`
        return _read(parts[-1], depth + 1) if set(ops) <= {"=", "approx"} else None
    if not all(parts) or len(parts) > 30:
        raise Unreadable("a relation to nothing")
    return Chain(tuple(parts), tuple(ops))


def _set_algebra(text: str, depth: int) -> Answer | None:
    parts = _CUP.split(text)
    if len(parts) > 1:
        return Union(tuple(_read(part, depth + 1) for part in parts))
    if _REALS.fullmatch(text):
        infinity = Sym("\\infty")
        return Tuple("(", (Scalar("-\\infty", Call("neg", (infinity,))), Scalar("\\infty", infinity)), ")")
    removed = re.fullmatch(rf"(?:{_REALS.pattern})\s*(?:\\(?:setminus|backslash)|\\(?=\\\{{)|-)\s*(\\\{{.*\\\}})", text)
    if removed is not None:
        holes = _read(removed[1], depth + 1)
        if isinstance(holes, Braces):
            names = tuple(item.text for item in holes.items if isinstance(item, Scalar))
            return Chain(("x", *names), ("ne",) * len(names)) if len(names) == 1 else Opaque(text)
    return None


def _bracketed(text: str, depth: int) -> Answer | None:
    if text.startswith("\\{") and text.endswith("\\}"):
        builder = _SETBUILDER.fullmatch(text)
        if builder is not None and _OPS.search(builder[1]):
            return _read(builder[1], depth + 1)
        inner = text[2:-2].strip()
        if not inner:
            return Words("empty set")
        found = _read(inner, depth + 1)
        return Braces(found.items if isinstance(found, Several) else (found,))
    if text[:1] not in ("(", "[", "]") or text[-1:] not in (")", "]", "["):
        return None
    opening, closing = text[0], text[-1]
    if opening == "]" or closing == "[":  # ]2, 3[ : the open interval of other countries
        opening, closing = "(" if opening == "]" else "[", ")" if closing == "[" else "]"
    elif not _spans(text):
        return None
    parts = top_level(text[1:-1], ",;")
    if len(parts) < 2:
        if opening == closing or (opening, closing) == ("(", ")"):
            inner_answer = _read(text[1:-1], depth + 1)
            return None if isinstance(inner_answer, Words | Scalar) else inner_answer
        return None
    if len(parts) > MOST_ITEMS:
        raise Unreadable("too many items")
    return Tuple(opening, tuple(_read(part, depth + 1) for part in parts), closing)


def _ratio(text: str, depth: int) -> Answer | None:
    parts = top_level(text, ":")
    if len(parts) < 2:
        match = re.fullmatch(r"([0-9.]+)\s+to\s+([0-9.]+)", text)
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
    return _collect(both)

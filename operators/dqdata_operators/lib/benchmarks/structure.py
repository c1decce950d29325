"""Texts as token sequences with numbers taken out: whether two texts share a template or a problem.

    >>> left, right = structures(tokenised(pl.Series(["Solve $2^8 = 4^x$.", "Solve $2^8 = 16^x$."])), 2)
    >>> shape(left, right).alike, shape(left, right).other_numbers
    (1.0, True)

Tokens are those of signature.py: one for each sign however it is written, variables and names of points are holes too,
and plus and minus are one, since a number may be negative. A text that holds a problem between other things is compared
by the stretch that is most like it.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dqdata_operators.lib.texts.signature import (
    BRACKET,
    DASH,
    LETTER,
    NAME,
    NUMBER,
    SIGN,
    SLASH,
    Tokens,
    code,
)

LONGER = 1.3
"""A text so many times as long as a problem is compared by a stretch."""
HOLES = {NUMBER: "\x01", LETTER: "\x02", NAME: "\x03", DASH: "\x04"}
SIGNS = (NUMBER, SIGN, LETTER, NAME, BRACKET, DASH, SLASH)


class Structure:
    """The tokens of one text."""

    def __init__(self, shape: str, kinds: bytes, codes: Sequence[int]) -> None:
        self.shape, self.kinds, self.codes = shape, kinds, codes
        """A character a token; the kind and code of each."""

    def part(self, start: int, end: int) -> Structure:
        if (start, end) == (0, len(self.shape)):
            return self
        return Structure(self.shape[start:end], self.kinds[start:end], self.codes[start:end])

    @functools.cached_property
    def numbers(self) -> Counter[int]:
        return Counter(itertools.compress(self.codes, map(NUMBER.__eq__, self.kinds)))

    @functools.cached_property
    def operators(self) -> Counter[int]:
        """Plus and minus are one."""
        found = Counter(itertools.compress(self.codes, map(SIGN.__eq__, self.kinds)))
        found[PLUS] += self.kinds.count(DASH)
        return found

    @functools.cached_property
    def pairs(self) -> Counter[Any]:
        """Neighbouring signs of a formula, numbers being holes."""
        return self._neighbours(self.shape)

    @functools.cached_property
    def exact_pairs(self) -> Counter[Any]:
        """Neighbouring signs and numbers of a formula."""
        signs = zip(self.shape, self.kinds, self.codes, strict=True)
        return self._neighbours([code if kind == NUMBER else sign for sign, kind, code in signs])

    def _neighbours(self, signs: Sequence[Any]) -> Counter[Any]:
        inside = [kind in SIGNS for kind in self.kinds]
        beside = [left and right for left, right in itertools.pairwise(inside)]
        return Counter(itertools.compress(itertools.pairwise(signs), beside))


class Shape(NamedTuple):
    alike: float
    """Similarity of the tokens with their holes, 0 to 1."""
    formulas: float
    """Share of pairs of neighbouring signs that both have; 0.5 where neither has formulas."""
    exact: float
    """The same with the numbers in them."""
    signs: int
    """Pairs of neighbouring signs of the problem."""
    other_numbers: bool
    """Each has a number, as often as it occurs there, that the other hasn't."""
    other_signs: bool
    """Each has an operator or relation that the other hasn't: no template."""


def structures(made: Tokens, count: int) -> list[Structure]:
    """Of `count` texts that are cut into these tokens."""
    signs = _characters(made)
    edges = np.searchsorted(made.rows, np.arange(count + 1)).tolist()
    kinds, codes = made.kinds.tobytes(), made.codes.tolist()
    return [Structure(signs[start:end], kinds[start:end], codes[start:end]) for start, end in itertools.pairwise(edges)]


def shape(text: Structure, problem: Structure, *, formulas: bool = True) -> Shape:
    """How alike the text, or a stretch of it, is to the problem. Without `formulas` they aren't compared, and a 1 is no
    number to differ in: in prose it is mostly a word."""
    from rapidfuzz import fuzz

    part = text
    if problem.shape and len(text.shape) > LONGER * len(problem.shape):
        aligned = fuzz.partial_ratio_alignment(problem.shape, text.shape)
        if aligned is not None:
            part = text.part(aligned.dest_start, aligned.dest_end)
    mine, theirs = part.numbers, problem.numbers
    but = None if formulas else ONE
    return Shape(
        fuzz.ratio(part.shape, problem.shape) / 100,
        _common(part.pairs, problem.pairs) if formulas else 0.5,
        _common(part.exact_pairs, problem.exact_pairs) if formulas else 0.5,
        sum(problem.pairs.values()) if formulas else 0,
        _exceeds(mine, theirs, but) and _exceeds(theirs, mine, but),
        _exceeds(part.operators, problem.operators) and _exceeds(problem.operators, part.operators),
    )


def _exceeds(mine: Counter[int], theirs: Counter[int], but: int | None = None) -> bool:
    """Whether one holds something more often than the other."""
    return any(count > theirs.get(code, 0) and code != but for code, count in mine.items())


def _common(mine: Counter[Any], theirs: Counter[Any]) -> float:
    total = sum((mine | theirs).values())
    return sum((mine & theirs).values()) / total if total else 0.5


def _characters(made: Tokens) -> str:
    """A character a token, by its code or, of a hole, by its kind."""
    signs = (0x4000 + made.codes % np.uint64(0x9000)).astype(np.uint32)
    for kind, hole in HOLES.items():
        signs[made.kinds == kind] = ord(hole)
    signs[(made.kinds == SIGN) & (made.codes == np.uint64(PLUS))] = ord(HOLES[DASH])
    return signs.tobytes().decode("utf-32-le")


ONE = code("1")
PLUS = code("+")

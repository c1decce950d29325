"""Comparison of answers in words, and of mathematics that only sympy may read."""

from __future__ import annotations

import re

from dqdata_operators.lib.maths.chains import squeeze
from dqdata_operators.lib.maths.notated import Notated
from dqdata_operators.lib.maths.shapes import Answer, Braces, Opaque, Qualified, Scalar, Tuple, Words
from dqdata_operators.lib.maths.structure import read
from dqdata_operators.lib.maths.symbolic import known_commands
from dqdata_operators.lib.maths.words import (
    NEUTRAL,
    alike,
    choice_letter,
    meaning,
    plain_words,
    same_pole,
    same_words,
    word_class,
)

_FIGURE = re.compile(r"\\(triangle|angle|square|odot|widehat)\s*\{?\s*([A-Z]+)\s*\}?")
_OPENING = re.compile(
    r"\s*(yes|no)\b(?=\s*(?:[,.;:!]|\Z|(?:it|he|she|they|this|that|we|there)\b))(?!.*\b(?:yes|no)\b)", re.I | re.S
)
POINT = re.compile(r"[A-Z](?:_\{?\w\}?)?'?\s*(\(.*\))")


class Worded(Notated):
    """Words and figures."""

    def opaque(self, ref: Answer, pred: Answer) -> bool | None:
        figures = [_FIGURE.fullmatch(one.text) if isinstance(one, Opaque) else None for one in (ref, pred)]
        if figures[0] and figures[1]:
            if figures[0][1] != figures[1][1] or set(figures[0][2]) != set(figures[1][2]):
                return False
            return True if figures[0][2] == figures[1][2] else None
        if isinstance(ref, Opaque) and isinstance(pred, Opaque) and squeeze(ref.text) == squeeze(pred.text):
            return True if known_commands(ref.text) else None
        written, other = (ref, pred) if isinstance(ref, Opaque) else (pred, ref)
        if isinstance(written, Opaque) and isinstance(other, Tuple) and (point := POINT.fullmatch(written.text)):
            return self.equal(read(point[1]), other)
        return None

    def words(self, ref: Answer, pred: Answer) -> bool | None:
        ours, theirs = text_of(ref), text_of(pred)
        if ours is None or theirs is None:
            said, other = (ours, pred) if isinstance(ref, Words) else (theirs, ref)
            return (
                None
                if _is_prose(said or "") or (isinstance(other, Qualified | Braces) and not meaning(said or ""))
                else False
            )
        if same_words(ours, theirs) or same_pole(ours, theirs):
            return True
        if meaning(ours) in ("yes", "no"):
            opening = _OPENING.match(theirs)
            return opening is not None and opening[1].lower() == meaning(ours) and not meaning(theirs)
        if _described(ours, theirs) or _described(theirs, ours):
            return True
        if word_class(ours) and word_class(ours) == word_class(theirs):
            return False
        letter = choice_letter(ours)
        if letter:
            return letter == choice_letter(theirs)
        if any(alike(ours, word) for word in (theirs, *theirs.split())) or (
            ours == "0" and theirs.startswith("no ") and not meaning(theirs)
        ):
            return None
        if _content(ours) == _content(theirs):
            return None  # the same words in another order
        if isinstance(ref, Words) and _is_prose(ours):
            return None  # prose: no rule tells whether two sentences mean the same
        return None if not theirs.isascii() and isinstance(pred, Words) and not isinstance(ref, Words) else False


def _described(word: str, phrase: str) -> bool:
    """`isosceles` and `an isosceles triangle`: a word and the same before a noun."""
    words = plain_words(phrase).split()
    if meaning(word) or meaning(phrase):
        return False
    return len(words) == 2 and words[0] == plain_words(word) and words[1].isalpha() and words[0].isalpha()


def _content(text: str) -> frozenset[str]:
    return frozenset(plain_words(text).split()) - NEUTRAL or frozenset((text,))


def _is_prose(text: str) -> bool:
    return len(plain_words(text).split()) >= 4 and not meaning(text)


def text_of(answer: Answer) -> str | None:
    return answer.text if isinstance(answer, Words | Scalar | Opaque) else None

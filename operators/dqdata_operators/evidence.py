"""What speaks for two texts being the same problem, and what class that makes them.

    >>> index = Evidence(["Tom has 3 apples and buys 5 more. How many has he?"])
    >>> index.compare(Prepared.of("Tom owns 3 apples. He purchases 5 more. How many now?"), 0, cosine=0.8).kind
    'rephrased'

exact: the same words. lexical: a share of the benchmark's n-grams, or most of its letters in order, with its numbers.
rephrased: other words, the same meaning and numbers. same_template: the same words but for the numbers.

Wording and numbers are looked at apart. Three measures of wording (embedding, order of letters, shared rare words) and
the agreement of numbers enter one score: a logistic regression fitted to paraphrased word problems against the nearest
other problems, so that its sign is the verdict and its size the certainty. Weights are in `WEIGHTS`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from dqdata_operators.quantities import agreement, numbers

Kind = Literal["exact", "lexical", "rephrased", "same_template", "doubtful"]
KINDS: tuple[Kind, ...] = ("exact", "lexical", "rephrased", "same_template", "doubtful")
"""From the surest to the least sure."""

WEIGHTS = {"cosine": 4.9, "numbers": 12.5, "letters": 6.2, "rare": 7.3}
BIAS = -16.7
"""Log odds at which all measures are 0."""

COMMON = frozenset(
    "a an the of to in on at for by with and or but if then than that this these those is are was were be been being "
    "do does did have has had he she it they we you i his her its their our your my him them who what which when where "
    "how many much why will would can could should may might must not no as from into up out over after before all "
    "each every some any more most other same so too very also there here find total number".split()
)
_WORD = re.compile(r"[^\W\d_]+")
BEFORE = r"(?i)^\s*(?:#+\s*)?(?:question|problem|instruction|user|q)\s*:\s*"
AFTER = r"(?is)\n\s*(?:#+\s*)?(?:answer|solution|response|assistant|a)\s*:.*$|\n\s*####.*$"
_PUNCTUATION = re.compile(r"[\s.,;:!?'\"`‘’“”$\\{}]+")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Prepared:
    """A text as it is compared."""

    text: str
    """Small letters, one blank between words."""
    words: frozenset[str]
    """Content words, cut to five letters so that inflections agree."""
    numbers: frozenset[float]
    bare: str
    """Letters, digits and signs alone."""

    @classmethod
    def of(cls, text: str) -> Prepared:
        plain = " ".join(text.lower().split())
        words = frozenset(word[:5] for word in _WORD.findall(plain) if word not in COMMON)
        return cls(plain, words, numbers(plain), _PUNCTUATION.sub("", plain))


@dataclass(frozen=True)
class Verdict:
    kind: Kind | None
    score: float
    """Log odds that these are the same problem."""
    measures: dict[str, float]


def problem_part(texts: pl.Series) -> pl.Series:
    """Without "Question:" before and "Answer: ..." after it: rows often hold both in one text. A text that is nothing
    but an answer stays."""
    bare = texts.cast(pl.String).fill_null("").str.replace(BEFORE, "").str.replace(AFTER, "")
    return pl.select(pl.when(bare.str.strip_chars() == "").then(texts).otherwise(bare)).to_series().alias("text")


class Evidence:
    """Compares texts with the problems of a benchmark, whose own frequencies say which words are rare."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = [Prepared.of(problem) for problem in problems]
        seen = Counter(word for problem in self.problems for word in problem.words)
        total = max(len(self.problems), 1)
        self._rarity = {word: math.log((total + 1) / (count + 0.5)) for word, count in seen.items()}
        self._unseen = math.log((total + 1) / 0.5)

    def compare(
        self, text: Prepared, problem: int, *, cosine: float, overlap: float = 0.0, strictness: float = 0.0
    ) -> Verdict:
        """cosine: of the two embeddings; overlap: share of the problem's n-grams that the text has; strictness is taken
        off the score."""
        from rapidfuzz import fuzz

        other = self.problems[problem]
        measures = {
            "cosine": cosine,
            "numbers": agreement(text.numbers, other.numbers),
            "rare": self._rare(text, other),
        }
        score = BIAS - strictness + sum(WEIGHTS[name] * value for name, value in measures.items())
        if overlap == 0 and score + WEIGHTS["letters"] * 0.85 < -DOUBT and cosine < TEMPLATE_COSINE:
            return Verdict(None, score, measures)
        measures["letters"] = fuzz.ratio(text.text, other.text) / 100
        score += WEIGHTS["letters"] * measures["letters"]
        measures["ngrams"] = overlap
        return Verdict(_kind(text, other, score, measures), score, measures)

    def _rare(self, text: Prepared, other: Prepared) -> float:
        """Share of the words' rarity that both have; words that only one has count for half, so that a text may be
        longer than the problem."""
        shared = sum(self._weight(word) for word in text.words & other.words)
        apart = sum(self._weight(word) for word in text.words ^ other.words)
        return shared / (shared + apart / 2) if shared else 0.0

    def _weight(self, word: str) -> float:
        return self._rarity.get(word, self._unseen)


DOUBT = 3.0
"""Log odds below which a pair isn't looked at further: 5%."""
TEMPLATE_COSINE = 0.8
"""Similarity of wording below which two texts aren't one template."""
LEXICAL_OVERLAP = 0.5
"""Share of the benchmark's n-grams from which a text holds the problem itself."""
LEXICAL_LETTERS = 0.9
TEMPLATE_LETTERS = 0.8
"""Indel similarity without numbers from which two texts are one template."""


SAME_NUMBERS = 0.45
"""Agreement below which numbers are others."""


def _kind(text: Prepared, other: Prepared, score: float, measures: dict[str, float]) -> Kind | None:
    from rapidfuzz import fuzz

    if text.bare == other.bare:
        return "exact"
    same_numbers = other.numbers <= text.numbers and (len(text.numbers - other.numbers) <= 1 or measures["ngrams"] > 0)
    if same_numbers and (measures["ngrams"] >= LEXICAL_OVERLAP or measures["letters"] >= LEXICAL_LETTERS):
        return "lexical"
    if (
        text.numbers != other.numbers
        and not same_numbers
        and (measures["cosine"] >= TEMPLATE_COSINE or measures["ngrams"] > 0)
    ):
        bare = fuzz.ratio(_DIGITS.sub("0", text.text), _DIGITS.sub("0", other.text)) / 100
        if bare >= TEMPLATE_LETTERS or (score >= 0 and measures["numbers"] < SAME_NUMBERS):
            return "same_template"
    if score >= 0:
        return "rephrased"
    return "doubtful" if score >= -DOUBT else None

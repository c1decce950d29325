"""What speaks for two texts being the same problem, and what class that makes them.

    >>> index = Evidence(["Tom has 3 apples and buys 5 more. How many has he?"])
    >>> texts = Prepared(pl.Series(["Tom owns 3 apples. He purchases 5 more. How many now?"]))
    >>> [pair] = index.compare(texts, Candidates.of([(0, 0, 0.8, 0.0)]))
    >>> pair.kind
    'rephrased'

exact: the same words. lexical: a share of the benchmark's n-grams, or most of its letters in order, with its numbers.
rephrased: other words, the same meaning and numbers. same_template: the same words but for the numbers.

Wording and numbers are looked at apart. Measures of wording (embedding, order of letters, shared rare words, opposites
such as largest and smallest) and the agreement of numbers enter one score, a logistic regression, so that its sign is
the verdict and its size the certainty. bench/contamination_fit.py fits it to every second one of: paraphrased word
problems, GSM8K's train set, MATH-500 and MBPP with mechanical changes as paraphrases, and the nearest other problems of
each. What the other halves and other collections give is in docs/curation.md.

What all problems of a benchmark have in common ("Write a function to ...") says nothing: words weigh by their rarity in
it, and embeddings are compared after the benchmark's mean was taken away.

Collections differ in how alike their problems are: "find the sum of a list" and "find the product of a list" are two
problems of one. So a text must be more like a problem than the benchmark's own nearest other problem is (`calibrate`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from dqdata_operators.lib.benchmarks.quantities import numbers_of
from dqdata_operators.lib.texts.shingles import I64, NO_BLANKS, U64
from dqdata_operators.lib.texts.token_sets import F64, Sets, shared

Kind = Literal["exact", "lexical", "rephrased", "same_template", "doubtful"]
KINDS: tuple[Kind, ...] = ("exact", "lexical", "rephrased", "same_template", "doubtful")
"""From the surest to the least sure."""

WEIGHTS = {"centred": 2.6, "numbers": 11.3, "letters": 6.8, "rare": 2.8, "opposed": -4.2}
BIAS = -12.8
"""Log odds at which all measures are 0."""

OPPOSITES = tuple(
    tuple(pair.split("/"))
    for pair in "largest/smallest maximum/minimum max/min highest/lowest longest/shortest positive/negative odd/even "
    "ascending/descending increasing/decreasing uppercase/lowercase gcd/lcm sum/product add/subtract multiply/divide "
    "row/column rows/columns left/right first/last previous/next before/after start/end leading/trailing prefix/suffix "
    "union/intersection square/cube squares/cubes area/perimeter area/circumference area/volume surface/volume "
    "same/different common/different encode/decode sine/cosine".split()
)
"""Words of which a problem's wording has one and another problem's the other, where both ask the same of other things.
Those that a paraphrase may turn round (more and less, buy and sell) aren't among them."""
_SIDES = r"\b(?:" + "|".join(sorted({word for pair in OPPOSITES for word in pair})) + r")\b"

COMMON = frozenset(
    "a an the of to in on at for by with and or but if then than that this these those is are was were be been being "
    "do does did have has had he she it they we you i his her its their our your my him them who what which when where "
    "how many much why will would can could should may might must not no as from into up out over after before all "
    "each every some any more most other same so too very also there here find total number".split()
)
_WORD = NO_BLANKS + r"|[\p{L}\p{Nl}\p{No}&&[^\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]+"
BEFORE = r"(?i)^\s*(?:#+\s*)?(?:question|problem|instruction|user|q)\s*:\s*"
AFTER = r"(?is)\n\s*(?:#+\s*)?(?:answer|solution|response|assistant|a)\s*:.*$|\n\s*####.*$"
_PUNCTUATION = r"[\s.,;:!?'\"`‘’“”$\\{}]+"
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


class Prepared:
    """Texts as they are compared."""

    def __init__(self, texts: pl.Series) -> None:
        lower = texts.cast(pl.String).fill_null("").str.to_lowercase()
        self.texts: list[str] = lower.str.replace_all(r"\s+", " ").str.strip_chars(" ").to_list()
        """Small letters, one blank between words."""
        self.bare: list[str] = lower.str.replace_all(_PUNCTUATION, "").to_list()
        """Letters, digits and signs alone."""
        self.words = _content_words(lower)
        """Content words, cut to five letters so that inflections agree."""
        self.numbers = numbers_of(lower)
        self.sides = [frozenset(found) for found in lower.str.extract_all(_SIDES).to_list()]
        """Words that have an opposite."""


def _content_words(lower: pl.Series) -> Sets:
    frame = pl.DataFrame({"row": np.arange(len(lower)), "word": lower.str.extract_all(_WORD)})
    words = frame.explode("word", empty_as_null=False).filter(~pl.col("word").is_in(list(COMMON)))
    return Sets.of(words["row"].to_numpy(), words["word"].str.slice(0, 5).hash(seed=0).to_numpy(), len(lower))


@dataclass(frozen=True)
class Candidates:
    """Pairs to be compared: row of a text, place of a problem, cosine of their embeddings as they are and less the
    benchmark's mean, and the share of the problem's n-grams that the text has."""

    rows: I64
    problems: I64
    cosines: F64
    centred: F64
    overlaps: F64

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int, float, float]]) -> Candidates:
        """From rows, problems, cosines and overlaps, where the mean is zero."""
        rows, problems, cosines, overlaps = np.array(list(pairs), np.float64).reshape(-1, 4).T
        return cls(rows.astype(np.int64), problems.astype(np.int64), cosines, cosines, overlaps)

    def shifted(self, start: int) -> Candidates:
        """The same pairs where the first row is number `start`."""
        return replace(self, rows=self.rows + start)


class Pair(NamedTuple):
    """A pair for which something speaks."""

    row: int
    problem: int
    kind: Kind
    score: float
    """Log odds that these are the same problem."""
    measures: dict[str, float]


class Doubt(NamedTuple):
    """Log odds between which a pair is doubtful: below `low` it is nothing, from `high` on the same problem."""

    low: float = -3.0
    """A chance of 5%."""
    high: float = 0.0


def opposed(mine: Set[str], theirs: Set[str]) -> bool:
    """Whether one text has a word and the other its opposite instead."""
    ours, others = mine - theirs, theirs - mine
    if not ours or not others:
        return False
    return any((a in ours and b in others) or (b in ours and a in others) for a, b in OPPOSITES)


def problem_part(texts: pl.Series) -> pl.Series:
    """Without "Question:" before and "Answer: ..." after it: rows often hold both in one text. A text that is nothing
    but an answer stays."""
    bare = texts.cast(pl.String).fill_null("").str.replace(BEFORE, "").str.replace(AFTER, "")
    return pl.select(pl.when(bare.str.strip_chars() == "").then(texts).otherwise(bare)).to_series().alias("text")


class Evidence:
    """Compares texts with the problems of a benchmark, whose own frequencies say which words are rare."""

    def __init__(self, problems: Sequence[str], doubt: Doubt = Doubt()) -> None:  # noqa: B008
        self._doubt = doubt
        self._count = len(problems)
        self._siblings = np.zeros(len(problems))
        self._problems = Prepared(pl.Series("text", problems, dtype=pl.String))
        self._known, counts = np.unique(self._problems.words.members, return_counts=True)
        self._rarity = self._rare_for(counts)
        self._unseen = max(math.log((len(problems) + 1) / 1.5), RAREST) + math.log(3)
        values = [value for found in self._problems.numbers for value in found]
        self._values, times = np.unique(np.array(values, np.float64), return_counts=True)
        self._value_rarity = self._rare_for(times)
        self._weights = self._weigh(self._problems.words.members)
        self._totals = self._problems.words.totals(self._weights)
        self._numbers = self._places(self._problems.numbers)
        self._number_weights = self._value_rarity[self._numbers.members]
        self._number_totals = self._numbers.totals(self._number_weights)

    def calibrate(self, pairs: Candidates) -> None:
        """Learns from pairs of the problems with each other how alike different problems are here. From then on a text
        must be more like a problem than that problem's nearest sibling is."""
        for pair in self.measured(self._problems, pairs):
            if pair.kind not in ("exact", "lexical", "same_template"):
                self._siblings[pair.problem] = max(self._siblings[pair.problem], pair.score + MARGIN)

    def measured(self, texts: Prepared, pairs: Candidates) -> Iterator[Pair]:
        """All pairs, whatever speaks for them."""
        yield from self._compared(texts, pairs, Doubt(-math.inf, math.inf))

    def compare(self, texts: Prepared, pairs: Candidates) -> Iterator[Pair]:
        """Those pairs for which something speaks, in their order."""
        yield from self._compared(texts, pairs, self._doubt)

    def _compared(self, texts: Prepared, pairs: Candidates, doubt: Doubt) -> Iterator[Pair]:
        rare, agreed = self._rare(texts, pairs), self._agreement(texts, pairs)
        scores = BIAS + WEIGHTS["centred"] * pairs.centred + WEIGHTS["numbers"] * agreed + WEIGHTS["rare"] * rare
        hopeless = scores + WEIGHTS["letters"] * MOST_LETTERS < doubt.low
        hopeless &= (pairs.overlaps == 0) & (pairs.cosines < TEMPLATE_COSINE)
        for number in np.flatnonzero(~hopeless).tolist():
            measures = {
                "cosine": float(pairs.cosines[number]),
                "centred": float(pairs.centred[number]),
                "numbers": float(agreed[number]),
                "rare": float(rare[number]),
                "ngrams": float(pairs.overlaps[number]),
            }
            row, problem = int(pairs.rows[number]), int(pairs.problems[number])
            kind, score = self._judged(texts, row, problem, float(scores[number]), measures, doubt)
            if kind is not None:
                yield Pair(row, problem, kind, score, measures)

    def _judged(
        self, texts: Prepared, row: int, problem: int, score: float, measures: dict[str, float], doubt: Doubt
    ) -> tuple[Kind | None, float]:
        """(class, score with all measures); adds the order of letters to the measures."""
        from rapidfuzz import fuzz

        text, other = texts.texts[row], self._problems.texts[problem]
        letters = measures["letters"] = fuzz.ratio(text, other) / 100
        measures["sibling"] = float(self._siblings[problem])
        measures["opposed"] = float(opposed(texts.sides[row], self._problems.sides[problem]))
        score += WEIGHTS["letters"] * letters + WEIGHTS["opposed"] * measures["opposed"] - measures["sibling"]
        bare, whole = texts.bare[row], self._problems.bare[problem]
        if bare == whole:
            return "exact", score
        mine, theirs = texts.numbers[row], self._problems.numbers[problem]
        same_numbers = theirs <= mine and (len(mine - theirs) <= 1 or measures["ngrams"] > 0)
        if len(whole) >= CONTAINED and whole in bare:
            return "lexical", score
        same_words = letters >= LEXICAL_LETTERS and measures["rare"] >= LEXICAL_LETTERS
        if same_numbers and (measures["ngrams"] >= LEXICAL_OVERLAP or same_words):
            return "lexical", score
        if mine - theirs and not same_numbers and (measures["cosine"] >= TEMPLATE_COSINE or measures["ngrams"] > 0):
            alike = fuzz.ratio(_DIGITS.sub("0", text), _DIGITS.sub("0", other)) / 100
            if alike >= TEMPLATE_LETTERS or (score >= doubt.high and measures["numbers"] < SAME_NUMBERS):
                return "same_template", score
        if score >= doubt.high:
            return "rephrased", score
        return ("doubtful" if score >= doubt.low else None), score

    def _rare(self, texts: Prepared, pairs: Candidates) -> F64:
        """Share of the words' rarity that both have; words that only one has count for half, so that a text may be
        longer than the problem."""
        both = shared(texts.words, pairs.rows, self._problems.words, pairs.problems, self._weights)
        totals = texts.words.totals(self._weigh(texts.words.members))
        half = (totals[pairs.rows] + self._totals[pairs.problems]) / 2
        return np.divide(both, half, out=np.zeros(len(both)), where=both > 0)

    def _agreement(self, texts: Prepared, pairs: Candidates) -> F64:
        """Share of the numbers' rarity that both have, 0 to 1, drawn to PRIOR by PRIOR_WEIGHT: a rare number in common
        says more than a 2, two say more than one, and none to compare says nothing."""
        mine = self._places(texts.numbers)
        both = shared(mine, pairs.rows, self._numbers, pairs.problems, self._number_weights)
        unseen = np.array([len(found) for found in texts.numbers], np.float64) - mine.sizes
        totals = mine.totals(self._value_rarity[mine.members]) + unseen * self._unseen
        either = totals[pairs.rows] + self._number_totals[pairs.problems] - both
        return (both + PRIOR * PRIOR_WEIGHT) / (either + PRIOR_WEIGHT)

    def _rare_for(self, counts: I64) -> F64:
        """How much a word or number says that so many problems hold: minus the log of its share, stretched for small
        benchmarks, in which nothing could look rare."""
        rarest = math.log((self._count + 1) / 1.5)
        return np.asarray(np.log((self._count + 1) / (counts + 0.5)) * max(RAREST / rarest, 1), np.float64)

    def _weigh(self, words: U64) -> F64:
        at = np.searchsorted(self._known, words)
        known = at < len(self._known)
        known[known] = self._known[at[known]] == words[known]
        return np.where(known, self._rarity[at * known], self._unseen) if len(self._known) else np.empty(0)

    def _places(self, found: Sequence[frozenset[float]]) -> Sets:
        """Numbers as their places among those of the problems; others are in no problem and are left out."""
        rows = np.repeat(np.arange(len(found)), [len(one) for one in found])
        values = np.array([value for one in found for value in one])
        at = np.searchsorted(self._values, values)
        known = at < len(self._values)
        known[known] = self._values[at[known]] == values[known]
        return Sets.of(rows[known], at[known], len(found))


MOST_LETTERS = 0.85
"""What the order of letters is taken to say at most before it is computed."""
TEMPLATE_COSINE = 0.8
"""Similarity of wording below which two texts aren't one template."""
LEXICAL_OVERLAP = 0.5
"""Share of the benchmark's n-grams from which a text holds the problem itself."""
LEXICAL_LETTERS = 0.9
"""And of the rarity of its words, with all its numbers."""
CONTAINED = 20
"""Letters of a problem from which a text that holds it, letter for letter, is no coincidence."""
PRIOR, PRIOR_WEIGHT = 0.35, 3.0
"""Agreement of numbers where there are none, and the rarity that weighs as much: of a number in one problem of 20."""
RAREST = 6.5
"""Rarity of what one problem of a thousand holds."""
MARGIN = 1.0
"""Log odds by which a text must be more like a problem than the problem's siblings are."""
TEMPLATE_LETTERS = 0.8
"""Indel similarity without numbers from which two texts are one template."""
SAME_NUMBERS = 0.45
"""Agreement below which numbers are others."""

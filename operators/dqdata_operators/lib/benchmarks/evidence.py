"""Evidence that two texts are the same problem, and the resulting class.

    >>> index = Evidence(["Tom has 3 apples and buys 5 more. How many has he?"])
    >>> texts = Prepared(Tasks.of(pl.Series(["Tom owns 3 apples. He purchases 5 more. How many now?"])))
    >>> [pair] = index.compare(texts, Candidates.of([(0, 0, 0.8, 0.0)]))
    >>> pair.kind
    'rephrased'

exact: the same words. lexical: a share of the benchmark's n-grams, or nearly its words and signs in order, with its
numbers. rephrased: other words, the same meaning and numbers. same_template: the same words and formulas but for
the numbers. doubtful: about as likely as not.

The field of the problem (tasks.py) says which measures count: words, formulas (structure.py), or names and examples of
a code task. Two logistic regressions turn them into log odds: whether both are one problem, and, where each has a
number that the other hasn't, whether both are one template. bench/contamination_fit.py fits them to labelled pairs
(contamination_pairs.py); what pairs that were held out give is in docs/curation.md.

What all problems of a benchmark have in common ("Write a function to ...") says nothing: words weigh by their rarity in
it, and embeddings are compared after the benchmark's mean was taken away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata_operators.lib.benchmarks.quantities import numbers_of
from dqdata_operators.lib.benchmarks.structure import Shape, Structure, shape, structures
from dqdata_operators.lib.benchmarks.tasks import FIELDS, Field, Tasks, fields
from dqdata_operators.lib.benchmarks.wording import Wordings, Words
from dqdata_operators.lib.texts.function_words import COMMON
from dqdata_operators.lib.texts.shingles import I64, NO_BLANKS, U64
from dqdata_operators.lib.texts.signature import TRAITS, meanings, opposed, tokenised
from dqdata_operators.lib.texts.token_sets import F64, Sets, shared

Kind = Literal["exact", "lexical", "rephrased", "same_template", "doubtful"]
KINDS: tuple[Kind, ...] = ("exact", "lexical", "rephrased", "same_template", "doubtful")
"""From the surest to the least sure."""

SAME: Mapping[Field, Mapping[str, float]] = {
    "words": {"centred": 3.7, "contained": 4.9, "numbers": 14.7, "alike": 4.0, "opposed": -0.7, "bias": -13.3},
    "maths": {"rare": 11.0, "contained": 2.0, "numbers": 8.8, "formulas": 1.5, "exact": 16.3, "opposed": -3.8,
              "bias": -17.9},
    "code": {"said": 5.4, "unsaid": -6.2, "shared": 15.8, "values": 6.4, "named": 4.0, "numbers": 10.4, "opposed": -2.0,
             "bias": -8.6},
}  # fmt: skip
"""Weights of the log odds that two texts are one problem; "bias": where all measures are 0. That of words is half a
unit lower than what was fitted, so that 0.3% of GSM8K's train split are hits. Those of code are twice what was fitted:
of real rows and tasks far fewer are one task than of the labelled pairs, and the range of doubt would hold most."""
TEMPLATE: Mapping[Field, Mapping[str, float]] = {
    "words": {"contained": 9.3, "alike": 14.6, "bias": -13.5},
    "maths": {"centred": 4.3, "rare": 5.6, "formulas": 4.3, "alike": 12.3, "opposed": -3.4, "other_signs": -4.3,
              "bias": -19.0},
}  # fmt: skip
"""Weights of the log odds that two texts with other numbers are one template. A code task has none. The bias of words
is one lower than what was fitted: half a problem in front of another one is no template."""

_WORD = NO_BLANKS + r"|[\p{L}\p{Nl}\p{No}&&[^\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]+"
_PUNCTUATION = r"[\s.,;:!?'\"`‘’“”$\\{}]+"


class Prepared:
    """Texts as they are compared."""

    def __init__(self, tasks: Tasks) -> None:
        lower = tasks.texts.str.to_lowercase()
        self.tasks = tasks
        self.bare: list[str] = lower.str.replace_all(_PUNCTUATION, "").to_list()
        """Letters, digits and signs alone."""
        self.words = _content_words(lower)
        """Content words, cut to five letters so that inflections agree."""
        self.numbers = numbers_of(lower)
        self.spoken: tuple[Words, dict[int, int]] | None = None
        """As wording.py compares them, and the place of each text, of those that are compared with a code task."""
        self._structures: dict[int, Structure] = {}
        self._traits = np.zeros((len(lower), TRAITS), np.uint64)

    def read(self, rows: I64) -> None:
        """Cuts these texts into tokens, where that isn't done."""
        open_ = [row for row in np.unique(rows).tolist() if row not in self._structures]
        if open_:
            tokens = tokenised(self.tasks.texts.gather(open_))
            self._structures |= zip(open_, structures(tokens, len(open_)), strict=True)
            self._traits[open_] = meanings(tokens, len(open_))

    def speak(self, rows: I64) -> None:
        """Reads the words of these texts, which are to be compared with code tasks."""
        distinct = np.unique(rows)
        if len(distinct):
            places = {row: place for place, row in enumerate(distinct.tolist())}
            self.spoken = Words(self.tasks.texts.gather(distinct)), places

    def structure(self, row: int) -> Structure:
        """Of a text that was read."""
        return self._structures[row]

    def traits(self, rows: I64) -> U64:
        """Of texts that were read."""
        return self._traits[rows]


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


class Evidence:
    """Compares texts with the problems of a benchmark, whose own frequencies say which words are rare."""

    def __init__(self, problems: Sequence[str], doubt: Doubt = Doubt()) -> None:  # noqa: B008
        self._doubt = doubt
        self._count = len(problems)
        texts = pl.Series("text", problems, dtype=pl.String)
        self.fields = fields(texts)
        self._problems = Prepared(Tasks.of(texts))
        self._problems.read(np.arange(len(texts)))
        self._of_field = {field: np.array([one == field for one in self.fields], np.bool_) for field in FIELDS}
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
        coded = np.flatnonzero(self._of_field["code"]).tolist()
        self._coded = {row: place for place, row in enumerate(coded)}
        self._wordings = Wordings(self.tasks.texts.gather(coded)) if coded else None
        examples, uses = np.unique(
            np.array([value for row in coded for value in self.tasks.literals(row)] or [""]), return_counts=True
        )
        self._examples = dict(zip(examples.tolist(), self._rare_for(uses).tolist(), strict=True))

    @property
    def tasks(self) -> Tasks:
        """The problems."""
        return self._problems.tasks

    def compare(self, texts: Prepared, pairs: Candidates) -> Iterator[Pair]:
        """Those pairs for which something speaks, in their order."""
        yield from self._compared(texts, pairs, self._doubt)

    def measured(self, texts: Prepared, pairs: Candidates) -> Iterator[Pair]:
        """All pairs, whatever speaks for them."""
        yield from self._compared(texts, pairs, None)

    def _compared(self, texts: Prepared, pairs: Candidates, doubt: Doubt | None) -> Iterator[Pair]:
        if not len(pairs.rows):
            return
        both = shared(texts.words, pairs.rows, self._problems.words, pairs.problems, self._weights)
        measures = {
            "cosine": pairs.cosines,
            "centred": pairs.centred,
            "contained": both / np.maximum(self._totals[pairs.problems], 1e-9),
            "rare": self._rare(texts, pairs, both),
            "shared": np.minimum(both / ENOUGH, 1),
            "numbers": self._agreement(texts, pairs),
            "ngrams": pairs.overlaps,
        }
        chosen = np.arange(len(pairs.rows))
        if doubt is not None:
            chosen = np.flatnonzero(self._hopeful(pairs.problems, measures, doubt) | (pairs.overlaps > 0))
        texts.read(pairs.rows[chosen])
        texts.speak(pairs.rows[chosen][self._of_field["code"][pairs.problems[chosen]]])
        against = opposed(texts.traits(pairs.rows[chosen]), self._problems.traits(pairs.problems[chosen]))
        for number, opposite in zip(chosen.tolist(), against.tolist(), strict=True):
            row, problem = int(pairs.rows[number]), int(pairs.problems[number])
            found = {name: float(values[number]) for name, values in measures.items()}
            found["opposed"] = float(opposite)
            kind, score = self._judged(texts, row, problem, found, doubt or Doubt(-math.inf, math.inf))
            if kind is not None or doubt is None:
                yield Pair(row, problem, kind or "doubtful", score, found)

    def _hopeful(self, problems: I64, measures: Mapping[str, F64], doubt: Doubt) -> npt.NDArray[np.bool_]:
        """Pairs that may be more than nothing, before what takes longer is measured."""
        found = (measures["contained"] >= LEAST_CONTAINED) | (measures["centred"] >= LEAST_CENTRED)
        found |= self._of_field["maths"][problems] & (self._totals[problems] < FEW_WORDS)
        for field, weights in SAME.items():
            most = np.full(len(problems), weights["bias"])
            for name, weight in weights.items():
                if name in measures:
                    most += weight * measures[name]
                elif name != "bias" and weight > 0:
                    most += weight * MOST
            found |= self._of_field[field][problems] & (most >= doubt.low)
        return found

    def _judged(
        self, texts: Prepared, row: int, problem: int, measures: dict[str, float], doubt: Doubt
    ) -> tuple[Kind | None, float]:
        """(class, log odds of it); adds the measures of structure and examples."""
        field = self.fields[problem]
        compared = shape(texts.structure(row), self._problems.structure(problem), formulas=field == "maths")
        measures |= {"alike": compared.alike, "formulas": compared.formulas, "exact": compared.exact}
        measures["other_signs"] = float(compared.other_signs)
        if field == "code":
            measures |= self._examples_of(texts.tasks, row, problem) | self._said_by(texts, row, problem)
        score = _log_odds(SAME[field], measures)
        bare, whole = texts.bare[row], self._problems.bare[problem]
        if bare == whole:
            return "exact", score
        changed = self._changed(texts, row, problem, compared)
        if not changed and not measures["opposed"] and not compared.other_signs:
            inside = len(whole) >= CONTAINED and whole in bare
            alike = compared.alike >= LEXICAL_ALIKE and measures["rare"] >= LEXICAL_ALIKE
            if inside or alike or measures["ngrams"] >= LEXICAL_OVERLAP:
                return "lexical", score
        if changed and field != "code":
            odds = _log_odds(TEMPLATE[field], measures)
            if compared.signs >= MANY_SIGNS and compared.formulas >= ONE_FORMULA and compared.alike >= LEAST_ALIKE:
                odds = max(odds, 1.0)
            return ("same_template" if odds >= 0 and not compared.other_signs else None), odds
        if field == "maths" and compared.other_signs:
            return None, score
        turned = field == "code" and measures["opposed"] and measures["values"] < SURE_VALUES
        turned = turned or (field == "maths" and self._other_prose(texts, row, problem, measures["centred"]))
        if score >= doubt.high and not turned:
            return "rephrased", score
        return ("doubtful" if score >= doubt.low else None), score

    def _changed(self, texts: Prepared, row: int, problem: int, compared: Shape) -> bool:
        """Whether each has a number that the other hasn't, however it is written."""
        return compared.other_numbers and texts.numbers[row] != self._problems.numbers[problem]

    def _examples_of(self, tasks: Tasks, row: int, problem: int) -> dict[str, float]:
        """Agreement of the values in examples, weighed by rarity, and whether both have a function of one name."""
        both = tasks.literals(row) & self.tasks.literals(problem)
        names = tasks.names[row] & self.tasks.names[problem]
        named = any("_" in name or len(name) > LONG_NAME for name in names)
        return {"values": min(1.0, sum(self._examples[value] for value in both) / VALUES), "named": float(named)}

    def _other_prose(self, texts: Prepared, row: int, problem: int, centred: float) -> bool:
        """Whether both have words beside their formulas, and say something else: the same data, another question."""
        worded = min(texts.words.sizes[row], self._problems.words.sizes[problem]) >= SOME_WORDS
        return bool(worded and centred < LEAST_PROSE and centred != 0)

    def _said_by(self, texts: Prepared, row: int, problem: int) -> dict[str, float]:
        """Of a code task."""
        assert self._wordings is not None
        assert texts.spoken is not None
        words, at = texts.spoken
        return self._wordings.compare(words, at[row], self._coded[problem])._asdict()

    def _rare(self, texts: Prepared, pairs: Candidates, both: F64) -> F64:
        """Share of the words' rarity that both have; words that only one has count for half, so that a text may be
        longer than the problem."""
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


def _log_odds(weights: Mapping[str, float], measures: Mapping[str, float]) -> float:
    return weights["bias"] + sum(weight * measures[name] for name, weight in weights.items() if name != "bias")


LEAST_CONTAINED, LEAST_CENTRED = 0.35, 0.8
"""Shares of the problem's words, or likeness of embeddings, from which two texts may be one template."""
FEW_WORDS = 30.0
"""Rarity of the words of a problem below which its formulas are what tells it from others."""
MANY_SIGNS, ONE_FORMULA, LEAST_ALIKE = 5, 0.9, 0.6
"""Formulas so long and so alike make one template of texts that are worded otherwise, if not wholly."""
SOME_WORDS, LEAST_PROSE = 3, 0.5
"""Likeness of embeddings below which problems with so many content words aren't the same, whatever their formulas; it
is exactly 0 where there are no embeddings."""
SURE_VALUES = 0.5
"""Agreement of examples from which a code task may say the opposite in some word."""
MOST = 0.85
"""What a measure is taken to be at most before it is computed."""
ENOUGH = 60.0
"""Rarity of words in common from which more says no more."""
VALUES = 15.0
"""And of values in examples."""
LONG_NAME = 5
"""Letters from which one function's name in common is no coincidence."""
LEXICAL_OVERLAP = 0.5
"""Share of the benchmark's n-grams from which a text holds the problem itself."""
LEXICAL_ALIKE = 0.9
"""And likeness of its tokens, and share of the rarity of its words, with all its numbers."""
CONTAINED = 20
"""Letters of a problem from which a text that holds it, letter for letter, is no coincidence."""
PRIOR, PRIOR_WEIGHT = 0.35, 3.0
"""Agreement of numbers where there are none, and the rarity that weighs as much: of a number in one problem of 20."""
RAREST = 6.5
"""Rarity of what one problem of a thousand holds."""

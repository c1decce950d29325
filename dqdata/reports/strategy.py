"""Which mode of thinking models chose, and whether it was the right one: none, short or long, by difficulty.

    found = strategy(store, "heldout", by="cd", at=(2, 5), short_tokens=1000)
    found.models[0].needed.right.share, found.models[0].waste.share

A mode is right in two senses. By need: it is that of the shortest correct trace of the question that any model, or the
reference, wrote. By rule: it is the one that the operator `adapt` teaches at this difficulty. Wasted are the tokens of
an answer beyond those of the shortest correct trace.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dqdata.errors import QueryError
from dqdata.notebook import Shown
from dqdata.reports.answers import MODES, Answer, answers_of, read_answers
from dqdata.statistics import Spread, grouped

if TYPE_CHECKING:
    from dqdata.catalog import Store

RESAMPLES = 2_000
"""Bootstrap samples of questions for the interval of a ratio (B. Efron, 1979)."""
MOST_VALUES = 10
"""Values of the difficulty that are shown one by one; more are put into BANDS of equally many questions."""
BANDS = 5


@dataclass(frozen=True)
class Share:
    """A share of answers with its 95% interval, in which answers to one question count as alike."""

    count: int
    total: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """Answers to questions of one difficulty. modes: shares of none, short and long."""

    label: str
    questions: int
    answers: int
    modes: Mapping[str, float]
    accuracy: float
    tokens: float


@dataclass(frozen=True)
class Boundary:
    """Answers to questions whose difficulty is at most `margin` below the boundary, and at most so much above it.
    below, above: shares of modes there, empty where no question is. right: that chose as the rule says."""

    at: float
    below: Mapping[str, float]
    above: Mapping[str, float]
    right: Share | None


@dataclass(frozen=True)
class Choice:
    """right: answers in the right mode, of those whose right mode is known. too_little, too_much: shares of the others
    that thought less, or more. chosen: shares of chosen modes by the right one. unknown: answers whose right mode is
    not known."""

    right: Share | None
    too_little: float
    too_much: float
    chosen: Mapping[str, Mapping[str, float]]
    unknown: int


@dataclass(frozen=True)
class Waste:
    """Of answers to questions with a correct trace. tokens: of these answers; wasted: beyond the shortest correct one.
    a_correct: wasted tokens of a correct answer, as a distribution."""

    answers: int
    tokens: int
    wasted: int
    share: float
    a_correct: Spread


@dataclass(frozen=True)
class Unanswerable:
    """Answers to questions that have no answer. ratio: mean tokens over those of the model's answers to the evaluation,
    with a 95% bootstrap interval over questions. abstained: that say so, None where no column tells."""

    questions: int
    answers: int
    modes: Mapping[str, float]
    tokens: Spread
    cut: int
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    abstained: Share | None
    abstained_tokens: float | None
    other_tokens: float | None


@dataclass(frozen=True)
class Strategy:
    """One model. bands: by difficulty. by_rule, boundaries: where the rule's boundaries are given."""

    model: str
    whole: Band
    bands: Sequence[Band]
    needed: Choice
    by_rule: Choice | None
    boundaries: Sequence[Boundary]
    waste: Waste | None
    unanswerable: Unanswerable | None


@dataclass(frozen=True)
class Strategies(Shown):
    """tokens: what counts as such, `output_tokens` or characters over four."""

    evaluation: str
    by: str | None
    at: tuple[float, float] | None
    short_tokens: int
    tokens: str
    models: Sequence[Strategy]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def strategy(
    store: Store,
    evaluation: str,
    *,
    models: Sequence[str] = (),
    by: str | None = None,
    at: tuple[float, float] | None = None,
    margin: float = 1.0,
    short_tokens: int = 1000,
    traces: str | None = None,
    unanswerable: str | None = None,
    abstained: str | None = None,
) -> Strategies:
    """evaluation: one that was measured, or a catalog or query with answers. by: column or SQL with the difficulty.
    at: difficulties at which the rule changes from none to short and from short to long. traces, unanswerable: catalogs
    or queries. abstained: SQL over `unanswerable` that is true where an answer says that there is none. Raises
    QueryError for what is not there."""
    if at is not None and (by is None or at[0] >= at[1]):
        raise QueryError("`at` needs `by`, the difficulty that it divides, and two numbers that rise", code="usage")
    answers, counted = answers_of(store, evaluation, models, by, short_tokens)
    best = _shortest([*answers, *(read_answers(store, traces, short_tokens)[0] if traces else ())])
    lost = read_answers(store, unanswerable, short_tokens, abstained=abstained)[0] if unanswerable else []
    shown = list(dict.fromkeys(answer.model for answer in answers))
    made = []
    for model in shown:
        own = [answer for answer in answers if answer.model == model]
        needed = {question: answer.mode for question, answer in best.items()}
        ruled = {answer.question: _rule(answer.difficulty, at) for answer in own} if at else {}
        made.append(
            Strategy(
                model,
                _band("all", own),
                _bands(own) if by else [],
                _choice(own, needed),
                _choice(own, ruled) if at else None,
                [_boundary(own, ruled, edge, margin) for edge in at] if at else [],
                _waste(own, best),
                _unanswerable([answer for answer in lost if answer.model == model], own),
            )
        )
    return Strategies(evaluation, by, at, short_tokens, counted, made)


def _rule(difficulty: float | None, at: tuple[float, float]) -> str | None:
    if difficulty is None:
        return None
    return MODES[0] if difficulty < at[0] else MODES[1] if difficulty < at[1] else MODES[2]


def _shortest(answers: Sequence[Answer]) -> dict[str, Answer]:
    """The correct answer with the fewest tokens to each question that has one."""
    best: dict[str, Answer] = {}
    for answer in answers:
        if answer.correct and (answer.question not in best or answer.tokens < best[answer.question].tokens):
            best[answer.question] = answer
    return best


def _share(flags: Mapping[str, Sequence[bool]]) -> Share | None:
    """flags: by question."""
    total = sum(len(each) for each in flags.values())
    if not total:
        return None
    count = sum(sum(each) for each in flags.values())
    return Share(count, total, count / total, *grouped(list(flags.values())))


def _by_question(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        found[answer.question].append(answer)
    return found


def _modes(answers: Sequence[Answer]) -> dict[str, float]:
    if not answers:
        return {}
    return {mode: sum(answer.mode == mode for answer in answers) / len(answers) for mode in MODES}


def _band(label: str, answers: Sequence[Answer]) -> Band:
    count = len(answers)
    return Band(
        label,
        len({answer.question for answer in answers}),
        count,
        _modes(answers),
        sum(bool(answer.correct) for answer in answers) / count,
        sum(answer.tokens for answer in answers) / count,
    )


def _bands(answers: Sequence[Answer]) -> list[Band]:
    known = {answer.question: answer.difficulty for answer in answers if answer.difficulty is not None}
    values = sorted(set(known.values()))
    if len(values) <= MOST_VALUES:
        edges = [(value, value) for value in values]
    else:
        order = sorted(known.values())
        cuts = sorted({order[min(len(order) - 1, len(order) * part // BANDS)] for part in range(1, BANDS)})
        starts = [order[0], *(cut for cut in cuts if cut > order[0])]
        ends = [max(value for value in order if value < start) for start in starts[1:]] + [order[-1]]
        edges = list(zip(starts, ends, strict=True))
    made = []
    for low, high in edges:
        own = [answer for answer in answers if answer.difficulty is not None and low <= answer.difficulty <= high]
        made.append(_band(f"{low:g}" if low == high else f"{low:g} to {high:g}", own))
    if without := [answer for answer in answers if answer.difficulty is None]:
        made.append(_band("unknown", without))
    return made


def _choice(answers: Sequence[Answer], right: Mapping[str, str | None]) -> Choice:
    known = [answer for answer in answers if right.get(answer.question) is not None]
    flags = {
        question: [answer.mode == right[question] for answer in own] for question, own in _by_question(known).items()
    }
    order = {mode: place for place, mode in enumerate(MODES)}
    away = [order[answer.mode] - order[right[answer.question] or ""] for answer in known]
    count = max(1, len(known))
    chosen = {mode: _modes([answer for answer in known if right[answer.question] == mode]) for mode in MODES}
    return Choice(
        _share(flags),
        sum(step < 0 for step in away) / count,
        sum(step > 0 for step in away) / count,
        {mode: shares for mode, shares in chosen.items() if shares},
        len(answers) - len(known),
    )


def _boundary(answers: Sequence[Answer], ruled: Mapping[str, str | None], at: float, margin: float) -> Boundary:
    near = [answer for answer in answers if answer.difficulty is not None and abs(answer.difficulty - at) <= margin]
    below = [answer for answer in near if (answer.difficulty or 0.0) < at]
    above = [answer for answer in near if (answer.difficulty or 0.0) >= at]
    flags = {question: [one.mode == ruled[question] for one in own] for question, own in _by_question(near).items()}
    return Boundary(at, _modes(below), _modes(above), _share(flags))


def _waste(answers: Sequence[Answer], best: Mapping[str, Answer]) -> Waste | None:
    known = [answer for answer in answers if answer.question in best]
    if not known:
        return None
    wasted = [max(0, answer.tokens - best[answer.question].tokens) for answer in known]
    right = [float(waste) for waste, answer in zip(wasted, known, strict=True) if answer.correct]
    tokens = sum(answer.tokens for answer in known)
    return Waste(len(known), tokens, sum(wasted), sum(wasted) / tokens if tokens else 0.0, Spread.of(right))


def _unanswerable(lost: Sequence[Answer], answers: Sequence[Answer]) -> Unanswerable | None:
    if not lost:
        return None
    ratio, low, high = _ratio(lost, answers) or (None, None, None)
    said = [answer for answer in lost if answer.abstained is not None]
    flags = {question: [bool(one.abstained) for one in own] for question, own in _by_question(said).items()}
    yes = [answer.tokens for answer in said if answer.abstained]
    no = [answer.tokens for answer in said if not answer.abstained]
    return Unanswerable(
        len({answer.question for answer in lost}),
        len(lost),
        _modes(lost),
        Spread.of([float(answer.tokens) for answer in lost]),
        sum(answer.cut for answer in lost),
        ratio,
        low,
        high,
        _share(flags),
        sum(yes) / len(yes) if yes else None,
        sum(no) / len(no) if no else None,
    )


def _ratio(lost: Sequence[Answer], answers: Sequence[Answer]) -> tuple[float, float, float] | None:
    """Mean tokens of the first over those of the second, with a bootstrap interval over the questions of both."""
    groups = [
        [(sum(answer.tokens for answer in own), len(own)) for own in _by_question(some).values()]
        for some in (lost, answers)
    ]
    means = [sum(tokens for tokens, _ in group) / sum(count for _, count in group) for group in groups]
    if not means[1]:
        return None
    draw, ratios = random.Random(0), list[float]()
    for _ in range(RESAMPLES):
        above, below = (
            sum(tokens for tokens, _ in drawn) / sum(count for _, count in drawn)
            for drawn in (draw.choices(group, k=len(group)) for group in groups)
        )
        ratios.append(above / below if below else math.inf)
    ratios.sort()
    return means[0] / means[1], ratios[int(0.025 * RESAMPLES)], ratios[int(0.975 * RESAMPLES)]

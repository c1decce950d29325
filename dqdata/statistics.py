"""Shares with their intervals, paired comparison, and majority votes, for few questions with any number of samples.

>>> wilson(56, 60)
Interval(low=0.8407..., high=0.9737...)

Wilson's intervals hold for small counts and near 0 and 1, where the usual ones don't.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    low: float
    high: float


def wilson(correct: float, total: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share (E. B. Wilson, 1927), which holds for few samples and at 0 and 1.

    >>> [round(end, 6) for end in wilson(0, 10)]
    [0.0, 0.277533]
    """
    if total == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = correct / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def clustered(correct: Sequence[int], samples: int) -> Interval:
    """Interval of the share of correct answers where each question was answered `samples` times.

    Answers to one question are alike, so they count for less than as many questions would: Wilson's interval with the
    effective number of answers, p(1 - p) over the variance of the mean of the questions' shares (the design effect of
    Kish, 1965; Korn and Graubard, 1998), between the number of questions and of answers. With one sample it is
    Wilson's own.
    """
    questions = len(correct)
    if questions == 0:
        return Interval(0.0, 1.0)
    shares = [count / samples for count in correct]
    mean = sum(shares) / questions
    effective = float(questions)
    if questions > 1:
        variance = sum((share - mean) ** 2 for share in shares) / (questions - 1) / questions
        if variance > 0:
            effective = min(max(effective, mean * (1 - mean) / variance), float(questions * samples))
    return wilson(mean * effective, effective)


def grouped(groups: Sequence[Sequence[bool]]) -> Interval:
    """Interval of the share of true values over groups of alike ones, of any sizes, such as answers by question: as
    `clustered`, whose interval it is where all groups have one size. The variance is that of a ratio of sums (Cochran,
    1977, equation 2.45).

    >>> grouped([[True, False], [True, True]]) == clustered([1, 2], 2)
    True
    """
    total, count = sum(map(len, groups)), len(groups)
    if not total:
        return Interval(0.0, 1.0)
    mean = sum(map(sum, groups)) / total
    effective = float(count)
    if count > 1:
        variance = sum((sum(one) - mean * len(one)) ** 2 for one in groups) / total**2 * count / (count - 1)
        if variance > 0:
            effective = min(max(effective, mean * (1 - mean) / variance), float(total))
    return wilson(mean * effective, effective)


def student_t(confidence: float, degrees: int) -> float:
    """The value t that a variable of Student's distribution exceeds in size with probability 1 - confidence, by
    bisection of the exact distribution for whole degrees of freedom (M. Abramowitz and I. Stegun, 1964, 26.7.3 and
    26.7.4).

    >>> round(student_t(0.95, 4), 4)
    2.7764
    """
    if degrees < 1:
        raise ValueError(f"Student's distribution has at least 1 degree of freedom, not {degrees}")
    if degrees > 1_000:
        return NormalDist().inv_cdf(0.5 + confidence / 2)
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """Probability that a variable of Student's distribution lies between -t and t."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def total_of(values: Sequence[float], more: float, confidence: float = 0.95) -> Interval:
    """Prediction interval of the sum of `more` further values like these (Student's t; independent draws): their mean
    is uncertain, and so are the values themselves. Infinite for fewer than two values; never below zero where no value
    is.

    >>> total_of([1.0, 3.0], 2)
    Interval(low=0.0, high=39.9385...)
    """
    if not more:
        return Interval(0.0, 0.0)
    count = len(values)
    if count < 2:
        return Interval(0.0, math.inf)
    mean = sum(values) / count
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half = student_t(confidence, count - 1) * spread * math.sqrt(more + more * more / count)
    least = 0.0 if min(values) >= 0 else -math.inf
    return Interval(max(least, mean * more - half), mean * more + half)


def pass_at(k: int, correct: Sequence[int], samples: int) -> float:
    """pass@k: the mean over questions of the chance that at least one of k of its samples is correct, drawn without
    putting back (M. Chen et al., 2021, equation 1). correct: right samples of each question; k is at most `samples`.

    >>> pass_at(2, [1, 0], 4)
    0.25
    """
    if not correct:
        return math.nan
    missed = [math.comb(samples - right, k) / math.comb(samples, k) for right in correct]
    return 1 - sum(missed) / len(missed)


class Spread(NamedTuple):
    """How values are distributed: their mean, and the values below which a share of them lies."""

    mean: float
    p10: float
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Quantiles by linear interpolation; not-a-number where there are no values."""
        if not values:
            return cls(*[math.nan] * 5)
        ordered = sorted(values)
        return cls(sum(ordered) / len(ordered), *(_quantile(ordered, share) for share in (0.1, 0.5, 0.9, 0.99)))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def paired(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Exact two-sided p-value that two models are equally good, from the correct answers of each to the same questions,
    as many samples each: how likely so large a difference is when for every question a coin says whose count is whose
    (Fisher's sign-flip test). With one sample it is the exact test of McNemar.

    >>> paired([1] * 6, [0] * 6)
    0.03125
    """
    differences = [abs(int(a) - int(b)) for a, b in zip(ours, theirs, strict=True)]
    observed = abs(sum(int(a) - int(b) for a, b in zip(ours, theirs, strict=True)))
    chances = {0: 1.0}
    for difference in filter(None, differences):
        flipped: Counter[int] = Counter()
        for total, chance in chances.items():
            flipped[total + difference] += chance / 2  # type: ignore[assignment]
            flipped[total - difference] += chance / 2  # type: ignore[assignment]
        chances = dict(flipped)
    return min(1.0, sum(chance for total, chance in chances.items() if abs(total) >= observed))


def voted(said: Sequence[str | None], correct: Sequence[bool | None]) -> float:
    """Whether the answer given most often is correct, for the samples of one question: 1 or 0, and between them where
    several tie, by the chance that a draw among them picks the correct one. None says nothing and has no vote.

    >>> voted(["4", "5", "4.0"], [True, False, True]), voted(["4", "5"], [True, False])
    (1.0, 0.5)
    """
    right = "correct"
    votes = Counter(
        right if verdict else f"other: {same_answer(text)}"
        for text, verdict in zip(said, correct, strict=True)
        if text is not None
    )
    most = max(votes.values(), default=0)
    winners = [answer for answer, count in votes.items() if count == most]
    return (right in winners) / len(winners) if winners else 0.0


def same_answer(text: str) -> str:
    """Equal for answers that say the same: numbers by value, other answers by their letters."""
    plain = text.strip().strip("$").replace("\\$", "").replace(",", "").strip()
    try:
        return str(Fraction(plain))
    except (ValueError, ZeroDivisionError):
        return "".join(text.casefold().split())


class Agreement(NamedTuple):
    """Cohen's kappa of two raters, its interval, and the share of rows on which they agree."""

    kappa: float
    low: float
    high: float
    agreed: float


def cohen_kappa(both: int, first: int, second: int, neither: int, confidence: float = 0.95) -> Agreement:
    """Agreement of two raters beyond chance, with the standard error of J. Cohen (1960). both, neither: rows that both
    call positive, or negative; first, second: that only the first, or the second, calls positive. Not-a-number where
    both always give the same one answer.

    >>> round(cohen_kappa(20, 5, 10, 15).kappa, 3)
    0.4
    """
    total = both + first + second + neither
    if not total:
        return Agreement(math.nan, math.nan, math.nan, math.nan)
    agreed = (both + neither) / total
    chance = ((both + first) * (both + second) + (neither + second) * (neither + first)) / total**2
    if chance == 1:
        return Agreement(math.nan, math.nan, math.nan, agreed)
    kappa = (agreed - chance) / (1 - chance)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(agreed * (1 - agreed) / total) / (1 - chance)
    return Agreement(kappa, max(-1.0, kappa - half), min(1.0, kappa + half), agreed)


def corrected_share(
    positive: int, total: int, true_positive: int, labelled_true: int, true_negative: int, labelled_false: int
) -> tuple[float, Interval]:
    """The share of rows that are really positive, from a judge's verdicts on them and its errors on labelled rows
    (W. J. Rogan and B. Gladen, 1978), with the 95% interval of Z. Lang and J. Reiczigel (2014), which counts the
    uncertainty of both.

    positive of total: rows that the judge calls positive. true_positive of labelled_true: rows labelled positive that
    it calls so; true_negative of labelled_false the same of negatives. Raises ValueError where the judge is no better
    than chance on the labelled rows, so that nothing can be corrected by it.

    >>> share, interval = corrected_share(60, 100, 90, 100, 80, 100)
    >>> round(share, 3)
    0.571
    """
    if not (total and labelled_true and labelled_false):
        raise ValueError("rows to correct, and labelled rows of both kinds, are needed")
    sensitivity, specificity = true_positive / labelled_true, true_negative / labelled_false
    if sensitivity + specificity <= 1:
        raise ValueError(
            f"the judge is no better than chance: it accepts {sensitivity:.3f} of the right rows and "
            f"{1 - specificity:.3f} of the wrong ones"
        )
    share = min(1.0, max(0.0, (positive / total + specificity - 1) / (sensitivity + specificity - 1)))
    z = NormalDist().inv_cdf(0.975)
    rows, yes, no = total + z * z, labelled_true + 2, labelled_false + 2
    p, se, sp = (positive + z * z / 2) / rows, (true_positive + 1) / yes, (true_negative + 1) / no
    gain = se + sp - 1
    middle = (p + sp - 1) / gain
    of_yes, of_no = se * (1 - se) / yes, sp * (1 - sp) / no
    shift = 2 * z * z * (middle * of_yes - (1 - middle) * of_no)
    half = z * math.sqrt((p * (1 - p) / rows + middle**2 * of_yes + (1 - middle) ** 2 * of_no) / gain**2)
    return share, Interval(max(0.0, min(share, middle + shift - half)), min(1.0, max(share, middle + shift + half)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that hold for all tests together (S. Holm, 1979): the k-th smallest of n times n - k + 1, never less
    than those before it.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted

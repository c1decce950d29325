r"""From a reference and a response to a verdict.

>>> compare(reference="18", response="9 * 2 = 18\n#### 18").verdict
'correct'
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

from dqdata_operators.lib.maths.equal import Tolerance, equal
from dqdata_operators.lib.maths.extract import PLACES, Found, Place, extract
from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.numbers import literal
from dqdata_operators.lib.maths.shapes import Answer, Opaque, Several, Unreadable, Words
from dqdata_operators.lib.maths.structure import read, read_decimal_comma, read_list

Verdict = Literal["correct", "incorrect", "unverifiable"]

_EXACT = Tolerance()
_CORRECT: dict[str, bool | None] = {"correct": True, "incorrect": False, "unverifiable": None}


class Judgement(NamedTuple):
    """reason: `equal`, `different`, `no_answer`, `answer_unreadable`, `reference_unreadable`, `undecided`,
    `too_large`, `timeout`; after a colon, details."""

    verdict: Verdict
    extracted: str | None
    reason: str


def correct(verdict: str) -> bool | None:
    """The verdict as a boolean; None where nothing was decided."""
    return _CORRECT[verdict]


def compare(
    *,
    reference: str | None,
    response: str | None,
    tolerance: Tolerance = _EXACT,
    places: Sequence[Place] = PLACES,
) -> Judgement:
    """Whether the final answer in `response` is `reference`, an answer or a solution that ends in one.

    A reference that is missing or can't be read makes the verdict unverifiable, whatever the response says. A response
    without a final answer is incorrect.
    """
    if reference is None or not reference.strip():
        return Judgement("unverifiable", None, "reference_unreadable: empty")
    found = extract(response, places) if response else None
    try:
        wanted, expected = reference_answer(reference)
    except Unreadable as error:
        return Judgement("unverifiable", found and _short(found.text), f"reference_unreadable: {error}")
    if found is None:
        if isinstance(expected, Opaque) and not _sympy_reads(wanted):
            return Judgement("unverifiable", None, "reference_unreadable: not even by sympy")
        return Judgement("incorrect", None, "no_answer")
    extracted = _short(found.text)
    if found.text == wanted and literal(wanted) is not None:
        return Judgement("correct", extracted, "equal")
    try:
        verdict = _decide(expected, read(found.text), wanted, found.text, tolerance)
    except Unreadable as error:
        return Judgement("incorrect", extracted, f"answer_unreadable: {error}")
    except (RecursionError, OverflowError):
        return Judgement("unverifiable", extracted, "too_large")
    if isinstance(verdict, str):
        return Judgement("unverifiable", extracted, verdict)
    return Judgement("correct", extracted, "equal") if verdict else Judgement("incorrect", extracted, "different")


def _short(text: str) -> str:
    return text if len(text) <= 500 else text[:500] + "…"


@functools.lru_cache(maxsize=1024)
def reference_answer(reference: str) -> tuple[str, Answer]:
    """The reference as text and structure; a solution is searched like a response. Raises Unreadable."""
    text = reference.strip()
    if "\\boxed" in text or "####" in text or len(text) > 300:
        found: Found | None = extract(text)
        if found is None:
            raise Unreadable("no final answer in it")
        text = found.text
    return text, read(text)


def _decide(ref: Answer, pred: Answer, wanted: str, given: str, tolerance: Tolerance) -> bool | str:
    """The verdict, or why there is none."""
    verdict = equal(reference=ref, prediction=pred, tolerance=tolerance)
    if verdict is False and "," in wanted + given:
        verdict = _other_readings(ref, pred, wanted, given, tolerance)
    if verdict is not None:
        return verdict
    if isinstance(ref, Words):
        return "undecided: prose"
    return _by_sympy(ref, pred, wanted, given)


def _other_readings(ref: Answer, pred: Answer, wanted: str, given: str, tolerance: Tolerance) -> bool:
    """Commas between digits may separate numbers, group thousands, or be decimal points."""
    for other in (read_decimal_comma, read_list):
        theirs, ours = other(given), other(wanted)
        if theirs is not None and not isinstance(ref, Several) and other is read_decimal_comma:
            if equal(reference=ref, prediction=theirs, tolerance=tolerance):
                return True
        elif theirs is not None and other is read_list and equal(reference=ref, prediction=theirs, tolerance=tolerance):
            return True
        if ours is not None and equal(reference=ours, prediction=pred, tolerance=tolerance):
            return True
    return False


def _sympy_reads(reference: str) -> bool:
    from dqdata_operators.lib.maths.symbolic import Refused, readable

    try:
        return readable(normalise(reference))
    except (Refused, RecursionError):
        return False


def _by_sympy(ref: Answer, pred: Answer, wanted: str, given: str) -> bool | str:
    from dqdata_operators.lib.maths.symbolic import Refused, same_by_sympy

    try:
        verdict = same_by_sympy(reference=normalise(wanted), prediction=normalise(given))
    except Refused as error:
        return f"too_large: {error}"
    except RecursionError:
        return "too_large: too deep"
    if verdict is None:
        return "reference_unreadable: not even by sympy" if isinstance(ref, Opaque) else "undecided"
    return verdict

r"""From a reference and a response to a verdict.

>>> compare(reference="18", response="9 * 2 = 18\n#### 18").verdict
'correct'
"""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Sequence
from typing import NamedTuple

from dqdata_operators.lib.maths.chains import squeeze
from dqdata_operators.lib.maths.equal import equal
from dqdata_operators.lib.maths.expression import Call, Num
from dqdata_operators.lib.maths.extract import PLACES, Found, Place, extract
from dqdata_operators.lib.maths.notation import half_width, normalise
from dqdata_operators.lib.maths.numbers import Literal, literal
from dqdata_operators.lib.maths.progressions import perhaps_same
from dqdata_operators.lib.maths.quantities import Asked, Tolerance
from dqdata_operators.lib.maths.readings import other_digits, read_list, second_readings
from dqdata_operators.lib.maths.set_algebra import same_formula
from dqdata_operators.lib.maths.shapes import Answer, Opaque, Parts, Scalar, Several, Tuple, Unreadable, Words
from dqdata_operators.lib.maths.structure import read
from dqdata_operators.lib.maths.words import poles

Verdict = typing.Literal["correct", "incorrect", "unverifiable"]

_EXACT = Tolerance()
_CORRECT: dict[str, bool | None] = {"correct": True, "incorrect": False, "unverifiable": None}


class Judgement(NamedTuple):
    """reason: `equal`, `different`, `no_answer`, `answer_unreadable`, `reference_unreadable`, `ambiguous`, `undecided`,
    `too_large`, `timeout`, `error`; after a colon, details."""

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
    question: str | None = None,
    tolerance: Tolerance = _EXACT,
    places: Sequence[Place] = PLACES,
) -> Judgement:
    """Whether the final answer in `response` is `reference`, an answer or a solution that ends in one.

    A reference that is missing or can't be read makes the verdict unverifiable, whatever the response says. A response
    without a final answer is incorrect. The question may tell a percentage from a number, and which of several numbers
    in a sentence was asked for. An error in a rule is the reason `error` of an unverifiable row, never an exception.
    """
    if reference is None or not reference.strip():
        return Judgement("unverifiable", None, "reference_unreadable: empty")
    try:
        return _compare(reference, response, question or "", tolerance, places)
    except (RecursionError, OverflowError, MemoryError):
        return Judgement("unverifiable", None, "too_large")
    except Exception as error:  # rules meet whatever models write; one that breaks must not end a run
        return Judgement("unverifiable", None, f"error: {type(error).__name__}: {_short(str(error))[:200]}")


def _compare(
    reference: str, response: str | None, question: str, tolerance: Tolerance, places: Sequence[Place]
) -> Judgement:
    try:
        wanted, expected = reference_answer(reference)
    except Unreadable as error:
        found = extract(response, places) if response else None
        return Judgement("unverifiable", found and _short(found.text), f"reference_unreadable: {error}")
    several = isinstance(expected, Several | Parts | Tuple)
    found = extract(response, places, question=question, words=_words(expected), several=several) if response else None
    if found is None:
        if isinstance(expected, Opaque) and not _sympy_reads(wanted):
            return Judgement("unverifiable", None, "reference_unreadable: not even by sympy")
        return Judgement("incorrect", None, "no_answer")
    case = _Case(expected, wanted, question, tolerance)
    if not found.others:
        return case.judge(found.text + _words_around(found, expected), found.text)
    judged = [case.judge(text, text) for text in (found.text, *found.others)]
    verdicts = {one.verdict for one in judged}
    if verdicts == {"incorrect"}:
        return judged[0]
    right = next((one for one in judged if one.verdict == "correct"), None)
    if right is not None and (verdicts == {"correct"} or _one_value((found.text, *found.others))):
        return right
    return Judgement("unverifiable", judged[0].extracted, "ambiguous")


def _one_value(texts: Sequence[str]) -> bool:
    """Whether all texts are one quantity in several units."""
    try:
        first, *rest = map(read, texts)
        return all(equal(reference=first, prediction=one) is True for one in rest)
    except Unreadable:
        return False


class _Case(NamedTuple):
    expected: Answer
    wanted: str
    question: str
    tolerance: Tolerance

    def judge(self, text: str, shown: str) -> Judgement:
        extracted = _short(shown)
        given = literal(text)
        if given is not None and text == self.wanted:
            return Judgement("correct", extracted, "equal")
        if given is not None and (same := self.same_integers(given)) is not None:
            return Judgement("correct", extracted, "equal") if same else Judgement("incorrect", extracted, "different")
        try:
            verdict = self.decide(read(text), text)
        except Unreadable as error:
            return Judgement("incorrect", extracted, f"answer_unreadable: {error}")
        except (RecursionError, OverflowError):
            return Judgement("unverifiable", extracted, "too_large")
        if isinstance(verdict, str):
            return Judgement("unverifiable", extracted, verdict)
        return Judgement("correct", extracted, "equal") if verdict else Judgement("incorrect", extracted, "different")

    def same_integers(self, given: Literal) -> bool | None:
        """Two whole numbers without signs of percent or currency, the most frequent case; None for anything else."""
        mine = self.expected
        if given.decimals is not None or given.percent or given.currency or self.tolerance is not _EXACT:
            return None
        if (
            not isinstance(mine, Scalar)
            or not isinstance(mine.node, Num)
            or mine.percent
            or mine.base
            or mine.unit.dims
        ):
            return None
        if mine.node.decimals is not None or mine.node.value.denominator != 1:
            return None
        return mine.node.value == given.value

    def decide(self, pred: Answer, given: str) -> bool | str:
        """The verdict, or why there is none."""
        asked = asks(self.question)
        question = squeeze(self.question)
        verdict = equal(
            reference=self.expected, prediction=pred, tolerance=self.tolerance, asked=asked, question=question
        )
        formula = same_formula(self.wanted, given)
        if formula == "open":
            return "undecided"
        if verdict is not True and formula is not None:
            return formula
        if verdict is False:
            return self.other_readings(pred, given)
        if verdict is not None:
            return verdict
        if isinstance(self.expected, Words):
            return "undecided: prose"
        if not isinstance(self.expected, Opaque) and not isinstance(pred, Opaque):
            return "undecided"
        return _by_sympy(self.expected, pred, self.wanted, given)

    def other_readings(self, pred: Answer, given: str) -> bool | str:
        """What a notation with two readings makes of a difference: 1,2,3 may be three numbers without blanks, 3,5 a
        decimal, `3 and 1/4` a mixed number."""
        plain = other_digits(self.wanted), other_digits(given)
        if plain != (self.wanted, given) and _same_texts(*plain, self.tolerance):
            return "ambiguous: notation"
        for text, other, mine in ((self.wanted, pred, True), (given, self.expected, False)):
            if isinstance(other, Several) and read_list(text) is not None and _same_digits(self.wanted, given):
                return True
            for reading in second_readings(text, other, reference=mine):
                sides = (reading.answer, other) if mine else (other, reading.answer)
                if equal(reference=sides[0], prediction=sides[1], tolerance=self.tolerance) is True:
                    return True if reading.sure else "ambiguous: notation"
        return "undecided" if perhaps_same(self.expected, pred) else False


def _same_texts(reference: str, prediction: str, tolerance: Tolerance) -> bool:
    try:
        return equal(reference=read(reference), prediction=read(prediction), tolerance=tolerance) is True
    except Unreadable:
        return False


def _same_digits(left: str, right: str) -> bool:
    a, b = (re.findall(r"[0-9]+", text) for text in (left, right))
    return a == b and not re.search(r"[A-Za-z.;]", left + right)


def asks(question: str) -> Asked:
    """What the last sentence of a question asks for: a percentage, a number that is none, or nothing that would tell.

    >>> asks("5 are red. What percent is that?"), asks("What is the probability?"), asks("Find x.")
    ('percent', 'plain', '')
    """
    if not question:
        return ""
    asking = re.split(r"(?<=[.?!。？])\s+", question.strip())[-1].lower()
    if re.search(r"percent|百分之几|百分之多少|百分比|pourcentage|prozent|porcentaje|%\s*\?|what\s*%", asking):
        return "percent"
    plain = (
        r"\bprobability|\bfraction\b|\bdecimal\b|\bratio\b|\bhow many\b|概率|几分之几|wahrscheinlichkeit|probabilit[éà]"
    )
    return "plain" if re.search(plain, asking) else ""


def _words_around(found: Found, expected: Answer) -> str:
    """The words around a value that count beside this reference: after it where the reference has words or a unit, a
    direction before it where the reference has one of the same kind, or a minus sign."""
    if not isinstance(expected, Scalar):
        return ""
    after = found.tail if expected.unit.words or expected.unit.dims else ""
    if not found.direction:
        return after
    node = expected.node
    negative = node.value < 0 if isinstance(node, Num) else isinstance(node, Call) and node.name == "neg"
    ways = poles((found.direction,)).keys() & poles(expected.unit.words).keys()
    return f"{after} {found.direction}" if ways or negative else after


def _words(expected: Answer) -> str:
    return expected.text if isinstance(expected, Words) else ""


def _short(text: str) -> str:
    return text if len(text) <= 500 else text[:500] + "…"


@functools.lru_cache(maxsize=1024)
def reference_answer(reference: str) -> tuple[str, Answer]:
    """The reference as text and structure; a solution is searched like a response. Raises Unreadable."""
    text = half_width(reference.strip())
    if "\\boxed" in text or "####" in text or len(text) > 300:
        found: Found | None = extract(text)
        if found is None:
            raise Unreadable("no final answer in it")
        text = found.text
    return text, read(text)


def _sympy_reads(reference: str) -> bool:
    from dqdata_operators.lib.maths.symbolic import Refused, readable

    try:
        return readable(normalise(reference))
    except (Refused, RecursionError):
        return False


def _by_sympy(ref: Answer, pred: Answer, wanted: str, given: str) -> bool | str:
    from dqdata_operators.lib.maths.symbolic import Refused, readable, same_by_sympy

    try:
        verdict = same_by_sympy(reference=normalise(wanted), prediction=normalise(given))
        if verdict is False and re.search(r"\\int(?!\s*[_^])", wanted + given):
            return "undecided"  # an antiderivative is known up to a constant
        if verdict is None and isinstance(ref, Opaque) and not readable(normalise(wanted)):
            return "reference_unreadable: not even by sympy"
    except Refused as error:
        return f"too_large: {error}"
    except RecursionError:
        return "too_large: too deep"
    if verdict is None:
        return "answer_unreadable: not even by sympy" if isinstance(pred, Opaque) else "undecided"
    return verdict

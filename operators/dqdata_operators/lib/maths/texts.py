r"""Answers in words: equal after normalisation, matching a pattern, or a number within a tolerance.

>>> compare_text(reference="The Battle of Hastings", response="The answer is the battle of Hastings.").verdict
'correct'
>>> compare_text(reference=r"(?:colou?r)s?", response=r"\boxed{Colours}", mode="regex").verdict
'correct'
>>> compare_text(reference="9.81", response="It is 9.8.", mode="number", tolerance=Tolerance(rel_tol=0.01)).verdict
'correct'
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from dqdata_operators.lib.maths.compare import Judgement, compare
from dqdata_operators.lib.maths.equal import Tolerance
from dqdata_operators.lib.maths.extract import PLACES, Place, answer_part, extract, stated
from dqdata_operators.lib.maths.numbers import literal, words_to_number
from dqdata_operators.lib.maths.words import same_words

TextMode = Literal["normalised", "exact", "regex", "number"]
LONGEST = 2000
"""Characters of an answer; what is longer is no final answer."""
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mbox|textit)\s*\{([^{}]*)\}")


def compare_text(
    *,
    reference: str | None,
    response: str | None,
    mode: TextMode = "normalised",
    tolerance: Tolerance | None = None,
    places: Sequence[Place] = PLACES,
) -> Judgement:
    """Whether the final answer of the response is the reference.

    normalised: the same words, whatever their case, punctuation and leading article. exact: the same characters.
    regex: the reference is a pattern that the whole answer must match, without regard to case; an answer that makes a
    pattern hang is the caller's deadline to end. number: both are numbers, within the tolerance.
    """
    if reference is None or not reference.strip():
        return Judgement("unverifiable", None, "reference_unreadable: empty")
    tolerance = tolerance or Tolerance()
    if mode == "number":
        if literal(reference) is None and words_to_number(reference) is None:
            return Judgement("unverifiable", None, "reference_unreadable: no number")
        return compare(reference=reference, response=response, tolerance=tolerance, places=places)
    pattern = None
    if mode == "regex":
        try:
            pattern = re.compile(reference, re.IGNORECASE)
        except re.error as error:
            return Judgement("unverifiable", None, f"reference_unreadable: {error}")
    elif mode == "normalised" and not any(char.isalnum() for char in reference):
        return Judgement("unverifiable", None, "reference_unreadable: no words")
    answer = final_text(response or "", places)
    if answer is None:
        return Judgement("incorrect", None, "no_answer")
    if pattern is not None:
        equal = pattern.fullmatch(answer) is not None or pattern.fullmatch(answer.rstrip(".")) is not None
    elif mode == "exact":
        equal = answer == reference.strip()
    else:
        equal = same_words(unicodedata.normalize("NFC", answer), unicodedata.normalize("NFC", reference))
    return Judgement("correct", answer, "equal") if equal else Judgement("incorrect", answer, "different")


def final_text(response: str, places: Sequence[Place]) -> str | None:
    """The final answer as it stands: of a box, after ####, of "the answer is ...", else the last line."""
    found = extract(response, [place for place in places if place in ("boxed", "hashes")])
    text = answer_part(response)
    if found is not None:
        answer = _WRAPPED.sub(r"\1", found.text)
    elif text is None or (("\\boxed" in text or "\\fbox" in text) and "boxed" in places):
        return None
    elif "phrase" in places and (sentence := next(stated(text), None)) is not None:
        answer = sentence
    elif "line" in places and (lines := [line for line in text.splitlines() if line.strip()]):
        answer = lines[-1]
    else:
        return None
    answer = answer.strip().strip("*$").strip()
    return answer if answer and len(answer) <= LONGEST else None

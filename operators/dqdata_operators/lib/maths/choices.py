r"""Which option a response chooses.

>>> compare_choice(reference="C", response="Paris is the capital, so the answer is (C).").verdict
'correct'
>>> compare_choice(reference="C", response="A, B, C or D").reason
'several_choices'
>>> compare_choice(reference="C", response="It must be Paris.\nParis", choices=["Rome", "Bern", "Paris"]).extracted
'C'

One option has to be chosen: a list of them chooses none. A letter whose text belongs to another option contradicts
itself, and is incorrect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dqdata_operators.lib.maths.compare import Judgement
from dqdata_operators.lib.maths.extract import PLACES, Place, answer_part, extract, stated
from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.words import plain_words

LETTERS = "ABCDEFGHIJ"

_ALONE = re.compile(r"(?<![A-Za-z0-9'’])\(?\s*([A-J])\s*(?:\)|(?=[.,;:!?*\s]|$))(?![A-Za-z'’])")
_LEADING = re.compile(r"\W*(?:(?:option|choice|answer)\s+)?\W*([A-Ja-j])(?![A-Za-z0-9'’])", re.IGNORECASE)
_MARKED = re.compile(r"\W*(?:(?:option|choice)\s+\W*[A-J]\b|\([A-J]\)|[A-J]\s*[.):])", re.IGNORECASE)
_REASON = re.compile(r"\s*(?:because|since|as|which|where|due|for|is|with|—|-|,(?!\s*[A-J](?![A-Za-z])))")
_ENUMERATED = re.compile(r"\W*(?:[,/;|&]|\bor\b|\band\b)?\W*(?:option\s+)?\W*([A-J])(?![A-Za-z0-9'’])", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:not|never|neither|nor|cannot)\b|n['’]t\b", re.IGNORECASE)
_STATED = (
    re.compile(
        r"\b(?:option|choice)\s+\(?([A-J])\)?(?![A-Za-z])(?:\s+is\s+(?:the\s+)?(?:correct|right|best|true|answer))"
    ),
    re.compile(r"(?<![A-Za-z])\(?([A-J])\)?\s+is\s+(?:the\s+)?(?:correct|right|best|true|answer)\b"),
    re.compile(r"\*\*\W*([A-J])\W*\*\*"),
)


def compare_choice(
    *,
    reference: str | None,
    response: str | None,
    choices: Sequence[str] | None = None,
    places: Sequence[Place] = PLACES,
) -> Judgement:
    """Whether the response chooses the reference: a letter, or the text of an option where `choices` are given.

    A reference that is neither makes the verdict unverifiable.
    """
    wanted = _reference(reference or "", choices)
    if wanted is None:
        return Judgement("unverifiable", None, "reference_unreadable: no letter and no option")
    text, is_answer = final_text(response or "", places)
    if text is None:
        return Judgement("incorrect", None, "no_answer")
    letter, reason = chosen(text, choices, is_answer=is_answer)
    if letter is None:
        return Judgement("incorrect", text[:500], reason)
    return Judgement("correct", letter, "equal") if letter == wanted else Judgement("incorrect", letter, "different")


def _reference(text: str, choices: Sequence[str] | None) -> str | None:
    if choices and (at := _option(text, choices)) is not None:
        return LETTERS[at]
    match = re.fullmatch(r"\W*([A-Ja-j])(?:\W*|[.):]\s.*)", normalise(text), re.DOTALL)
    letter = match[1].upper() if match else None
    return letter if letter is None or not choices or LETTERS.index(letter) < len(choices) else None


def final_text(response: str, places: Sequence[Place]) -> tuple[str | None, bool]:
    """Where a response chooses, and whether it says that this is the answer: a box, a line after ####, the sentence of
    "the answer is"; else its last line, which only may hold one."""
    found = extract(response, [place for place in places if place in ("boxed", "hashes")])
    if found is not None:
        return normalise(found.text), True
    text = answer_part(response)
    if text is None or (("\\boxed" in text or "\\fbox" in text) and "boxed" in places):
        return None, False  # a box without an option, or one that never closes
    if "phrase" in places and (sentence := next(stated(text), None)) is not None:
        return sentence, True
    lines = [line.strip() for line in text[-3000:].splitlines() if any(char.isalnum() for char in line)]
    if not lines or "line" not in places:
        return None, False
    for pattern in _STATED:
        if (matches := pattern.findall(lines[-1])) and len(set(matches)) == 1:
            return str(matches[-1]), True
    return lines[-1], False


def chosen(text: str, choices: Sequence[str] | None, *, is_answer: bool = True) -> tuple[str | None, str]:
    """The letter that this text chooses, or None and why there is none. is_answer: a lone letter anywhere counts."""
    letters = LETTERS[: len(choices)] if choices else LETTERS
    if choices and (at := _option(text, choices)) is not None:
        return letters[at], ""
    leading = _LEADING.match(text)
    if leading is not None and (leading[1].isupper() or not text[leading.end() :].strip(" .)*")):
        letter, rest = leading[1].upper(), text[leading.end() :]
        if _ENUMERATED.match(rest):
            return None, "several_choices"
        plain = not any(char.isalnum() for char in rest)
        if letter in letters and (plain or _MARKED.match(text) or _REASON.match(rest)):
            other = _option(rest, choices) if choices else None
            if other is not None and letters[other] != letter:
                return None, "contradiction: letter and text are of two options"
            return letter, ""
    if _DENIED.search(text):
        return None, "no_choice"
    alone = {letter for letter in _ALONE.findall(text) if letter in letters}
    inside = {letters[at] for at, option in enumerate(choices or ()) if _holds(text, option)}
    if len(inside) == 1 and (not alone - {"A", "I"} or alone == inside):
        return inside.pop(), ""
    if is_answer and len(alone) == 1 and not inside and alone != {"I"}:
        return alone.pop(), ""
    return None, "several_choices" if len(alone | inside) > 1 else "no_choice"


def _option(text: str, choices: Sequence[str]) -> int | None:
    """Which option's text this is, whole; None where it is none, or two read the same."""
    words = plain_words(normalise(text))
    same = [
        at for at, option in enumerate(choices[: len(LETTERS)]) if words and plain_words(normalise(option)) == words
    ]
    return same[0] if len(same) == 1 else None


def _holds(text: str, option: str) -> bool:
    words, part = plain_words(normalise(text)), plain_words(normalise(option))
    return len(part) > 1 and f" {part} " in f" {words} "

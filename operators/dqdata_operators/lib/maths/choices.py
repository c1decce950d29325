r"""Which option a response chooses.

>>> compare_choice(reference="C", response="Paris is the capital, so the answer is (C).").verdict
'correct'
>>> compare_choice(reference="C", response="A, B, C or D").reason
'several_choices'
>>> compare_choice(reference="C", response="It must be Paris.\nParis", choices=["Rome", "Bern", "Paris"]).extracted
'C'

One option has to be chosen: a list of them chooses none, unless the reference is a list, too. A letter whose text
belongs to another option contradicts itself, and is incorrect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dqdata_operators.lib.maths.choosing import Choice, choosing
from dqdata_operators.lib.maths.compare import Judgement
from dqdata_operators.lib.maths.extract import PLACES, Place, answer_part, extract, stated
from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.options import LETTERS, leading, plain
from dqdata_operators.lib.maths.words import plain_words

TAIL = 4000
"""Characters at the end of a response that are read, beside its first line."""
_NEGATED = re.compile(r"\b(?:not|never|neither|nor|cannot|wrong|incorrect|nicht|kein|pas)\b|n['’]t\b|不", re.IGNORECASE)
_DENIED = re.compile(
    r"(?<=[A-Za-z0-9])[,;]?\s+(?:but\s+)?(?:not|rather than|instead of|nicht|pas)\s+[^,.;]*", re.IGNORECASE
)
_ONLY_JOINED = re.compile(r"(?:[\W_]|\b(?:and|or|und|oder|et|ou|the|either|both|all|of|a|an)\b)*", re.IGNORECASE)
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)


def compare_choice(
    *,
    reference: str | None,
    response: str | None,
    choices: Sequence[str] | None = None,
    places: Sequence[Place] = PLACES,
) -> Judgement:
    """Whether the response chooses the reference: a letter, several, or an option's text where `choices` are given.

    A reference that is neither makes the verdict unverifiable.
    """
    wanted = _reference(reference or "", choices)
    if wanted is None:
        return Judgement("unverifiable", None, "reference_unreadable: no letter and no option")
    if not (response or "").strip():
        return Judgement("incorrect", None, "no_answer")
    letters, reason, shown = chosen(response or "", choices, places)
    if reason == "no_answer":
        return Judgement("incorrect", None, reason)
    if reason == "ambiguous" and set(wanted) <= set(letters):
        return Judgement("unverifiable", shown[-500:], reason)
    if reason or not letters or (len(letters) > 1 and len(wanted) == 1):
        return Judgement("incorrect", shown[-500:], reason or "several_choices")
    found = ", ".join(letters)
    equal = set(letters) == set(wanted)
    return Judgement("correct", found, "equal") if equal else Judgement("incorrect", found, "different")


def _reference(text: str, choices: Sequence[str] | None) -> str | None:
    if choices and (option := _option(text, choices)) is not None:
        return LETTERS[option]
    text = plain(normalise(text))
    match = re.fullmatch(r"\W*([A-Ja-j])(?:\W*|\s*[.):]\s.*)", text, re.DOTALL)
    letters = match[1].upper() if match else _several(text)
    known = LETTERS[: len(choices)] if choices else LETTERS
    return letters if letters and all(letter in known for letter in letters) else None


def _several(text: str, *, ordered: bool = True) -> str | None:
    """The letters of `ABD` or `A, B and D`, each once; ordered: only in the order of the alphabet, as no word is."""
    found = re.sub(r"\b(?:and|or)\b|[\W_]+", "", text)
    if not re.fullmatch(r"[A-J]{2,}", found) or len(set(found)) < len(found):
        return None
    if ordered and "".join(sorted(found)) != found:
        return None
    return found if re.fullmatch(r"[A-J\W_]*(?:\b(?:and|or)\b[A-J\W_]*)?", text) else None


def chosen(response: str, choices: Sequence[str] | None, places: Sequence[Place]) -> tuple[str, str, str]:
    """The letters chosen, or why there are none, and the text that was read."""
    letters = LETTERS[: len(choices)] if choices else LETTERS
    text = answer_part(response)
    if text is None or not text.strip():
        return "", "no_answer", ""
    if "phrase" in places and (tagged := _TAGGED.findall(text)):
        made = _of_answer(tagged[-1][-TAIL:], letters, choices)
        return *made, tagged[-1].strip()
    found = extract(response, [place for place in places if place in ("boxed", "hashes")])
    if found is not None:
        made = _of_answer(found.text, letters, choices)
        if made.letters or found.place == "hashes" or "phrase" not in places:
            return *made, found.text
        after = choosing(plain(text[max(text.rfind("\\boxed"), text.rfind("\\fbox"), 0) :][-TAIL:]), letters)
        return (*after, text) if after.letters and not after.reason else (*made, found.text)
    if ("\\boxed" in text or "\\fbox" in text) and "boxed" in places:
        return "", "no_answer", text  # an empty box, or one that never closes
    return *_of_prose(text, letters, choices, places), text.strip()


def _of_answer(text: str, letters: str, choices: Sequence[str] | None) -> Choice:
    """What a box chooses, or another place that holds nothing but the answer."""
    if choices and (option := _option(text, choices)) is not None:
        return Choice(letters[option], "")
    given = plain(text).strip()
    if (several := _several(given, ordered=False)) and all(letter in letters for letter in several):
        return Choice(several, "")
    mention = leading(given, letters)
    if mention is not None and (mention.marked or not any(char.isalnum() for char in given[mention.end :])):
        return _agreed(Choice(mention.letters, ""), given[mention.end :], letters, choices)
    made = choosing(given, letters)
    return made if made.letters else _by_text(given, letters, choices)


def _of_prose(text: str, letters: str, choices: Sequence[str] | None, places: Sequence[Place]) -> Choice:
    sentence = next(stated(text), None) if "phrase" in places and choices else None
    if sentence is not None and choices and (option := _option(sentence, choices)) is not None:
        return Choice(letters[option], "")
    if len(text) > TAIL:
        text = text.lstrip()[:TAIL].partition("\n")[0] + "\n\n" + text[-TAIL:]
    lines = [line for line in text.splitlines() if any(char.isalnum() for char in line)]
    if "phrase" not in places:
        if "line" not in places or not lines:
            return Choice("", "no_answer")
        text = lines[-1]
    elif "line" in places and choices and lines and (option := _option(lines[-1], choices)) is not None:
        return Choice(letters[option], "")
    said = plain(text)
    made = choosing(said, letters, choices or ())
    if made.letters:
        return _agreed(made, _after(said, made.letters), letters, choices)
    if made.reason == "denied" or not lines:
        return made
    last = _bold(lines[-1], letters)
    return last if last.letters else _by_text(next(stated(text), lines[-1]), letters, choices, made.reason)


def _after(text: str, letters: str) -> str:
    """What follows the last mention of a letter, to the end of its line."""
    found = list(re.finditer(rf"(?<![A-Za-z]){letters[-1]}(?![A-Za-z])", text))
    return text[found[-1].end() :].partition("\n")[0] if found else ""


def _agreed(made: Choice, rest: str, letters: str, choices: Sequence[str] | None) -> Choice:
    """The choice, unless the text after its letter is another option's."""
    other = _option(rest.strip(" .:)]-—–,"), choices) if choices and len(made.letters) == 1 else None
    if other is not None and letters[other] != made.letters:
        return Choice("", "contradiction: letter and text are of two options")
    return made


def _bold(line: str, letters: str) -> Choice:
    bold = set(re.findall(r"\*\*\W*([A-J])\W*\*\*", line))
    return (
        Choice(bold.pop(), "")
        if len(bold) == 1 and bold <= set(letters) and not _NEGATED.search(line)
        else Choice("", "")
    )


def _by_text(text: str, letters: str, choices: Sequence[str] | None, reason: str = "no_choice") -> Choice:
    """The one option whose text stands in the sentence, but for what it denies."""
    text = _DENIED.sub(" ", text)
    held = [option for option, words in enumerate(choices or ()) if _holds(text, words)]
    held = [one for one in held if not any(one != other and _holds(choices[other], choices[one]) for other in held)]  # type: ignore[index]
    if len(held) > 1:
        listed = re.sub("|".join(re.escape(choices[one].strip()) for one in held), "", text, flags=re.IGNORECASE)  # type: ignore[index]
        if _ONLY_JOINED.fullmatch(listed):
            return Choice("", "several_choices")
        return Choice("".join(letters[one] for one in held), "ambiguous")
    if not held or _NEGATED.search(text):
        return Choice("", _listed(text, letters) or reason)
    return Choice(letters[held[0]], "")


def _listed(text: str, letters: str) -> str:
    alone = {letter for letter in re.findall(r"(?<![A-Za-z0-9'’])([A-HJ])(?=[\s).,;:*]|$)", text) if letter in letters}
    return "several_choices" if len(alone) > 1 else ""


def _option(text: str, choices: Sequence[str]) -> int | None:
    """Which option's text this is, whole; None where it is none, or two read the same."""
    words = plain_words(normalise(text))
    same = [
        option
        for option, other in enumerate(choices[: len(LETTERS)])
        if words and plain_words(normalise(other)) == words
    ]
    return same[0] if len(same) == 1 else None


def _holds(text: str, option: str) -> bool:
    words, part = plain_words(normalise(text)), plain_words(normalise(option))
    return len(part) > 1 and f" {part} " in f" {words} "

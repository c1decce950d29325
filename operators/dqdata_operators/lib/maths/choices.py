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

from dqdata_operators.lib.maths.choice_phrases import CUE, HEDGE, RIGHTNESS, WRONGNESS
from dqdata_operators.lib.maths.choosing import Choice, choosing
from dqdata_operators.lib.maths.compare import Judgement, compare
from dqdata_operators.lib.maths.concluding import concluded, judged_in_a_list
from dqdata_operators.lib.maths.extract import PLACES, Place, answer_part, extract, stated
from dqdata_operators.lib.maths.notation import half_width, normalise
from dqdata_operators.lib.maths.options import LETTERS, leading, listed, plain
from dqdata_operators.lib.maths.wording import same_wording, wording

TAIL = 4000
"""Characters at the end of a response that are read, beside its first line."""
_NEGATED = re.compile(
    r"\b(?:not|never|neither|nor|cannot|wrong|incorrect|nicht|kein|pas|anything but)\b|n['’]t\b|不", re.IGNORECASE
)
_DENIED = re.compile(
    r"(?<=[A-Za-z0-9])(?<!\bis)(?<!\bare)(?<!\bwas)(?<!\bwere)(?<!\bbe)(?<!\bdoes)(?<!\bdo)(?<!\bdid)(?<!\bcan)"
    r"(?<!\bcould)(?<!\bwould)(?<!\bshould)(?<!\bist)(?<!\best)[,;]?\s+(?:but\s+)?(?:not|rather than|"
    r"instead of|nicht|pas)\s+[^,.;]*?(?=\s+but\b|[,.;]|\Z)",
    re.IGNORECASE,
)
_REASONS = re.compile(r",?\s+(?:because|since|while|whereas|although|though|unlike|as opposed to)\b", re.IGNORECASE)
_ONLY_JOINED = re.compile(r"(?:[\W_]|\b(?:and|or|und|oder|et|ou|the|either|both|all|of|a|an)\b)*", re.IGNORECASE)
_LABELLED = re.compile(r"\W*([A-J])\s*(?:[.):,]\s+(?=\S)|(?=\())")
_TICKED = re.compile(r"^[^\w\n]{0,8}([A-J])[^\w\n][^\n]*[✓✔✅☑][^\w\n]{0,8}$", re.MULTILINE)
_CAPITAL = re.compile(
    r"(?<![A-Za-z0-9'’=<>+*/^_\\.-])(?<![=<>+*/^]\s)([A-HJ])(?![A-Za-z0-9'’+#°^_/\\|&=-]|\s*[=<>≤≥])(?!(?<=A)\s[a-z])"
)
_OR = re.compile(r"\b(?:or|oder|ou|o|или|either)\b|或")
_VALUE = re.compile(r"[0-9\\^=√π+*/]")
_TWO = "contradiction: letter and text are of two options"
_LONG_BLANKS = re.compile(r"(\s{32})\s+")
"""What follows the 32nd blank says nothing, and patterns with several `\\s*` would try each way to share it out."""
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
    letters, reason, shown = chosen(_LONG_BLANKS.sub(r"\1", response or ""), choices, places)
    if reason == "no_answer":
        return Judgement("incorrect", None, reason)
    if reason == "ambiguous" and set(wanted) <= set(letters):
        return Judgement("unverifiable", shown[-500:], reason)
    if reason in ("several_choices", "denied") and len(wanted) > 1 and _enumeration(shown) == set(wanted):
        return Judgement("correct", ", ".join(wanted), "equal")
    if reason == "no_choice" and _only_letters(shown) == set(wanted):
        return Judgement("unverifiable", shown[-500:], "ambiguous")
    if reason or not letters or (len(letters) > 1 and len(wanted) == 1):
        return Judgement("incorrect", shown[-500:], reason or "several_choices")
    found = ", ".join(letters)
    equal = set(letters) == set(wanted)
    return Judgement("correct", found, "equal") if equal else Judgement("incorrect", found, "different")


def _last_statement(text: str) -> str:
    """The last sentence without the reasons at its end."""
    return _REASONS.split(re.split(r"(?<=[A-Za-z0-9)][.!?])\s+|\n+", plain(text[-500:]).strip())[-1], maxsplit=1)[0]


def _only_letters(text: str) -> set[str]:
    """The capitals by themselves in a last sentence in another script, whose words say nothing here: they may be its
    choice. None belongs to a formula."""
    said = _last_statement(text)
    known = not re.search(r"[^\W\d_a-zA-Z]", said) or any(words.search(said) for words in (WRONGNESS, HEDGE, RIGHTNESS))
    return set() if known else {match[1] for match in _CAPITAL.finditer(said)}


def _enumeration(text: str) -> set[str]:
    """The options that the last sentence lists as right: all its letters, joined by `and` in some language."""
    said = _last_statement(text)
    found = list(_CAPITAL.finditer(said))
    if (
        len(found) < 2
        or not (RIGHTNESS.search(said) or CUE.search(said))
        or any(no.search(said) for no in (WRONGNESS, HEDGE, _OR))
    ):
        return set()
    letters = listed(said, found[0][1], found[0].end(), LETTERS, marked=True).letters
    return set(letters) if len(letters) == len(found) else set()


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
    text = half_width(text)
    if "phrase" in places and (tagged := _TAGGED.findall(text)):
        made = _of_answer(tagged[-1][-TAIL:], letters, choices)
        return made.letters, made.reason, tagged[-1].strip()
    found = extract(response, [place for place in places if place in ("boxed", "hashes")])
    if found is not None:
        made = _of_answer(found.text, letters, choices)
        if made.reason != "no_choice" or found.place == "hashes" or "phrase" not in places:
            return made.letters, made.reason, found.text
        after = choosing(plain(text[text.rfind(found.text) + len(found.text) :][-TAIL:]), letters)
        return (
            (after.letters, "", text) if after.letters and not after.reason else (made.letters, made.reason, found.text)
        )
    if ("\\boxed" in text or "\\fbox" in text) and "boxed" in places:
        return "", "no_answer", text  # an empty box, or one that never closes
    made = _of_prose(text, letters, choices, places)
    return made.letters, made.reason, text.strip()


def _of_answer(text: str, letters: str, choices: Sequence[str] | None) -> Choice:
    """What a box chooses, or another place that holds nothing but the answer."""
    if choices and (option := _option(text, choices)) is not None:
        return Choice(letters[option], "")
    given = plain(text).strip()
    if (several := _several(given, ordered=False)) and all(letter in letters for letter in several):
        return Choice(several, "")
    if re.match(r"[-+−~¬]\S", given):
        return Choice("", "no_choice")
    mention = leading(given, letters)
    if mention is not None and (mention.marked or not any(char.isalnum() for char in given[mention.end :])):
        return _agreed(Choice(mention.letters, "", given), given[mention.end :], letters, choices)
    made = choosing(given, letters)
    return made if made.letters else _by_text(given, letters, choices)


def _of_prose(text: str, letters: str, choices: Sequence[str] | None, places: Sequence[Place]) -> Choice:
    if (only := _several(plain(text).strip())) and all(letter in letters for letter in only):
        return Choice(only, "")
    if (ticked := sorted(set(_TICKED.findall(text[-TAIL:])))) and set(ticked) <= set(letters):
        return Choice("".join(ticked), "")
    closing = text.strip().rpartition("\n")[2]
    if choices and (labelled := _LABELLED.match(closing)) is not None:
        option = _option(closing[labelled.end() :], choices)
        if option is not None and LETTERS[option] != labelled[1] and _option(closing, choices) is None:
            return Choice("", _TWO)
    lists = bool(choices) and "line" in places and _ends_a_list(text[-TAIL:])
    sentence = next(stated(text), None) if "phrase" in places and choices and not lists else None
    if sentence is not None and choices and (option := _option(sentence, choices)) is not None:
        return Choice(letters[option], "")
    if len(text) > TAIL:
        text = text.lstrip()[:TAIL].partition("\n")[0] + "\n\n" + text[-TAIL:]
    lines = [line for line in text.splitlines() if any(char.isalnum() for char in line)]
    if "phrase" not in places:
        if "line" not in places or not lines:
            return Choice("", "no_answer")
        text = lines[-1]
    elif "line" in places and choices and lines:
        if lists:
            one = judged_in_a_list(plain(text), letters)
            return Choice(one, "") if one else _before_a_list(text, letters, choices)
        option = _option(lines[-1], choices)
        option = _first_clause(lines[-1], choices) if option is None else option
        if option is not None:
            return Choice(letters[option], "")
    said = plain(text)
    made = choosing(said, letters, choices or ())
    if made.letters:
        return _agreed(made, _after(said, made.letters), letters, choices)
    if made.reason == "denied" or not lines:
        return made
    if choices and _held(said[-500:], choices) and not re.search(r"[(\[][A-J][)\]]", said[-500:]):
        by_texts = concluded(_with_letters(said[-500:], choices), letters, in_full=True)
        left = set(letters) - set(by_texts.denied)
        if len(by_texts.chosen) == 1 and not by_texts.ambiguous:
            return Choice(by_texts.chosen, "")
        if not by_texts.chosen and len(left) == 1 and len(letters) > 2:
            return Choice(left.pop(), "")
    last = _bold(lines[-1], letters)
    sentence = next(stated(text), None)
    if not last.letters and sentence is None and choices:
        ended = _by_text(
            re.split(r"(?<=[a-z]{2}[.!])\s+(?=[A-Z])", lines[-1].strip())[-1], letters, choices, made.reason
        )
        if ended.letters and not ended.reason:
            return ended
    return (
        last if last.letters else _by_text(f"is {sentence}" if sentence else lines[-1], letters, choices, made.reason)
    )


def _first_clause(line: str, choices: Sequence[str]) -> int | None:
    """The option that a sentence begins with (`No, it is not.`), if it mentions no other."""
    clause, _, rest = line.partition(",")
    option = _option(clause, choices) if rest else None
    if option is None or not set(_held(rest, choices)) <= {option}:
        return None
    named = choosing(plain(rest).strip(), LETTERS[: len(choices)]).letters
    return option if named in ("", LETTERS[option]) else None


def _ends_a_list(text: str) -> bool:
    """Whether the last line is one of a list of options, each with its letter, and says nothing else."""
    lines = [line for line in text.splitlines() if any(char.isalnum() for char in line)]
    labels = [label[1] for line in lines[-3:] if (label := _LABELLED.match(line)) is not None]
    return len(labels) == 3 and "".join(sorted(set(labels))) == "".join(labels) and not RIGHTNESS.search(lines[-1])


def _before_a_list(text: str, letters: str, choices: Sequence[str]) -> Choice:
    """What is called the answer before a list of options that ends the text."""
    lines = text.splitlines()
    while lines and (not lines[-1].strip() or _LABELLED.match(lines[-1])):
        lines.pop()
    said = plain("\n".join(lines))
    sentence = next(stated("\n".join(lines)), None)
    if sentence is not None and (option := _option(sentence, choices)) is not None:
        return Choice(letters[option], "")
    made = choosing(said, letters, choices)
    if not made.letters or not CUE.search(made.sentence):
        return Choice("", "several_choices")
    return _agreed(made, _after(said, made.letters), letters, choices)


def _after(text: str, letters: str) -> str:
    """What follows the last mention of a letter, to the end of its line."""
    found = list(re.finditer(rf"(?<![A-Za-z]){letters[-1]}(?![A-Za-z])", text))
    return text[found[-1].end() :].partition("\n")[0] if found else ""


def _agreed(made: Choice, rest: str, letters: str, choices: Sequence[str] | None) -> Choice:
    """The choice, unless its sentence or the text after its letter is about another option."""
    if not choices or len(made.letters) != 1:
        return made
    other = _option(rest.strip(" .:)]-—–,"), choices)
    said = _held(_REASONS.split(_DENIED.sub(" ", made.sentence), maxsplit=1)[0], choices)
    if other is None and len(said) == 1 and not _NEGATED.search(made.sentence):
        other = said[0]
    if other is not None and letters[other] != made.letters:
        return Choice("", _TWO)
    return made


def _bold(line: str, letters: str) -> Choice:
    bold = set(re.findall(r"\*\*\W*([A-J])\W*\*\*", line))
    return (
        Choice(bold.pop(), "")
        if len(bold) == 1 and bold <= set(letters) and not _NEGATED.search(line)
        else Choice("", "")
    )


def _by_text(text: str, letters: str, choices: Sequence[str] | None, reason: str = "no_choice") -> Choice:
    """The one option whose text stands in the sentence, but for what it denies and for its reasons."""
    if "=" in text and choices and (result := _option(text.rpartition("=")[2], choices)) is not None:
        return Choice(letters[result], "")
    said = _DENIED.sub(" ", text)
    stated = _REASONS.split(said, maxsplit=1)[0]
    held = _held(stated, choices or ())
    said = stated if held else said
    held = held or _held(said, choices or ())
    parts = "|".join(re.escape(choices[one].strip()) for one in held) if choices and held else r"(?!)"
    between = re.split(parts, said, flags=re.IGNORECASE)
    if choices and len(held) == len(choices) - 1 > 1 and _NEGATED.search(between[0]):
        (left,) = set(range(len(choices))) - set(held)
        return Choice(letters[left], "")
    if not held and choices and (equal := _equal_option(text, choices)) is not None:
        return Choice(letters[equal], "")
    if not held or _NEGATED.search(" ".join(between)):
        return Choice("", _listed(said, letters) or reason)
    if len(held) == 1:
        marked = set(re.findall(r"\(([A-J])\)", said))
        return Choice(letters[held[0]], "") if marked <= {letters[held[0]]} else Choice("", _TWO)
    if len(between) > 2 and all(_ONLY_JOINED.fullmatch(part) for part in between[1:-1]):
        return Choice("", "several_choices")
    return Choice("".join(letters[one] for one in held), "ambiguous")


def _with_letters(text: str, choices: Sequence[str]) -> str:
    """The text with a letter in brackets in place of each option's text."""
    by_length = sorted(range(min(len(choices), len(LETTERS))), key=lambda at: -len(choices[at]))
    for at in by_length:
        option = choices[at].strip()
        if len(option) > 1:
            text = re.sub(
                rf"(?<![\w.,]){re.escape(option)}(?!\w|[.,]\d)", f"({LETTERS[at]})", text, flags=re.IGNORECASE
            )
    return text


def _held(text: str, choices: Sequence[str]) -> list[int]:
    """The options whose text stands in another, but for parts of longer ones: of options, or of names."""
    held = [option for option, words in enumerate(choices[: len(LETTERS)]) if _holds(text, words)]
    return [one for one in held if not any(one != other and _holds(choices[other], choices[one]) for other in held)]


def _listed(text: str, letters: str) -> str:
    alone = {letter for letter in re.findall(r"(?<![A-Za-z0-9'’])([A-HJ])(?=[\s).,;:*]|$)", text) if letter in letters}
    return "several_choices" if len(alone) > 1 else ""


def _option(text: str, choices: Sequence[str]) -> int | None:
    """Which option's text this is, whole; None where it is none, two read the same, or its letter is another's."""
    same = [option for option, other in enumerate(choices[: len(LETTERS)]) if same_wording(text, other)]
    if same and (labelled := _LABELLED.match(text)) and same_wording(text[labelled.end() :], choices[same[0]]):
        return same[0] if LETTERS[same[0]] == labelled[1] else None  # `A. Paris` is `Paris` with an article
    if not same and "\\" in text:
        same = [
            at
            for at, other in enumerate(choices[: len(LETTERS)])
            if same_wording(_names(normalise(text)), _names(normalise(other)))
        ]
    if len(same) > 1:  # which differ in signs
        given = re.sub(r"\s+", "", _names(text))
        same = [at for at in same if re.sub(r"\s+", "", _names(choices[at])) == given]
    return same[0] if len(same) == 1 else None


def _names(text: str) -> str:
    """`\\cos x` as `cos x`."""
    return re.sub(r"\\([A-Za-z]+)", r"\1", text)


def _equal_option(text: str, choices: Sequence[str]) -> int | None:
    """The one option that the value of a sentence equals as mathematics: 1 + x of x + 1."""
    if not all(_VALUE.search(option) for option in choices) or _NEGATED.search(text):
        return None
    found = extract(text, ["phrase", "line"])
    if found is None or found.others or not _VALUE.search(found.text):
        return None
    given = f"\\boxed{{{found.text}}}"
    same = [
        at
        for at, option in enumerate(choices[: len(LETTERS)])
        if compare(reference=option, response=given).verdict == "correct"
    ]
    return same[0] if len(same) == 1 else None


def _holds(text: str, option: str) -> bool:
    words, part = wording(text), wording(option)
    if not part or f" {' '.join(part)} " not in f" {' '.join(words)} ":
        return False
    if len(part) == 1 and part[0].isdigit():
        alone = re.search(rf"(?<![\w.,/^*-]){part[0]}(?![\w/^*]|[.,]\d)", text)
        return alone is not None and len({word for word in words if word[-1].isdigit()}) == 1
    places = list(re.finditer(rf"(?<!\w){re.escape(option.strip())}(?!\w)", text, re.IGNORECASE))
    return len("".join(part)) > 1 and (not places or any(not _in_a_name(text, place) for place in places))


def _in_a_name(text: str, place: re.Match[str]) -> bool:
    """Whether words around make it another name (`New Paris`, `Paris Hilton`), or a question mark leaves it open."""
    if text[place.end() : place.end() + 1] == "?":
        return True
    before = re.search(r"(?<=[a-z,;:]\s)(\w+)\s+$", text[: place.start()])
    named = before is not None and before[1][0].isupper() and before[1] != "I"
    return place[0][:1].isupper() and (named or bool(re.match(r"\s+[A-Z]\w", text[place.end() :])))

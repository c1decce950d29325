r"""Finds the number or formula of a sentence that is its answer.

>>> pick("Thus, the side is 4√3 centimeters.").text
'4√3 centimeters'
>>> pick("There are 45 pairs of toppings from the 10 options.").others
('45 pairs',)

A sentence holds candidates: formulas, numbers with their roots, fractions, pi and units, amounts, times. Rules choose
among several, the first that leaves one: all are equal; one alone is in bold; one stands alone in the last clause;
one is named by the noun that the question asks for; the last one follows a verb such as `is` or an equals sign.
Where no rule decides, all of them are kept and the sentence is ambiguous.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dqdata_operators.lib.maths.candidates import CURRENCY, NEGATED, SEGMENT, Candidate, candidates, unit_after
from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.numbers import cjk_number, words_to_number
from dqdata_operators.lib.maths.spelled import plain_quantity
from dqdata_operators.lib.maths.units import singular, unit_of
from dqdata_operators.lib.texts.number_words import PARTS, SCALES, SMALL


class Picked(NamedTuple):
    text: str
    others: tuple[str, ...] = ()
    tail: str = ""
    direction: str = ""


_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|equals?|becomes?|equal\s+to|be|totals?(?:\s+of)?|totall?ing|"
    r"yields?|results?\s+in|amounts?\s+to|comes?\s+(?:out\s+)?to|(?:adds?\s+up|sums?)\s+to)|[:：=]|是|为)\s*"
    r"(?:(?:about|approximately|roughly|exactly|only|just|therefore|thus|simply|a\s+total\s+of|now|then|\*{1,2})\s*)*\Z",
    re.IGNORECASE,
)
CLAUSE = re.compile(
    r"[,;]?\s*(?<![A-Za-z])(?:so|thus|therefore|hence|which\s+means(?:\s+that)?|meaning(?:\s+that)?|leaving|resulting\s+in|giving|we\s+get|所以|因此|故)(?![A-Za-z])[,:]?\s+|=>|⇒|→|∴",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,80}?)\*\*|__([^_\n]{1,80}?)__|<b>([^<]{1,80})</b>")
_WORD = "|".join(rf"{word}s?" if word in PARTS else word for word in (*SMALL, *SCALES, *PARTS))
_SPELLED = re.compile(
    rf"(?<![A-Za-z-])(?:(?:minus|negative)\s+)?(?:a\s+(?:dozen|hundred|thousand|million)|{_WORD})\b"
    rf"(?:[\s-]+(?:and\s+)?(?:a\s+(?=half|third|quarter))?(?:{_WORD})\b)*(?![A-Za-z-])",
    re.IGNORECASE,
)
"""Words that may spell one number; `words_to_number` knows whether they do."""
_CJK_NUMERAL = re.compile(
    r"(?:是|为|為|有|得|等于|需要|[:：])\s*((?:负|負)?[零〇一二两兩三四五六七八九十百千万亿]+(?:分[之の][零〇一二三四五六七八九十百千万]+"
    r"|点[零〇一二三四五六七八九]+)?)"
)
_HOW_MANY = re.compile(
    r"\bhow\s+many\s+(?:more\s+|total\s+|different\s+|of\s+(?:the\s+)?)?((?:[a-z'-]+\s+){0,2}?[a-z'-]+?)(?=\s+(?:are|is|does|do|did|will|would|can|could|has|have|had|were|was|in|of|on|left|must|should)\b|\?|\s*\Z)",
    re.I,
)
_UNDERLINED = re.compile(r"(?<![A-Za-z0-9])__([^_\n]{1,80})__(?![A-Za-z0-9])")


def pick(sentence: str, question: str = "", *, leading: bool = False, several: bool = False) -> Picked | None:
    """The answer in a sentence, with the other candidates where no rule decides; None where it has no candidate.

    several: more than one value is looked for, so candidates that only their nouns and connectives part are one.
    leading: the sentence follows a marker such as `####`, so a value that opens it is the answer unless a statement
    follows.
    """
    sentence = _UNDERLINED.sub(r"**\1**", sentence) if "__" in sentence else sentence
    found = candidates(sentence, several=several)
    if not found:
        return _spelled(sentence) or _hyphenated(sentence) or _last_words(sentence) or _in_digits(sentence, question)
    if leading and (first := _opening(sentence, found)) is not None:
        return _picked(first)
    chosen = _choose(sentence, found, question)
    if chosen is not None:
        return _picked(chosen)
    last = found[-1]
    return _picked(last, tuple(one.text + one.unit + one.tail for one in found[:-1]))


def values_in(text: str) -> int:
    """How many candidates a text holds."""
    return len(candidates(text))


def _picked(one: Candidate, others: tuple[str, ...] = ()) -> Picked:
    return Picked(one.text + one.unit, others, one.tail, one.direction)


_BECAUSE = re.compile(r"(?<=[a-z0-9,] )(?:since|because|given that)\b", re.IGNORECASE)
"""What follows gives a reason for the text before it."""
_CALCULATING = re.compile(
    r"\W*(?:by\s+)?(?:adding|subtracting|multiplying|dividing|summing|combining|simplifying|solving|plugging|substituting|"
    r"converting|rounding)\b[^,]{0,80},\s(?=[a-z])",
    re.IGNORECASE,
)
"""An opening clause that says what is calculated: its numbers are not the result."""
_COMPARED = re.compile(r"(?:\s+[a-z]+){0,2}\s+(?:less|more|fewer|[a-z]+er)\s+than\b")
"""After a difference: 150, which is 20 less than before."""
_RESTATED = re.compile(
    r"(?:\b(?:which|that)\s+is|\bi\.e\.|\bor)[\s,]*(?:equal\s+to|the\s+same\s+as)?\s*\Z", re.IGNORECASE
)
_PARTED = re.compile(r"\s(?:and|while|but|whereas)\s|[,;]\s")
_REASON = re.compile(r"\b(?:since|because|as)\b", re.IGNORECASE)
_ALSO_COUNTED = re.compile(r"(?:\s+[A-Za-z'’-]+){1,5}?\s*(?:[,;&]|,?\s+and)\s+")
"""Between two things that are counted one after the other: `17 cards for Ben, 23 for Ana`."""


def _opening(sentence: str, found: list[Candidate]) -> Candidate | None:
    """The candidate that opens the text after a marker, unless more candidates and a statement follow."""
    first = found[0]
    if sentence[: first.start].strip(" *_$:\"'“(") and not re.fullmatch(
        r"\W*(?:about|approximately|roughly|exactly|only|a\s+total\s+of|the\s+answer\s+is)?\W*",
        sentence[: first.start],
        re.I,
    ):
        return None
    if len(found) > 1 and _ALSO_COUNTED.fullmatch(sentence[first.end : found[1].start]):
        return None
    reason = _REASON.search(sentence, first.end)
    if len(found) > 1 and re.search(
        r"\b(?:is|are|was|were|costs?|has|have|had|makes?|equals?|needs?|gets?|will|can|could|would|takes?)\b",
        sentence[first.end : reason.start() if reason else None],
    ):
        return None
    return first


def _choose(sentence: str, found: list[Candidate], question: str) -> Candidate | None:
    if len(found) == 1 or len({_plain(one) for one in found}) == 1:
        return found[-1]
    if (reason := _BECAUSE.search(sentence)) is not None:
        stated = [one for one in found if one.end <= reason.start()]
        if len(stated) == 1:
            return stated[0]
        found = stated or found
    bold = [match.span() for match in _BOLD.finditer(sentence)]
    if bold:
        inside = [one for one in found if any(a <= one.start and one.end <= b for a, b in bold)]
        if len(inside) == 1:
            return inside[0]
    if (calculation := _CALCULATING.match(sentence)) is not None:
        last = [one for one in found if one.start >= calculation.end()]
        if len(last) == 1:
            return last[0]
    clauses = list(CLAUSE.finditer(sentence))
    if clauses:
        last = [one for one in found if one.start >= clauses[-1].end()]
        if len(last) == 1:
            return last[0]
        if len(last) > 1:
            found = last
    if question and (asked := _asked(question, sentence, found)) is not None:
        return asked
    before = sentence[: found[-1].start]
    results = [one for one in found if "=" in sentence[one.start : one.end] and not SEGMENT.fullmatch(one.text)]
    if results == found[-1:]:
        return found[-1]  # a calculation and its result
    if _COMPARED.match(sentence, found[-1].end):
        return None
    if _RESTATED.search(before) and _one_dimension(*found[-2:]):
        return None  # 540 meters, which is 0.54 km
    if _COPULA.search(before) and not any(_COPULA.search(sentence[: one.start]) for one in found[:-1]):
        return found[-1]
    return None


def _one_dimension(left: Candidate, right: Candidate) -> bool:
    """Whether two amounts have other units of one dimension."""
    units = [unit_of(normalise(one.unit.strip())) if one.unit else None for one in (left, right)]
    return all(unit is not None and unit.dims for unit in units) and units[0] != units[1]


def _of_the_one_asked(question: str, sentence: str, found: list[Candidate]) -> Candidate | None:
    """The one candidate in the clause about the person whom the question names, where others are about others."""
    names = {name for name in re.findall(r"(?<=\s)[A-Z][a-z]+", question) if re.search(rf"\b{name}\b", sentence)}
    if len(names) != 1:
        return None
    ends = [match.start() for match in _PARTED.finditer(sentence)]
    about = sentence.index(names.pop())
    begin = max((end for end in ends if end < about), default=0)
    close = min((end for end in ends if end > about), default=len(sentence))
    fits = [one for one in found if begin <= one.start < close]
    return fits[0] if len(fits) == 1 < len(found) and fits[0].start > about else None


def _asked(question: str, sentence: str, found: list[Candidate]) -> Candidate | None:
    """The one candidate that counts what the question asks how many of, or that is money where it asks how much."""
    last = re.split(r"(?<=[.!])\s+(?=[A-Z])", question.strip())[-1]
    if (named := _of_the_one_asked(last, sentence, found)) is not None:
        return named
    if match := _HOW_MANY.search(last):
        wanted = {singular(word) for word in match[1].lower().split()}
        fits = [
            one
            for one in found
            if wanted & {singular(word) for word in re.findall(r"[a-z]+", (one.unit + one.tail).lower())}
        ]
        return fits[0] if len(fits) == 1 else None
    if re.search(
        r"\bhow\s+much\b.*\b(?:cost|money|earn|pay|paid|spend|spent|make|profit|price|owe|save)|\bhow\s+many\s+dollars",
        last,
        re.I,
    ):
        fits = [one for one in found if CURRENCY.search(one.text + one.unit)]
        return fits[0] if len(fits) == 1 else None
    return None


def _plain(one: Candidate) -> str:
    return "".join((one.text + one.unit).replace("\\", "").replace("$", "").replace("*", "").replace(",", "").split())


def _hyphenated(sentence: str) -> Picked | None:
    """The one number of `a 15-minute break`."""
    found = candidates(sentence, hyphens=True)
    return Picked(found[0].text) if len(found) == 1 else None


def _spelled(sentence: str) -> Picked | None:
    """A number in words: one in bold, or the only one after a verb such as `is`."""
    found = [
        m
        for m in _SPELLED.finditer(sentence)
        if words_to_number(m[0].lower()) is not None and not NEGATED.search(sentence[: m.start()][-24:])
    ]
    bold = [m for m in found if re.search(r"(?:\*\*|__)\s*\Z", sentence[: m.start()])]
    after = [m for m in found if _COPULA.search(sentence[: m.start()])]
    alone = [m for m in found if not re.fullmatch(r"(?:one|half|third|quarter|a\s+dozen)", m[0], re.IGNORECASE)]
    for some in (bold, after, alone if len(found) == 1 else []):
        if len(some) == 1:
            unit, tail = unit_after(sentence[some[0].end() :])
            return Picked(some[0][0] + unit, (), tail)
    return _spelled_cjk(sentence)


def _in_digits(sentence: str, question: str) -> Picked | None:
    """The answer of a sentence whose number words are written as digits: two dollars and seventy-five cents."""

    def digits(match: re.Match[str]) -> str:
        number = words_to_number(match[0].lower())
        return match[0] if number is None or number < 2 else str(number)

    written = _SPELLED.sub(digits, sentence)
    return pick(written, question) if written != sentence else None


def _last_words(sentence: str) -> Picked | None:
    """A quantity in words that ends the sentence: an hour and a half."""
    words = sentence.strip(" .*_!").split()
    for count in range(min(6, len(words)), 2, -1):
        if plain_quantity(text := " ".join(words[-count:])) is not None:
            return Picked(text)
    return None


def _spelled_cjk(sentence: str) -> Picked | None:
    """A number in Chinese numerals, where one alone follows a verb."""
    if sentence.isascii():
        return None
    found = [match[1] for match in _CJK_NUMERAL.finditer(sentence) if cjk_number(match[1]) is not None]
    return Picked(found[0]) if len(found) == 1 else None

r"""The final choice of a response in prose of several languages.

>>> choosing("I am torn between C and D; the answer is D. A is wrong.", "ABCD")
Choice(letters='D', reason='', sentence='I am torn between C and D; the answer is D')
>>> choosing("C is wrong.", "ABCD")
Choice(letters='', reason='denied', sentence='')

Statements, strongest first; of equals the last one counts, and one that a later sentence takes back does not:

    cue        "the answer is C", "Respuesta: C", "正确答案是C", {"answer": "C"}
    verdict    "C is correct", "只有选项C正确", "the data support C"
    decision   "so I choose C", "it must be C", "therefore option C", "故选C"
    line       a first or last line that is an option and nothing else, or an option with its text
    rest       all options but one are ruled out
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dqdata_operators.lib.maths import choice_phrases as phrases
from dqdata_operators.lib.maths.concluding import concluded, in_a_line, judged_in_a_list
from dqdata_operators.lib.maths.denials import denials, denied_in
from dqdata_operators.lib.maths.evidence import Statement, evidence
from dqdata_operators.lib.maths.options import Mention, at, enumerated, leading

REST = 120
"""Characters after a statement's beginning in which its option stands."""
_OPTION = re.compile(
    r"(?<![A-Za-z0-9'’=<>+*/^_\\.-])(?<![=<>+*/^]\s)([A-J])(?=[)\]]?(?:\W*$|\s*[,;:]|\s+(?:is|est|ist|es|est|è|é|die|der|das|la|"
    r"le|el|il|the|stimmt|passt|trifft)\b))"
)
"""A capital by itself that belongs to no formula, and is no article."""
_COPULAS = frozenset("is was be es ist est è é sein são être sería serait wäre".split())
_LONE = re.compile(r"(?<![A-Za-z0-9'’])([A-J])(?![A-Za-z0-9'’])")


class Choice(NamedTuple):
    """letters: the options chosen, mostly one. reason: why there is none, or `ambiguous`: it may be any of them.
    sentence: which says so."""

    letters: str
    reason: str
    sentence: str = ""


def choosing(text: str, letters: str, texts: Sequence[str] = ()) -> Choice:
    """What a plain text chooses. texts: of the options, in the order of their letters; used by `rest` alone."""
    text = phrases.SMALL.sub(lambda match: match[0].upper(), text)
    cues = list(_cues(text, letters))
    firm = [cue for cue in cues if not (phrases.HEDGE.search(cue.sentence) or phrases.LEAST.search(cue.sentence))]
    sure = [cue for cue in firm if not _conditional(text, cue)]
    hedged = {cue.letters for cue in cues}
    found: Statement | None = sure[-1] if sure else None
    if found is None and hedged:
        if any(_conditional(text, cue) for cue in cues) and (said := concluded(text, letters)).chosen:
            return Choice(said.chosen, "ambiguous" if said.ambiguous else "")
        if len(hedged) > 1 or phrases.LEAST.search(cues[-1].sentence):
            return Choice("".join(sorted(set().union(*hedged))), "ambiguous")
        found = cues[-1]
    others: list[Statement] = []
    if found is None or phrases.BACK.search(text, found.start):
        others = sorted(
            [*_verdicts(text, letters), *_decisions(text, letters), *evidence(text, letters)], key=lambda one: one.start
        )
    if found is None:
        found = (
            others[-1]
            if others
            else _line(text, letters)
            or _at_the_end(text, letters)
            or _alone_and_right(text, letters)
            or _named(text, letters)
            or _decided_once(text, letters)
            or _nothing_else(text, letters)
        )
        if found is not None and len(found.letters) > 1 and set(found.letters) <= denied_in(text, letters):
            found = None
    elif later := [other for other in others if phrases.BACK.search(text, found.start, other.start)]:
        found = later[-1]
    if found is None:
        return _by_conclusion(text, letters, texts)
    if not cues and found not in others and len(found.letters) == 1:
        said = concluded(text, letters)
        if len(said.chosen) > 1 and found.letters in said.chosen:
            return Choice(said.chosen, "ambiguous" if said.ambiguous else "")
    if phrases.TAKEN_BACK.match(text, found.start + 1):
        return Choice("", "denied")
    if len(found.letters) == 1 and any(
        found.letters in denied and start > found.start for denied, start in denials(text, letters)
    ):
        return Choice("", "denied")
    sentence = _sentence_at(text, found.start)
    if (too := phrases.ALSO.search(sentence)) is not None and too[1] in letters and too[1] not in found.letters:
        return Choice(found.letters + too[1], "")
    return Choice(found.letters, "", sentence)


def _by_conclusion(text: str, letters: str, texts: Sequence[str]) -> Choice:
    """What the last sentences assert; else the option that is left."""
    if listed := judged_in_a_list(text, letters):
        return Choice(listed, "")
    said = concluded(text, letters)
    if said.chosen:
        return Choice(said.chosen, "ambiguous" if said.ambiguous else "")
    rest = _rest(text, letters, said.denied) if texts else Choice("", "")
    return rest if rest.letters else Choice("", "denied" if said.denied or denied_in(text, letters) else "no_choice")


def _sentence_at(text: str, place: int) -> str:
    begin = max((match.end() for match in re.finditer(r"[.!?]\s|\n", text[:place])), default=0)
    end = re.compile(r"(?<!\bi\.e)(?<!\be\.g)[.!?](?:\s|$)|\n").search(text, place)
    return text[begin : end.start() if end else len(text)]


def _cues(text: str, letters: str) -> Iterator[Statement]:
    for cue in [*phrases.CUE.finditer(text), *phrases.ANSWER_LETTER.finditer(text)]:
        rest = text[cue.end() : cue.end() + REST].lstrip(" ]】」』\n")
        begin = cue.end() + len(text[cue.end() : cue.end() + REST]) - len(rest)
        sentence = re.split(r"\n|(?<=[^A-J])[.。!！](?=\s|$)|[;；]", rest, maxsplit=1)[0]
        script = not cue[0].isascii()
        mention = leading(rest.partition("\n\n")[0], letters, named=script) or _later(sentence, letters)
        if (
            mention is None
            or (len(mention.letters) == 1 and phrases.LISTS.match(cue[0]))
            or phrases.LIST.match(text, begin)
        ):
            continue
        end = begin + mention.end
        around = (text[max(0, begin - 30) : begin], text[begin : end - 1][-30:])
        if any(map(phrases.NOT.search, around)) or _other(text, cue) or phrases.DENIED_AFTER.match(text, end):
            continue
        if _supposed(text, cue.start(), end) or _asked(text[end:]):
            continue
        yield Statement(mention.letters, end - 1, text[max(0, cue.start() - 15) : end])


def _conditional(text: str, cue: Statement) -> bool:
    """Whether a clause with `if` comes before `the answer would be`: what the text says elsewhere takes precedence."""
    before = _sentence_of(text[max(0, cue.start - 120) : cue.start])
    return bool(re.search(r"\bwould\b", cue.sentence)) and bool(phrases.CONDITION.match(before.strip()))


def _other(text: str, cue: re.Match[str]) -> bool:
    """Whether the cue is about another answer than the right one: `the wrong answer is`."""
    said = re.split(r"[.,;:!?\n]", text[max(0, cue.start() - 25) : cue.start()])[-1] + cue[0]
    return bool(phrases.OTHER.search(said)) and not phrases.LEAST.search(said)


def _supposed(text: str, start: int, end: int) -> bool:
    """Whether a statement is only supposed, asked or denied by the words before it, or depends on what follows."""
    before = text[max(0, start - 60) : start]
    if phrases.UNSURE.search(before) or phrases.DENIED_CLAUSE.search(before):
        return True
    return bool(re.search(r"\bwould\b", text[start:end])) and bool(re.match(r"[^.\n]{0,30}\bif\b", text[end:]))


def _asked(rest: str) -> bool:
    """Whether a question mark or an alternative follows the letter."""
    return rest[:2].strip(")] ")[:1] == "?" or bool(re.match(r"[)\]]?\s+or\b", rest))


def _later(sentence: str, letters: str) -> Mention | None:
    """The one option that is marked as such further on in the sentence of a cue."""
    found = [
        match
        for match in phrases.LATER.finditer(sentence)
        if not phrases.DENIED_CLAUSE.search(sentence[: match.start()]) and not _about(sentence[match.end() :])
    ]
    if len(set(re.findall(r"(?<![A-Za-z0-9'’])[A-HJ](?![A-Za-z0-9'’])", sentence))) > 1:
        found = [match for match in found if not match[4]]
    named = {letter for match in found for letter in match.groups() if letter}
    return Mention(named.pop(), found[-1].end(), True) if len(named) == 1 and named <= set(letters) else None


def _verdicts(text: str, letters: str) -> Iterator[Statement]:
    for match in phrases.RIGHT.finditer(text):
        named = [*_LONE.finditer(text, match.start(1), match.end())][-1]
        but = re.search(r",\s+(?:but|yet|sondern|mais|sino|ma)\b", text[match.start() : named.start()])
        if named.start() == match.start(1) or not (but or re.match(r"\s+(?:is|est|ist|es)\b", text[named.end() :])):
            named = match
        before = text[max(0, match.start() - 60) : named.start(1)]
        if named[1] not in letters or phrases.NOT.search(before) or phrases.UNSURE.search(before):
            continue
        conditional = re.search(r"\b(?:would|wäre|serait|sería)\b", match[0]) and (
            re.search(r"\b(?:if|wenn|si)\b", _sentence_of(before), re.I)
            or phrases.CONDITION.match(_sentence_of(before).strip())
        )
        if (
            conditional
            or phrases.DENIED_CLAUSE.search(before)
            or re.search(r"\b(?:not|never|nicht|pas|no|non)\b|n['’]t", match[0])
            or re.match(r"\s+(?:not|nicht|pas)\b", text[match.end() :])
        ):
            continue
        word = re.search(r"([^\W\d_]+)\s+$", before)
        called = word is not None and word[1].lower() in ("option", "choice", "statement", "answer")
        if phrases.FITS.search(match[0]) and named[1] in "AI" and not called:
            continue
        if word and word[1].lower() not in phrases.MAY_PRECEDE and match[0][0] not in "([":
            continue
        earlier = re.search(r"(?:(?<![A-Za-z0-9'’])[A-J]\)?\s*(?:,\s*(?:and|or)?|and|or|和|、|/)\s*\(?)+$", before)
        others = "".join(dict.fromkeys(re.findall(r"[A-J]", earlier[0]))) if earlier else ""
        if re.search(r"[A-J]\)?\s+(?:are|sind|sont|son)\b", match[0]):
            others += "".join(one[1] for one in _LONE.finditer(text, named.end(1), match.end()) if one[1] in letters)
        yield Statement(("" if named[1] in others else others) + named[1], named.start(1), match[0])
    labelled = list(phrases.LABELLED.finditer(text))
    if len({match[match.lastindex or 1].upper() for match in labelled} & set(letters)) == 1:
        match = labelled[-1]
        yield Statement(match[match.lastindex or 1].upper(), match.start(match.lastindex or 1), match[0])
    for match in phrases.INVERTED.finditer(text):
        letter = match[1] or match[2]
        if (
            letter in letters
            and not phrases.NOT.search(text[: match.start()][-30:])
            and not _asked(text[match.end() :])
        ):
            yield Statement(letter, match.start(match.lastindex or 0), match[0])
    for match in phrases.ONLY.finditer(text):
        letter = next(group for group in match.groups() if group)
        if (
            letter in letters
            and not enumerated(text, match.end(), letters)
            and not phrases.NOT.search(text[: match.start()][-30:])
        ):
            yield Statement(letter, match.end() - 1, match[0])


def _sentence_of(before: str) -> str:
    return re.split(r"[.;!?\n]", before)[-1]


def _decisions(text: str, letters: str, *, last: bool = True) -> Iterator[Statement]:
    """In the last paragraph: a decision taken on the way is not the last. last: else in all."""
    begin = len(text.rstrip()) - len(text.rstrip().rpartition("\n\n")[2]) if last else 0
    for pattern in (phrases.DECISION, phrases.THEREFORE):
        for match in pattern.finditer(text, begin):
            script = not match[0].rstrip()[-1].isascii()
            mention = leading(text[match.end() : match.end() + REST].partition("\n")[0], letters, named=script)
            before = text[max(0, match.start() - 40) : match.start()]
            if mention is None or phrases.NOT.search(before) or phrases.UNSURE.search(before):
                continue
            if phrases.EARLIER.search(_sentence_of(before)) or phrases.MISTAKEN.search(text[: match.start()][-80:]):
                continue
            if text[match.end() + mention.end - 1].islower() and not mention.marked:
                continue
            end = match.end() + mention.end
            if _about(text[end:]) or (pattern is phrases.THEREFORE and not mention.marked) or _asked(text[end:]):
                continue
            yield Statement(mention.letters, end - 1, match[0])


def _about(rest: str) -> bool:
    """Whether a statement about the option follows, which then decides, or about a genus (`E. coli is`)."""
    return bool(re.match(r"\.\s+[a-z]+\s+(?:is|are|was|were|can|has|have)\b", rest)) or bool(
        re.match(
            r"[)\]]?\s+(?:is|isn['’]t|was|are|were|have|do|don['’]t|can|cannot|can['’]t|does|doesn['’]t|has|ist|est|es)\b|[)\]]?\s*(?:不|"
            r"是?(?:错|錯))",
            rest,
        )
    )


def _line(text: str, letters: str) -> Statement | None:
    """A line that is an option: the last, or the first, if no other line begins with an option. In a row of a
    table, the one cell that is a letter."""
    lines = [line.strip() for line in text.splitlines() if any(char.isalnum() for char in line)]
    rows = [line for line in lines if re.match(r"\|?[\s(*]*[A-J][\s)*]*\|", line)]
    cells = (
        [cell.strip(" ()*") for cell in lines[-1].strip("|").split("|")]
        if lines and lines[-1].count("|") > 1 and len(rows) < 2
        else []
    )
    if len(found := [cell for cell in cells if len(cell) == 1 and cell in letters]) == 1:
        return Statement(found[0], text.rfind(lines[-1]), lines[-1])
    options = [(line, mention) for line in lines if (mention := _option_line(line, letters)) is not None]
    if not options:
        small = re.fullmatch(r"\(?([a-j])[.)]\s+\S.{0,60}", lines[0]) if len(lines) == 1 else None
        return Statement(small[1].upper(), 0, lines[0]) if small and small[1].upper() in letters else None
    distinct = {mention.letters for _, mention in options}
    line, mention = options[-1]
    if line not in (lines[-1], lines[0]) or (len(distinct) > 1 and line != lines[-1]):
        return None
    if len(distinct) > 1 and len(re.sub(r"[\W_]+", "", line)) != 1:
        return None  # a list of the options
    return Statement(mention.letters, text.rfind(line), line)


def _at_the_end(text: str, letters: str) -> Statement | None:
    """The option that the last sentence ends on, marked as one: `which is option C.`"""
    match = phrases.ENDS.search(text) or _after_a_comma(text)
    letter = next((group for group in match.groups() if group), "") if match else ""
    if (
        match is None
        or letter not in letters
        or phrases.DENIED_CLAUSE.search(text[: match.start(match.lastindex or 0)])
        or phrases.NOT.search(text[: match.start()][-30:])
    ):
        return None
    return Statement(letter, match.end(), match[0])


def _after_a_comma(text: str) -> re.Match[str] | None:
    """The only option of a last sentence that ends on it: `Since 16 is too large, B.`"""
    sentence = re.split(r"(?<=[A-Za-z0-9)][.!?])\s+|\n+", text.strip())[-1]
    alone = len(_LONE.findall(sentence)) == 1
    return re.compile(r",\s+[(\[]?([B-HJ])[)\]]?[.!]*$").search(text.strip()) if alone else None


def _alone_and_right(text: str, letters: str) -> Statement | None:
    """The only option of the last sentence, if it has a word for right or answer and none for no or wrong."""
    sentence = re.split(r"(?<=[^A-J\s][.!?])\s+|\n+", text.strip())[-1]
    if phrases.CUE.search(sentence):
        return None  # which has been read
    places = list(_OPTION.finditer(sentence))
    found = {place[1] for place in places}
    if not all(_may_precede(sentence[: place.start()]) for place in places):
        return None
    if len(found) != 1 or not found <= set(letters) or not phrases.RIGHTNESS.search(sentence):
        return None
    if any(pattern.search(sentence) for pattern in (phrases.WRONGNESS, phrases.HEDGE, phrases.MISTAKEN)):
        return None
    (letter,) = found
    return None if "?" in sentence else Statement(letter, len(text), sentence)


def _named(text: str, letters: str) -> Statement | None:
    """The only option of the last sentence, if it is named as one in brackets (`The mantle (option B) flows`), or the
    sentence is nothing but a conclusion that ends on it (`por lo tanto, la opción B`)."""
    sentence = re.split(r"(?<=[.!?])\s+|\n+", text.strip())[-1]
    found = list(phrases.IN_BRACKETS.finditer(sentence))
    if not found and (named := phrases.NAMED_LAST.search(sentence)) is not None:
        said = re.findall(
            r"[^\W\d_]+", phrases.THEREFORE.sub(" ", phrases.DECISION.sub(" ", sentence[: named.start()]))
        )
        found = [named] if all(word.lower() in phrases.CONCLUDES for word in said) else []
    if len({match[1] for match in found}) != 1 or len(set(_LONE.findall(sentence)) & set(letters) - {"A"}) > 1:
        return None
    denied = (phrases.WRONGNESS, phrases.HEDGE, phrases.MISTAKEN, phrases.NOT, phrases.DENIED_CLAUSE)
    if found[0][1] not in letters or "?" in sentence or any(pattern.search(sentence) for pattern in denied):
        return None
    return Statement(found[0][1], len(text), sentence)


def _nothing_else(text: str, letters: str) -> Statement | None:
    """The option of a response that is nothing else but words which leave it one: `1. B`, `Definitely A!`."""
    said = text.strip()
    match = phrases.ALONE.fullmatch(said) if len(said) <= 60 else None
    if match is None or match["letter"] not in letters:
        return None
    before = re.findall(r"[^\W\d_]+", match["before"])
    if not all(word.lower() in phrases.CONCLUDES for word in before) or phrases.NOT.search(match["before"]):
        return None
    return Statement(match["letter"], 0, said)


def _decided_once(text: str, letters: str) -> Statement | None:
    """The decisions of all paragraphs, if they are for one option."""
    found = list(_decisions(text, letters, last=False))
    return found[-1] if len({one.letters for one in found}) == 1 else None


def _may_precede(before: str) -> bool:
    """Whether the word before a letter leaves it an option; after another noun or a number it is a name or a unit."""
    word = re.search(r"([^\W_]+|°)[\s\"“'(]*$", before)
    if word is None or before.rstrip()[-1:] in "([:,;—":
        return True
    lower = word[1].lower()
    return lower in phrases.MAY_PRECEDE or lower in _COPULAS or bool(phrases.RIGHTNESS.fullmatch(lower))


def _option_line(line: str, letters: str) -> Mention | None:
    """`C`, `(C) Paris`, `b) 12`, `C. Paris`, `Option C`, `C, because ...`."""
    head = re.match(
        r"(?:\W*(?:opt(?:ion)?|choice|answer|opción|opzione|选项|選項)(?![A-Za-z]))?\W*", line, re.IGNORECASE
    )
    assert head is not None
    mention = at(line, head.end(), letters, named=any(char.isalnum() for char in head[0]))
    if mention is None or _about(line[mention.end :]) or _asked(line[mention.end :]):
        return None
    if re.match(r"[)\]]?,?\s+(?:and|or|und|oder|et|y)\s+[(\[]?[A-J]\b", line[mention.end :]) or in_a_line(line):
        return None  # of a longer list
    if re.match(r"\W*(?:no|wait|or|sorry)\b|[\W_]*[A-J][\W_]*$", line[mention.end :]):
        return None
    single = re.match(
        r"\s*[)\]）.:：、—–-]|\s*,(?=\s*(?:because|since|as)\b)|\s+(?:because|since|as|due)\b|\s*$", line[mention.end :]
    )
    return mention if single or len(mention.letters) > 1 or mention.marked else None


def _rest(text: str, letters: str, ruled_out: str) -> Choice:
    """The option that is left when all others are ruled out."""
    denied = denied_in(text, letters) | set(ruled_out)
    left = [letter for letter in letters if letter not in denied]
    if len(left) == 1 and len(letters) > 2:
        return Choice(left[0], "")
    return Choice("", "denied" if denied else "no_choice")

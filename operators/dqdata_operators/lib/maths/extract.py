r"""Finds the final answer in a response.

>>> extract(r"So $x = \boxed{\frac{1}{2}}$. Check: it works.")
Found(text='\\frac{1}{2}', place='boxed')
>>> extract("16 - 3 - 4 = 9\n9 * 2 = 18\n#### 18").text
'18'
>>> extract("Let me see, this one is not easy at all to do.") is None
True

Places, in the order they are tried; the last one of a kind wins, and thinking is never searched:

    boxed    \boxed{...} or \fbox{...}, braces nested; neighbouring boxes (`\boxed{1} and \boxed{2}`) are one answer
    hashes   #### ...
    phrase   "the answer is ...", "Final answer: ...", "A: ..."
    line     the response where it is nothing but an answer, else the last formula or number in it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from dqdata_operators.lib.maths.numbers import SCALES
from dqdata_operators.lib.maths.words import unit_of

Place = Literal["boxed", "hashes", "phrase", "line"]
PLACES: tuple[Place, ...] = get_args(Place)

TAIL = 3000
"""Characters from the end that phrases and last lines are looked for in."""

AFTERWORD = 200
"""Characters that may follow a sentence that states the answer."""
BOX_TAIL = 50_000
"""Characters from the end that boxes are looked for in."""


class Found(NamedTuple):
    text: str
    place: Place


_THINK = re.compile(r"<\s*(/?)\s*(?:think|thinking|thought|reasoning)\s*>", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[^|>]*\|>.*", re.DOTALL)
_BOX = re.compile(r"(?<!\\)\\++(?:boxed|fbox)(?![a-zA-Z])\s*")
_JOINED = re.compile(r"(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])|[,;]|\\q?quad", re.IGNORECASE)
_APART = re.compile(
    r"\b(?:answer|therefore|thus|hence|so|then|because|since|total|final|finally|which|gives?|gets?|implies|wait|but|"
    r"actually|correct|check|where|if|case)\b|=>|⇒|\\implies|\\Rightarrow|\.\s+[A-Z]",
    re.IGNORECASE,
)
_ONLY_MARKS = re.compile(r"(?:[\s,;.$*&]|\\[\[\]()]|\\\\|\\q?quad|\\,|\\text\{[\s,]*(?:and|or)?[\s,]*\}|and|or)*")
_IS = r"[^.\n:=$\\]{0,60}?(?:\bis\b|\bare\b|\bequals\b|\bequal\s+to\b|[:：=]|(?=\s*\n))[\s*_]*[:：]?[\s*_]*"
_PHRASES = (
    re.compile(r"\bfinal\s+(?:correct\s+)?(?:answer|result)s?\b" + _IS, re.IGNORECASE),
    re.compile(rf"(?:\banswers?\b{_IS}|(?:^|\n)\s*(?:A|Ans)\s*[:：]\s*|答案\s*(?:是|为|：|:)+\s*)", re.IGNORECASE),
    re.compile(rf"\b(?:the|our)\s+(?:solution|result)s?\b{_IS}", re.IGNORECASE),
)
"""Strongest first: a weaker phrase counts only where no stronger one gives an answer."""
_VERB = re.compile(r"\b(?:is|are|was|equals|be|has|have|makes|gets|needs)\b[\s:]*", re.IGNORECASE)
_NO_VALUE = re.compile(
    r"\s*(?:(?:not|no longer|n't)\b|(?:in)?correct\b|wrong\b|as follows|(?:given|shown|provided|found|written) )",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<![A-Z])\.\s+(?=[A-Z<*\[])|\.\s*\Z|\n|。|I hope")
_NEGATED = re.compile(
    r"\b(?:not|isn't|isn’t|wasn't|never|neither|n't)\s*(?:be|just|simply|equal|to|is|the)?\s*\Z", re.IGNORECASE
)
_SEGMENT = re.compile(
    r"\$\$(?P<a>.+?)\$\$|\\\[(?P<b>.+?)\\\]|\\\((?P<c>.+?)\\\)|(?<![\\$0-9])\$(?P<d>(?:[^$\\]|\\.)+?)\$(?![0-9])",
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,:])[0-9]{1,2}:[0-5][0-9](?![0-9:])(?:\s?[aApP]\.?[mM]\b\.?)?|"
    r"(?<![A-Za-z0-9_.,])[-−]?\s?(?:\\?\$\s?)?[-−]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:[.,][0-9]+)?(?![0-9])"
    r"(?:\s*/\s*[0-9]+(?![0-9/]))?(?:\s*\\?%)?"
    r"|(?<![A-Za-z0-9_.,])[-−]?\.[0-9]+",
    re.ASCII,
)
_LISTED = re.compile(r"\s*+(?:[,;/|]|,?\s*+\b(?:or|and)\b)?\s*+", re.IGNORECASE)
_UNIT = re.compile(
    r"[\s*]*(?:(\\?%|percent\b)|((?:(?:square|cubic)\s+)?[a-zA-Z]+(?:\^\{?[23]\}?)?)(?![a-zA-Z/²³]|\s+per\b))"
)
_COMMAND = re.compile(r"\\[a-zA-Z]")
_STARTS = re.compile(r"\W{0,3}[0-9$\\]|\W*\(?[A-J]\)?(?![A-Za-z])|\*\*")
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_PROSE = re.compile(
    r"[\u4e00-\u9fff]{2}|(?<![\\A-Za-z])(?:[A-Za-z]{4,}|not|its?|is|the|so|we|he|she|was|are|has|for|my|can|but|let|any|all|now)(?![A-Za-z])"
)
_LETTERED = re.compile(r"\W{0,3}[A-J]\W{0,3}[.):]")
_AMOUNTS = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s+[A-Za-z]+,?\s+(?:and\s+)?){1,3}[0-9]+(?:\.[0-9]+)?\s+[A-Za-z]+")
_MONTH = re.compile(
    r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* [0-9]"
)
_MATHEMATICS = re.compile(
    r"\\(?:begin|end)\s*\{[a-z*]+\}|\\[a-zA-Z]+|(?<![A-Za-z])(?:sqrt|infinity|sinh|cosh|tanh|arcsin|arccos|arctan|east|west)\b"
)


def answer_part(response: str) -> str | None:
    """The response without its thinking; None where the thinking never ended, so nothing was answered."""
    if "<" not in response:
        return response
    tags = list(_THINK.finditer(response))
    if not tags:
        return response
    last = tags[-1]
    return response[last.end() :] if last[1] else None


def extract(response: str, places: Sequence[Place] = PLACES) -> Found | None:
    """The final answer, or None. Nothing is taken from a box that never closes: the response was cut off."""
    text = answer_part(response)
    if text is None:
        return None
    if "\\" in text and "boxed" in places and ("boxed" in text or "fbox" in text):
        answer, end = _boxed(text)
        if answer and "phrase" in places and (later := _stated_later(text[-BOX_TAIL:][end:][-TAIL:])):
            return Found(later, "phrase")
        if answer:
            return Found(answer, "boxed")
        if end:
            return None
    if "hashes" in places and (at := text.rfind("####")) >= 0:
        line = text[at + 4 :].lstrip(" \t:").partition("\n")[0].strip()
        if line:
            return Found(line if bare(line) else next(stated(line), line), "hashes")
    tail = text[-TAIL:]
    if "<|" in tail:
        tail = _SPECIAL.sub("", tail)
    if "phrase" in places and (found := _phrase(tail)):
        return Found(found, "phrase")
    if "line" in places and (found := _line(tail)):
        return Found(found, "line")
    return None


def _boxed(text: str) -> tuple[str, int]:
    """The last box with something in it, with its neighbours; and where it ends, or zero without any box."""
    text = text[-BOX_TAIL:]
    boxes: list[tuple[int, int, str]] = []
    for match in _BOX.finditer(text):
        if boxes and match.start() < boxes[-1][1]:
            continue  # a box in a box
        if match.end() < len(text) and text[match.end()] == "{":
            end = _closing(text, match.end())
            if end < 0:
                return "", len(text)
            boxes.append((match.start(), end + 1, text[match.end() + 1 : end]))
        elif plain := re.match(r"\s*([0-9A-Za-z]+)", text[match.end() : match.end() + 40]):
            boxes.append((match.start(), match.end() + plain.end(), plain[1]))
    filled = [box for box in boxes if _inside(box[2])]
    if not filled:
        return "", len(text) if boxes else 0
    parts = [_inside(filled[-1][2])]
    for at in range(len(filled) - 2, -1, -1):
        between = text[filled[at][1] : filled[at + 1][0]]
        if not _neighbours(between):
            break
        if (part := _inside(filled[at][2])) not in parts:
            parts.append(part)
    return " ; ".join(reversed(parts)), filled[-1][1]


def _inside(box: str) -> str:
    """Contents of a box, without a box around them in turn."""
    text = box.strip()
    for _ in range(4):
        if not (match := _BOX.match(text)) or not text.endswith("}") or _closing(text, match.end()) != len(text) - 1:
            break
        text = text[match.end() + 1 : -1].strip()
    return text if text.strip(" .,~$\\") else ""


def _closing(text: str, opening: int) -> int:
    """Where the brace at `opening` closes, or -1."""
    depth = 0
    at = opening
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _neighbours(between: str) -> bool:
    """Whether boxes with this between them are parts of one answer."""
    if _ONLY_MARKS.fullmatch(between):
        return True
    return len(between) < 70 and bool(_JOINED.search(between)) and not _APART.search(between)


def stated(text: str) -> Iterator[str]:
    """What follows "the answer is", to the end of its sentence: the strongest phrase first, of equals the last one.
    Prose with more after it than AFTERWORD opens a solution ("Answer: There are 50 books ..."), and is passed over."""
    tail = text[-TAIL:]
    for phrase in _PHRASES:
        for match in reversed(list(phrase.finditer(tail))):
            rest = tail[match.end() :]
            if _NEGATED.search(tail[: match.start()]) or _NO_VALUE.match(rest):
                continue
            sentence = _sentence(rest).strip("*_ ")
            opens = len(rest) - len(sentence) > AFTERWORD and not bare(sentence) and not _STARTS.match(sentence)
            if sentence and not opens:
                yield sentence


def _phrase(tail: str) -> str:
    return next(filter(None, map(_first_answer, stated(tail))), "")


def _stated_later(text: str) -> str:
    """What a "final answer is ..." after a box says, where it is an answer and nothing else."""
    for match in _PHRASES[0].finditer(text):
        sentence = _sentence(text[match.end() :])
        if "boxed" not in sentence and bare(sentence) and any(char.isdigit() for char in sentence):
            return _first_answer(sentence)
    return ""


def _sentence(text: str) -> str:
    """Up to the end of the sentence; a display formula may run over lines."""
    text = text.lstrip()
    if _LETTERED.match(text):
        return text.partition("\n")[0].strip()
    segment = _SEGMENT.match(text)
    start = segment.end() if segment else 0
    end = _SENTENCE.search(text, start)
    return text[: end.start() if end else len(text)].strip()


def bare(text: str) -> bool:
    """Whether the text is nothing but an answer: no words but commands and functions."""
    without = _MATHEMATICS.sub("", re.sub(r"\\(?:text|mbox|mathrm|textbf|textnormal)\s*\{[^{}]*\}", "", text))
    return bool(text) and not _PROSE.search(without)


def _first_answer(sentence: str) -> str:
    sentence = sentence.strip().strip("*_").strip()
    if not sentence or not any(char.isalnum() for char in sentence):
        return ""
    if bare(sentence) or _MONTH.match(sentence) or _LETTERED.match(sentence):
        return sentence
    if (verb := _VERB.search(sentence)) and not re.match(r"\W{0,3}[0-9$\\]|\*\*", sentence):
        after = _first_answer(sentence[verb.end() :])
        if after:
            return after
    segments = list(_SEGMENT.finditer(sentence))
    if segments:
        start, end = segments[0].start(), segments[0].end()
        for segment in segments[1:]:
            if not _LISTED.fullmatch(sentence, end, segment.start()):
                break
            end = segment.end()
        return sentence[start:end] + _unit_after(sentence[end:])
    if amounts := _AMOUNTS.match(sentence):
        return amounts[0]
    bold = [span for span in _BOLD.findall(sentence) if len(_runs(span)) == 1]
    if len(bold) == 1:
        sentence = bold[0]
    numbers = _runs(sentence)
    if not numbers:
        return sentence if len(sentence.split()) <= 12 else ""
    return sentence[numbers[0][0] : numbers[0][1]] + _unit_after(sentence[numbers[0][1] :])


def _unit_after(text: str) -> str:
    """The unit right after a number, if the next words are one that could be converted."""
    match = _UNIT.match(text)
    if match is None:
        return ""
    if match[1]:
        return " %"
    if match[2].lower() in SCALES:
        return f" {match[2]}"
    unit = unit_of(match[2])
    return f" \\text{{{match[2]}}}" if unit is not None and unit.dimension else ""


def _runs(text: str) -> list[tuple[int, int]]:
    """Where numbers stand; numbers that are listed, joined by commas or `or`, are one run. Denied ones are left out."""
    runs: list[tuple[int, int]] = []
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        if runs and _LISTED.fullmatch(text, runs[-1][1], start):
            runs[-1] = (runs[-1][0], end)
        elif not _NEGATED.search(text[max(0, start - 24) : start]):
            runs.append((start, end))
    return runs


def _loose_formula(line: str) -> str:
    """LaTeX that stands in a sentence without delimiters: what follows the last verb or equals sign, if it is bare."""
    rest = re.split(r"\b(?:is|are|equals|be)\b|(?<![<>\\!])=", line)[-1].strip().rstrip(".")
    return rest if bare(rest) and any(char.isalnum() for char in rest) else ""


def _line(tail: str) -> str:
    text = tail.strip()
    if not text:
        return ""
    if "\n" not in text and len(text) <= 400 and bare(text.rstrip(".")):
        return text
    segments = list(_SEGMENT.finditer(text))
    last = segments[-1] if segments else None
    if last is not None and not _runs(text[last.end() :]):
        start = last.start()
        for segment in reversed(segments[:-1]):
            if not _LISTED.fullmatch(text, segment.end(), start):
                break
            start = segment.start()
        formula = text[start : last.end()]
        if any(char.isalnum() for char in formula):
            return formula + _unit_after(text[last.end() :])
    for line in reversed(text.splitlines()):
        if "\\" in line and _COMMAND.search(_SEGMENT.sub("", line)):
            return _loose_formula(line)
        bold = [span for span in _BOLD.findall(line) if _runs(span)]
        if bold and len(_runs(bold[-1])) == 1:
            return str(bold[-1])
        if runs := _runs(line):
            start, end = runs[-1]
            return line[start:end] + _unit_after(line[end:])
    if re.match(r"\W*(?:yes|no)\b", text, re.IGNORECASE) and len(text) < 200:
        return text
    said = _VERB.split(text.splitlines()[-1])[-1].strip()
    return next((words for words in (said, text) if 0 < len(words.split()) <= 4), "")

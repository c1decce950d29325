r"""Finds the final answer in a response.

>>> extract(r"So $x = \boxed{\frac{1}{2}}$. Check: it works.")
Found(text='\\frac{1}{2}', place='boxed')
>>> extract("16 - 3 - 4 = 9\n9 * 2 = 18\n#### 18").text
'18'
>>> extract("I can't tell.") is None
True

Places, in the order they are tried; the last one of a kind wins, and thinking is never searched:

    boxed    \boxed{...} or \fbox{...}, braces nested; neighbouring boxes (`\boxed{1} and \boxed{2}`) are one answer
    hashes   #### ...
    phrase   "the answer is ...", "Final answer: ...", "A: ..."
    line     the response where it is nothing but an answer, else the last formula or number in it
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

Place = Literal["boxed", "hashes", "phrase", "line"]
PLACES: tuple[Place, ...] = get_args(Place)

TAIL = 3000
"""Characters from the end that phrases and last lines are looked for in."""


class Found(NamedTuple):
    text: str
    place: Place


_THINK = re.compile(r"<\s*(/?)\s*(?:think|thinking|thought|reasoning)\s*>", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[^|>]*\|>.*", re.DOTALL)
_BOX = re.compile(r"\\+(?:boxed|fbox)(?![a-zA-Z])\s*")
_JOINED = re.compile(r"(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])|[,;]|\\q?quad", re.IGNORECASE)
_APART = re.compile(
    r"\b(?:answer|therefore|thus|hence|so|then|because|since|total|final|finally|which|gives?|gets?|implies|wait|but|"
    r"actually|correct|check|where|if|case)\b|=>|⇒|\\implies|\\Rightarrow|\.\s+[A-Z]",
    re.IGNORECASE,
)
_ONLY_MARKS = re.compile(r"(?:[\s,;.$*&]|\\[\[\]()]|\\\\|\\q?quad|\\,|\\text\{[\s,]*(?:and|or)?[\s,]*\}|and|or)*")
_PHRASE = re.compile(
    r"(?:\b(?:final\s+|correct\s+|required\s+)*(?:answer|solution|result)s?\b[^.\n:=$\\]{0,60}?"
    r"(?:\bis\b|\bare\b|\bequals\b|\bequal\s+to\b|[:：=]|(?=\s*\n))|(?:^|\n)\s*(?:A|Ans)\s*[:：.]"
    r"|答案\s*(?:是|为|为：|：|:)+|最终结果\s*(?:是|为|：|:))[\s*_]*[:：]?[\s*_]*",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<![A-Z])\.\s+(?=[A-Z<*\[])|\.\s*\Z|\n|。|I hope")
_NEGATED = re.compile(r"\b(?:not|isn't|isn’t|wasn't|never|neither|n't)\s*(?:be|just|simply|equal|to|is|the)?\s*\Z", re.IGNORECASE)
_SEGMENT = re.compile(
    r"\$\$(?P<a>.+?)\$\$|\\\[(?P<b>.+?)\\\]|\\\((?P<c>.+?)\\\)|(?<![\\$0-9])\$(?P<d>[^$]+?)(?<!\\)\$(?![0-9])", re.DOTALL
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,])[-−]?\s?(?:\\?\$\s?)?[-−]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:[.,][0-9]+)?(?![0-9])"
    r"(?:\s*/\s*[0-9]+(?![0-9/]))?(?:\s*\\?%)?"
    r"|(?<![A-Za-z0-9_.,])[-−]?\.[0-9]+",
    re.ASCII,
)
_LISTED = re.compile(r"\s*(?:,|;|,?\s*\b(?:or|and)\b|/|\||\s)\s*", re.IGNORECASE)
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
_MATHEMATICS = re.compile(r"\\[a-zA-Z]+|\b(?:sqrt|infinity|sinh|cosh|tanh|arcsin|arccos|arctan|east|west)\b")


def answer_part(response: str) -> str | None:
    """The response without its thinking; None where the thinking never ended, so nothing was answered."""
    if "<" not in response:
        return response
    last = None
    for last in _THINK.finditer(response):
        pass
    if last is None:
        return response
    return response[last.end() :] if last[1] else None


def extract(response: str, places: Sequence[Place] = PLACES) -> Found | None:
    """The final answer, or None. Nothing is taken from a box that never closes: the response was cut off."""
    text = answer_part(response)
    if text is None:
        return None
    if "\\" in text and "boxed" in places and ("boxed" in text or "fbox" in text):
        answer, boxes = _boxed(text)
        if answer:
            return Found(answer, "boxed")
        if boxes:
            return None
    if "hashes" in places and (at := text.rfind("####")) >= 0:
        line = text[at + 4 :].lstrip(" \t:").partition("\n")[0].strip()
        if line:
            return Found(line, "hashes")
    tail = text[-TAIL:]
    if "<|" in tail:
        tail = _SPECIAL.sub("", tail)
    if "phrase" in places and (found := _phrase(tail)):
        return Found(found, "phrase")
    if "line" in places and (found := _line(tail)):
        return Found(found, "line")
    return None


def _boxed(text: str) -> tuple[str, int]:
    """The last box with something in it, with its neighbours; and how many boxes there are."""
    boxes: list[tuple[int, int, str]] = []
    for match in _BOX.finditer(text):
        if boxes and match.start() < boxes[-1][1]:
            continue  # a box in a box
        if match.end() < len(text) and text[match.end()] == "{":
            end = _closing(text, match.end())
            if end < 0:
                return "", len(boxes) + 1
            boxes.append((match.start(), end + 1, text[match.end() + 1 : end]))
        elif plain := re.match(r"\s*([0-9A-Za-z]+)", text[match.end() : match.end() + 40]):
            boxes.append((match.start(), match.end() + plain.end(), plain[1]))
    filled = [box for box in boxes if _inside(box[2])]
    if not filled:
        return "", len(boxes)
    parts = [_inside(filled[-1][2])]
    for at in range(len(filled) - 2, -1, -1):
        between = text[filled[at][1] : filled[at + 1][0]]
        if not _neighbours(between):
            break
        if (part := _inside(filled[at][2])) not in parts:
            parts.append(part)
    return " , ".join(reversed(parts)) if len(parts) == 1 else " ; ".join(reversed(parts)), len(boxes)


def _inside(box: str) -> str:
    """Contents of a box, without a box around them in turn."""
    text = box.strip()
    while (match := _BOX.match(text)) and text.endswith("}") and _closing(text, match.end()) == len(text) - 1:
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


def _phrase(tail: str) -> str:
    for match in reversed(list(_PHRASE.finditer(tail))):
        if _NEGATED.search(tail[: match.start()]):
            continue
        rest = tail[match.end() :]
        if re.match(r"\s*(?:not|no longer|n't)\b", rest):
            continue
        answer = _first_answer(_sentence(rest))
        if answer:
            return answer
    return ""


def _sentence(text: str) -> str:
    """Up to the end of the sentence; a display formula may run over lines."""
    text = text.lstrip()
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
    if bare(sentence):
        return sentence
    segments = list(_SEGMENT.finditer(sentence))
    if segments:
        start, end = segments[0].start(), segments[0].end()
        for segment in segments[1:]:
            if not _LISTED.fullmatch(sentence, end, segment.start()):
                break
            end = segment.end()
        return sentence[start:end] + (" %" if re.match(r"\s*(?:\\?%|percent)", sentence[end:]) else "")
    numbers = _runs(sentence)
    if not numbers:
        return sentence if len(sentence.split()) <= 12 else ""
    start, end = numbers[0]
    if len(numbers) == 1 and start <= 4 and len(sentence) < 100:
        return sentence
    return sentence[start:end]


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
            return formula + (" %" if re.match(r"\s*(?:\\?%|percent)", text[last.end() :]) else "")
    for line in reversed(text.splitlines()):
        bold = [span for span in _BOLD.findall(line) if _runs(span)]
        if bold and len(_runs(bold[-1])) == 1:
            return str(bold[-1])
        if runs := _runs(line):
            start, end = runs[-1]
            return line[start:end] + (" %" if re.match(r"\s*(?:\\?%|percent)", line[end:]) else "")
    return text if len(text.split()) <= 4 else ""

"""Separates a model's thinking from its response, by the tags around the thinking.

    >>> split("<think>2 and 2 make 4.</think>\\n\\nIt is 4.")
    ('2 and 2 make 4.', 'It is 4.')
    >>> split("Write `<think>` before you think.")
    (None, 'Write `<think>` before you think.')

Thinking is what is inside the tags, response what is outside. Tags may be nested, in any case and with attributes, and
text may precede them. A closing tag without an opening one ends thinking that began with the text, because many chat
templates write the opening tag at the end of the prompt. An opening tag that is never closed begins thinking that was
cut.

A tag inside a code span, a fence or quotation marks is text, unless a tag outside has no other pair. A pair named in
mid-sentence ("between <think> and </think>") is text as well. The time is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from dqdata.spans import Spans

Tags: TypeAlias = tuple[str, str]
"""The opening and the closing tag."""

TAGS: Final[Tags] = ("<think>", "</think>")
ANY_TAG: Final = r"(?i:</?think(?:ing)?>)"
"""Regular expression of a tag as most models write it, in the dialect of Python and of polars."""


class Piece(NamedTuple):
    """A part of a text without the tags around it."""

    thinking: bool
    text: str


def split(text: str, tags: Tags | None = TAGS, *, prefilled: bool = False) -> tuple[str | None, str]:
    """(reasoning, response) of an answer. Reasoning is None where nothing separates it; then the response is `text`.

    prefilled: the chat template always opens the tag, so that a text without tags is thinking that was cut.
    """
    found = pieces(text, tags, prefilled=prefilled)
    if not any(piece.thinking for piece in found):
        return None, text
    return _joined(found, thinking=True), _joined(found, thinking=False)


def merge(
    reasoning: str | None, text: str, tags: Tags | None = TAGS, *, prefilled: bool = False
) -> tuple[str | None, str]:
    """(reasoning, response) where an endpoint may have separated some reasoning already, as with `reasoning_content`.

    Thinking that `text` still holds is appended to it, unless it is the same. Where `text` is empty, a response that
    follows a closing tag inside `reasoning` is taken out.
    """
    if tags is None:
        return reasoning, text
    if reasoning is None:
        return split(text, tags, prefilled=prefilled)
    reasoning = _bare(reasoning, tags)
    if not text.strip():
        thought, response = split(reasoning, tags)
        return (thought, response) if thought is not None and response else (reasoning, text)
    thought, response = split(text, tags)
    if thought is None:
        return reasoning, text
    return (reasoning if thought in reasoning else f"{reasoning}\n\n{thought}".strip()), response


def wrap(reasoning: str, response: str, tags: Tags = TAGS) -> str:
    """The text of an assistant's turn: reasoning between the tags, if there is any, then the response."""
    return f"{tags[0]}\n{reasoning}\n{tags[1]}\n\n{response}" if reasoning else response


def opened_by(prompt: str, tags: Tags | None = TAGS) -> str:
    """The opening tag where a rendered prompt ends with it, so that the answer begins inside the thinking; else ''."""
    return tags[0] if tags is not None and prompt.rstrip().endswith(tags[0]) else ""


def pieces(text: str, tags: Tags | None = TAGS, *, prefilled: bool = False) -> list[Piece]:
    """The text cut at its tags, in order, without the tags. One piece where no tag separates anything."""
    marks = _marks(text, tags) if tags is not None else []
    if len(marks) == 2 and marks[0].opens and not marks[1].opens and not text[: marks[0].start].strip():
        return [Piece(True, text[marks[0].end : marks[1].start]), Piece(False, text[marks[1].end :])]
    if prefilled and not (marks and marks[0].opens and not text[: marks[0].start].strip()):
        marks = [_Mark(0, 0, True), *marks]
    if not marks:
        return [Piece(False, text)]
    real = _real(text, marks)
    return list(_cut(text, real)) if real else [Piece(False, text)]


class _Mark(NamedTuple):
    """A tag in the text."""

    start: int
    end: int
    opens: bool


def _marks(text: str, tags: Tags) -> list[_Mark]:
    opening, closing = tags[0].lower(), tags[1].lower()
    if opening[0] not in text and closing[0] not in text and not (opening[0].isalpha() or closing[0].isalpha()):
        return []  # almost every response: no tag begins in it
    lowered = text.lower()
    with_attributes = _with_attributes(text, tags[0]) if opening[:-1] + " " in lowered else []
    if opening not in lowered and closing not in lowered and not with_attributes:
        return []
    if len(lowered) == len(text):  # else a letter has grown, such as İ, and places differ
        found = sorted([*_places(lowered, opening, True), *_places(lowered, closing, False)])
    else:
        matches = _pattern(tags).finditer(text)
        found = [_Mark(match.start(), match.end(), match.lastgroup == "opening") for match in matches]
    if with_attributes:
        found = sorted([*found, *with_attributes])
    if opening == closing:  # one tag for both: they take turns
        ends = dict(mark[:2] for mark in found)
        found = [_Mark(start, end, place % 2 == 0) for place, (start, end) in enumerate(ends.items())]
    return found


def _with_attributes(text: str, tag: str) -> list[_Mark]:
    """Opening tags such as `<think type="deep">`, where the tag has the form of an element's."""
    if not re.fullmatch(r"<\w+>", tag):
        return []
    return [_Mark(match.start(), match.end(), True) for match in _attributes(tag).finditer(text)]


@lru_cache(maxsize=64)
def _attributes(tag: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(tag[:-1])} [\w:.-]{{1,40}} ?= ?[^<>]{{1,200}}>", re.IGNORECASE)


def _places(text: str, tag: str, opens: bool) -> Iterator[_Mark]:
    at = text.find(tag)
    while at >= 0:
        yield _Mark(at, at + len(tag), opens)
        at = text.find(tag, at + len(tag))


@lru_cache(maxsize=64)
def _pattern(tags: Tags) -> re.Pattern[str]:
    return re.compile(f"(?P<opening>{re.escape(tags[0])})|(?P<closing>{re.escape(tags[1])})", re.IGNORECASE)


def _real(text: str, marks: Sequence[_Mark]) -> list[_Mark]:
    """The tags that separate: without those that are only spoken of."""
    spans = Spans(text)
    free: list[_Mark] = []
    quoted: list[tuple[_Mark, tuple[int, int]]] = []
    place = 0
    while place < len(marks):
        mark = marks[place]
        if mark.opens and place + 1 < len(marks) and _names_the_pair(text, mark, marks[place + 1]):
            place += 2
            continue
        span = spans.around(mark.start, mark.end)
        if span is None:
            free.append(mark)
        else:
            quoted.append((mark, span))
        place += 1
    unclosed, stray = _unpaired(free)
    if (unclosed and (pair := _closing_inside(text, unclosed[0], quoted)) is not None) or (
        stray and (pair := _opening_inside(text, stray[-1], quoted)) is not None
    ):
        free = sorted([*free, pair])
    # An opening tag that nothing closes, in mid-sentence, is spoken of.
    unclosed, _ = _unpaired(free)
    last = max((mark.start for mark in free if not mark.opens), default=-1)
    spoken = {mark for mark in unclosed if mark.start > last and _spoken_of(text, mark)}
    return [mark for mark in free if mark not in spoken]


def _unpaired(marks: Sequence[_Mark]) -> tuple[list[_Mark], list[_Mark]]:
    """(opening tags that nothing closes, closing tags that nothing opened)."""
    unclosed: list[_Mark] = []
    stray: list[_Mark] = []
    for mark in marks:
        if mark.opens:
            unclosed.append(mark)
        elif unclosed:
            unclosed.pop()
        else:
            stray.append(mark)
    return unclosed, stray


def _closing_inside(text: str, opening: _Mark, quoted: Sequence[tuple[_Mark, tuple[int, int]]]) -> _Mark | None:
    """The closing tag of `opening` among those in code and quotes: a code span that was opened in the thinking and
    never closed reaches over the tag. A span that holds the tag alone is the last choice."""
    later = [(mark, span) for mark, span in quoted if not mark.opens and mark.start >= opening.end]
    reached = [mark for mark, span in later if not _alone(text, mark, span)]
    if reached:
        return reached[0]
    return _Mark(*later[-1][1], False) if later else None


def _opening_inside(text: str, closing: _Mark, quoted: Sequence[tuple[_Mark, tuple[int, int]]]) -> _Mark | None:
    """The opening tag of `closing` among those in code and quotes. One that is alone in its span counts only at the
    very beginning: elsewhere the thinking that begins with the text speaks of it."""
    begins = len(text) - len(text.lstrip())
    for mark, span in quoted:
        if mark.opens and mark.end <= closing.start:
            if not _alone(text, mark, span):
                return mark
            if span[0] <= begins:
                return _Mark(*span, True)
    return None


def _alone(text: str, mark: _Mark, span: tuple[int, int]) -> bool:
    """Whether the span holds the tag and nothing else. A long one, such as a fence with a program, holds more."""
    if span[1] - span[0] > mark.end - mark.start + 20:
        return False
    return not (text[span[0] : mark.start] + text[mark.end : span[1]]).strip("`\"'“”«»「」『』‘’ \n")


_BETWEEN = frozenset(("", "and", "or", "to", "with", "und", "et", "y", "和", "与", "或", "及", "以及", "到"))
_SENTENCE_ENDS = frozenset(".!?:;*>)]}\"'`。！？：；…”」』）】-—=#|")


def _names_the_pair(text: str, opening: _Mark, closing: _Mark) -> bool:
    """Whether the two tags stand in mid-sentence with at most a word such as "and" between them."""
    if closing.opens or closing.start - opening.end > 20 or not opening.end:
        return False
    between = text[opening.end : closing.start].strip(" .…,/|&-–`'\"").lower()
    return between in _BETWEEN and _mid_sentence(text, opening.start)


def _spoken_of(text: str, mark: _Mark) -> bool:
    """Whether the tag is a word among others: "remember the <think> tag"."""
    around = text[mark.start - 1 : mark.start] + text[mark.end : mark.end + 1]
    return len(around) == 2 and around[0] in " \t" and not around[1].isalnum() and _mid_sentence(text, mark.start)


def _mid_sentence(text: str, start: int) -> bool:
    before = text[max(0, start - 80) : start].rstrip(" \t`\"'“‘「『(")
    return bool(before) and before[-1] != "\n" and before[-1] not in _SENTENCE_ENDS


def _cut(text: str, marks: Sequence[_Mark]) -> Iterator[Piece]:
    """The pieces between real tags. Thinking reaches from the beginning to the last stray closing tag; then over each
    outermost pair; from an opening tag that is never closed to the last closing tag after it, or else to the end."""
    unclosed, stray = _unpaired(marks)
    if len(stray) > 1 or (stray and any(mark.opens for mark in marks)):
        while len(stray) > 1 and not text[stray[-1].end :].strip():
            stray.pop()  # a tag that was written twice at the very end
        if stray and marks[0].opens and not text[stray[-1].end :].strip():
            stray.pop()
    at = 0
    if stray:
        at = stray[-1].end
        yield Piece(True, _without(text, 0, at, marks))
    last = max((mark.end for mark in marks if not mark.opens), default=0)
    waiting = {mark.start for mark in unclosed if mark.start >= at}
    depth, began = 0, at
    for mark in marks:
        if mark.start < at or (mark.end <= at and mark.end):
            continue
        if mark.opens:
            if depth == 0:
                yield Piece(False, _without(text, at, mark.start, marks))
                began = mark.start
                if mark.start in waiting:
                    at = last if last > mark.start else len(text)
                    yield Piece(True, _without(text, began, at, marks))
                    continue
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                at = mark.end
                yield Piece(True, _without(text, began, at, marks))
    yield Piece(False, _without(text, at, len(text), marks))


def _without(text: str, start: int, end: int, marks: Sequence[_Mark]) -> str:
    """The text from start to end without the tags in it."""
    parts = []
    place = bisect_left(marks, start, key=lambda mark: mark.start)
    while place < len(marks) and marks[place].start < end:
        parts.append(text[start : marks[place].start])
        start = marks[place].end
        place += 1
    return "".join((*parts, text[start:end]))


def _joined(found: Sequence[Piece], *, thinking: bool) -> str:
    texts = (piece.text.strip() for piece in found if piece.thinking is thinking)
    return "\n\n".join(text for text in texts if text)


def _bare(reasoning: str, tags: Tags) -> str:
    """Reasoning that an endpoint gave apart, without the tags around the whole of it."""
    marks = _marks(reasoning, tags)
    if not marks:
        return reasoning
    first, last = marks[0], marks[-1]
    start = first.end if first.opens and not reasoning[: first.start].strip() else 0
    end = last.start if not last.opens and not reasoning[last.end :].strip() else len(reasoning)
    return reasoning[start:end].strip() if start or end < len(reasoning) else reasoning

r"""Answers that are words, where the reference is one.

>>> word_answer("Therefore, the skater is facing west when she stops.", "west").text
'west'
>>> word_answer("She could be facing north or west.", "west").others
('west',)

Words of a closed set (directions, weekdays, colours) are looked for as such: one of them alone is the answer. A name is
the answer where it is in bold, follows `is`, or is the only name in the sentence. Anything else is ambiguous.
"""

from __future__ import annotations

import re

from dqdata_operators.lib.maths.sentences import CLAUSE, Picked
from dqdata_operators.lib.maths.words import meaning, plain_words, same_pole, variants, word_class

_DENIED = re.compile(r"(?:\b(?:not|never|neither|nor|cannot)|n['’]t)\s+(?:be\s+)?(?:\w+\s+)?\Z", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_NAME = re.compile(r"(?<![.!?]\s)(?<!\A)(?<![A-Za-z])[A-Z][a-z]+")
_SENTENCE_WORDS = frozenset(
    "so thus therefore hence then the a an it he she they we this that final answer in since because"
    " finally and but to".split()
)
_CJK = re.compile(r"[\u3040-\u9fff]")
_SAID_CJK = re.compile(r"(?:是|为|為|は|[:：])\s*([\u3040-\u9fffA-Za-z]{1,10}?)(?:です)?\s*[。.!！]?\s*$")
_NOT_CJK = re.compile(r"不\s*$|不是|ではな|ではあり")
UNKNOWN = "another reading"


def word_answer(sentence: str, reference: str) -> Picked | None:
    """What the sentence answers with, as far as it can be compared with the reference; None where it says nothing
    of its kind."""
    wanted = plain_words(reference)
    bold = [plain_words(span) for span in re.findall(r"\*\*([^*\n]{1,60})\*\*", sentence)]
    sentence = sentence.replace("*", "")
    if members := word_class(wanted):
        found = [
            word
            for word in members
            for match in re.finditer(
                rf"(?<!\w){word}(?!\w)" if word.isascii() else re.escape(word), sentence, re.IGNORECASE
            )
            if not _DENIED.search(sentence[: match.start()])
        ]
        marked = [word for word in found if any(word in span.split() for span in bold)]
        found = marked or found
        if clauses := list(CLAUSE.finditer(sentence)):
            last = plain_words(sentence[clauses[-1].end() :]).split()
            found = [word for word in found if word in last] or found
        kinds = [word for at, word in enumerate(found) if not any(same_pole(word, other) for other in found[:at])]
        return Picked(kinds[0], tuple(kinds[1:])) if kinds else None
    if meaning(wanted) and meaning(wanted) not in ("yes", "no"):
        plain = f" {plain_words(sentence)} "
        said = [text for text in variants(wanted) if (f" {text} " in plain if text.isascii() else text in plain)]
        return Picked(max(said, key=len)) if said else None
    if not wanted or meaning(wanted):
        return None
    return _named(sentence, wanted, reference, bold)


def _named(sentence: str, wanted: str, reference: str, bold: list[str]) -> Picked | None:
    if _CJK.search(reference):
        return _named_cjk(sentence, reference)
    at = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", sentence, re.IGNORECASE)
    if at is None or _DENIED.search(sentence[: at.start()]):
        return None
    if len(bold) == 1 and bold[0]:
        return Picked(reference) if bold[0] == wanted else None
    phrase = rf"(?:(?:[a-z]+\s+){{0,2}}{re.escape(wanted)}|{re.escape(wanted)}\s+[a-z]+)"
    if re.fullmatch(rf"\W*(?:an?|the)\s+{phrase}\W*", sentence, re.IGNORECASE):
        return Picked(reference)  # the noun of a phrase, or its adjective
    others = {name.lower() for name in _NAME.findall(sentence)} - set(wanted.split()) - _SENTENCE_WORDS
    opening = _WORD.match(sentence.strip(" *"))
    if (
        opening
        and opening[0][:1].isupper()
        and opening[0].lower() not in _SENTENCE_WORDS
        and opening[0].lower() not in wanted
    ):
        others.add(opening[0].lower())
    listed = re.search(
        r"\b(?:or|and)\b|,", sentence[max(0, at.start() - 6) : at.start()] + sentence[at.end() : at.end() + 6]
    )
    if listed and reference[:1].islower():
        return Picked(reference, (UNKNOWN,))
    complement = re.search(r"\b(?:is|are|was|were|be)\s+(?:an?\s+|the\s+)?[*_]*\Z", sentence[: at.start()])
    ends = re.fullmatch(r"(?:\s+[a-z]+)?[\s.*_!]*", sentence[at.end() :]) is not None
    if (complement and ends and not listed) or (not others and reference[:1].isupper()):
        return Picked(reference)
    return Picked(reference, (UNKNOWN,))


def _named_cjk(sentence: str, reference: str) -> Picked | None:
    """The name that ends a sentence after a verb."""
    said = _SAID_CJK.search(sentence)
    if said is not None and not _NOT_CJK.search(sentence[: said.start()]):
        return Picked(said[1])
    return Picked(reference, (UNKNOWN,)) if reference in sentence and not _NOT_CJK.search(sentence) else None

"""What constraints count in a response: sentences, words, paragraphs, bullets, highlighted parts, words in capitals.

>>> len(sentences("Dr. Li paid $3.50. Why? She was late..."))
3
"""

from __future__ import annotations

import re

ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sr jr vs etc e.g i.e cf al fig eq no vol pp approx dept est gen rep sen gov capt lt col sgt "
    "rev hon inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k u.n ph.d b.c a.d".split()
)
"""Words whose full stop ends no sentence, without it."""
MAY_END = frozenset("etc inc ltd co corp jr sr a.m p.m u.s u.k u.n ph.d b.c a.d al".split())
"""Those of them that a sentence may end with: it does where a word with a capital follows."""
_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’)\]*_]*(?=\s|$)|[。！？]+[”’」』）]*")
_MARKER = re.compile(r"^[ \t]*(?:\d+|[A-Za-z])[.)](?=[ \t])", re.MULTILINE)
"""The number of an item of a list, whose full stop ends no sentence."""
_OPENING = "([\"'“‘*_"
_VISIBLE = re.compile(r"\S")
_CAPITAL_WORD = re.compile(r"[^\W_]+(?:[-'’./&][^\W_]+)*")
_BULLET = re.compile(r"^[ \t]*(?:\*(?!\*)|-(?!-))[ \t]*\S.*$", re.MULTILINE)
_EMPHASIS = re.compile(r"[ \t]*\*\S[^*\n]*\*")
_BOLD = re.compile(r"\*\*([^\n*]*)\*\*")
_ITALIC = re.compile(r"\*([^\n*]*)\*")
_BULLET_SIGN = re.compile(r"^([ \t]*)\*(?=[ \t])", re.MULTILINE)


def sentences(text: str) -> list[str]:
    """The sentences of a text. One ends at a full stop, question or exclamation mark before white space, not after an
    abbreviation or an initial; a line that ends without a mark goes on in the next."""
    text = _MARKER.sub("", text)
    found: list[str] = []
    start = 0
    for mark in _END.finditer(text):
        if mark[0].startswith(".") and not mark[0].startswith("..") and not _ends(text, start, mark):
            continue
        if one := text[start : mark.end()].strip():
            found.append(one)
        start = mark.end()
    if rest := text[start:].strip():
        found.append(rest)
    return [one for one in found if any(sign.isalnum() for sign in one)]


def _ends(text: str, start: int, mark: re.Match[str]) -> bool:
    """Whether a single full stop ends the sentence."""
    word = _last_word(text, start, mark.start())
    if not word:
        return True
    bare = word.lower()
    found = _VISIBLE.search(text, mark.end())
    following = found[0] if found else ""
    if len(bare) == 1 and bare.isalpha() and word.isupper() and word != "I":  # an initial
        return not following.isupper()
    if bare not in ABBREVIATIONS:
        return True
    return bare in MAY_END and (not following or following.isupper())


def _last_word(text: str, start: int, end: int) -> str:
    """The characters before `end`, back to a blank or an opening mark; a line end right before it is left out."""
    if end > start and text[end - 1] == "\n":
        end -= 1
    at = end
    while at > start and not text[at - 1].isspace() and text[at - 1] not in _OPENING:
        at -= 1
    return text[at:end]


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores."""
    return re.findall(r"\w+", text)


def capital_words(text: str) -> int:
    """Words without a small letter, such as NASA and I; parts that a hyphen or an apostrophe joins are one word."""
    return sum(word.isupper() for word in _CAPITAL_WORD.findall(text))


def bullets(text: str) -> int:
    """Lines that begin with * or -; rules (---) and lines that begin with emphasis (*so*) are none."""
    return sum(_EMPHASIS.match(line[0]) is None for line in _BULLET.finditer(text))


def highlighted(text: str) -> int:
    """Parts between asterisks or double asterisks on one line, with something between them."""
    text = _BULLET_SIGN.sub(r"\1", text)
    bold = sum(bool(part.strip()) for part in _BOLD.findall(text))
    return bold + sum(bool(part.strip()) for part in _ITALIC.findall(_BOLD.sub(" ", text)))


def titles(text: str) -> list[str]:
    """Of each line the part from its first << to its last >>, marks included."""
    lines = [(line, line.find("<<"), line.rfind(">>")) for line in text.split("\n")]
    return [line[start : end + 2] for line, start, end in lines if 0 <= start < end - 2]


def divided(text: str, divider: str) -> list[str] | None:
    """The parts between dividers; None where one in the middle is empty. Empty ones at the ends don't count."""
    parts = [part.strip() for part in text.split(divider)]
    if not all(parts[1:-1]):
        return None
    return [part for part in parts if part]


def times(needle: str, text: str, *, whole: bool = False) -> int:
    """How often a text occurs in another, in any case and without overlap. whole: not as a part of a word."""
    pattern = re.escape(needle)
    return len(re.findall(rf"(?<!\w){pattern}(?!\w)" if whole else pattern, text, re.IGNORECASE))

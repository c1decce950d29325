r"""Words, numbers and signs of a text, for comparing answers that are not mathematics.

>>> same_wording("The U.S. Army", "us army"), same_wording("3.5", "3 5"), same_wording("C++", "C")
(True, False, False)

What has meaning is kept: signs before numbers, points and colons between digits, operators, `#` and `%`. What is
writing is not: case, the article in front, quotes, punctuation between words, points of abbreviations, hyphens in
words, commas between thousands.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from dqdata_operators.lib.maths.words import meaning, plain_words

_TOKEN = re.compile(
    r"(?<![\w)])[-+−]?\d[\d,]*(?:\.\d+)*(?::\d+)*|(?<![\w.])[-+−]?\.\d+|\\[a-z]+|[^\W\d_](?:[^\W_]|"
    r"['’](?=[^\W_]))*|\d+|"
    r"\+\+|[+*/^<>=≤≥≠±×÷%°#~|∞√π∪∩]|(?<=\w)[-−–](?=\d)|(?<=[^\W_])[._](?=[^\W_])|(?<=[\d)])\s[-−–]\s|"
    r"(?<=\b\w)\s[-−]\s(?=\d|\w\b)|[-−](?=[^\W\d_]\b)"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_ARTICLE = frozenset(("the", "a", "an"))
_WRAPPED = re.compile(r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_MARKUP = re.compile(r"\*\*+|`+|(?<!\w)[_*]+(?=\w)|(?<=\w)[_*]+(?!\w)|\\[()\[\]]|(?<!\\)\$(?!\d)|(?<=\d)\$")


_SMALL = {0x2080 + digit: str(digit) for digit in range(10)} | {
    ord(sign): f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")
}
"""Digits below and above the line: H₂O is H2O, cm² is cm^2."""


@lru_cache(maxsize=256)  # a sentence is compared with each of the options
def wording(text: str) -> tuple[str, ...]:
    """The tokens of a text, in order and in lower case."""
    text = text.translate(_SMALL) if not text.isascii() else text
    text = unicodedata.normalize("NFC", _MARKUP.sub(" ", _WRAPPED.sub(r"\1", text)))
    text = _DOTTED.sub(lambda match: match[0].replace(".", ""), _THOUSANDS.sub("", text.casefold()))
    found = [_plain(match[0]) for match in _TOKEN.finditer(text)]
    return tuple(found[1:] if len(found) > 1 and found[0] in _ARTICLE else found)


def same_wording(left: str, right: str) -> bool:
    """Whether two texts say the same: the same words, numbers and signs, or known synonyms (`yes`, `true`)."""
    mine, theirs = wording(left), wording(right)
    if not mine or not theirs:
        return False
    if mine == theirs or _close_up(mine) == _close_up(theirs):
        return True
    group = meaning(left)
    return bool(group) and group == meaning(right) and plain_words(left) != plain_words(right)


def _close_up(tokens: tuple[str, ...]) -> str:
    """Words run together: `base ball` is `baseball`; numbers and signs stay apart."""
    return re.sub(r"(?<=[^\W\d_]) (?=[^\W\d_])", "", " ".join(tokens))


def _plain(token: str) -> str:
    token = token.strip().replace("−", "-").replace("–", "-").replace("’", "").replace("'", "")
    return token.rstrip(",").lstrip("+") if token[:1] != "+" or token[1:2].isdigit() else token

r"""Letters of options in prose: the letter at the start of a text, and whether a text is an option.

>>> leading("(C) because it is the largest", "ABCD")
Mention(letters='C', end=2, marked=True)
>>> leading("C++", "ABCD") is None, leading("A dog", "ABCD") is None
(True, True)

A capital by itself is an option where what follows ends the clause, gives a reason, or is set off by a sign: not before
a noun (`A dog`), an operator (`C = 5`) or another letter (`C++`). A small letter is one in brackets, or at the end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LETTERS = "ABCDEFGHIJ"

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_CIRCLED = {0x1F170: "A", 0x1F171: "B", **{0x24B6 + at: letter for at, letter in enumerate(LETTERS)}}
_CIRCLED |= {0x1F130 + at: letter for at, letter in enumerate(LETTERS)}
_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|tt)?|mathrm|mathbf|mathit|mbox|boxed|fbox|textnormal|bf|rm)\s*\{([^{}]*)\}"
)
_MATHS = re.compile(r"\\[\[\]()]|\$+|\\[ ,;!]|\\q?quad(?![a-z])")
_MARKUP = re.compile(
    r"\*+|`+|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])|</?[A-Za-z][^<>]{0,40}>|<\|[^<>|\n]{1,30}\|>|[\u2600-\u27bf\U0001f300-\U0001faff\ufe0f]"
)
_QUOTES = re.compile(r"[\"“”„«»「」『』]")
_QUOTED = re.compile(r"(?<![A-Za-z0-9])['‘’]([^'‘’\n]{1,200})['’](?![A-Za-z0-9])")

_BEFORE = re.compile(
    r"[\s:：=>→⇒—–\-,，(\[{（【]*(?:(?:(?:definitely|clearly|presumably|evidently|undoubtedly|ultimately|surely|likely|probably|most|certainly|simply|just|indeed|"
    r"therefore|thus|also|demnach|somit|folglich|donc|entonces|quindi|dunque|portanto|"
    r"actually|only|obviously|still|is|be|to|the|la|le|el|die|der|das|il|lo|letter|lettre|letra|lettera|"
    r"buchstabe|(?:l['’])?option|"
    r"choice|answer|alternative|statement|response|opción|opcion|opzione|opção|alternativa|variante|antwort|réponse|"
    r"respuesta|risposta|resposta|вариант|ответ)(?![A-Za-z])|a(?=\s+(?:(?-i:[A-J])\s*+[.!]?\s*+$|(?:letra|opção|alternativa|resposta)(?![a-z])))|選択肢|选项|選項|选择|选|選|"
    r"应该是|應該是|是)[\s:：(\[（【#]*){0,8}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"([A-Ja-j])(?![A-Za-z0-9'’+#°^_/\\|&\u0300-\u036f]|-[A-Za-z]|\s*[=<>≤≥≠∪∩∈×·^+](?!>))")
_INITIALS = re.compile(r"[A-J]\.\s?[A-Z]\.")
_BRACKETS = re.compile(r"\s*[)\]}）】]")
_SIGN = re.compile(
    r"[ \t]*\n|\s+by\s+(?:process\s+of\s+)?elimination\b|"
    r"\s*(?:$|。|\.(?=[\s)\]]|$|[^\x00-\x7f])|[:：;；,，!！、？?]|[-–—](?=\s|$)|[-–—]{2}|[(（\[])"
)
_REASON = re.compile(
    r"\s+(?:because|since|as|which|where|due|for|given|so|if|rather|instead|over|not|while|than|with|by|from|and|"
    r"in\s+(?:the\s+(?:list|options?|question)|this|that)|above|below|but|is|was|being|based|according|here|on|then|again|too|anyway|overall|"
    r"sein|weil|denn|da|car|parce|puisque|porque|ya|pues|perché|poiché|pois|потому|так)(?![A-Za-z])|"
    r"\s*(?:[\u3040-\u9fff\uac00-\ud7af]|है)"
)
_JOIN = re.compile(
    r"[\s)\]）】]*+(?:,|，|、|/|;|&|\+)?+\s*+(?:(?:as well as|but also|and|or|und|oder|et|ou|y|o|e|и|или)(?![A-Za-z])|"
    r"和|或者?|与|と|및)?\s*+"
    r"(?:also\s+)?(?:option\s+|choice\s+|选项)?[(\[（【]?(?=[A-J](?![A-Za-z0-9'’]))"
)
_STATES = re.compile(r"[)\]）】]*\s+(?:is|isn't|was|has|had|can|cannot|can't|does|doesn't|would|could|might|may|"
                     r"seems|fails|ist|"
                     r"es|est|non|no|non|nicht)(?![A-Za-z])|[)\]）】]*(?:是|不|错|項|项|也)")  # fmt: skip


class Mention(NamedTuple):
    """letters: one, or all of an enumeration, in order. end: where the last one ends. marked: in brackets, after the
    word option, or at the end of a clause."""

    letters: str
    end: int
    marked: bool


def plain(text: str) -> str:
    """The text without mark-up: bold, quotes, LaTeX around words, tags, pictures; signs of full width become ASCII."""
    text = text.translate(_FULL_WIDTH).translate(_CIRCLED)
    for _ in range(3):
        if "\\" not in text or (less := _WRAPPER.sub(r" \1 ", text)) == text:
            break
        text = less
    text = _MATHS.sub(" ", text) if "\\" in text or "$" in text else text
    text = _QUOTED.sub(r"\1", text)
    return _QUOTES.sub("", _MARKUP.sub(" ", text) if not text.isalnum() else text)


def leading(text: str, letters: str, *, named: bool = False) -> Mention | None:
    """The option or options that a plain text begins with, after words that only lead up to it. named: a word such as
    `选` stands before the text."""
    before = _BEFORE.match(text)
    assert before is not None
    named = named or bool(re.search(r"[A-Za-z选選項肢ант]", before[0]))
    return at(text, before.end(), letters, named=named)


def at(text: str, start: int, letters: str, *, named: bool = False) -> Mention | None:
    """The option or options that stand at a place. named: after a word such as `option`."""
    match = _LETTER.match(text, start)
    if match is None and (several := re.compile(r"[A-J]{2,}(?![A-Za-z0-9'’])").match(text, start)):
        found = several[0]
        return Mention(found, several.end(), True) if named and _distinct(found, letters) else None
    if match is None or match[1].upper() not in letters:
        return None
    opened = start > 0 and text[start - 1] in "([{（【"
    closed = bool(_BRACKETS.match(text, match.end()))
    end = match.end()
    if _INITIALS.match(text, start):
        return None
    sign, reason = _SIGN.match(text, end), _REASON.match(text, end)
    bracketed = closed or opened
    if match[1].islower():
        if not (closed or (named and sign) or not text[end:].strip(" .!。")):
            return None
        return Mention(match[1].upper(), end, bracketed)
    if match[1] == "I" and not (bracketed or named) and text[end:].strip(" .!。"):
        return None
    if not (bracketed or sign or reason):
        return listed(text, match[1], end, letters, marked=False) if enumerated(text, end, letters) else None
    return listed(text, match[1], end, letters, marked=bracketed or named or sign is not None)


def _distinct(found: str, letters: str) -> bool:
    return set(found) <= set(letters) and "".join(sorted(set(found))) == found


def listed(text: str, found: str, end: int, letters: str, *, marked: bool) -> Mention:
    """With all options that are listed after those found, whose last letter ends there."""
    while len(found) < len(LETTERS) and (following := _following(text, end, letters)) is not None:
        found, end = found + text[following], following + 1
    return Mention(found, end, marked)


def _following(text: str, end: int, letters: str) -> int | None:
    """Where the next letter of an enumeration stands; a letter that a new statement is about is none."""
    join = _JOIN.match(text, end)
    if join is not None and join[0].strip() in (",", "，") and re.match(r".\s*、", text[join.end() :]):
        return None  # a comma before an enumeration
    if join is None or text[join.end()] not in letters or _STATES.match(text, join.end() + 1):
        return None
    after = join.end() + 1
    ends = (
        _SIGN.match(text, after)
        or _BRACKETS.match(text, after)
        or _JOIN.match(text, after)
        or _REASON.match(text, after)
    )
    return join.end() if ends or re.match(r"\s+(?:are|both|sind|sont|son)(?![a-z])", text[after:]) else None


def enumerated(text: str, end: int, letters: str) -> bool:
    """Whether more options are listed after the letter that ends there."""
    return _following(text, end, letters) is not None

"""The shape of a text that rewriting must keep: its steps, its script, its size.

>>> steps("Two and two.\\n\\nThat is four."), size("That is four.")
(2, 3)
"""

from __future__ import annotations

import re

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
_WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
_CJK = re.compile(rf"[{CJK}]")
_LETTERED = re.compile(rf"[{CJK}]|[^\W\d_{CJK}]+")
_BREAK = re.compile(r"\n[ \t]*\n\s*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def steps(text: str) -> int:
    """Pieces between blank lines."""
    return len(split_steps(text))


def split_steps(text: str) -> list[str]:
    return [step for step in _BREAK.split(text.strip()) if step]


def size(text: str) -> int:
    """Words; in scripts without blanks, characters."""
    return len(_WORD.findall(text))


def cjk_share(text: str) -> float:
    """Share of Chinese, Japanese and Korean characters among the words made of letters; 0 without any."""
    lettered = len(_LETTERED.findall(text))
    return len(_CJK.findall(text)) / lettered if lettered else 0.0


def same_language(old: str, new: str) -> bool:
    """Whether both are mostly in scripts with blanks, or mostly without."""
    return (cjk_share(old) > 0.5) == (cjk_share(new) > 0.5)


def numbers(text: str) -> list[str]:
    """Numbers in a text, sorted: what a rewording of a problem must keep."""
    return sorted(match.replace(",", "") for match in _NUMBER.findall(text))

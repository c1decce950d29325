"""Options that a text calls wrong or rules out.

>>> sorted(denied_in("A and C are wrong, and we can rule out D.", "ABCD"))
['A', 'C', 'D']
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dqdata_operators.lib.maths import choice_phrases as phrases
from dqdata_operators.lib.maths.options import at


def denials(text: str, letters: str) -> Iterator[tuple[set[str], int]]:
    for match in phrases.WRONG.finditer(text):
        if not re.search(r"\b(?:not|n['’]t)\s*$", match[0]) or re.match(
            r"\s+(?:the\s+|la\s+)?(?:correct|right|true|answer|an?\s+option|possible|it)\b|\s*[.,]", text[match.end() :]
        ):
            found = [letter for letter in re.findall(r"(?<![A-Za-z])[A-J](?![A-Za-z])", match[0]) if letter in letters]
            if re.search(r"\b(?:but|except)\s*$", text[: match.start()]):
                continue
            single = re.search(r"\b(?:and|or|und|et|y)\b.*\b(?:is|was|ist|est|es|è)\b", match[0])
            yield set(found[-1:] if single else found), match.end()
    for match in phrases.RULED_OUT.finditer(text):
        if (mention := at(text, match.end() + (text[match.end() : match.end() + 1] in "(["), letters)) is not None:
            yield set(mention.letters), match.end()


def denied_in(text: str, letters: str) -> set[str]:
    return set().union(*(found for found, _ in denials(text, letters)))

r"""What a response says speaks for an option, or makes it better than the others.

>>> [one.letters for one in evidence("All of this points to C.", "ABCD")]
['C']
>>> list(evidence("Nothing points to C.", "ABCD")), list(evidence("C seems to be the best fit, but it fails.", "ABCD"))
([], [])

Weaker than a verdict: the words before it must not deny or suppose it, and no later clause that names no other option
may speak against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dqdata_operators.lib.maths import choice_phrases as phrases
from dqdata_operators.lib.maths.options import leading

REST = 60
"""Characters after the verb in which the option stands."""
BEFORE = 80
"""Characters before a statement that may deny it."""
_SOUND = (
    r"(?:plausible|likely|reasonable|accurate|appropriate|suitable|sensible|logical|convincing|precise|compelling|probable|"
    r"fitting|defensible|faithful|comprehensive)\b"
)
_SUPPORT = re.compile(
    r"\b(?:evidence|data|passage|text|facts?|analysis|calculations?|computations?|results?|logic|reasoning|context|clues?|hints?|"
    r"signs?|intuition|elimination|everything|all(?:\s+of)?\s+(?:this|that|these|which)|this|that|these|which|it|we)\s+"
    r"(?:(?:all|most|\w+ly)\s+){0,2}(?P<verb>(?:favou?r|support|indicate|suggest|confirm|yield)s?|impl(?:y|ies)|"
    r"(?:point|lead|bring|take|correspond)s?(?:\s+(?:us|me|back|\w+ly))?\s+to(?:wards?)?|gives?(?:\s+us)?|arrives?\s+at|"
    r"match(?:es)?|(?:agree|align)s?\s+with|(?:is|are)\s+consistent\s+with)(?![A-Za-z])\s*",
    re.IGNORECASE,
)
"""`The data clearly support`, before the option."""
_PREFERENCE = re.compile(
    r"(?<![A-Za-z0-9'’])[(\[]?([A-J])[)\]]?\s+(?:"
    rf"(?:is|are)\s+(?:(?:clearly|thus|therefore|the|a)\s+)*(?:more|most)\s+{_SOUND}|"
    rf"(?:seems?|appears?|looks?)\s+(?:to\s+be|like)\s+(?:(?:the|a)\s+)?(?:best|better|right|correct|(?:most|more)\s+{_SOUND})|"
    r"(?:best|better)\s+[a-z]+s\b|gets\s+my\s+vote\b|"
    r"(?:stands\s+out|emerges|comes\s+out|turns\s+out)\s+(?:as|to\s+be)\s+(?:the\s+)?(?:right|correct|best|answer|most)\b|(?:would|must|has\s+to)\s+be\s+it(?=\W*$)|"
    r"is\s+what\s+(?:the\s+question\s+(?:is\s+)?ask\w*|we(?:['’]re|\s+are)\s+(?:looking|asked))\s+for\b)"
)
"""`B is more plausible`, `B seems to be the best`."""
_SUPERLATIVE = re.compile(
    r"\b(?:best|correct|right|only|next|most\s+[a-z]+)\s(?:[\w'’,/-]+\s){0,9}?(?:is|would\s+be|must\s+be|should\s+be)\s*"
    r"(?:(?:therefore|thus|likely|clearly)\s+)?:?\s*(?-i:[(\[]([A-J])[)\]]|([A-J])[.):]\s+(?=[A-Za-z0-9]{2}))",
    re.IGNORECASE,
)
"""`The most likely diagnosis is (C)`, whatever the question asked for, before an option with its text."""
_WORSE = re.compile(
    r"\b(?:wrong|incorrect|false|worst|bad|distractors?|traps?|mistakes?|errors?|misconceptions?|tempting|except\w*|not)\b",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"\b(?:nothing|nobody|none|neither|nor|hardly|little|few|without|not|never|fails?|no(?!\s+(?:doubt|question)\b))\b[^,;:.]*$|"
    r"n['’]t\b[^,;:.]*$",
    re.IGNORECASE,
)
_REFUTES = re.compile(
    r"\b(?:but|however|though|wrong|incorrect|false|contradict\w*|conflict\w*|reject\w*|fails?|absurd|impossible|never|"
    r"reconsider|wait|too\s+\w+|rul\w+\s+\w+\s+out|if|at\s+first\s+(?:glance|sight)|on\s+the\s+surface|isn|doesn|cannot)\b",
    re.IGNORECASE,
)
_NEITHER = re.compile(r"\bneither\s+(?:of|one|is|[a-z]+s)\b", re.IGNORECASE)
_PARTS = re.compile(r"[.;!\n]|,?\s+(?:while|whereas|although|and|because|since|as)\s+")
_OTHER = re.compile(r"(?<![A-Za-z0-9'’])[A-J](?![A-Za-z0-9'’])")


class Statement(NamedTuple):
    """letters: the options. start: where they stand. sentence: which chooses them."""

    letters: str
    start: int
    sentence: str


def evidence(text: str, letters: str) -> Iterator[Statement]:
    """What speaks for an option: in the last paragraph by a verb, anywhere by a comparison."""
    for match in _SUPPORT.finditer(text, len(text.rstrip().rpartition("\n\n")[0])):
        rest = text[match.end() : match.end() + REST].partition("\n")[0]
        mention = leading(rest, letters)
        if mention is None or (rest[mention.end - 1].islower() and not mention.marked):
            continue
        end = match.end() + mention.end
        if not re.match(r"[)\]]?\s+(?:or|is|are|was|were|has|have|can|does)\b|[)\]]?\s*\?", text[end:]) and _stands(
            text, match.start("verb"), end, mention.letters
        ):
            yield Statement(mention.letters, end - 1, match[0])
    for match in _SUPERLATIVE.finditer(text):
        letter = match[1] or match[2]
        if letter in letters and not _WORSE.search(match[0]) and _stands(text, match.start(), match.end(), letter):
            yield Statement(letter, match.start(match.lastindex or 0), match[0])
    for match in _PREFERENCE.finditer(text):
        if match[1] in letters and _is_option(text, match) and _stands(text, match.start(1), match.end(), match[1]):
            yield Statement(match[1], match.start(1), match[0])


def _is_option(text: str, match: re.Match[str]) -> bool:
    """Whether the letter is no name (`planet B`), and no article."""
    word = re.search(r"([^\W\d_]+)\s+$", text[max(0, match.start() - 30) : match.start()])
    known = word is None or match[0][0] in "([" or word[1].lower() in phrases.MAY_PRECEDE
    return known and not (match[1] == "A" and re.match(r"A\s+(?:best|better)\b", match[0]))


def _stands(text: str, start: int, end: int, chosen: str) -> bool:
    """Whether nothing before the statement denies or supposes it, and nothing behind it speaks against it."""
    before = re.split(r"[.;!?\n]", text[max(0, start - BEFORE) : start])[-1]
    before = re.split(r",\s+|\bbut\b", before)[-1] if _OTHER.search(before) else before
    if any(
        words.search(before) for words in (_AGAINST, phrases.UNSURE, phrases.HEDGE, phrases.MISTAKEN, phrases.EARLIER)
    ):
        return False
    if _NEITHER.search(text, end):
        return False
    return not any(
        _REFUTES.search(part) and set(_OTHER.findall(part)) <= set(chosen) for part in _PARTS.split(text[end:])
    )

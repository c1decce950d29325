r"""Text around an answer: labels of parts, conditions on letters, bounds and approximation in words.

>>> labelled("(a) 4 (b) 5")
(('a', '4'), ('b', '5'))
>>> qualifier(r"3k, where k is a positive integer")
('3k', (('k', 'N'),), 'k is a positive integer')
>>> bound("at least 12")
('ge', '12')
"""

from __future__ import annotations

import re

LONGEST = 300
"""Characters of an answer with its condition."""

_LABEL = re.compile(
    r"(?<![A-Za-z0-9\\_^{.])(?:part\s+)?(?:\(\s*([a-h]|[ivx]{1,4}|[1-9A-H])\s*\)|([a-h]|[ivx]{1,4}|[1-9])\s*[).](?=\s|\$)|([A-Ha-h])\s*:(?=\s))\s*:?",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\A(?:is|are|=)\s+|[,;\s]*(?<![A-Za-z])and\s*\Z")
_ORDERS = ("abcdefgh", ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"), "123456789")

_SETS = {
    "Z": "Z", "N": "N", "R": "R", "Q": "Q", "C": "C", "integer": "Z", "integers": "Z", "real": "R", "reals": "R",
    "natural": "N", "naturals": "N", "positive integer": "N", "positive integers": "N", "rational": "Q",
    "nonnegative integer": "N0", "nonnegative integers": "N0", "non-negative integer": "N0", "constant": "",
    "non-negative integers": "N0", "constants": "", "complex": "C", "number": "", "real number": "R",
    "real numbers": "R", "natural number": "N", "natural numbers": "N", "real constant": "R", "arbitrary constant": "",
    "arbitrary constants": "", "whole number": "N0", "整数": "Z", "实数": "R", "正整数": "N", "自然数": "N0",
}  # fmt: skip
_NAME = r"(?>\\(?!in(?![a-z]))[A-Za-z]++|(?<!\\)[A-Za-z])(?>_\{?\w\}?)?+"
_MEMBER = re.compile(
    rf"\(?\s*+((?>{_NAME}\s*+,?\s*+)++)\\in\s*+\\?(?:mathbb|mathbf|Bbb)?\s*+\{{?\s*+([ZNRQC])\s*\}}?\s*"
    r"([\^_]?\s*\{?\s*[+*0]?\s*\}?)\s*\)?"
)
_SAID = re.compile(
    r"([A-Za-z](?:_\{?\w\}?)?(?:(?:\s*,\s*|\s+and\s+)[A-Za-z](?:_\{?\w\}?)?)*)\s*(?:(?:is|are|being|为|是)\s*(?:any|an?|arbitrary|some|任意)?|"
    r"(?<=\s)(?:any\s|an?\s)?(?=(?:positive\s+|non-?negative\s+)?integers?\b))\s*(.{0,40})",
    re.IGNORECASE,
)
_ANY = re.compile(r"(?:any|all|every|each|some|arbitrary)\s+(?:(.{0,30}?)\s+)?([A-Za-z](?:_\{?\w\}?)?)", re.IGNORECASE)
_OPENS = re.compile(
    r"\s*[,;]?\s*\(?\s*(?<![A-Za-z\\])(?:where|for\s+(?:any|all|every|each|some|(?:an?\s+)?arbitrary)|for(?=\s+[A-Za-z]\s*(?:\\in|\\ge|\\le|\\ne|>|<|=)|\s+(?:positive\s+|non-?negative\s+)?(?:integers?|real)\b)|"
    r"with(?=\s+[A-Za-z]\s*(?:\\in|an?\b|any\b))|such\s+that|provided(?:\s+that)?|if|when|whenever|as\s+long\s+as|其中|\\forall)(?![A-Za-z])\s*"
)
_LAST_MEMBER = re.compile(
    r"[,;(]\s*(?=(?:\\?[A-Za-z](?:_\{?\w\}?)?\s*,?\s*)+\\in\s*\\?(?:mathbb|mathbf|Bbb)?\s*\{?\s*[ZNRQC]\b)"
)
_SAID_TAIL = re.compile(
    r"[,;(]\s*(?=[A-Za-z]\s+(?:is|are)\s+(?:an?|any)\b|[A-Za-z]\s+(?:any\s+|an?\s+)?(?:positive\s+)?integers?\b|[A-Za-z]\s*(?:为|是)\s*(?:任意)?(?:整数|实数|正整数))"
)

_BOUNDS = (
    (re.compile(r"(?:strictly\s+)?(?:more|greater|larger|higher|bigger)\s+than(?!\s+or)\s+|above\s+|exceeding\s+"
        r"|大于|超过|多于", re.I), ">"),
    (re.compile(r"(?:strictly\s+)?(?:less|fewer|smaller|lower)\s+than(?!\s+or)\s+|below\s+|under\s+"
        r"|小于|少于|不足", re.I), "<"),
    (re.compile(r"at\s+least\s+|no\s+(?:less|fewer)\s+than\s+|not\s+less\s+than\s+|(?:a\s+)?minimum\s+of\s+"
        r"|(?:greater|more)\s+than\s+or\s+equal\s+to\s+|至少|不少于|不小于", re.I), "ge"),
    (re.compile(r"at\s+most\s+|no\s+more\s+than\s+|not\s+more\s+than\s+|up\s+to\s+|(?:a\s+)?maximum\s+of\s+"
        r"|(?:less|fewer)\s+than\s+or\s+equal\s+to\s+|至多|不超过|不大于", re.I), "le"),
)  # fmt: skip
_BOUNDS_AFTER = (
    (re.compile(r"\s+(?:or|and)\s+(?:more|greater|above|larger|higher|over)\s*\Z|以上\s*\Z", re.I), "ge"),
    (re.compile(r"\s+(?:or|and)\s+(?:less|fewer|below|smaller|lower|under)\s*\Z|以下\s*\Z", re.I), "le"),
)  # fmt: skip
_ABOUT = re.compile(
    r"\s*(?:(?:about|approximately|approx\.?|roughly|around|nearly|exactly|precisely|only|just|circa|ca\.|equal\s+to|"
    r"a\s+total\s+of|the\s+number|the\s+value)\s+|\\approx\s*|~\s*|≈\s*|=\s*)(?=\S)",
    re.IGNORECASE,
)


def labelled(text: str) -> tuple[tuple[str, str], ...] | None:
    """Labels with what stands after each, where the text opens with one and they are the first of an order: a, b, c."""
    if "(" not in text and ")" not in text and ":" not in text and "." not in text:
        return None
    matches = list(_LABEL.finditer(text))
    if len(matches) < 2 or matches[0].start() > 0:
        return None
    labels = [(match[1] or match[2] or match[3]).lower() for match in matches]
    for order in _ORDERS:
        if sorted(labels) != sorted(order[: len(labels)]):
            continue
        ends = [match.start() for match in matches[1:]] + [len(text)]
        bodies = [text[match.end() : end].strip(" ,;.") for match, end in zip(matches, ends, strict=True)]
        bodies = [_JOINED.sub("", body) for body in bodies]
        return tuple(zip(labels, bodies, strict=True)) if all(bodies) else None
    return None


def single_label(text: str) -> tuple[str, str] | None:
    match = re.match(r"\(([a-h])\)\s*(?=[0-9\\$-])", text)
    return (match[1], text[match.end() :]) if match else None


def qualifier(text: str) -> tuple[str, tuple[tuple[str, str], ...], str] | None:
    """The answer without its condition, the letters the condition introduces with their sets, and the condition."""
    if len(text) > LONGEST:
        return None
    match = _OPENS.search(text) or _LAST_MEMBER.search(text) or _SAID_TAIL.search(text)
    if match is None or not match.start() or not text[: match.start()].strip(" ,;("):
        return None
    answer, condition = text[: match.start()].strip(" ,;"), text[match.end() :].strip(" ,;.")
    if answer.count("(") < answer.count(")") or not condition:
        return None
    if condition.count(")") > condition.count("(") and answer.count("(") <= answer.count(")"):
        condition = condition.rstrip(") ")
    if (
        re.match(r".*for\s+(?:any|all|every|each|some|(?:an?\s+)?arbitrary)", match[0], re.DOTALL)
        or "forall" in match[0]
        or re.match(r"(?:positive\s+|non-?negative\s+)?(?:integers?|real)\b", condition)
    ):
        condition = "any " + condition if "\\in" not in condition else condition
    return answer, _parameters(condition), condition


def _parameters(condition: str) -> tuple[tuple[str, str], ...]:
    if match := _MEMBER.search(condition):
        plus = re.sub(r"[\s^_{}]", "", match[3])
        domain = {"Z+": "N", "Z*": "Z*", "N+": "N", "N*": "N", "N0": "N0"}.get(match[2] + plus, match[2] + plus)
        return tuple((name, domain) for name in re.findall(_NAME, match[1]))
    if match := _ANY.match(condition):
        return ((match[2], _SETS.get((match[1] or "").strip().lower(), "")),)
    if match := _SAID.match(condition):
        domain = _SETS.get(match[2].strip().lower(), "")
        return tuple(
            (name, domain) for name in re.findall(r"(?<![A-Za-z])[A-Za-z](?:_\{?\w\}?)?(?![A-Za-z])", match[1])
        )
    return ()


def bound(text: str) -> tuple[str, str] | None:
    """The relation that words before or after a number state, and the number: `more than 12`, `12 or fewer`."""
    for pattern, op in _BOUNDS:
        if match := pattern.match(text):
            rest = text[match.end() :].strip()
            return (op, rest) if rest[:1].isdigit() or rest[:1] in "-\\$.€£" else None
    for pattern, op in _BOUNDS_AFTER:
        if (match := pattern.search(text)) and text[:1].isdigit():
            return op, text[: match.start()].strip()
    return None


def without_approximation(text: str) -> str:
    """The text without words such as `about` before its value."""
    match = _ABOUT.match(text)
    return text[match.end() :] if match else text

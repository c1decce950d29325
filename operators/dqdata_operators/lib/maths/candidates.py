r"""Finds the numbers and formulas of a sentence that may be its answer, with their units and nouns.

>>> [one.text + one.unit for one in candidates("4 boxes of 12 kg are 4√9 m wide.")]
['4', '12 kg', '4√9 m']

A candidate is a formula between dollars, a point or an interval, a ratio, a time, a date, an amount of several units, a
formula in plain text, or a number with its roots, fractions, pi and operators.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.units import singular, unit_of
from dqdata_operators.lib.maths.words import is_pole
from dqdata_operators.lib.texts.number_words import SCALES


class Candidate(NamedTuple):
    """start, end: of the value alone. unit: as written after it. tail: the words after that. direction: the noun that
    stands before it and says which way it goes, `loss` of `a loss of $5`."""

    start: int
    end: int
    text: str
    unit: str
    tail: str
    direction: str = ""


SEGMENT = re.compile(
    r"\$\$(?P<a>.+?)\$\$|\\\[(?P<b>.+?)\\\]|\\\((?P<c>.+?)\\\)|(?<![\\$0-9])\$(?P<d>(?:[^$\\]|\\.)+?)\$(?![0-9])",
    re.DOTALL,
)
_NUMBER = (
    r"(?>(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[1-9][0-9]{0,2}(?:[ \u00a0\u202f][0-9]{3})++(?![0-9-])|[0-9]++)"
    r"(?:[.,][0-9]++)?|\.[0-9]++)"
)
_VULGAR = "[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞]"
_ROOT = rf"(?>√\s*+(?:{_NUMBER}|\([^()]{{1,20}}\))|sqrt\s*+\([^()]{{1,20}}\))"
_POWER = r"(?>[⁰¹²³⁴⁵⁶⁷⁸⁹]++|\s?(?:\^|\*\*)\s?(?:\{-?[0-9]+\}|\(-?[0-9]+\)|-?[0-9]+))?+"
_ATOM = (
    rf"(?>(?:{_NUMBER}|{_ROOT}|π|(?<![A-Za-z])pi\b|{_VULGAR}"
    rf"|\(\s?[-−]?(?:{_NUMBER}|{_ROOT}|π)(?:[^()A-Za-z$\n]{{0,40}})\)){_POWER})"
)
_FACTOR = rf"(?>\s?(?:{_ROOT}|π|(?:(?<=[0-9])|(?<=[0-9]\s))pi\b|{_VULGAR}){_POWER})"
_OPERATOR = r"(?>\s*+[+×*/÷·⋅=≈]\s*+|\s[-−–]\s|\sx\s(?=[0-9$€£]))"
_SIGN = r"(?:[-−]\s?)?(?:(?:US)?\\?[$€£¥₹]\s?)?[-−]?"
_RUN = re.compile(
    r"(?<![A-Za-z0-9_.,:])[0-9]{1,2}:[0-5][0-9](?![0-9:])(?:\s?[aApP]\.?[mM]\b\.?)?"
    rf"|(?<![A-Za-z0-9_.,\\^])(?:{_SIGN}|±\s?)(?:[0-9]+\s(?=[0-9]+/[0-9]))?{_ATOM}{_FACTOR}*+"
    rf"(?>{_OPERATOR}{_SIGN}{_ATOM}{_FACTOR}*+)*+(?:\s*+\\?[%‰])?",
)
_AMOUNTS = re.compile(
    r"(?<![A-Za-z0-9_.,])(?:[0-9]+(?:\.[0-9]+)?\s+(?:hours?|minutes?|seconds?|days?|weeks?|months?|years?|feet|foot|inches|inch|pounds?|ounces?|"
    r"dollars?|cents?|yards?|miles?|meters?|km|kg|grams?|m|cm|ft|in|lbs?|oz|h|min|s)\s*,?\s+(?:and\s+)?){1,3}[0-9]+(?:\.[0-9]+)?\s+[A-Za-z]+"
)
_SCALED = re.compile(
    r"(?<![A-Za-z0-9_.,])[0-9]{1,3}\s+(?:hundred|thousand|million|billion)(?:\s+(?:and\s+)?[0-9]{1,3}(?![0-9.,/])"
    r"(?:\s+(?:hundred|thousand|million))?)+",
    re.IGNORECASE,
)
"""Digits before words for powers of ten: 2 hundred and 60."""
_BASED = re.compile(r"(?<![A-Za-z0-9_.,])[0-9A-F]+(?:\s+in)?\s+base[\s-]+(?:[0-9]{1,2}|two|three|eight|ten|sixteen)\b")
_OUT_OF = re.compile(
    r"(?<![0-9.,/])[0-9]+\s+(?:in|out\s+of)\s+(?:every\s+)?(?!(?:19|20)[0-9][0-9](?![0-9]))[0-9]+(?![0-9.,]*[0-9%])(?=\s*(?:[.!]|\Z|chance))"
)
_DATE = re.compile(
    r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )?(?:(?:January|February|March|April|May|June"
    r"|July|August|September|October|November|"
    r"December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.? [0-9]{1,2}(?:st|nd|rd|th)?(?:,? [0-9]{4})?"
    r"|[0-9]{1,2}(?:st|nd|rd|th)? (?:of )?(?:January|February|March|April|May|June|July|August"
    r"|September|October|November|December)(?:,? [0-9]{4})?)"
)
_RATIO = re.compile(
    r"(?<![A-Za-z0-9_.,:])[0-9]++(?:\.[0-9]++)?(?:(?::|\s:\s)[0-9]++(?:\.[0-9]++)?)++(?![0-9:])"
    r"|(?<![0-9.,])[0-9]++\sto\s[0-9]++(?![0-9.,]*[0-9])"
)
_HEIGHT = re.compile(r"(?<![A-Za-z0-9])[0-9]{1,2}['′]\s?[0-9]{1,2}(?:\"|''|″)")
_SAID_TIME = re.compile(
    r"(?<![A-Za-z])(?:half|(?:a\s)?quarter|five|ten|twenty)\s(?:past|to)\s(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
    re.IGNORECASE,
)
_LISTED = re.compile(r"\s*+(?:[,;/|、]|,?\s*+\b(?:or|and)\b|或|和)?\s*+", re.IGNORECASE)
_FACT = (
    rf"(?>(?:{_NUMBER}|[A-Za-z](?![A-Za-z'])(?:_[0-9A-Za-z])?|{_ROOT}|π|(?:sin|cos|tan|log|ln)(?:\s?[0-9(]|\s[A-Za-z](?![A-Za-z]))"
    rf"|\([^()=$\n]{{1,30}}\)){_POWER})"
)
_TERM = rf"(?>[A-Z]{{2}}(?![A-Za-z])|[-−]?{_FACT}(?>\s?[*/·×]?\s?{_FACT})*+)"
_FORMULA = re.compile(
    rf"(?<![A-Za-z0-9_\\.,^'’<]){_TERM}(?>\s*+(?:[-+−=<>≤≥≠]|<=|>=)\s*+{_TERM})++(?![A-Za-z])"
    r"|(?<![A-Za-z0-9_\\.,^'’)])[0-9]{0,3}[a-z]?"
    r"(?:\((?=[^()]*[a-z])[-+−0-9a-z√π²³^*/ .]{2,30}\)(?:\^?[0-9]|[²³])?\s?){2,6}(?![A-Za-z])"
    r"|(?<![A-Za-z0-9_\\.,^'’])[0-9]++[abceinqrtu-z](?=\s*(?:[.,;!?)]\s|[.,;!?)]?\Z))"
    r"|(?<![A-Za-z0-9_\\.,^'’])(?>[0-9]*+)[A-Za-z]\s?(?:\^\s?[0-9{(-]+[)}]?|[²³])"
)
"""A formula with letters in plain text: x^2 + 1, 1/x = 6, AB = 5."""
_TIMES = re.compile(r"(?<=[0-9)])\s?x\s?(?=[0-9(])")
_POINT = rf"(?:[-+−]?\s?(?:{_NUMBER}|[a-z](?![a-z])|∞|π|√|sqrt|[/*^()+−-]|\s){{1,20}}?|[-+−]?\s?(?:infinity|inf|oo))"
_TUPLE = re.compile(
    rf"(?<![A-Za-z0-9_\]])(?:[\[(]\s?{_POINT}(?:\s?[,;]\s?{_POINT}){{1,4}}\s?[\])](?:\s?(?:∪|U|\\cup)\s?(?=[\[(]))?)+"
)
_ROUGHLY = re.compile(
    r"[\s,;(*]*(?:(?:which|that)\s+is|or|i\.e\.|=)?[\s,]*(?:about|approximately|approx\.?|roughly|around|≈|\\approx)[\s*]*",
    re.IGNORECASE,
)
NEGATED = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|instead\s+of|rather\s+than|other\s+than)|不是|并非|不等于|n['’]t|≠|\\neq?)\s*"
    r"(?:be|just|simply|equal|to|is|the)?\s*\Z",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:零下|負|负|マイナス|氷点下)\s?\Z|"
    r"\b(?:negative|minus|(?:(?:more|less|fewer|greater) than(?: or equal to)?|at (?:least|most)|no (?:more|less|fewer)"
    r" than|up to)) \Z",
    re.IGNORECASE,
)
"""Words before a number that change what it says."""
_DIRECTION = re.compile(
    r"(?<![A-Za-z])(?:([a-z]+)\s+(?:of|by)|(lost|gained|won|deposited|withdrew))\s+"
    r"(?:about\s+|exactly\s+|only\s+|just\s+|roughly\s+|approximately\s+|a\s+total\s+of\s+)?[*_$(\\]{0,4}\Z",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\b(strictly\s+)?between\s+\Z", re.IGNORECASE)
_INCLUSIVE = re.compile(r"[\s,(]*(?:both\s+)?(?:inclusive|included)\b", re.IGNORECASE)
_NOUNS = {
    "lost": "loss", "gained": "gain", "won": "gain", "deposited": "deposit", "withdrew": "withdrawal", "fell": "fall",
    "fallen": "fall", "rose": "rise", "risen": "rise", "grew": "growth", "grown": "growth", "dropped": "drop",
    "declined": "decline",
}  # fmt: skip
"""Of verbs before a number, the noun."""
_UNIT_TOKENS = re.compile(
    r"(?:\s*[/·]\s*|\s+|\A(?=[A-Za-z°µΩ\u3040-\u30ff\u4e00-\u9fff]))((?:[A-Za-z°µΩ]+|[\u3040-\u30ff\u4e00-\u9fff]{1,4}|[€£¥])(?:\^\{?-?[0-9]\}?|[²³]|(?<=m)[23]\b)?)"
)
_TAIL = re.compile(r"(?:\s+[a-z][a-z'-]*){1,3}")
_STOPS = frozenset(
    "for to of in on at by with from when if because since after before than as and or but so which"
    " that who whose is are was "
    "were be will would can could has have had left total altogether per each every it they he she we you".split()
)
_ASIDE = re.compile(r"(?<=\s)\([^()]*\)(?=[\s.,;!]|\Z)")
_AND_PART = re.compile(r"\s+and\s+(?:a\s+half|a\s+quarter|a\s+third|three[\s-]quarters|two[\s-]thirds)(?![A-Za-z])")
_FACTORIAL = re.compile(r"!(?=\s*(?:[=*/×÷+)]|[a-z]))")
_BELOW = re.compile(r"\s*(?:degrees?|°)?\s*(?:Celsius|Fahrenheit|[CF](?![A-Za-z]))?\s*below\s+zero", re.IGNORECASE)
_SUFFIX = re.compile(r"\s?(?:[kKM]|bn|mn)(?![A-Za-z])|B(?![A-Za-z])")
CURRENCY = re.compile(r"[$€£¥₹]|\bcents?\b|\bdollars?\b|\beuros?\b", re.IGNORECASE)


def candidates(text: str, *, hyphens: bool = False, several: bool = False) -> list[Candidate]:
    """In order, without those that are denied; listed ones are one candidate. hyphens: with numbers that a hyphen joins
    to a word, as in `15-minute`."""
    merged: list[Candidate] = []
    at = 0
    ahead: dict[re.Pattern[str], re.Match[str] | None] = {}
    while (match := _next(text, at, ahead)) is not None:
        start, end = match.span()
        body = match[0]
        if match.re is _RUN:
            body = "" if re.match(r"-[A-Za-z]", text[end:]) and not hyphens else _stated(body)
        at = max(end, at + 1)
        if not any(char.isalnum() or char in "π½⅓⅔¼¾" for char in body):
            continue
        if NEGATED.search(text[max(0, start - 24) : start].replace("*", "")):
            continue
        if (before := _BEFORE.search(text, max(0, start - 40), start)) is not None and match.re is _RUN:
            start, body = before.start(), before[0] + body
        if (scaled := _SUFFIX.match(text, end)) is not None and CURRENCY.search(body):
            end = at = scaled.end()
            body += scaled[0]
        if _FACTORIAL.match(text, end) and match.re is _RUN:
            end = at = end + 1
            body += "!"
        if match.re is _RUN and (part := _AND_PART.match(text, end)) is not None:
            end = at = part.end()
            body += part[0]
        unit, tail = unit_after(text[end:])
        if (below := _BELOW.match(text, end)) is not None:
            unit, tail = below[0], ""
        at += len(unit)
        if merged and _joins(text, merged[-1], start, several=several):
            last = merged.pop()
            start, body = last.start, _between(text, last, end) or text[last.start : end] + (tail if several else "")
        elif merged and _ROUGHLY.fullmatch(text[merged[-1].end : start]) and "≈" not in merged[-1].text + body:
            last = merged.pop()  # 4√5, which is about 8.94
            start, body = last.start, rf"{last.text} \approx {body}"
        merged.append(Candidate(start, end, body, unit, tail, _direction(text, start)))
    asides = [match.span() for match in _ASIDE.finditer(text)]
    outside = [one for one in merged if not any(a < one.start and one.end < b for a, b in asides)]
    return outside or merged


def _next(text: str, at: int, ahead: dict[re.Pattern[str], re.Match[str] | None]) -> re.Match[str] | None:
    """The first candidate from here on; of two at one place, the one of the earlier pattern. ahead: the next match of
    each pattern, so that none is searched for twice."""
    best: re.Match[str] | None = None
    for pattern in (
        SEGMENT,
        _TUPLE,
        _RATIO,
        _HEIGHT,
        _SAID_TIME,
        _DATE,
        _AMOUNTS,
        _SCALED,
        _BASED,
        _OUT_OF,
        _FORMULA,
        _RUN,
    ):
        match = ahead.get(pattern)
        if pattern not in ahead or (match is not None and match.start() < at):
            match = pattern.search(text, at)
            while pattern is _FORMULA and match is not None and not re.search("[A-Za-z]", _TIMES.sub("*", match[0])):
                match = pattern.search(text, match.end())
            while pattern is _RATIO and match is not None and not _is_ratio(text, match):
                match = pattern.search(text, match.end())
            ahead[pattern] = match
        if match is not None and (best is None or match.start() < best.start()):
            best = match
    return best


def _is_ratio(text: str, match: re.Match[str]) -> bool:
    """Whether digits and a colon are no time, and `3 to 2` is no range."""
    if " to " in match[0]:
        return "ratio" in text[: match.start()].lower()
    return re.fullmatch(r"[0-9]{1,2}:[0-5][0-9]", match[0]) is None


def _direction(text: str, start: int) -> str:
    """The noun of a direction that belongs to the number which begins here; empty where there is none."""
    match = _DIRECTION.search(text, max(0, start - 40), start)
    if match is None:
        return ""
    word = (match[1] or match[2]).lower()
    noun = _NOUNS.get(word) or singular(word)
    return noun if is_pole(noun) else ""


def _stated(body: str) -> str:
    """The text after the last equals sign; an approximation stays beside its exact side."""
    return (body[body.rindex("=") + 1 :] if "=" in body and "≈" not in body else body).strip()


def _joins(text: str, before: Candidate, start: int, *, several: bool) -> bool:
    """Whether nothing but a connective parts two candidates; where several values are looked for, also their nouns."""
    between = text[before.end : start]
    if several and re.match(rf"{re.escape(before.unit + before.tail)}(?![a-z])", between):
        between = between[len(before.unit + before.tail) :]
    return bool(_LISTED.fullmatch(between)) and bool(between.strip())


def _between(text: str, first: Candidate, end: int) -> str:
    """The interval, where `between` stands before two joined values: with its ends where it says `inclusive`."""
    said = _BETWEEN.search(text, max(0, first.start - 20), first.start)
    joined = re.fullmatch(r"(.+?)\s+and\s+(.+)", text[first.start : end]) if said else None
    if said is None or joined is None:
        return ""
    closed = said[1] is None and _INCLUSIVE.match(text, end) is not None
    return f"[{joined[1]}, {joined[2]}]" if closed else f"({joined[1]}, {joined[2]})"


def unit_after(text: str) -> tuple[str, str]:
    """The unit right after a value, as written, and up to three more words of its noun phrase."""
    if scaled := re.match(r"\s?[万萬亿億]", text):
        counted, tail = unit_after(text[scaled.end() :])
        return scaled[0] + counted.strip(), tail
    if match := re.match(r"[\s*]*(?:(\\?%|percent\b)|[\s*]*(hundred|thousand|million|billion|trillion)\b)", text):
        rest = text[match.end() :]
        return (" %" if match[1] else f" {match[2]}"), _words(rest)
    text = re.sub(r"\A\*+", "", text)
    best, at, end = "", 0, 0
    for _ in range(6):
        token = _UNIT_TOKENS.match(text, at)
        if token is None or token[1].lower() in SCALES:
            break
        at = token.end()
        prefix = text[:at]
        unit = unit_of(normalise(prefix.strip()))
        if (
            unit is not None
            and unit.dims
            and not unit.words
            and token[1].lower() not in _STOPS
            and prefix.strip() not in ("s", "A", "C")
        ):
            best, end = prefix, at
    return (f" {best.strip()}" if best and not best.startswith(("/", " /")) else best), _words(text[end:])


def _words(text: str) -> str:
    match = _TAIL.match(text)
    kept: list[str] = []
    for word in match[0].split() if match else []:
        if word in _STOPS:
            break
        kept.append(word)
    return " " + " ".join(kept) if kept else ""

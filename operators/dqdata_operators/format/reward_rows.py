"""Makes training rows of a reward model that predicts RV and CD from a chat.

    { op = "reward_rows" }

    question | reasoning | response | rv  | cd | correct  ->  messages                  | accepted
    2 + 2?   | Two and.. | 4        | 2.5 |  1 | true         [user: .., assistant: ..] | true

Feed it accepted and rejected traces alike: a model that has seen only chosen traces can't tell what a bad one looks
like. `accepted` is `correct`, or what `accepted_where` says; the targets stay in `rv` and `cd`, 0-9. Rows without
either are dropped.
"""

from __future__ import annotations

import polars as pl

from dqdata.columns import MESSAGES, NUMBERS, Columns, key_of
from dqdata.expressions import check_condition
from dqdata.operator import Batch, BatchOperator, Params, Schema, SqlExpression
from dqdata.thinking import TAGS
from dqdata_operators.format._chats import chat, thinking, turn


class RewardRowsParams(Params):
    targets: tuple[str, ...] = ("rv", "cd")
    """Columns with the numbers to predict; a row without any of them is dropped."""
    accepted_where: SqlExpression = "correct"
    """Condition of an accepted trace; null counts as rejected."""
    tags: tuple[str, str] = TAGS
    """Around the thinking."""


class RewardRows(BatchOperator[RewardRowsParams]):
    """Makes chats with RV and CD as regression targets, from accepted and rejected traces."""

    name = "reward_rows"
    Params = RewardRowsParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in ("question", "reasoning", "response"):
            have.require(name, "VARCHAR")
        for name in self.params.targets:
            have.require(name, *NUMBERS)
        check_condition(self.params.accepted_where, have, "accepted_where")
        return have.add(messages=MESSAGES, accepted="BOOLEAN")

    def process(self, batch: pl.DataFrame) -> Batch:
        from dqdata.sql import connection

        con = connection()
        con.register("reward_rows_batch", batch.to_arrow())
        try:
            accepted = con.sql(
                f"select coalesce(({self.params.accepted_where}), false) as a from reward_rows_batch"
            ).pl()
        finally:
            con.unregister("reward_rows_batch")
        assistant = thinking(self.params.tags)
        rows = batch.with_columns(
            accepted["a"].alias("accepted"),
            messages=chat(turn("user", pl.col("question").str.strip_chars()), turn("assistant", assistant)),
        )
        graded = pl.any_horizontal(pl.col(name).is_not_null() for name in self.params.targets)
        worded = (pl.col("question").fill_null("").str.strip_chars() != "") & (assistant != "")
        fit = (graded & worded).fill_null(False)
        reason = pl.when(graded).then(pl.lit("no_text")).otherwise(pl.lit("not_graded"))
        gone = batch.filter(~fit).select(
            key_of(batch.columns), reason=reason, detail=pl.lit("needs a question, a trace and a target")
        )
        return Batch(rows.filter(fit), gone if gone.height else None)

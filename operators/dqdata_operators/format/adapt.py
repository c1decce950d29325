"""Selects for each problem whether the student answers directly, thinks briefly, or thinks at length.

    { op = "adapt", by = "cd", at = [2, 5], short_tokens = 1000, form = "empty" }

    problem_id | cd | tokens  ->  mode  | messages
    p1         |  1 |     90      none  | user: .., assistant: <think>\\n\\n</think>\\n\\nIt is 4.
    p2         |  4 |   4200      (dropped: too_long, p2 is to be thought over briefly)
    p3         |  8 |   4200      long  | user: .., assistant: <think>\\n...\\n</think>\\n\\n...

The difficulty of a problem is the median over its rows, so that all its traces teach one mode. form = "empty" puts
empty think tags where there is no thinking; "switch" also ends the user's turn in `switches`, such as /no_think, so
that the mode can be requested; "plain" writes the response alone. What cannot teach its mode is dropped: a trace
longer than `short_tokens` where short thinking is wanted, one without reasoning where any is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import MESSAGES, NUMBERS, Columns, is_number
from dqdata.errors import ColumnError
from dqdata.expressions import check_value
from dqdata.operator import Decisions, Params, Run, Schema, SqlExpression, Table, TableOperator
from dqdata.sql import literal, quoted
from dqdata.thinking import TAGS
from dqdata_operators.format._chats import chat, thinking, turn
from dqdata_operators.lib.asking.one_judge import check_one_judge

MODES = ("none", "short", "long")


class AdaptParams(Params):
    by: SqlExpression = "cd"
    """Number that grows with difficulty."""
    at: tuple[float, float] = (2.0, 5.0)
    """Below the first: no thinking. Below the second: short."""
    short_tokens: int = Field(1000, ge=1)
    """Longest trace that teaches short thinking."""
    tokens: str = "tokens"
    """Column with the length of a trace, as `length` makes it."""
    form: Literal["empty", "switch", "plain"] = "empty"
    """How a chat without thinking looks: empty tags, empty tags and a switch, or the response alone."""
    switches: tuple[str, str] = ("/no_think", "/think")
    """Ends of the user's turn that ask for no thinking and for thinking, for form = "switch"."""
    tags: tuple[str, str] = TAGS
    """Around the thinking."""
    system: str | None = None
    """System message of every chat; none where not given."""
    mix_judges: bool = False
    """Compare rows that different judges graded."""

    @model_validator(mode="after")
    def _rising(self) -> AdaptParams:
        if self.at[1] <= self.at[0]:
            raise ValueError(f"at = {list(self.at)} must rise")
        return self


class Adapt(TableOperator[AdaptParams]):
    """Chooses no, short or long thinking per problem by its difficulty and writes the matching chat."""

    name = "adapt"
    Params = AdaptParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in ("problem_id", "question", "reasoning", "response"):
            have.require(name, "VARCHAR")
        have.require(self.params.tokens, *NUMBERS)
        kind = check_value(self.params.by, have, "by")
        if not is_number(kind):
            raise ColumnError(f"by = {self.params.by!r} is {kind}, not a number")
        return have.add(mode="VARCHAR", messages=MESSAGES)

    def process(self, table: Table, run: Run) -> Decisions:
        low, high = self.params.at
        modes, dropped = run.scratch / "modes.parquet", run.scratch / "unfit.parquet"
        key = quoted(table.key)
        with table.connect() as con:
            check_one_judge(con, table.columns, "cd", "graded_by", allowed=self.params.mix_judges)
            con.execute(
                f"""create temp table decided as
                    with hard as (
                        select problem_id, median(({self.params.by})::double) as difficulty from rows group by 1
                    ), moded as (
                        select {key} as row_key, difficulty, case when difficulty < {low} then 'none'
                            when difficulty < {high} then 'short' when difficulty is not null then 'long' end as mode,
                            trim(coalesce(reasoning, '')) as thought, trim(coalesce(response, '')) as said,
                            trim(coalesce(question, '')) as asked, {quoted(self.params.tokens)} as tokens
                        from rows join hard using (problem_id)
                    )
                    select row_key, mode, difficulty, tokens, case when mode is null then 'no_difficulty'
                        when asked = '' then 'no_question' when said = '' then 'no_response'
                        when mode <> 'none' and thought = '' then 'no_reasoning'
                        when mode = 'short' and tokens is null then 'no_length'
                        when mode = 'short' and tokens > {self.params.short_tokens} then 'too_long' end as reason
                    from moded"""
            )
            for mode, kept in con.execute(
                "select mode, count(*) from decided where reason is null group by 1 order by 1"
            ).fetchall():
                run.log(f"{mode}: {kept} rows")
            con.execute(
                f"""copy (select row_key as {key}, reason, json_object('mode', mode, 'difficulty', difficulty,
                    'tokens', tokens)::varchar as detail from decided where reason is not null)
                    to {literal(str(dropped))}"""
            )
            con.execute(
                f"copy (select row_key as {key}, mode from decided where reason is null) to {literal(str(modes))}"
            )
        chats = [
            self._write(frame, pl.scan_parquet(modes), run, table.key, number)
            for number, frame in enumerate(self._frames(table))
        ]
        return Decisions(pl.scan_parquet(dropped), pl.scan_parquet(chats))

    def _frames(self, table: Table) -> Iterator[pl.DataFrame]:
        yield from table.batches([table.key, "question", "reasoning", "response"])

    def _write(self, frame: pl.DataFrame, modes: pl.LazyFrame, run: Run, key: str, number: int) -> str:
        """Key, mode and chat of the rows of a batch that stay, into a file."""
        user = pl.col("question").str.strip_chars()
        if self.params.form == "switch":
            off, on = self.params.switches
            word = pl.when(pl.col("mode") == "none").then(pl.lit(off)).otherwise(pl.lit(on))
            user = pl.concat_str(user, word, separator=" ")
        said = pl.col("response").str.strip_chars()
        opening, closing = self.params.tags
        empty = said if self.params.form == "plain" else pl.concat_str(pl.lit(f"{opening}\n\n{closing}\n\n"), said)
        answer = pl.when(pl.col("mode") == "none").then(empty).otherwise(thinking(self.params.tags))
        system = [] if self.params.system is None else [turn("system", pl.lit(self.params.system))]
        rows = frame.lazy().join(modes, on=key, how="inner")
        path = run.scratch / f"chats-{number:06}.parquet"
        made = chat(*system, turn("user", user), turn("assistant", answer))
        rows.select(key, "mode", messages=made).sink_parquet(path)
        return str(path)

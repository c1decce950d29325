"""Makes preference pairs of a strong trace over a weak one of the same problem (delta learning, arXiv 2507.06187).

    { op = "delta_pairs", strong = "teacher = 'r1'", weak = "teacher = 'smollm2-135m'", k = 1 }

    chosen               | rejected                 | gap   | beta
    a trace of the strong  a trace of the weak one    delta    0.1

What is learnt is the difference between the two: neither needs to be verified. `where` leaves out traces that may be on
no side, such as cut ones. Traces are drawn by the seed, each is in one pair, and two that say the same are in none.
`parent_ids` are the two traces; their teachers are chosen_teacher and rejected_teacher. Rows in no pair are dropped as
`unpaired`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import polars as pl
from pydantic import Field

from dqdata.columns import MESSAGES, Columns
from dqdata.expressions import check_condition
from dqdata.operator import NewRows, Params, Run, Schema, SqlExpression, Table, TableOperator
from dqdata.sql import literal, quoted
from dqdata.thinking import TAGS
from dqdata_operators.format._chats import chat, thinking, turn

if TYPE_CHECKING:
    import duckdb

KEPT = ("domain", "source", "level", "difficulty")
"""Columns of the problem that a pair keeps where they are there."""
ROWS_AT_ONCE = 2000


class DeltaPairsParams(Params):
    strong: SqlExpression
    """Condition of a trace that may be chosen."""
    weak: SqlExpression
    """Condition of a trace that may be rejected."""
    where: SqlExpression | None = None
    """Condition of any trace that may be in a pair."""
    k: int = Field(1, ge=1)
    """Pairs of a problem."""
    beta: float = Field(0.1, gt=0)
    """DPO's beta of each pair."""
    system: str | None = None
    """System message of every chat; none where not given."""
    tags: tuple[str, str] = TAGS
    """Around the thinking."""
    seed: int | None = None
    """The pipeline's own where not given."""


class DeltaPairs(TableOperator[DeltaPairsParams]):
    """Makes preference pairs of a strong trace over a weak one of the same problem."""

    name = "delta_pairs"
    Params = DeltaPairsParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in ("problem_id", "trace_id", "question", "reasoning", "response"):
            have.require(name, "VARCHAR")
        for name in ("strong", "weak", "where"):
            if (condition := getattr(self.params, name)) is not None:
                check_condition(condition, have, name)
        kept = {name: have[name] for name in KEPT if name in have}
        made = {"pair_id": "VARCHAR", "problem_id": "VARCHAR", **kept, "gap": "VARCHAR", "beta": "DOUBLE"}
        if "teacher" in have:
            made |= {"chosen_teacher": have["teacher"], "rejected_teacher": have["teacher"]}
        return Columns(
            {**made, "parent_ids": "VARCHAR[]", "prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES}
        )

    def process(self, table: Table, run: Run) -> NewRows:
        seed = run.seed if self.params.seed is None else self.params.seed
        con = table.connect()
        says = r"md5(trim(regexp_replace(coalesce(reasoning, '') || ' ' || coalesce(response, ''), '\s+', ' ', 'g')))"
        fit = f"coalesce(({self.params.where or 'true'}), false) and trim(coalesce(question, '')) <> ''"
        sides = f"coalesce(({self.params.strong}), false) as strong, coalesce(({self.params.weak}), false) as weak"
        con.execute(
            f"""create temp table sides as select trace_id, problem_id, {says} as said, {sides},
                    md5('{seed}:' || trace_id) as drawn
                from rows where {fit} and trim(coalesce(response, '')) <> ''"""
        )
        con.execute(
            f"""create temp table paired as
                with one as (select *, row_number() over (partition by problem_id order by drawn, trace_id) as place
                    from (from sides where strong and not weak
                        qualify row_number() over (partition by problem_id, said order by drawn, trace_id) = 1)),
                other as (select *, row_number() over (partition by problem_id order by drawn, trace_id) as place
                    from (from sides s where weak and not strong and not exists
                        (from sides t where t.problem_id = s.problem_id and t.said = s.said and t.strong)
                        qualify row_number() over (partition by problem_id, said order by drawn, trace_id) = 1))
                select one.trace_id as chosen, other.trace_id as rejected from one join other using (problem_id, place)
                where place <= {self.params.k}"""
        )
        [made] = con.execute("select count(*) from paired").fetchall()[0]
        run.log(f"{made} pairs")
        dropped = run.scratch / "unpaired.parquet"
        con.execute(
            f"""copy (select trace_id, 'unpaired' as reason, case when s.trace_id is null then 'not eligible'
                    when strong and weak then 'both strong and weak' when not strong and not weak then 'on no side'
                    else 'no trace of the other side is left' end as detail
                from rows r left join sides s using (trace_id)
                where trace_id not in (select unnest([chosen, rejected]) from paired)) to {literal(str(dropped))}"""
        )
        return NewRows(self._rows(con, table.columns), pl.scan_parquet(dropped))

    def _rows(self, con: duckdb.DuckDBPyConnection, have: Columns) -> Iterator[pl.DataFrame]:
        kept = [name for name in KEPT if name in have]
        teachers = ["chosen_teacher", "rejected_teacher"] if "teacher" in have else []
        more = "".join(f", c.{quoted(name)}" for name in kept)
        more += ", c.teacher as chosen_teacher, r.teacher as rejected_teacher" if teachers else ""
        prompt = [] if self.params.system is None else [turn("system", pl.lit(self.params.system))]
        with closing(con):
            reader = con.execute(
                f"""select c.problem_id, c.question{more}, [chosen, rejected] as parent_ids,
                        c.reasoning as good_reasoning, c.response as good_response,
                        r.reasoning as bad_reasoning, r.response as bad_response
                    from paired join rows c on c.trace_id = chosen join rows r on r.trace_id = rejected
                    order by c.problem_id, chosen"""
            ).to_arrow_reader(ROWS_AT_ONCE)
            for batch in reader:
                yield pl.DataFrame(pl.from_arrow(batch)).select(
                    pl.lit(None, pl.String).alias("pair_id"),
                    *("problem_id", *kept),
                    pl.lit("delta").alias("gap"),
                    pl.lit(self.params.beta).alias("beta"),
                    *(*teachers, "parent_ids"),
                    prompt=chat(*prompt, turn("user", pl.col("question").str.strip_chars())),
                    chosen=chat(turn("assistant", thinking(self.params.tags, "good_reasoning", "good_response"))),
                    rejected=chat(turn("assistant", thinking(self.params.tags, "bad_reasoning", "bad_response"))),
                )

"""Assigns problems to stages by difficulty, with overlap between neighbouring stages and replay of earlier ones.

    { op = "curriculum", by = "cd", stages = 3, overlap = 0.1, replay = 0.05 }

    problem_id | cd  ->  difficulty | stage | stages
    p1         |  1             1.0 |     1 | [1]
    p2         |  4             4.0 |     1 | [1, 2]        (among the hardest tenth of stage 1)
    p3         |  5             5.0 |     2 | [2, 3]        (drawn for replay)

The difficulty of a problem is the median over its rows; all its rows share a stage. `by` grows with difficulty: for a
pass rate write by = "-pass_rate". Without `at`, stages hold equal numbers of problems. A stage's rows are
`select * from x where list_contains(stages, 2)`: no row is copied.
"""

from __future__ import annotations

from itertools import pairwise

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import Columns, is_number
from dqdata.errors import ColumnError
from dqdata.expressions import check_value
from dqdata.operator import Decisions, Params, Run, Schema, SqlExpression, Table, TableOperator
from dqdata.sql import literal, quoted
from dqdata_operators.lib.asking.one_judge import check_one_judge


class CurriculumParams(Params):
    by: SqlExpression = "cd"
    """Number that grows with difficulty."""
    stages: int = Field(3, ge=1, le=100)
    """Number of stages; 1 is the easiest."""
    at: tuple[float, ...] = ()
    """Thresholds between stages, instead of equal numbers; one less than stages."""
    overlap: float = Field(0.0, ge=0, le=1)
    """Share of each stage, the hardest problems of it, that the next stage sees again."""
    replay: float = Field(0.0, ge=0, le=1)
    """Share of all problems of earlier stages that each later stage sees again."""
    seed: int | None = None
    """The pipeline's own where not given."""
    mix_judges: bool = False
    """Order rows that different judges graded."""

    @model_validator(mode="after")
    def _thresholds(self) -> CurriculumParams:
        if self.at and len(self.at) != self.stages - 1:
            raise ValueError(f"{self.stages} stages need {self.stages - 1} thresholds, `at` has {len(self.at)}")
        if any(high <= low for low, high in pairwise(self.at)):
            raise ValueError(f"at = {list(self.at)} must rise")
        return self


class Curriculum(TableOperator[CurriculumParams]):
    """Assigns stages of training by difficulty, with overlap and replay."""

    name = "curriculum"
    Params = CurriculumParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id")
        kind = check_value(self.params.by, have, "by")
        if not is_number(kind):
            raise ColumnError(f"by = {self.params.by!r} is {kind}, not a number")
        return have.add(difficulty="DOUBLE", stage="BIGINT", stages="BIGINT[]")

    def process(self, table: Table, run: Run) -> Decisions:
        params, key = self.params, quoted(table.key)
        seed = run.seed if params.seed is None else params.seed
        marks = "".join(f" when difficulty < {mark} then {stage}" for stage, mark in enumerate(params.at, 1))
        stage = f"case{marks} else {params.stages} end" if marks else f"ntile({params.stages}) over ({_ORDER})"
        draw = (
            f"(md5_number_lower({literal(f'{seed}:')} || problem_id || ':' || later) >> 11)::double / 9007199254740992"
        )
        dropped, added = run.scratch / "unstaged.parquet", run.scratch / "staged.parquet"
        with table.connect() as con:
            check_one_judge(con, table.columns, "cd", "graded_by", allowed=params.mix_judges)
            con.execute(
                f"""create temp table problems as
                    with measured as (
                        select problem_id, median(({params.by})::double) as difficulty from rows group by problem_id
                    ), staged as (
                        select *, ({stage})::bigint as stage from measured where difficulty is not null
                    )
                    select *, 1 - percent_rank() over (partition by stage {_ORDER}) as from_top,
                        count(*) over (partition by stage) as n
                    from staged"""
            )
            con.execute(
                f"""create temp table seen as
                    select problem_id, difficulty, stage, list_sort(list_distinct(list_concat([stage], list_filter(
                        range(stage + 1, {params.stages + 1}), lambda later:
                        (later = stage + 1 and from_top < {params.overlap}) or {draw} < {params.replay}
                    )))) as stages from problems"""
            )
            for number, home, again in con.execute(
                f"""select number, count(*) filter (stage = number), count(*) filter (stage < number)
                    from range(1, {params.stages + 1}) as all_stages(number) left join seen
                        on list_contains(stages, number) group by number order by number"""
            ).fetchall():
                run.log(f"stage {number}: {home} problems, {again} again from earlier stages")
            con.execute(
                f"""copy (select {key}, 'no_difficulty' as reason, {literal(params.by + " is null")} as detail from rows
                    where problem_id not in (select problem_id from seen)) to {literal(str(dropped))}"""
            )
            con.execute(
                f"""copy (select {key}, seen.difficulty, seen.stage, seen.stages from rows
                    join seen on rows.problem_id = seen.problem_id) to {literal(str(added))}"""
            )
        return Decisions(pl.scan_parquet(dropped), pl.scan_parquet(added))


_ORDER = "order by difficulty, problem_id"

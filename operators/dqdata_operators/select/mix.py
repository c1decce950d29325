"""Selects traces for a student: difficulty within its limit, fitting verbosity, shares of bins and domains.

    { op = "mix", cd_limit = 6, beta = 0.5, per_problem = 2, rows = 20000, bins = [{ cd = [0, 3], share = 0.3 },
      { cd = [3, 7], share = 0.7 }], domains = { math = 0.7, code = 0.3 } }

    problem_id | trace_id | cd | rv    ->  dropped or kept
    p1         | t1       |  1 |  8        dropped: per_problem (rv is 6 from the target for cd 1)
    p1         | t2       |  1 |  2        stays, mix_bin "0-3", rv_target 2.0
    p2         | t3       |  8 |  8        dropped: cd_limit

cd_limit = { pass_rate = "pass_rate", at_least = 0.1 } takes the limit from what the student can solve: problems are
grouped by the median CD of their traces, rounded, and the limit is the last CD, from the easiest upwards, whose
problems have a mean pass rate of `at_least`.

Traces are drawn without replacement, P(j) proportional to exp(-beta * |RV_j - RV*(CD_j)|): first the best draws of
each problem, then those of each cell of bin and domain up to its quota, in rows or in tokens. beta = 0 draws evenly, a
large one takes the nearest. RV*(CD) runs in straight lines through `rv_target`. Draws come from a hash of seed and key,
so the order of the rows changes nothing. Supply and take of each cell are logged; the rows that go name theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import NUMBERS, Columns
from dqdata.errors import ColumnError, DataError
from dqdata.operator import Decisions, Params, Run, Schema, Table, TableOperator
from dqdata.sql import literal, quoted
from dqdata.verbosity import USUAL, Points, VerbosityTarget
from dqdata_operators.lib.asking.one_judge import check_one_judge
from dqdata_operators.select._quotas import quotas, take

if TYPE_CHECKING:
    import duckdb


class Bin(Params):
    cd: tuple[float, float]
    """From the first, up to but without the second; up to 9 holds 9 itself."""
    share: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _rising(self) -> Bin:
        if self.cd[0] >= self.cd[1]:
            raise ValueError(f"cd = {list(self.cd)} holds nothing")
        return self

    @property
    def label(self) -> str:
        return f"{self.cd[0]:g}-{self.cd[1]:g}"

    @property
    def end(self) -> float:
        return 9.0001 if self.cd[1] == 9 else self.cd[1]


class StudentLimit(Params):
    """The highest difficulty at which the student still solves some problems."""

    pass_rate: str = "pass_rate"
    """Column with the student's pass rate on the problem, as the operator pass_rate makes it."""
    at_least: float = Field(0.1, gt=0, le=1)
    """Mean pass rate of the problems of a difficulty that the student can follow."""


class MixParams(Params):
    cd: str = "cd"
    """Column with the difficulty, 0 to 9."""
    rv: str = "rv"
    """Column with the verbosity, 0 to 9."""
    cd_limit: float | StudentLimit | None = None
    """Difficulty that the student can follow; traces above it go. A table derives it from the student's pass rates."""
    rv_target: Points = USUAL
    """Points (CD, RV) that RV*(CD) runs through."""
    beta: float = Field(0.5, ge=0)
    """Sharpness of the choice toward the target."""
    per_problem: int | None = Field(None, ge=1)
    """Traces of one problem at most."""
    bins: tuple[Bin, ...] = ()
    """Ranges of CD and their shares; a trace in none of them is dropped."""
    domains: Mapping[str, float] = {}
    """Shares by `domain_column`, within each bin; a trace of another domain is dropped."""
    domain_column: str = "domain"
    """Column that `domains` speaks of."""
    rows: int | None = Field(None, ge=1)
    """Rows in all. Without rows and tokens: as many as the shares allow."""
    tokens: int | None = Field(None, ge=1)
    """Tokens in all, by `tokens_column`."""
    tokens_column: str = "tokens"
    """Column with the length of a trace, for `tokens`."""
    seed: int | None = None
    """The pipeline's own where not given."""
    mix_judges: bool = False
    """Take rows that different judges graded."""

    @model_validator(mode="after")
    def _consistent(self) -> MixParams:
        VerbosityTarget(self.rv_target)
        ordered = sorted(self.bins, key=lambda one: one.cd)
        for left, right in pairwise(ordered):
            if right.cd[0] < left.end:
                raise ValueError(f"bins {left.label} and {right.label} overlap")
        for name, shares in (("bins", [one.share for one in self.bins]), ("domains", [*self.domains.values()])):
            if shares and (sum(shares) <= 0 or min(shares) < 0):
                raise ValueError(f"`{name}` needs shares that add up to more than 0")
        choosing = (self.cd_limit, self.per_problem, self.rows, self.tokens, self.bins or None, self.domains or None)
        if all(value is None for value in choosing):
            raise ValueError("nothing to choose by: give cd_limit, per_problem, bins, domains, rows or tokens")
        return self


class Mix(TableOperator[MixParams]):
    """Chooses traces by difficulty, fitting verbosity, shares and budgets; reports supply and take."""

    name = "mix"
    Params = MixParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id").require(self.params.cd, *NUMBERS).require(self.params.rv, *NUMBERS)
        if isinstance(self.params.cd_limit, StudentLimit):
            have.require(self.params.cd_limit.pass_rate, *NUMBERS)
        if self.params.domains:
            have.require(self.params.domain_column, "VARCHAR")
        if self.params.tokens is not None:
            have.require(self.params.tokens_column, *NUMBERS)
        if have.key == "problem_id":
            raise ColumnError("chooses among traces, and these rows have no trace_id")
        return have.add(mix_bin="VARCHAR", rv_target="DOUBLE")

    def process(self, table: Table, run: Run) -> Decisions:
        seed = run.seed if self.params.seed is None else self.params.seed
        key = quoted(table.key)
        dropped, added = run.scratch / "not_mixed.parquet", run.scratch / "mixed.parquet"
        with table.connect() as con:
            check_one_judge(con, table.columns, "cd", "graded_by", allowed=self.params.mix_judges)
            limit = self._limit(con, run)
            con.execute(f"create temp table drawn as {self._drawn(table.key, seed, limit)}")
            cells = self._cells(con)
            con.execute("create temp table cells (cell varchar, quota bigint, budget double, report varchar)")
            for name, cell in cells.items():
                con.execute(
                    "insert into cells values (?, ?, ?, ?)", [name, cell["quota"], cell["tokens"], json.dumps(cell)]
                )
            con.execute(
                """create temp table chosen as select drawn.*, quota, budget, report,
                    row_number() over by_score as place, sum(tokens) over by_score as used
                    from drawn left join cells using (cell)
                    window by_score as (partition by cell, reason is null order by score desc, row_key
                                        rows unbounded preceding)"""
            )
            con.execute("update chosen set reason = 'quota' where reason is null and place > quota")
            con.execute("update chosen set reason = 'token_budget' where reason is null and used > budget")
            taken = dict(con.execute("select cell, count(*) from chosen where reason is null group by cell").fetchall())
            for name, cell in cells.items():
                run.log(f"{name}: {_counts(cell, taken.get(name, 0))}")
            con.execute(
                f"""copy (select row_key as {key}, reason, json_object('cell', cell, 'place', place, 'cd', cd, 'rv', rv,
                    'rv_target', target, 'supply', report::json)::varchar as detail
                    from chosen where reason is not null) to {literal(str(dropped))}"""
            )
            con.execute(
                f"""copy (select row_key as {key}, bin as mix_bin, target as rv_target from chosen where reason is null)
                    to {literal(str(added))}"""
            )
        return Decisions(pl.scan_parquet(dropped), pl.scan_parquet(added))

    def _limit(self, con: duckdb.DuckDBPyConnection, run: Run) -> float | None:
        """Highest difficulty of a trace that stays; None where all do. Raises DataError where no problem has a pass
        rate, or the student solves too few of the easiest."""
        derived = self.params.cd_limit
        if not isinstance(derived, StudentLimit):
            return derived
        rates = con.execute(
            f"""with problems as (
                    select problem_id, round(median({quoted(self.params.cd)}::double)) as level,
                        max({quoted(derived.pass_rate)}::double) as rate
                    from rows group by problem_id
                )
                select level, avg(rate), count(*) from problems where level is not null and rate is not null
                group by level order by level"""
        ).fetchall()
        followed = list(takewhile(lambda one: one[1] >= derived.at_least, rates))
        shown = ", ".join(f"{level:g}: {rate:.0%} of {count}" for level, rate, count in rates)
        if not followed:
            raise DataError(
                f"cd_limit: no difficulty has a mean {derived.pass_rate} of {derived.at_least:g} or more from the "
                f"easiest upwards ({shown or 'no row has both'}): take a lower `at_least`, easier problems, or a number"
            )
        if len(followed) == len(rates):
            run.log(f"cd_limit none: the student solves enough at every difficulty ({shown})")
            return None
        limit = float(followed[-1][0])
        run.log(f"cd_limit {limit:g}: mean {derived.pass_rate} by difficulty {shown}")
        return limit + 0.5

    def _drawn(self, key: str, seed: int, most: float | None) -> str:
        """Query: every row with its target, score and cell, or the reason why it can't be chosen. The score is the log
        weight plus Gumbel noise: the highest k of it are a draw of k without replacement in these proportions."""
        params = self.params
        target = VerbosityTarget(params.rv_target).sql("cd")
        tokens = quoted(params.tokens_column) if params.tokens is not None else "0"
        domain = quoted(params.domain_column) if params.domains else "null"
        unknown = ", ".join(literal(name) for name in params.domains)
        bins = "".join(f" when cd >= {one.cd[0]} and cd < {one.end} then {literal(one.label)}" for one in params.bins)
        limit = "false" if most is None else f"cd > {most}"
        no_domain = f"domain is null or domain not in ({unknown})" if unknown else "false"
        return f"""
            with given as (
                select {quoted(key)} as row_key, problem_id, {quoted(params.cd)}::double as cd,
                    {quoted(params.rv)}::double as rv, {domain} as domain, {tokens}::double as tokens,
                    ((md5_number_lower({literal(f"{seed}:")} || {quoted(key)}) >> 11)::double + 0.5)
                        / 9007199254740992 as u
                from rows
            ), aimed as (
                select *, {target} as target, {f"case{bins} end" if bins else "'all'"} as bin
                from given
            ), scored as (
                select *, -{params.beta} * abs(rv - target) - ln(-ln(u)) as score,
                    case when cd is null or rv is null then 'not_graded' when {limit} then 'cd_limit'
                         when bin is null then 'no_bin' when {no_domain} then 'no_domain'
                         when tokens is null then 'no_length' end as reason
                from aimed
            ), ranked as (
                select *, row_number() over (
                    partition by problem_id, reason is null order by score desc, row_key) as nth
                from scored
            )
            select row_key, cd, rv, target, bin, tokens, score,
                bin || coalesce(' ' || domain, '') as cell,
                coalesce(reason, case when nth > {params.per_problem or "1e18"} then 'per_problem' end) as reason
            from ranked
        """

    def _cells(self, con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
        """Supply, quota and token budget of every cell."""
        found = con.execute(
            "select cell, count(*), sum(tokens) from drawn where reason is null group by cell"
        ).fetchall()
        supply: dict[str, tuple[int, float]] = {cell: (rows, tokens) for cell, rows, tokens in found}
        bins = {one.label: one.share for one in self.params.bins} or {"all": 1.0}
        domains = {f" {name}": share for name, share in self.params.domains.items()} or {"": 1.0}
        shares = {
            label + name: a / sum(bins.values()) * b / sum(domains.values())
            for label, a in bins.items()
            for name, b in domains.items()
        }
        rows = {cell: supply.get(cell, (0, 0.0))[0] for cell in shares}
        if self.params.rows is not None:
            wanted = quotas(shares, self.params.rows)
        elif self.params.tokens is not None or len(shares) == 1:
            wanted = rows
        else:
            wanted = take(rows, shares)
        budget = self.params.tokens
        return {
            cell: {
                "rows": rows[cell],
                "quota": wanted[cell],
                "tokens": None if budget is None else budget * share,
            }
            for cell, share in shares.items()
        }


def _counts(cell: dict[str, Any], taken: int) -> str:
    tokens = "" if cell["tokens"] is None else f" within {cell['tokens']:.0f} tokens"
    short = max(0, cell["quota"] - cell["rows"])
    return f"supply {cell['rows']}, take {taken}{tokens}" + (f", {short} short of the quota" if short else "")

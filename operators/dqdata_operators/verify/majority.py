"""Fills a missing reference answer with the answer of most traces of the problem.

    { op = "majority", at_least = 3, share = 0.5 }

    problem_id | answer | response         ->  answer | answer_votes | answer_of | answer_source
    p1         |        | So \\boxed{12}.       12     |            3 |         4 | majority
    p1         |        | It is 12.0.          12     |            3 |         4 | majority
    p2         | 7      | \\boxed{8}            7      |              |           | reference

Answers are taken from the responses as verify_math takes them; numbers agree by value (12, 12.0, 24/2), other answers
by their notation. A problem where fewer than `at_least` traces, or no more than `share` of them, agree is dropped, with
the votes in the detail. A trace without a final answer votes for none and counts; words that merely stand in the last
line are no final answer, a number there is. Run `verify_math` afterwards: it marks the traces that disagree.
"""

from __future__ import annotations

import json

import polars as pl
from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Decisions, Params, Run, Schema, Table, TableOperator
from dqdata.sql import literal as sql_text
from dqdata.sql import quoted
from dqdata_operators.lib.maths import extract
from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.numbers import literal


class MajorityParams(Params):
    at_least: int = Field(3, ge=2)
    """Traces that must agree."""
    share: float = Field(0.5, ge=0, lt=1)
    """Share of a problem's traces that must be exceeded."""
    answer: str = "answer"
    """Column with the reference answer, filled where it is empty."""
    response: str = "response"
    """Column with the text whose final answer votes."""


class Majority(TableOperator[MajorityParams]):
    """Gives problems without a reference the answer that most of their traces agree on."""

    name = "majority"
    Params = MajorityParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id").require("trace_id").require(self.params.answer, "VARCHAR")
        have.require(self.params.response, "VARCHAR")
        return have.add(answer_votes="BIGINT", answer_of="BIGINT", answer_source="VARCHAR")

    def process(self, table: Table, run: Run) -> Decisions:
        key, answer = quoted(table.key), quoted(self.params.answer)
        votes = run.scratch / "votes"
        votes.mkdir(exist_ok=True)
        columns = [table.key, "problem_id", self.params.answer, self.params.response]
        for number, batch in enumerate(table.batches(columns)):
            open_ = batch.filter(pl.col(self.params.answer).fill_null("").str.strip_chars() == "")
            said = [vote(text) for text in open_[self.params.response]]
            pl.DataFrame(
                {
                    "problem": open_["problem_id"],
                    "row_key": open_[table.key],
                    "class": pl.Series([one and one[0] for one in said], dtype=pl.String),
                    "text": pl.Series([one and one[1] for one in said], dtype=pl.String),
                }
            ).write_parquet(votes / f"{number:06}.parquet")
        dropped, added = run.scratch / "no_majority.parquet", run.scratch / "majority.parquet"
        with table.connect() as con:
            con.execute(
                f"""create temp table winners as
                    with counted as (
                        select problem, class, count(*) as n, min(text) as text
                        from read_parquet({sql_text(str(votes / "*.parquet"))}) group by problem, class
                    ), ranked as (
                        select problem, class, n, text, sum(n) over (partition by problem) as whole,
                            row_number() over (partition by problem order by class is null, n desc, class) as place,
                            count(*) filter (class is not null) over (partition by problem, n) as tied
                        from counted
                    )
                    select problem, text, n, whole, class is not null and tied = 1 and n >= {self.params.at_least}
                        and n > {self.params.share} * whole as won
                    from ranked where place = 1"""
            )
            totals = con.execute("select count(*) filter (won), count(*) from winners").fetchone() or (0, 0)
            run.log(f"{totals[0]} of {totals[1]} problems without a reference have a majority")
            con.execute(
                f"""copy (select {key}, 'no_majority' as reason,
                        json_object('most', text, 'votes', n, 'of', whole)::varchar as detail
                    from rows join winners on problem_id = problem
                    where not won and trim(coalesce({answer}, '')) = '') to {sql_text(str(dropped))}"""
            )
            con.execute(
                f"""copy (select {key}, case when missing then text else answer end as {answer},
                        case when missing then n end as answer_votes, case when missing then whole end as answer_of,
                        case when missing then 'majority' else 'reference' end as answer_source
                    from (select {key}, {answer} as answer, problem_id, trim(coalesce({answer}, '')) = '' as missing
                        from rows) left join winners on problem_id = problem
                    where not missing or won) to {sql_text(str(added))}"""
            )
        return Decisions(pl.scan_parquet(dropped), pl.scan_parquet(added))


def vote(response: str | None) -> tuple[str, str] | None:
    """(class of equal answers, the answer as written), or None where the response has no final answer.

    >>> vote("So it is \\\\boxed{24/2}.")
    ('=12', '24/2')
    """
    found = extract(response) if response else None
    if found is None:
        return None
    number = literal(found.text)
    if number is None and found.place == "line":
        return None
    same = f"={number.value}" if number is not None else " ".join(normalise(found.text).casefold().split())
    return json.dumps(same)[1:-1] if not same.isprintable() else same, found.text

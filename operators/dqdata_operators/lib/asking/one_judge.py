"""Refuses to compare scores of different judges unless that is allowed, since their scales differ.

with table.connect() as con:
    check_one_judge(con, table.columns, "cd", "graded_by", allowed=self.params.mix_judges)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqdata.columns import Columns
from dqdata.errors import DataError
from dqdata.sql import quoted

if TYPE_CHECKING:
    import duckdb


def check_one_judge(con: duckdb.DuckDBPyConnection, have: Columns, score: str, judge: str, *, allowed: bool) -> None:
    """Raises DataError where the scores in one column come from several judges, named in the other. Scores without a
    name count as one judge more."""
    if allowed or judge not in have or score not in have:
        return
    query = f"""select coalesce({quoted(judge)}, '(no name)'), count(*) from rows where {quoted(score)} is not null
        group by 1 order by 2 desc, 1"""
    judges = con.execute(query).fetchall()
    if len(judges) > 1:
        listed = ", ".join(f"{name}: {rows} rows" for name, rows in judges[:5])
        raise DataError(
            f"{score!r} was given by {len(judges)} judges ({listed}), whose scores aren't on one scale; have all rows "
            "judged by one, select one in `from`, or say mix_judges = true"
        )

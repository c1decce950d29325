"""Evaluates the checks of a pipeline over the files of its result.

    for one in evaluate(pipeline.checks, rows, rejects, columns, memory=1 << 30):
        one.name, one.passed, one.wrong

A check that can't be evaluated, such as by a division that overflows, has failed, with the reason as its detail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dqdata.columns import REJECTS, Columns
from dqdata.database import connect
from dqdata.project.assertions import REJECTED, RESULT, CheckSpec
from dqdata.sql import check_select, read_parquet

if TYPE_CHECKING:
    import duckdb

    from dqdata.catalog import Store

DETAIL = 300
"""Characters of an example."""


@dataclass(frozen=True)
class CheckOutcome:
    """wrong: how many rows, or values of the expression, break the check; None where it could not be evaluated.
    detail: the first of them, or why it could not be evaluated."""

    name: str
    severity: str
    sql: str
    passed: bool
    wrong: int | None
    detail: str

    @property
    def holds_back(self) -> bool:
        """Whether the version must not become `@latest`."""
        return self.severity == "error" and not self.passed

    @property
    def text(self) -> str:
        """One line for people."""
        what = "could not be evaluated" if self.wrong is None else f"{self.wrong:,} wrong" if self.wrong else ""
        return f"{self.name} ({self.severity}): {what}{f', such as {self.detail}' if self.detail else ''}"

    def record(self) -> dict[str, Any]:
        """A row of dq_checks, less the version."""
        return {**asdict(self), "source": "check", "value": None}


def evaluate(
    checks: Sequence[CheckSpec], rows: Sequence[Path], rejects: Sequence[Path], columns: Columns, *, memory: int
) -> list[CheckOutcome]:
    """rows, rejects: Parquet files; columns: of the rows. memory: bytes that a query may hold."""
    if not checks:
        return []
    with closing(connect(files=[*rows, *rejects], memory=memory)) as con:
        for name, files, kinds in ((RESULT, rows, columns), (REJECTED, rejects, REJECTS)):
            con.execute(f"create view {name} as {_table(files, kinds)}")
        return [_evaluated(check, con) for check in checks]


def evaluate_version(
    checks: Sequence[CheckSpec], store: Store, catalog: str, version: int, memory: int
) -> list[CheckOutcome]:
    """The same over a version that is there."""
    with TemporaryDirectory(prefix="dqdata-checks-") as folder:
        there = store.table_files(catalog, version).values()
        rows, rejects = ([file.fetched(Path(folder)) for file in files] for files in there)
        return evaluate(checks, rows, rejects, store.schema(catalog, version), memory=memory)


def differ(recorded: Sequence[Mapping[str, Any]], checks: Sequence[CheckSpec]) -> bool:
    """Whether a version was evaluated by other checks than these."""
    was = {(one["name"], one["severity"], one["sql"]) for one in recorded}
    return was != {(check.name, check.severity, check.sql) for check in checks}


def _table(files: Sequence[Path], columns: Columns) -> str:
    if files:
        return f"select * from {read_parquet(files)}"
    empty = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
    return f"select {empty} where false"


def _evaluated(check: CheckSpec, con: duckdb.DuckDBPyConnection) -> CheckOutcome:
    import duckdb

    made = (check.name, check.severity, check.sql)
    try:
        check_select(con, check.sql)
        if check.expect is None:
            wrong, example = con.execute(
                f"select count(*), any_value(to_json(x))::varchar from ({check.sql}) x"
            ).fetchall()[0]
        else:
            wrong, example = con.execute(
                f"select count(*) filter (held is not true), '' from ({check.sql})"
            ).fetchall()[0]
            if wrong:
                example = _example(check, con)
    except duckdb.Error as error:
        return CheckOutcome(*made, False, None, str(error).strip()[:DETAIL])
    return CheckOutcome(*made, not wrong, int(wrong), str(example or "")[:DETAIL])


def _example(check: CheckSpec, con: duckdb.DuckDBPyConnection) -> str:
    """A row for which an expression over rows is not true; empty for one over all rows."""
    import duckdb

    try:
        found = con.execute(
            f"select to_json(x)::varchar from {RESULT} x where ({check.expect}) is not true limit 1"
        ).fetchone()
    except duckdb.Error:  # aggregates don't stand in WHERE
        return f"not {check.expect}"
    return str(found[0]) if found else ""

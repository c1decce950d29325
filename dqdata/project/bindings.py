"""What a query gives, by empty tables: SQL is checked against columns before there are rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dqdata.columns import REJECTS, Columns
from dqdata.errors import ProjectError, QueryError
from dqdata.project.assertions import REJECTED, RESULT, CheckSpec
from dqdata.sql import check_select, connection, quote_refs


def columns_over(sql: str, tables: Mapping[str, Columns]) -> Columns:
    """What a query gives over empty tables of these columns. Raises QueryError."""
    import duckdb

    con = connection()
    plain, _ = quote_refs(sql, lambda ref: ref.rpartition("@")[0])
    check_select(con, plain)
    con.execute("begin")
    try:
        for name, columns in tables.items():
            fields = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            con.execute(f'create table "{name}" ({fields})')
        described = con.execute(f"describe {plain}").fetchall()
    except duckdb.Error as error:
        raise QueryError(f"{error} in: {sql}") from error
    finally:
        con.execute("rollback")  # the tables go again: the connection is this thread's own
    return Columns({str(row[0]): str(row[1]) for row in described})


def check_bindings(checks: Sequence[CheckSpec], columns: Columns, where: str) -> None:
    """Raises ProjectError for a check whose SQL does not fit the columns of the result."""
    for check in checks:
        place = f"{where} check {check.name}"
        try:
            found = columns_over(check.sql, {RESULT: columns, REJECTED: REJECTS})
        except QueryError as error:
            raise ProjectError(place, str(error), code="invalid-query") from error
        if check.expect is not None and found.get("held") != "BOOLEAN":
            raise ProjectError(
                place, f"expect = {check.expect!r} is {found.get('held')}, not true or false", code="invalid-value"
            )

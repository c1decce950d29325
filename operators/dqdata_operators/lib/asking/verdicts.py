"""A verifier as a child operator: planned, fingerprinted and run with the operator that needs its verdict.

>>> verdict_columns("verify_math", {}, have)["correct"]
'BOOLEAN'
>>> outcome = await verified(run, "verify_math", {}, {"answer": "4", "response": "It is 4."})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError, RowError
from dqdata.operator import Operator, Reject, Row, Run, bind
from dqdata.plugins import load


def verdict_columns(name: str, params: Mapping[str, Any], have: Columns) -> Columns:
    """Columns once the verifier ran. Raises ColumnError where it misses one, or gives no verdict, and InputError where
    its parameters are wrong."""
    kind: type[Operator[Any]] = load("operators", name)
    try:
        made = kind(kind.Params(**params)).columns(have)
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"verifier {name!r}: parameter {where!r}: {first['msg']}") from None
    if made.get("correct") != "BOOLEAN":
        raise ColumnError(f"verifier = {name!r} makes no column 'correct'; use one such as verify_math")
    return made


async def verified(run: Run, name: str, params: Mapping[str, Any], row: Row) -> Row:
    """The row with its verdict. Raises RowError where the verifier rejects it instead."""
    [outcomes] = await bind(name, params, run)([row])
    for outcome in outcomes:
        if not isinstance(outcome, Reject):
            return outcome
        raise RowError(outcome.reason, outcome.detail)
    raise RowError("no_verdict", f"verifier {name!r} gave nothing for the row")


async def with_verdict(run: Run, name: str, params: Mapping[str, Any], row: Row, planned: Iterable[str] = ()) -> Row:
    """The row with a verdict: its own, where it came with one, else the verifier's. planned: names from
    `verdict_columns`; a row that another verifier judged has nulls where this one would have told more."""
    blank = {column: None for column in planned if column not in row}
    if row.get("correct") is not None and "verdict" in row:
        return {**row, **blank}
    checked = await verified(run, name, params, row)
    return checked if row.get("correct") is None else {**checked, **row}

"""A verifier as a child operator: planned, fingerprinted and run with the operator that needs its verdict.

>>> verdict_columns(schema, "verify_math", {}, have)["correct"]
'BOOLEAN'
>>> outcome = await verified(run, "verify_math", {}, {"answer": "4", "response": "It is 4."})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Reject, Row, Run, Schema, bind


def verdict_columns(schema: Schema, name: str, params: Mapping[str, Any], have: Columns) -> Columns:
    """Columns once the verifier ran. Raises ColumnError where it misses one, or gives no verdict, and InputError where
    its parameters are wrong."""
    made = schema.child(name, params, have)
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


async def with_verdict(run: Run, name: str, params: Mapping[str, Any], row: Row) -> Row:
    """The row with a verdict: its own, where it came with one, else the verifier's. A row that another verifier judged
    has nulls where this one has values."""
    if row.get("correct") is not None and "verdict" in row:
        return {**dict.fromkeys(bind(name, params, run).columns or ()), **row}
    checked = await verified(run, name, params, row)
    return checked if row.get("correct") is None else {**checked, **row}

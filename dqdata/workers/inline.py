"""The CPU pool without processes: everything works in this thread, where a debugger stops and coverage counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dqdata.errors import DqdataError, from_outside, row_failure
from dqdata.operator import Outcome, Reject, Row, RowOperator
from dqdata.workers.pool import Pool

T = TypeVar("T")


class InlinePool(Pool):
    """Rows that fail become what the operator says of them, as with processes. Nothing is killed: deadlines do not
    hold, and a row that takes the process down takes this one."""

    def __init__(self) -> None:
        super().__init__(workers=1)

    async def call(self, function: Callable[..., T], *args: Any, deadline: float | None = None) -> T:
        return function(*args)

    async def map_rows(self, operator: RowOperator[Any], rows: Sequence[Row]) -> list[Outcome]:
        return [_outcome(operator, row) for row in rows]


def _outcome(operator: RowOperator[Any], row: Row) -> Outcome:
    try:
        outcome = operator.process(row)
    except DqdataError:
        raise
    except BaseException as error:
        if from_outside(error):
            raise
        failure = row_failure(error)
        return Reject(failure.reason, failure.detail, kind="failed")
    return outcome if isinstance(outcome, Reject) else {**row, **outcome}

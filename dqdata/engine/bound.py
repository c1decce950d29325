"""An operator that another operator, or a trainer as its reward, runs on rows of its own.

A child that was planned (`Schema.child`) is treated as a step is: it meets the planned columns in the planned types, so
does whoever called it, and each row is accounted for. Outside a plan, as in a reward, rows are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from dqdata.aio import gather_all
from dqdata.columns import KEYS, Columns
from dqdata.engine.frames import frame_of
from dqdata.engine.pieces import processed
from dqdata.errors import (
    AccountingError,
    DeadlineExceeded,
    DqdataError,
    OperatorError,
    TeacherError,
    from_outside,
    row_failure,
)
from dqdata.operator import BatchOperator, CallOperator, Operator, Outcome, Reject, Row, RowOperator
from dqdata.schema import Child
from dqdata.workers.pool import Pool

if TYPE_CHECKING:
    from dqdata.engine.runtime import StepRun


async def outcomes_of(operator: CallOperator[Any], row: Row, run: StepRun) -> Sequence[Outcome]:
    """What a call operator makes of a row, failures of the row alone included."""
    try:
        return await run.watch.row(operator.process(row, run), operator.deadline)
    except TeacherError as error:
        if error.kind == "fatal":
            raise
        return [Reject(error.reason, str(error), kind="failed", retryable=error.kind == "retryable")]
    except DeadlineExceeded as error:
        return [Reject("timeout", str(error), kind="failed")]
    except DqdataError:
        raise
    except BaseException as error:
        if from_outside(error):
            raise
        failure = row_failure(error)
        return [Reject(failure.reason, failure.detail, kind="failed")]


class BoundOperator:
    """`dqdata.operator.Bound`."""

    def __init__(self, operator: Operator[Any], run: StepRun, pool: Pool) -> None:
        if not isinstance(operator, RowOperator | BatchOperator | CallOperator):
            raise OperatorError(f"operator {operator.name!r} must see every row: it can be a step, but not be bound")
        self._operator, self._run, self._pool = operator, run, pool

    @property
    def columns(self) -> Columns | None:
        return None

    async def __call__(self, rows: Sequence[Row]) -> list[Sequence[Outcome]]:
        return await self._outcomes(rows, _inferred)

    async def _outcomes(
        self, rows: Sequence[Row], framed: Callable[[Sequence[Row]], pl.DataFrame]
    ) -> list[Sequence[Outcome]]:
        if not rows:  # no row says which columns there are
            return []
        if isinstance(self._operator, RowOperator):
            return [[outcome] for outcome in await self._pool.map_rows(self._operator, rows)]
        if isinstance(self._operator, CallOperator):
            return await gather_all(outcomes_of(self._operator, row, self._run) for row in rows)
        assert isinstance(self._operator, BatchOperator)
        return await self._batch(self._operator, rows, framed)

    async def _batch(
        self, operator: BatchOperator[Any], rows: Sequence[Row], framed: Callable[[Sequence[Row]], pl.DataFrame]
    ) -> list[Sequence[Outcome]]:
        """Rows outside a pipeline may lack keys, and several may share one: they are numbered while the operator has
        them."""
        numbered = [{**row, "problem_id": str(n), "trace_id": str(n)} for n, row in enumerate(rows)]
        done = await processed(self._pool, operator, framed(numbered))
        outcomes: list[Sequence[Outcome]] = [[] for _ in rows]

        def place(number: str, outcome: Outcome) -> None:
            at = int(number) if number.isdigit() else -1
            if not 0 <= at < len(rows) or outcomes[at]:
                raise AccountingError(f"operator {operator.name!r} gave two results for a row, or one for no row")
            outcomes[at] = [outcome]

        for made in (row for part in done.rows for row in part.iter_rows(named=True)):
            number = str(made["trace_id"])
            came = rows[int(number)] if number.isdigit() and int(number) < len(rows) else {}
            ids = {key: came[key] for key in ("problem_id", "trace_id") if key in came}
            kept = {name: value for name, value in made.items() if name not in ("problem_id", "trace_id")}
            place(number, {**kept, **ids})
        for kind, parts in (("dropped", done.dropped), ("failed", done.failed)):
            for gone in (row for part in parts for row in part.iter_rows(named=True)):
                place(gone["trace_id"], Reject(gone["reason"], gone["detail"], kind=kind))  # type: ignore[arg-type]
        return outcomes


class PlannedOperator(BoundOperator):
    """A child as its parent's plan has it."""

    def __init__(self, child: Child, run: StepRun, pool: Pool) -> None:
        super().__init__(child.operator, run, pool)
        self._child = child

    @property
    def columns(self) -> Columns | None:
        return self._child.after

    async def __call__(self, rows: Sequence[Row]) -> list[Sequence[Outcome]]:
        before, after, name = self._child.before, self._child.after, self._operator.name
        came = _cast(rows, before, f"{self._run.step_name} for {name}")
        outcomes = await self._outcomes(came, lambda numbered: _framed(numbered, before, name))
        one = not isinstance(self._operator, CallOperator)
        kept: list[Row] = []
        for row, made in zip(came, outcomes, strict=True):
            if not made or (one and len(made) > 1):
                raise AccountingError(
                    f"operator {name!r} returned {len(made)} results for a row; a row that is not "
                    "kept is a Reject with its reason"
                )
            rows_made = [outcome for outcome in made if not isinstance(outcome, Reject)]
            key = next((key for key in KEYS if key in before), None)
            if one and key and any(outcome.get(key) != row.get(key) for outcome in rows_made):
                raise AccountingError(f"operator {name!r} changed the key of row {row.get(key)!r}")
            kept += rows_made
        typed = iter(_cast(kept, after, name))
        return [
            [
                outcome if isinstance(outcome, Reject) else {**_beside(row, before, after), **next(typed)}
                for outcome in made
            ]
            for row, made in zip(rows, outcomes, strict=True)
        ]


def _inferred(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None)


def _framed(numbered: Sequence[Row], columns: Columns, operator: str) -> pl.DataFrame:
    return frame_of(numbered, columns.add(problem_id="VARCHAR", trace_id="VARCHAR"), operator)


def _cast(rows: Sequence[Row], columns: Columns, operator: str) -> list[Row]:
    """Rows with these columns in these types. A parent's id is given by the engine later. Raises OperatorError."""
    given = [{"parent_id": None, **row} for row in rows] if "parent_id" in columns else rows
    made: list[Row] = list(frame_of(given, columns, operator).to_dicts())
    return made


def _beside(row: Row, before: Columns, after: Columns) -> Mapping[str, Any]:
    """What the caller's row holds beside the planned columns: the child does not see it and it stays."""
    return {name: value for name, value in row.items() if name not in before and name not in after}

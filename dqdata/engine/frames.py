"""Frames between steps: rows with the planned types, rejects, and row accounting.

A reject is kept as the row it was: `select row->>'question' from x__rejects where reason = 'truncated'`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from dqdata.columns import KEYS, REJECTS, Columns, key_of, polars_schema
from dqdata.errors import AccountingError, ColumnError, OperatorError, storable
from dqdata.json_text import json_text
from dqdata.masking import masker
from dqdata.operator import Reject, Row


@functools.cache
def _schema(columns: tuple[tuple[str, str], ...]) -> dict[str, pl.DataType]:
    return polars_schema(dict(columns))


def schema_of(columns: Columns) -> dict[str, pl.DataType]:
    return _schema(tuple(columns.items()))


def cast(frame: pl.DataFrame, columns: Columns, operator: str) -> pl.DataFrame:
    """The planned columns in their order and types. Raises OperatorError where one is missing or can't be cast."""
    schema = schema_of(columns)
    missing = [name for name in schema if name not in frame.columns]
    if missing:
        raise OperatorError(f"operator {operator!r} promised column {missing[0]!r} and didn't make it")
    check_values(frame)
    if frame.schema == schema:
        return frame
    try:
        return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
    except pl.exceptions.PolarsError as error:
        raise OperatorError(f"operator {operator!r} made a column of another type than it promised: {error}") from error


def frame_of(rows: Sequence[Row], columns: Columns, operator: str) -> pl.DataFrame:
    """Rows as a frame of the planned columns. Raises OperatorError where a value has another type."""
    schema = schema_of(columns)
    try:
        return pl.DataFrame({name: [row[name] for row in rows] for name in schema}, schema=schema, strict=True)
    except KeyError as error:
        raise OperatorError(f"operator {operator!r} promised column {error} and didn't make it") from error
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise OperatorError(f"operator {operator!r} made a value of another type than it promised: {error}") from error


def encoded(frame: pl.DataFrame) -> list[str]:
    """Each row as JSON. Bytes in base64 and keys of maps as text, which polars can't write."""
    if any(_has(kind, pl.Binary) or _has_odd_keys(kind) for kind in frame.dtypes):
        return [json_text(row) for row in frame.iter_rows(named=True)]
    texts: list[str] = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    return texts


def check_values(frame: pl.DataFrame) -> None:
    """Raises ColumnError for a date or time that Python can't hold: infinity, and years beyond 1 to 9999. Names the
    column and the first such row."""
    for column in frame.iter_columns():
        if any(_has(column.dtype, kind) for kind in _TIMES) and _beyond(column):
            at = next(place for place in range(frame.height) if _beyond(column[place : place + 1]))
            key = next((name for name in KEYS if name in frame.columns), None)
            row = f"row {frame.get_column(key)[at]!r}" if key else f"row {at + 1}"
            raise ColumnError(
                f"column {column.name!r} of {row} holds a date or time that rows can't hold, such as infinity or a "
                f"year beyond 1 to 9999: make it text, in SQL {column.name}::VARCHAR, or null"
            )


_TIMES = (pl.Date, pl.Datetime, pl.Time)
_DAYS = (-719_162, 2_932_896)
_SECONDS = (-62_135_596_800, 253_402_300_799)
_UNITS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_NS = 86_400 * 10**9


@functools.cache
def _has(kind: pl.DataType, wanted: type[pl.DataType]) -> bool:
    """Whether a type is `wanted`, or holds it somewhere."""
    if isinstance(kind, pl.Struct):
        return any(_has(field.dtype, wanted) for field in kind.fields)
    if isinstance(kind, pl.Map):
        return _has(kind.key, wanted) or _has(kind.value, wanted)
    inner = getattr(kind, "inner", None)
    return isinstance(kind, wanted) if inner is None else _has(inner, wanted)


@functools.cache
def _has_odd_keys(kind: pl.DataType) -> bool:
    """Whether a type holds a map whose keys aren't text."""
    if isinstance(kind, pl.Struct):
        return any(_has_odd_keys(field.dtype) for field in kind.fields)
    if isinstance(kind, pl.Map):
        return not isinstance(kind.key, pl.String) or _has_odd_keys(kind.value)
    inner = getattr(kind, "inner", None)
    return inner is not None and _has_odd_keys(inner)


def _beyond(values: pl.Series) -> bool:
    """Whether one of the values is a date or time that Python can't hold."""
    kind = values.dtype
    if isinstance(kind, pl.Struct):
        return any(_beyond(values.struct.field(field.name)) for field in kind.fields)
    if isinstance(kind, pl.Map):
        return _beyond(values.cast(pl.List(pl.Struct({"key": kind.key, "value": kind.value}))))
    if isinstance(kind, pl.List | pl.Array):
        return _beyond(values.explode())
    if isinstance(kind, pl.Date):
        low, high = _DAYS
    elif isinstance(kind, pl.Time):
        low, high = 0, _DAY_NS - 1
    elif isinstance(kind, pl.Datetime):
        unit = _UNITS[kind.time_unit]
        low, high = max(_SECONDS[0] * unit, 1 - 2**63), min((_SECONDS[1] + 1) * unit - 1, 2**63 - 2)
    else:
        return False
    physical = values.to_physical()
    return bool(((physical < low) | (physical > high)).any())


def no_rejects() -> pl.DataFrame:
    return pl.DataFrame(schema=schema_of(REJECTS))


def rejects_of_frame(rows: pl.DataFrame, why: pl.DataFrame, step: str, op: str, kind: str = "dropped") -> pl.DataFrame:
    """Rejects of whole rows. `why` has the key, `reason` and `detail` of each."""
    key = key_of(rows.columns)
    joined = rows.join(
        why.select(key, dq_reason="reason", dq_detail="detail"), on=key, how="inner", maintain_order="left"
    )
    named = {name: pl.col(name) if name in rows.columns else pl.lit(None) for name in ("problem_id", "trace_id")}
    return joined.select(
        step=pl.lit(step),
        op=pl.lit(op),
        kind=pl.lit(kind),
        reason="dq_reason",
        detail="dq_detail",
        **named,
        row_key=key,
        row=pl.Series(encoded(joined.select(rows.columns)), dtype=pl.String),
    ).cast(schema_of(REJECTS))  # type: ignore[arg-type]


def reject_record(row: Row, reject: Reject, step: str, op: str, key: str) -> dict[str, Any]:
    """One reject of one row, as a record of REJECTS. What an operator raised may hold a key."""
    kept = reject.row if reject.row is not None else row
    failed = reject.kind == "failed" and reject.detail
    return {
        "step": step,
        "op": op,
        "kind": reject.kind,
        "reason": storable(reject.reason),
        "detail": storable(masker.hide(reject.detail) if failed else reject.detail),
        "problem_id": kept.get("problem_id"),
        "trace_id": kept.get("trace_id"),
        "row_key": kept.get(key) or row.get(key),
        "row": json_text(dict(kept)),
    }


def failures(rejects: pl.DataFrame) -> dict[str, tuple[int, str]]:
    """Failed rows among rejects: how many by reason, with the detail of the first."""
    failed = rejects.filter(pl.col("kind") == "failed")
    found = failed.group_by("reason", maintain_order=True).agg(pl.len(), pl.col("detail").first())
    return {reason: (count, str(detail or "")) for reason, count, detail in found.iter_rows()}


def records(items: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(items), schema=schema_of(REJECTS))


def check_kept(before: pl.DataFrame, kept: pl.DataFrame, dropped: pl.DataFrame | None, operator: str) -> None:
    """Every key that came in was kept or dropped, once. Raises AccountingError with the numbers and an example."""
    key = key_of(before.columns)
    if key not in kept.columns:
        raise AccountingError(f"operator {operator!r} lost the key column {key!r}")
    gone = dropped.get_column(key) if dropped is not None and dropped.height else pl.Series(key, [], dtype=pl.String)
    out = pl.concat([kept.get_column(key), gone.cast(pl.String)])
    came = before.get_column(key)
    if out.len() == came.len() and _same(out, came):
        return
    example = came.filter(~came.is_in(out.implode())).head(1).to_list() or out.filter(out.is_duplicated()).to_list()
    raise AccountingError(
        f"operator {operator!r}: {came.len()} rows came in, but {kept.height} were kept and {gone.len()} dropped"
        + (f"; look at {key} {example[0]!r}" if example else "")
    )


def _same(left: pl.Series, right: pl.Series) -> bool:
    return bool((left == right).all()) or bool((left.sort() == right.sort()).all())

"""Counts rows of checkpoints for the summary of a run: by reason of reject, correct ones, broken rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def reject_counts(files: Sequence[Path]) -> tuple[dict[str, int], dict[str, int]]:
    """How many rows were dropped and how many failed, by reason, the most frequent first."""
    import polars as pl

    counts: dict[str, dict[str, int]] = {"dropped": {}, "failed": {}}
    if files:
        found = pl.scan_parquet(list(files), glob=False).group_by("kind", "reason").len().collect()
        for kind, reason, count in found.sort(["len", "reason"], descending=[True, False]).iter_rows():
            counts[kind][reason] = count
    return counts["dropped"], counts["failed"]


def correct_rows(files: Sequence[Path], columns: Mapping[str, str]) -> int | None:
    """How many rows are `correct`; None where that is no column of them."""
    import polars as pl

    if columns.get("correct") != "BOOLEAN":
        return None
    return (
        int(pl.scan_parquet(list(files), glob=False).select(pl.col("correct").sum()).collect().item()) if files else 0
    )


def error_counts(files: Sequence[Path], columns: Mapping[str, str]) -> dict[str, int]:
    """How many rows are unverifiable because a rule broke (`verdict_reason` begins with `error`), by error."""
    import polars as pl

    if not files or columns.get("verdict_reason") != "VARCHAR":
        return {}
    error = pl.col("verdict_reason").str.extract(r"^(error: \w+)")
    found = pl.scan_parquet(list(files), glob=False).group_by(error.alias("error")).len().drop_nulls().collect()
    return dict(found.sort(["len", "error"], descending=[True, False]).iter_rows())

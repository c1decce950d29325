"""A rule that breaks makes one row unverifiable; runs count such rows and show them."""

from __future__ import annotations

import polars as pl

from dqdata.engine.counts import error_counts


def test_broken_rules_are_counted_by_error(tmp_path):
    reasons = ["equal", "error: TypeError: a", "error: TypeError: b", "error: IndexError: c", None, "different"]
    pl.DataFrame({"verdict_reason": reasons}).write_parquet(tmp_path / "rows.parquet")
    counted = error_counts([tmp_path / "rows.parquet"], {"verdict_reason": "VARCHAR"})
    assert counted == {"error: TypeError": 2, "error: IndexError": 1}
    assert error_counts([tmp_path / "rows.parquet"], {}) == error_counts([], {"verdict_reason": "VARCHAR"}) == {}

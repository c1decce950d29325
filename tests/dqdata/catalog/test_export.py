"""Rows as JSONL, Parquet, CSV and JSON: what they hold comes back, and a file is whole or not there."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from dqdata.catalog.export import Format, format_of, renamed, write, write_object
from dqdata.errors import DataError, StoreError

ODD = """select 'p1' as problem_id, 'a "b", c
' || chr(233) || chr(8232) as question, [{'role': 'user', 'content': 'x,"y"'}] as messages, null::varchar as nothing,
'' as empty, 'nan'::double as nan, 1.5 as half, 12345678901234567890::hugeint as big, true as yes,
timestamptz '2026-01-02 03:04:05+00' as moment, date '2026-01-02' as day, map {1: 'a'} as pairs, [1, null] as numbers,
'\\x00ff'::blob as raw"""


def rows_of(sql: str, batch_rows: int = 4096) -> pa.RecordBatchReader:
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    return con.execute(sql).to_arrow_reader(batch_rows)


def test_jsonl_keeps_what_is_nested(tmp_path: Path) -> None:
    assert (
        write(rows_of(f"from ({ODD}) union all by name select 'p2' as problem_id"), tmp_path / "x.jsonl", "jsonl") == 2
    )
    lines = (tmp_path / "x.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 3 and lines[2] == b""
    row, second = json.loads(lines[0]), json.loads(lines[1])
    assert row["question"] == 'a "b", c\né\u2028'
    assert row["messages"] == [{"role": "user", "content": 'x,"y"'}]
    assert (row["nothing"], row["empty"], row["nan"], row["half"], row["yes"]) == (None, "", None, 1.5, True)
    assert row["big"] == 12345678901234567890
    assert (row["moment"][:19], row["day"], row["numbers"]) == ("2026-01-02T03:04:05", "2026-01-02", [1, None])
    assert (second["problem_id"], second["messages"]) == ("p2", None)


def test_parquet_keeps_types_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dqdata.catalog.export._ROW_GROUP_BYTES", 20_000)
    sql = "select i, [i, i + 1] l, {'a': i::varchar} s from range(10000) t(i)"
    assert write(rows_of(sql, 1000), tmp_path / "x.parquet", "parquet") == 10_000
    assert duckdb.sql(f"from '{tmp_path}/x.parquet'").fetchall() == duckdb.sql(sql).fetchall()
    assert pl.scan_parquet(tmp_path / "x.parquet").collect_schema()["l"] == pl.List(pl.Int64)


def test_csv_holds_nested_columns_as_json(tmp_path: Path) -> None:
    assert write(rows_of(ODD), tmp_path / "x.csv", "csv") == 1
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert row["question"] == 'a "b", c\né\u2028'
    assert json.loads(row["messages"]) == [{"role": "user", "content": 'x,"y"'}]
    assert row["big"] == "12345678901234567890"
    empty, nothing = duckdb.sql(f"select empty, nothing from read_csv('{tmp_path}/x.csv', quote='\"')").fetchall()[0]
    assert nothing is None and empty in ("", None)


def test_json_is_a_list_of_records(tmp_path: Path) -> None:
    write(rows_of("select i, 'x' s from range(3) t(i)", 1), tmp_path / "x.json", "json")
    assert json.loads((tmp_path / "x.json").read_text()) == [{"i": number, "s": "x"} for number in range(3)]


def test_an_object_of_columns_and_rows_for_programs() -> None:
    out = io.BytesIO()
    assert write_object(out, rows_of("select i, 'x' s from range(3) t(i)", 1)) == 3
    assert json.loads(out.getvalue()) == {
        "columns": ["i", "s"],
        "rows": [{"i": number, "s": "x"} for number in range(3)],
    }


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv", "json"])
def test_no_rows(tmp_path: Path, kind: Format) -> None:
    file = tmp_path / f"x.{kind}"
    assert write(rows_of(f"from ({ODD}) where false"), file, format_of(file)) == 0
    if kind == "parquet":
        assert duckdb.sql(f"describe from '{file}'").fetchall()[0][0] == "problem_id"
    else:
        start = {"jsonl": "", "csv": '"problem_id","question"', "json": "[\n]\n"}[kind]
        assert file.read_text().startswith(start)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv", "json"])
def test_a_failure_leaves_the_old_file(tmp_path: Path, kind: Format) -> None:
    file = tmp_path / f"x.{kind}"
    file.write_text("old")

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write(pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches()), file, kind)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"can't write .*x\.jsonl: No such file"):
        write(rows_of("select 1 a"), tmp_path / "no" / "x.jsonl", "jsonl")


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    for kind in ("json", "jsonl"):
        with pytest.raises(DataError, match="two columns are named 'a'"):
            write(rows_of("select 1 a, 2 a"), tmp_path / f"x.{kind}", kind)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_renamed_columns() -> None:
    def table(columns: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = renamed(rows_of("select 1 a, 2 b, 3 c"), columns).read_all().to_pylist()
        return found

    assert table({}) == [{"a": 1, "b": 2, "c": 3}]
    assert table({"x": "a", "a": "b"}) == [{"x": 1, "a": 2, "c": 3}]
    assert table({"a": "b", "b": "a"}) == [{"b": 1, "a": 2, "c": 3}]
    with pytest.raises(DataError, match="two columns would be named 'b'"):
        table({"b": "a"})
    with pytest.raises(DataError, match=r"no column 'z' \(there are: a, b, c\)"):
        table({"x": "z"})


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in \.jsonl, \.parquet, \.csv or \.json"):
        format_of(tmp_path / "x.txt")


def test_json_rows_column_by_column_are_those_value_by_value() -> None:
    """Every kind of value, nulls, signs that JSON escapes, and names that a template would read."""
    from dqdata.catalog.values import json_rows, python_rows
    from dqdata.json_text import json_text

    table = pa.table(
        {
            "text": ['a"\\\n', "ü😀\x00\x1f\u2028", None, ""],
            "large": pa.array(["%s", None, "{}", "%%"], pa.large_string()),
            "number": [1, None, -5, 2**62],
            "unsigned": pa.array([2**64 - 1, 0, None, 1], pa.uint64()),
            "flag": [True, None, False, True],
            "real": [1.5, float("nan"), None, 1e300],
            "day": [datetime.date(2025, 1, 2), None, datetime.date(1, 1, 1), datetime.date(9999, 12, 31)],
            "exact": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("0.00"), decimal.Decimal("-3.00")]),
            "list": [[1, 2], None, [], [3]],
            "struct": [{"x": 1, "y": "q"}, None, {"x": None, "y": None}, {"x": 2, "y": "%s"}],
            "bytes": [b"a", None, b"", b"\xff"],
            '50% "x"': [1, 2, 3, 4],
            "map": pa.array([[("k", 1)], None, [], [("z", 2)]], pa.map_(pa.string(), pa.int64())),
        }
    )
    [batch] = table.to_batches()
    for part in (batch, batch.slice(1, 2), batch.slice(2, 0)):
        assert json_rows(part).to_pylist() == [json_text(row) for row in python_rows(part)]
    assert json_rows(batch, ", ").to_pylist() == [", " + json_text(row) for row in python_rows(batch)]


def test_json_of_numbers_is_that_of_python() -> None:
    """Arrow writes DOUBLEs of everyday size; the ends of that range, and what it writes otherwise."""
    from dqdata.catalog.values import json_rows
    from dqdata.json_text import json_text

    ends = [1e-3, 0.0009999999999999998, 1e9, 999999999.9999999, 1e16, 1e-5, 0.1, -0.0, 0.0, 5e-324, 123456789.0, 1 / 3]
    drawn = random.Random(1)
    values = [*ends, *(drawn.uniform(-1, 1) * 10 ** drawn.randrange(-6, 12) for _ in range(2000))]
    values += [float(drawn.randrange(-(10**10), 10**10)) for _ in range(500)]
    for kind in (pa.float64(), pa.float32()):
        numbers = pa.array([*values, float("inf"), None], kind)
        texts = json_rows(pa.RecordBatch.from_arrays([numbers], names=["x"])).to_pylist()
        assert texts == [f'{{"x": {json_text(value)}}}' for value in numbers.to_pylist()]

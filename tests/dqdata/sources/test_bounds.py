"""Files made to cost more than they look: many keys, deep values, long numbers, Parquet that expands."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from dqdata.errors import DataError
from dqdata.sources.files import Files, FilesParams


def read(path: Path, **params: Any) -> int:
    source = Files(FilesParams(path=str(path), **params), SimpleNamespace(root=path.parent, store=None))  # type: ignore[arg-type]
    source.schema()
    return sum(batch.num_rows for batch in source.batches())


def deep(levels: int) -> str:
    return '{"a":' + "[" * levels + "]" * levels + "}"


ROWS = {
    "many_keys": (json.dumps({f"k{n}": n for n in range(20_000)}), "20,000 keys"),
    "many_keys_nested": (
        json.dumps({"a": {f"k{n}": n for n in range(20_000)}}),
        "column 'a' holds an object of 20,000",
    ),
    "many_keys_in_a_list": (json.dumps({"a": [{f"k{n}": n for n in range(5000)}]}), "column 'a'"),
    "deep": (deep(100), "nested more than 64"),
    "very_deep": (deep(100_000), "nested too deeply"),
    "digits": ('{"a": ' + "9" * 100_000 + "}", "4,300 digits"),
    "digits_nested": ('{"a": [{"b": -' + "9" * 5000 + "}]}", "4,300 digits"),
    "digits_of_a_double": ('{"a": 1.5}\n{"a": ' + "9" * 400 + "}", "more than 308 digits"),
}


@pytest.mark.parametrize("array", [False, True], ids=["lines", "array"])
@pytest.mark.parametrize("name", ROWS)
def test_a_row_over_a_limit_is_named(name: str, array: bool, tmp_path: Path) -> None:
    if name == "digits_of_a_double" and not array:
        pytest.skip("Arrow reads it as infinity, as JSON's 1e400 is")
    text, message = ROWS[name]
    path = tmp_path / ("rows.json" if array else "rows.jsonl")
    path.write_text("[" + text.replace("\n", ",\n") + "]" if array else text)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert len(str(caught.value)) < 600


def test_columns_that_add_up(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({f"k{n}": 1}) for n in range(1001)))
    with pytest.raises(DataError, match="1,001 columns"):
        read(path, sample_rows=2000)


def test_a_wide_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",".join(f"c{n}" for n in range(20_000)) + "\n" + ",".join("1" for _ in range(20_000)))
    with pytest.raises(DataError, match="20,000 columns"):
        read(path)
    path.write_text("a\n" + "9" * 100_000 + "\n")
    assert read(path) == 1  # a number of no type is text, or infinite: no traceback


def test_rows_within_the_limits_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({f"k{n}": n for n in range(900)} | {"deep": json.loads(deep(40))["a"]}) + "\n")
    assert read(path) == 1


def bomb(path: Path, values: list[str], rows: int, **how: Any) -> None:
    kind = pa.dictionary(pa.int32(), pa.string())
    column = pa.DictionaryArray.from_arrays(pa.array([n % len(values) for n in range(rows)], pa.int32()), values)
    parquet.write_table(pa.table({"question": column.cast(kind)}), path, compression="zstd", **how)


def test_one_large_row_among_small_ones_is_named(tmp_path: Path) -> None:
    """On average the rows of the file are small: its statistics show nothing."""
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"question": ["a", "b" * (9 << 20), "c"]}), path, use_dictionary=False)
    with pytest.raises(DataError, match=r"row 2: a row of 9\.0 MB"):
        read(path)


MEASURED = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
from dqdata.errors import DataError
from dqdata.sources.files import Files, FilesParams
source = Files(FilesParams(path=sys.argv[1]), SimpleNamespace(root=Path("/"), store=None))
source.schema()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = 0
try:
    for batch in source.batches():
        rows += batch.num_rows
        if rows >= 5000: break
    told = "read"
except DataError as error:
    told = str(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10, told)
"""


@pytest.mark.parametrize("kind", ["one_value", "repeated", "repeated_in_groups"])
def test_a_parquet_file_that_expands_takes_little_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    if kind == "one_value":
        table = pa.table({"question": ["a" * (200 << 20)]})
        parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    else:
        bomb(path, ["a" * (1 << 20), "b"], 20_000, row_group_size=20_000 if kind == "repeated" else 4000)
    assert path.stat().st_size < 1 << 20
    done = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, timeout=300)
    megabytes, told = done.stdout.split(" ", 1)
    assert int(megabytes) < 700, done.stdout
    assert ("max_row_mb" in told) if kind == "one_value" else told == "read\n"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz", "a.jsonl.zst", "a.csv.gz", "a.json.zst"])
def test_compressed_text_that_expands_is_not_unpacked(name: str, tmp_path: Path) -> None:
    head, tail = {"jsonl": ('{"question": "', '"}\n'), "csv": ("question\n", "\n"), "json": ('[{"question": "', '"}]')}[
        name.split(".")[1]
    ]
    piece = b"a" * (1 << 20)
    opened = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(Path(name).suffix)
    path = tmp_path / name
    with opened(path, "wb") if opened else pa.CompressedOutputStream(str(path), "zstd") as out:  # type: ignore[operator]
        out.write(head.encode())
        for _ in range(128):
            out.write(piece)
        out.write(tail.encode())
    assert path.stat().st_size < 1 << 18
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="over max_row_mb = 8"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_repeated_values_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    values = [f"{n}" * 70_000 for n in range(3)]
    bomb(path, values, 3000)
    source = Files(FilesParams(path=str(path)), SimpleNamespace(root=tmp_path, store=None))  # type: ignore[arg-type]
    found = [text for batch in source.batches() for text in batch.column("question").to_pylist()]
    assert found == [values[n % 3] for n in range(3000)]

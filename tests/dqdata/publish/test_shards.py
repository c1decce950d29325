"""Names of splits, and files of bounded size."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dqdata.errors import DataError
from dqdata.exchange.splits import split_names
from dqdata.publish.shards import write_shards


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("train", "train"),
        ("test-2", "test_2"),
        ("a b/c", "a_b_c"),
        ("..", "train"),
        ("v1..2.", "v1.2"),
        ("all", "all_"),
        ("übung", "übung"),
        ("🙂", "_"),
    ],
)
def test_a_split_has_a_name_that_datasets_takes(given: str, expected: str) -> None:
    assert split_names([given]) == {given: expected}


@pytest.mark.parametrize("pair", [("a b", "a_b"), ("Test", "test"), ("x-1", "x/1"), ("..", "train"), ("all", "all_")])
def test_two_splits_of_one_name_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(DataError, match="rename one"):
        split_names(pair)


@pytest.mark.parametrize("limit", [400, 4000, 10**9])
def test_shards_hold_every_row_in_order(tmp_path: Path, limit: int) -> None:
    rows = pa.table({"n": list(range(1000)), "text": [f"text {at}" for at in range(1000)]})
    files = write_shards(rows.to_reader(64), tmp_path, "train", limit)
    assert [n for file in files for n in pq.read_table(file)["n"].to_pylist()] == list(range(1000))
    assert [file.name for file in files] == [f"train-{at:05}-of-{len(files):05}.parquet" for at in range(len(files))]
    assert (len(files) > 1) == (limit < 10**9)
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_no_rows_are_one_file_with_the_columns(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    [file] = write_shards(pa.table({"n": []}, schema).to_reader(), tmp_path, "train")
    assert pq.read_schema(file) == schema

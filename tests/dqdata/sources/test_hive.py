"""Folders named NAME=VALUE give columns, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from dqdata.errors import ColumnError, DataError
from dqdata.sources.files import Files, FilesParams


def files(root: Path, path: str | tuple[str, ...] = "data/**/*", **params: Any) -> Files:
    return Files(FilesParams(path=path, **params), SimpleNamespace(root=root, store=None))


def rows(source: Files) -> list[dict[str, Any]]:
    return [row for batch in source.batches() for row in batch.to_pylist()]


def write(root: Path, folder: str, name: str, **columns: Any) -> None:
    path = root / "data" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame({key: [value] for key, value in columns.items()})
    if name.endswith("parquet"):
        frame.write_parquet(path)
    elif name.endswith("csv"):
        frame.write_csv(path)
    else:
        path.write_text(json.dumps(columns) + "\n")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_folders_give_columns(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, "year=2023/part=01", f"x.{suffix}", question="a?")
    write(tmp_path, "year=-7/part=b%20c%2F%C3%A9=1", f"y.{suffix}", question="b?")
    write(tmp_path, "year=2024/part=__HIVE_DEFAULT_PARTITION__", f"z.{suffix}", question="c?")
    source = files(tmp_path)
    assert dict(source.schema()) == {"question": "VARCHAR", "year": "BIGINT", "part": "VARCHAR"}
    assert sorted(rows(source), key=lambda row: str(row["question"])) == [
        {"question": "a?", "year": 2023, "part": "01"},
        {"question": "b?", "year": -7, "part": "b c/é=1"},
        {"question": "c?", "year": 2024, "part": None},
    ]


def test_types_and_new_names_apply(tmp_path: Path) -> None:
    write(tmp_path, "year=2023", "x.csv", question="a?")
    source = files(tmp_path, types={"y": "DOUBLE"}, columns={"y": "year"})
    assert rows(source) == [{"question": "a?", "y": 2023.0}]
    write(tmp_path, "year=soon", "x.csv", question="a?")
    assert dict(files(tmp_path).schema())["year"] == "VARCHAR"
    with pytest.raises(DataError, match=r"year=soon.*'soon', which isn't double"):
        rows(files(tmp_path, types={"year": "DOUBLE"}))


def test_a_column_of_the_vocabulary_keeps_its_type(tmp_path: Path) -> None:
    write(tmp_path, "answer=4", "x.jsonl", question="2 + 2?")
    assert rows(files(tmp_path)) == [{"question": "2 + 2?", "answer": "4"}]


def test_files_in_fewer_folders_have_null(tmp_path: Path) -> None:
    write(tmp_path, "", "x.csv", question="a?")
    write(tmp_path, "year=1", "y.csv", question="b?")
    found = files(tmp_path, ("data/x.csv", "data/year=1/y.csv"))
    assert rows(found) == [{"question": "a?", "year": None}, {"question": "b?", "year": 1}]


def test_a_column_in_file_and_folder_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, "year=2023", "x.parquet", question="a?", year=2024)
    with pytest.raises(DataError, match=r"x\.parquet: column 'year' is in the file and .* hive = false"):
        files(tmp_path).schema()
    assert rows(files(tmp_path, hive=False)) == [{"question": "a?", "year": 2024}]


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a=1/a=2", "x.csv", question="a?")
    with pytest.raises(DataError, match="two of its folders give 'a'"):
        files(tmp_path).schema()


def test_folders_above_the_project_give_nothing(tmp_path: Path) -> None:
    root = tmp_path / "run=3"
    write(root, "plain", "x.csv", question="a?")
    assert rows(files(root)) == [{"question": "a?"}]


def test_moving_a_file_to_another_folder_is_another_source(tmp_path: Path) -> None:
    write(tmp_path, "year=1", "x.csv", question="a?")
    before = files(tmp_path).fingerprint()
    assert files(tmp_path, hive=False).fingerprint() != before
    (tmp_path / "data" / "year=1").rename(tmp_path / "data" / "year=2")
    assert files(tmp_path).fingerprint() != before


def test_an_unknown_name_in_columns_lists_those_of_folders(tmp_path: Path) -> None:
    write(tmp_path, "year=1", "x.csv", question="a?")
    with pytest.raises(ColumnError, match="year"):
        files(tmp_path, columns={"when": "yeah"}).schema()

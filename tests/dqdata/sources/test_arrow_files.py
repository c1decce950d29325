"""Arrow files: Feather, the file format of pyarrow and polars, the stream format; bounded, and errors by row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pytest

from dqdata.errors import DataError, InputError
from dqdata.sources.files import Files, FilesParams

TABLE = pa.table({
    "question": ["a", "b", None],
    "level": pa.array([1, 2, None], pa.int8()),
    "name": pa.array(["x", "y", "x"]).dictionary_encode(),
    "parts": [[1], None, []],
    "key": pa.array([b"\0" * 16] * 3, pa.uuid()),
    "at": pa.array([-1, 1500, None], pa.timestamp("ns")),
    "view": pa.array(["a", "b", None], pa.string_view()),
    "inner": pa.array([{"a": "x"}, None, {"a": None}], pa.struct([("a", pa.dictionary(pa.int8(), pa.string()))])),
})  # fmt: skip
ROWS = [
    {
        "question": "a", "level": 1, "name": "x", "parts": [1], "key": "00000000-0000-0000-0000-000000000000",
        "at": dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), "view": "a", "inner": {"a": "x"},
    },
    {
        "question": "b", "level": 2, "name": "y", "parts": None, "key": "00000000-0000-0000-0000-000000000000",
        "at": dt.datetime(1970, 1, 1, 0, 0, 0, 1), "view": "b", "inner": None,
    },
    {
        "question": None, "level": None, "name": "x", "parts": [], "key": "00000000-0000-0000-0000-000000000000",
        "at": None, "view": None, "inner": {"a": None},
    },
]  # fmt: skip


class Here(NamedTuple):
    """The `SourceContext` of a folder."""

    root: Path
    store: Any = None
    grows: bool = False


def source(file: Path, **params: Any) -> Files:
    return Files(FilesParams(path=file.name, **params), Here(file.parent))


def read(file: Path, **params: Any) -> list[dict[str, Any]]:
    made = source(file, **params)
    return [row for batch in made.batches() for row in batch.to_pylist()]


def stream(file: Path, table: pa.Table, compression: str | None) -> None:
    with pa.ipc.new_stream(str(file), table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_table(table, max_chunksize=2)


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("ending", ["feather", "arrow", "ipc", "stream.arrow"])
def test_rows_and_their_number(tmp_path: Path, compression: str, ending: str) -> None:
    file = tmp_path / f"x.{ending}"
    if ending == "stream.arrow":
        stream(file, TABLE, None if compression == "uncompressed" else compression)
    else:
        feather.write_feather(TABLE, str(file), compression=compression, chunksize=2)
    assert read(file) == ROWS
    assert source(file).row_count() == 3
    assert source(file).schema()["at"] == "TIMESTAMP" and source(file).schema()["inner"] == "STRUCT(a VARCHAR)"


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_a_file_of_polars(tmp_path: Path, compression: Any) -> None:
    frame = pl.DataFrame({
        "question": ["a", "b"], "t": [dt.time(1), None], "kind": pl.Series(["x", None], dtype=pl.Categorical),
        "e": pl.Series(["u", "u"], dtype=pl.Enum(["u"])), "l": [[1.5], None], "d": [dt.timedelta(days=1), None],
    })  # fmt: skip
    frame.write_ipc(tmp_path / "x.arrow", compression=compression)
    assert (
        read(tmp_path / "x.arrow")
        == [
            {"question": "a", "t": dt.time(1), "kind": "x", "e": "u", "l": [1.5], "d": "1 day"},
            {"question": "b", "t": None, "kind": None, "e": "u", "l": None, "d": None},
        ]
        or read(tmp_path / "x.arrow")[0]["d"] == "24:00:00"
    )
    assert source(tmp_path / "x.arrow").row_count() == 2


def test_columns_can_be_renamed_and_set_to_text(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"problem": ["a"], "parts": [[1, 2]]}), str(tmp_path / "x.feather"))
    rows = read(tmp_path / "x.feather", columns={"question": "problem"}, types={"parts": "VARCHAR"})
    assert rows == [{"question": "a", "parts": "[1, 2]"}]


@pytest.mark.parametrize("kind", ["feather", "stream"])
@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_row_is_measured_before_it_is_unpacked(tmp_path: Path, kind: str, compression: str) -> None:
    table = pa.table({"question": ["0" * 20_000_000] * 2})
    file = tmp_path / "x.arrow"
    if kind == "feather":
        feather.write_feather(table, str(file), compression=compression)
    else:
        stream(file, table, compression)
    assert file.stat().st_size < 400_000
    before = pa.total_allocated_bytes()
    with pytest.raises(DataError, match="row 1: a row of 19.1 MB or more, over max_row_mb"):
        read(file)
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_lists_and_batches_are_measured_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else measures lists, and nothing a batch of many small rows."""
    feather.write_feather(pa.table({"parts": [[0] * 2_000_000]}), str(tmp_path / "x.feather"), compression="zstd")
    with pytest.raises(DataError, match=r"row 1: a row of 15\.3 MB or more, over max_row_mb"):
        read(tmp_path / "x.feather")
    feather.write_feather(pa.table({"n": [0] * 10_000}), str(tmp_path / "y.feather"), compression="zstd")
    monkeypatch.setattr("dqdata.sources.arrow_files.MOST_BATCH_BYTES", 10_000)
    with pytest.raises(DataError, match="a compressed record batch of"):
        read(tmp_path / "y.feather")


def test_a_list_in_a_dictionary_is_measured(tmp_path: Path) -> None:
    lists = pa.array([[0] * 2_000_000])
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 3, pa.int32()), lists)
    feather.write_feather(pa.table({"parts": values}), str(tmp_path / "x.feather"), compression="uncompressed")
    with pytest.raises(DataError, match=r"row 1: a row of 15\.3 MB or more, over max_row_mb"):
        read(tmp_path / "x.feather")


def test_a_large_value_of_a_dictionary_is_not_held_for_every_row(tmp_path: Path) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["x" * 1_000_000]))
    feather.write_feather(pa.table({"question": values}), str(tmp_path / "x.feather"), compression="lz4")
    sizes = [batch.nbytes for batch in source(tmp_path / "x.feather").batches()]
    assert max(sizes) < 200 << 20 and len(sizes) > 20


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (lambda whole: b"", "is empty"),
        (lambda whole: b"question,answer\n1,2\n" * 50, "no whole Arrow file"),
        (lambda whole: whole[:-100], "no whole Arrow file"),
        (lambda whole: whole[: len(whole) // 2], "no whole Arrow file"),
        (lambda whole: b"FEA1" + whole, "version 1, which holds no lists"),
        (lambda whole: b"PAR1" + whole[4:], "no whole Arrow file"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: Any, problem: str) -> None:
    feather.write_feather(TABLE, str(tmp_path / "whole.feather"))
    file = tmp_path / "x.feather"
    file.write_bytes(content((tmp_path / "whole.feather").read_bytes()))
    for ask in (lambda: source(file).schema(), lambda: read(file), lambda: source(file).row_count()):
        with pytest.raises(DataError, match=f"x.feather.*{problem}"):
            ask()


def test_any_damaged_byte_gives_rows_or_an_error(tmp_path: Path) -> None:
    feather.write_feather(TABLE.select(["question", "parts", "name"]), str(tmp_path / "whole.feather"))
    whole = (tmp_path / "whole.feather").read_bytes()
    file = tmp_path / "x.feather"
    for place in range(0, len(whole), 31):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            read(file)
        except InputError as error:
            assert "x.feather" in str(error)


def test_a_type_that_rows_cannot_hold_names_the_column(tmp_path: Path) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    feather.write_feather(pa.table({"question": ["a"], "odd": union}), str(tmp_path / "x.feather"))
    with pytest.raises(DataError, match="x.feather: column 'odd' is sparse_union.*one column for each part"):
        source(tmp_path / "x.feather").schema()

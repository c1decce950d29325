"""Values at the edges of their types: kept, converted in the stated way, or refused with column and row, never lost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from dqdata.arrow_types import check_times, stored_array
from dqdata.catalog import Store
from dqdata.catalog.export import write
from dqdata.engine.apply import apply_operator
from dqdata.engine.run import run_pipeline
from dqdata.errors import ColumnError, InputError
from dqdata.project.tables import Project
from dqdata.sources.files import Files, FilesParams

pytestmark = pytest.mark.usefixtures("kept_workers")

Write = Callable[[str], Project]
ROWS = '{"question": "What is 1 + 1?", "answer": "2"}\n'

HELD = {
    "'0001-01-01'::DATE": "0001-01-01",
    "'9999-12-31 23:59:59.999999'::TIMESTAMP": "9999-12-31 23:59:59.999999",
    "'0001-01-01 00:00:00+00'::TIMESTAMPTZ": "0001-01-01 00:00:00+00",
    "-0.0::DOUBLE": "-0.0",
    "['nan'::DOUBLE, NULL, '-inf'::DOUBLE]": "[nan, NULL, -inf]",
    "MAP {'nan'::DOUBLE: '-0.0'::FLOAT}": "{nan=-0.0}",
    "MAP {'2020-01-01'::DATE: ['x', NULL], '2020-01-02'::DATE: NULL}": "{2020-01-01=[x, NULL], 2020-01-02=NULL}",
    "MAP {}::MAP(INTEGER, VARCHAR)": "{}",
    "MAP {true: {'k': MAP {'\\x00'::BLOB: 1}}}": "{true={'k': {\\x00=1}}}",
    "'.99999999999999999999999999999999999999'::DECIMAL(38,38)": ".99999999999999999999999999999999999999",
    "(-99999999999999999999999999999999999999)::HUGEINT": "-99999999999999999999999999999999999999",
    "[[1, NULL], NULL, []]::INTEGER[][]": "[[1, NULL], NULL, []]",
    "[NULL, {'a': NULL, 'b': [NULL, 'x']}]::STRUCT(a INTEGER, b VARCHAR[])[]": "[NULL, {'a': NULL, 'b': [NULL, x]}]",
    "''::BLOB": "",
    "'24:00:00-15:59:59'::TIMETZ": "24:00:00-15:59:59",
    "INTERVAL '1 month 3 days -4 hours'": "1 month 3 days -04:00:00",
    "''::ENUM('', 'b')": "",
    "[1.5::FLOAT, NULL, 'nan'::FLOAT]::FLOAT[3]": "[1.5, NULL, nan]",
    "[[1, 2], [3, NULL]]::INTEGER[2][2]": "[[1, 2], [3, NULL]]",
    "NULL::DOUBLE[3]": None,
    "NULL::STRUCT(a INTEGER)": None,
    "[NULL]": "[NULL]",
    "{'select': 1, 'a.b': 2, 'a\"b': 3}": "{'select': 1, 'a.b': 2, 'a\"b': 3}",
    "'a' || chr(0) || 'b'": "a\0b",
    "TIMESTAMP_NS '1969-12-31 23:59:59.999999999'": "1969-12-31 23:59:59.999999",
    "TIMESTAMP_NS '1999-02-03 04:05:06.999999999'": "1999-02-03 04:05:06.999999",
    "[TIMESTAMP_NS '1950-02-03 04:05:06.123456789', NULL]": "['1950-02-03 04:05:06.123456', NULL]",
    "{'a.b': [{'t': TIMESTAMP_NS '1677-09-22 00:00:00.000000001'}]}": "{'a.b': [{'t': '1677-09-22 00:00:00'}]}",
    "MAP {'k': TIMESTAMP_NS '1950-02-03 04:05:06.000000001'}": "{k='1950-02-03 04:05:06'}",
    "[TIMESTAMP_NS '1950-02-03 04:05:06.000000001']::TIMESTAMP_NS[1]": "['1950-02-03 04:05:06']",
    "'23:59:59.999999999'::TIME_NS": "23:59:59.999999",
    "['00:00:00.0000009'::TIME_NS]": "['00:00:00']",
    "NULL::STRUCT(a TIMESTAMP_NS, b TIME_NS)": None,
}


def of_sql(project: Write, tmp_path: Path, columns: str) -> Project:
    (tmp_path / "x.jsonl").write_text(ROWS)
    return project(f"""
[pipelines.p]
from = "x.jsonl"
steps = [ {{ op = "sql", query = '''select *, {columns} from rows''' }} ]

[pipelines.again]
from = "p"
steps = [ {{ op = "filter", where = "question is null" }} ]
""")


def test_values_at_the_edges_are_held(project: Write, store: Store, tmp_path: Path) -> None:
    names = {f"c{place}": sql for place, sql in enumerate(HELD)}
    loaded = of_sql(project, tmp_path, ", ".join(f"{sql} as {name}" for name, sql in names.items()))
    run_pipeline(loaded, "p", store)
    listed = ", ".join(f"{name}::VARCHAR" for name in names)
    made = store.connect().execute(f"select {listed} from p").fetchone()
    assert made is not None
    for (sql, expected), got in zip(HELD.items(), made, strict=True):
        assert got == expected, sql
    run_pipeline(loaded, "again", store)
    [gone] = store.query("select row from again__rejects").read_all().to_pylist()
    assert set(names) <= set(json.loads(gone["row"]))
    file = tmp_path / "p.parquet"
    write(store.query(f"select question, answer, {', '.join(names)} from p"), file, "parquet")
    back = project('[pipelines.back]\nfrom = "p.parquet"\nsteps = []')
    run_pipeline(back, "back", store)
    assert store.connect().execute(f"select {listed} from back").fetchone() == made


MIDNIGHTS = [
    "'24:00:00'::TIME",
    "['00:00:00'::TIME, NULL, '24:00:00'::TIME]",
    "{'a': {'b': '24:00:00'::TIME}}",
    "MAP {'24:00:00'::TIME: 1}",
    "MAP {'a': ['24:00:00'::TIME]}",
    "['24:00:00'::TIME]::TIME[1]",
    "'24:00:00'::TIME_NS",
]


@pytest.mark.parametrize("sql", MIDNIGHTS)
def test_the_end_of_the_day_is_refused_by_column_and_row(
    project: Write, store: Store, tmp_path: Path, sql: str
) -> None:
    problem = "column 'odd' of row '?.*'? holds the time 24:00:00.*odd::VARCHAR"
    loaded = of_sql(project, tmp_path, f"{sql} as odd")
    with pytest.raises(InputError, match=problem):
        run_pipeline(loaded, "p", store)
    query = project(f"[pipelines.q]\nfrom = '''select 'q' as question, {sql} as odd'''\nsteps = []")
    with pytest.raises(InputError, match=problem):
        run_pipeline(query, "q", store)
    assert run_pipeline(of_sql(project, tmp_path, f"({sql})::VARCHAR as odd"), "p", store).rows_out == 1


@pytest.mark.parametrize(
    "values",
    [
        pa.array([None, 86_400], pa.time32("s")),
        pa.array([0, 86_400_000], pa.time32("ms")),
        pa.array([86_400_000_000, 1], pa.time64("us")),
        pa.array([1, 86_400 * 10**9], pa.time64("ns")),
        pa.array([None, [86_400]], pa.list_(pa.time32("s"))),
        pa.array([[("a", 86_400)], None], pa.map_(pa.string(), pa.time32("s"))),
        pa.array([{"a": [0]}, {"a": [86_400]}], pa.struct([("a", pa.large_list(pa.time32("s")))])),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_a_file_with_the_end_of_the_day_is_refused(tmp_path: Path, values: pa.Array, ending: str) -> None:
    file = tmp_path / f"x.{ending}"
    table = pa.table({"question": ["a", "b"], "odd": values})
    (pq.write_table if ending == "parquet" else feather.write_feather)(table, file)
    with pytest.raises(InputError, match=r"24:00:00.*odd::VARCHAR|acceptable range.*write the column as text"):
        apply_operator("filter", {"where": "true"}, file, tmp_path / "out.parquet", workers=1)


def test_a_slice_is_judged_by_its_own_rows() -> None:
    for kind, values in ((pa.time32("s"), [86_400, 5]), (pa.list_(pa.time32("s")), [[86_400], [5]])):
        whole = pa.record_batch({"t": pa.array(values, kind)})
        check_times(whole.slice(1))
        with pytest.raises(ColumnError, match="row 1"):
            check_times(whole)


def test_a_query_shows_the_end_of_the_day(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    write(
        store.query("select '24:00:00'::TIME as t, ['24:00:00'::TIME, NULL] as l, '00:00:00'::TIME as z"), file, "jsonl"
    )
    row = json.loads(file.read_text())
    assert row["t"] == "24:00:00" and "24:00:00" in row["l"] and row["z"] == "00:00:00"


@pytest.mark.parametrize(
    ("given", "microseconds"),
    [([-1, -1000, -1001, 0, 999, None, 1001], [-1, -1, -2, 0, 0, None, 1])],
)
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_nanoseconds_of_a_source_are_cut_downwards(given: list[Any], microseconds: list[Any], zone: str | None) -> None:
    made = stored_array(pa.array([given], pa.list_(pa.timestamp("ns", zone))))
    assert made.flatten().cast(pa.int64()).to_pylist() == microseconds


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["x", None], pa.string_view()).dictionary_encode(),
        pa.array([10**12, None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), pa.array([{"a": 1.5}])),
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.uint32()), pa.array([["x", None]])),
        pa.array([b"\0", None], pa.large_binary()).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_dictionaries_of_any_values_are_undone(values: pa.Array) -> None:
    made = stored_array(values)
    assert made.to_pylist() == values.to_pylist() and not pa.types.is_dictionary(made.type)


def test_old_timestamps_of_parquet_keep_their_year(tmp_path: Path) -> None:
    """INT96, as Spark and Impala wrote them, is wider than nanoseconds in 64 bits."""
    given = [
        "9999-12-31 01:02:03.000004",
        "0001-01-01 00:00:00",
        "1969-12-31 23:59:59.999999",
        "2262-04-12 00:00:00",
        None,
    ]
    moments = [text and dt.datetime.fromisoformat(text) for text in given]
    table = pa.table({"question": list("abcde"), "t": pa.array(moments, pa.timestamp("us")), "l": [moments[:2]] * 5})
    pq.write_table(table, tmp_path / "x.parquet", use_deprecated_int96_timestamps=True)
    source = Files(FilesParams(path="x.parquet"), Here(tmp_path))
    rows = [row for batch in source.batches() for row in batch.to_pylist()]
    assert [row["t"] for row in rows] == moments and rows[0]["l"] == moments[:2]


class Here(NamedTuple):
    """The `SourceContext` of a folder."""

    root: Path
    store: Any = None
    grows: bool = False


def test_a_struct_without_names_says_what_to_write(project: Write, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fields of a STRUCT have no names: write \{'name': value\}"):
        run_pipeline(of_sql(project, tmp_path, "row(1, 2) as odd"), "p", store)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("infinity", "DATE"), ("-infinity", "TIMESTAMP"), ("20000-01-01", "DATE"), ("44-03-15 (BC)", "DATE")],
)
@pytest.mark.parametrize("question", ["question", "messages"])
def test_dates_of_files_that_python_lacks_are_refused_by_name(
    tmp_path: Path, command_line: Any, monkeypatch: pytest.MonkeyPatch, value: str, kind: str, question: str
) -> None:
    """`import` looks at the first rows for a layout, and `plan` for the length of prompts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text("")
    asked = "'1 + 1?'" if question == "question" else "[{'role': 'user', 'content': '1 + 1?'}]"
    with closing(duckdb.connect()) as con:
        con.execute(f"copy (select {asked} as {question}, '{value}'::{kind} as day) to 'odd.parquet'")
    said = command_line("import", "odd.parquet", "--into", "odd")
    assert said.code == 2 and "infinity or a year beyond 1 to 9999" in said.error, said
    assert "internal-error" not in said.error

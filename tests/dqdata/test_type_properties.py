"""Random values of random types: what comes back from files, steps, commit, SQL and `apply` is what DuckDB or Python
says of the value itself."""

from __future__ import annotations

import datetime as dt
import json
import math
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dqdata.arrow_types import stored_batch
from dqdata.catalog import Store
from dqdata.catalog.export import write
from dqdata.engine.apply import apply_operator
from dqdata.engine.run import run_pipeline
from dqdata.project.tables import read_project
from dqdata.sources.files import Files, FilesParams
from dqdata.sql import literal, quoted
from dqdata.types import stored

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DAYS = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
FINITE = st.floats(allow_nan=False)


class Here(NamedTuple):
    """The `SourceContext` of a folder."""

    root: Path
    store: Any = None
    grows: bool = False


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.sampled_from([low, high, 0])


ARROW: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    **{getattr(pa, f"int{n}")(): whole(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{n}")(): whole(0, 2**n - 1) for n in (8, 16, 32, 64)},
    pa.float16(): st.floats(width=16, allow_nan=False),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): FINITE,
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), TEXT),
    **dict.fromkeys((pa.binary(), pa.large_binary(), pa.binary_view()), st.binary(max_size=6)),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.date32(): DAYS,
    pa.time32("s"): st.times().map(lambda time: time.replace(microsecond=0)),
    pa.time64("us"): st.times(),
    pa.timestamp("us"): MOMENTS,
    pa.timestamp("us", "Asia/Kolkata"): MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC)).filter(
        lambda moment: 1 < moment.year < 9999
    ),
    pa.decimal128(38, 10): st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(n).scaleb(-10)),
    pa.decimal256(30, 2): st.integers(-(10**30) + 1, 10**30 - 1).map(lambda n: Decimal(n).scaleb(-2)),
    pa.dictionary(pa.int32(), pa.string()): TEXT,
}


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Types with strategies of their values, in lists, structs and maps."""
    of_list = inner.map(lambda pair: (pa.list_(pair[0]), st.lists(pair[1] | st.none(), max_size=3)))
    large = inner.map(lambda pair: (pa.large_list(pair[0]), st.lists(pair[1] | st.none(), max_size=3)))
    fixed = inner.map(lambda pair: (pa.list_(pair[0], 2), st.lists(pair[1] | st.none(), min_size=2, max_size=2)))
    struct = inner.map(
        lambda pair: (pa.struct([("a b", pair[0]), ("é", pa.int8())]),
                      st.fixed_dictionaries({"a b": pair[1] | st.none(), "é": st.none() | st.integers(-9, 9)}))
    )  # fmt: skip
    pairs = st.integers(0, 9)
    mapped = inner.map(
        lambda pair: (pa.map_(pa.int16(), pair[0]),
                      st.dictionaries(pairs, pair[1] | st.none(), max_size=3).map(lambda d: list(d.items())))
    )  # fmt: skip
    return of_list | large | fixed | struct | mapped


TYPED = st.recursive(st.sampled_from(list(ARROW.items())), nested, max_leaves=3)


@st.composite
def tables(draw: Any) -> pa.Table:
    columns = {}
    for place in range(draw(st.integers(1, 4))):
        kind, values = draw(TYPED)
        columns[f"c{place}"] = pa.array(draw(st.lists(values | st.none(), min_size=3, max_size=3)), kind)
    return pa.table(columns)


def same(left: Any, right: Any) -> bool:
    """Equal, and -0.0 is not 0.0."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right) and (left is None) == (right is None)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tables())
def test_files_give_the_values_that_were_written(table: pa.Table) -> None:
    wanted = table.to_pylist()
    [batch] = table.to_batches()
    assert same(stored_batch(batch).to_pylist(), wanted)
    with tempfile.TemporaryDirectory() as folder:
        feather.write_feather(table, f"{folder}/x.feather", compression="zstd")
        names = ["x.feather"]
        if "decimal256" not in str(table.schema):
            pq.write_table(table, f"{folder}/x.parquet")
            names.append("x.parquet")
        for name in names:
            source = Files(FilesParams(path=name), Here(Path(folder)))
            read = pa.Table.from_batches(list(source.batches()))
            assert same(read.to_pylist(), wanted), name
            assert {stored(kind) for kind in source.schema().values()} == set(source.schema().values())


def of(sql: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, str]]:
    return values.map(lambda value: (sql, f"{literal(str(value))}::{sql}"))


SQL: tuple[st.SearchStrategy[tuple[str, str]], ...] = (
    of("BOOLEAN", st.booleans()),
    of("TINYINT", whole(-128, 127)),
    of("UBIGINT", whole(0, 2**64 - 1)),
    of("HUGEINT", whole(1 - 10**38, 10**38 - 1)),
    of("UHUGEINT", whole(0, 10**38 - 1)),
    of("BIGNUM", st.integers(-(10**60), 10**60)),
    of("DECIMAL(38,38)", st.integers(1 - 10**38, 10**38 - 1).map(lambda n: format(Decimal(n).scaleb(-38), "f"))),
    of("DECIMAL(9,2)", st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: format(Decimal(n).scaleb(-2), "f"))),
    of("FLOAT", st.floats(width=32)),
    of("DOUBLE", st.floats()),
    of("VARCHAR", st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)),
    of("JSON", st.recursive(st.none() | st.integers() | TEXT, st.lists, max_leaves=3).map(json.dumps)),
    of("UUID", st.uuids()),
    of("ENUM('', 'b', 'c''d')", st.sampled_from(["", "b", "c'd"])),
    of("BIT", st.text("01", min_size=1, max_size=20)),
    of("DATE", DAYS),
    of("TIME", st.times()),
    of("TIME WITH TIME ZONE", st.times().map(lambda time: f"{time}+15:59")),
    of("TIMESTAMP", MOMENTS),
    of("TIMESTAMP_NS", st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))),
    of("TIMESTAMP_S", MOMENTS.map(lambda moment: moment.replace(microsecond=0))),
    of("TIMESTAMP WITH TIME ZONE", MOMENTS.map(lambda moment: f"{moment}+00")),
    of("INTERVAL", st.tuples(*[st.integers(-99, 99)] * 3).map(lambda n: "{} months {} days {} seconds".format(*n))),
    st.binary(max_size=6).map(lambda raw: ("BLOB", f"unhex('{raw.hex()}')")),
)


def around(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    return st.one_of(
        inner.map(lambda pair: (f"{pair[0]}[]", f"[{pair[1]}, NULL]")),
        inner.map(lambda pair: (f"{pair[0]}[2]", f"[NULL, {pair[1]}]::{pair[0]}[2]")),
        inner.map(lambda pair: (f'STRUCT("a.b" {pair[0]}, n INTEGER)', f"{{'a.b': {pair[1]}, 'n': NULL::INTEGER}}")),
        inner.map(lambda pair: (f"MAP(DATE, {pair[0]})", f"MAP {{'2020-01-02'::DATE: {pair[1]}}}")),
        inner.map(lambda pair: (f"{pair[0]}[]", f"NULL::{pair[0]}[]")),
    )


VALUES = st.tuples(*SQL, *[st.recursive(st.one_of(*SQL), around, max_leaves=4)] * 30)
"""A value of each type, and thirty more that are mostly nested."""

PROJECT = """
[pipelines.made]
from = "x.jsonl"
steps = [ { op = "sql", query = '''select *, COLUMNS from rows''' } ]

[pipelines.stepped]
from = "made"
steps = [
    { op = "length", column = "question" },
    { op = "filter", where = "question <> 'none'" },
    { op = "split", near = false, shares = { train = 1.0 } },
    { op = "sql", query = "select * from rows" },
]
"""


@settings(max_examples=1, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(VALUES)
def test_steps_commit_sql_export_and_apply_give_what_duckdb_says(values: tuple[tuple[str, str], ...]) -> None:
    names = {f"c{place}": value for place, value in enumerate(values)}
    texts = ", ".join(f"{name}::VARCHAR" for name in names)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        held = ", ".join(f"({sql})::{stored(kind)} as {quoted(name)}" for name, (kind, sql) in names.items())
        expected = con.execute(f"select {texts} from (select {held})").fetchone()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.jsonl").write_text('{"question": "What is 1 + 1?", "answer": "2"}\n')
        made = ", ".join(f"{sql} as {name}" for name, (_, sql) in names.items())
        project = PROJECT.replace("'''select *, COLUMNS from rows'''", json.dumps(f"select *, {made} from rows"))
        (folder / "pipelines.toml").write_text(project)
        with Store.open(folder / "store") as store:
            for pipeline in ("made", "stepped"):
                run_pipeline(read_project(folder / "pipelines.toml"), pipeline, store)
                assert store.connect().execute(f"select {texts} from {pipeline}").fetchone() == expected, pipeline
            write(
                store.query(f"select question, answer, {', '.join(names)} from stepped"),
                folder / "a.parquet",
                "parquet",
            )
            for kind in ("jsonl", "csv"):
                write(store.query("from stepped"), folder / f"a.{kind}", kind)
                assert Files(FilesParams(path=f"a.{kind}"), Here(folder)).row_count() == 1
        apply_operator("filter", {"where": "true"}, folder / "a.parquet", folder / "b.parquet", workers=1)
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'")
            assert con.execute(f"select {texts} from '{folder}/b.parquet'").fetchone() == expected

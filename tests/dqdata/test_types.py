"""Every type of the table through import, each kind of step, commit, SQL, export and apply."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from dqdata.catalog import Store
from dqdata.catalog.export import Format, write
from dqdata.columns import arrow_schema, columns_of
from dqdata.database import connect
from dqdata.engine.apply import apply_operator
from dqdata.engine.run import run_pipeline
from dqdata.errors import ColumnError, InputError, QueryError
from dqdata.project.check import NoStore
from dqdata.project.plan import make_plan
from dqdata.project.tables import Project
from dqdata.sources.files import Files, FilesParams
from dqdata.sql import literal
from dqdata.types import DUCKDB, PLAIN, Rule, stored

pytestmark = pytest.mark.usefixtures("kept_workers")

Write = Callable[[str], Project]


def value(rule: Rule) -> str:
    """The example as SQL."""
    whole = "::" in rule.example or rule.name in ("T[]", "STRUCT", "MAP")
    return rule.example if whole else f"{rule.example}::{rule.name}"


HELD = [rule for rule in DUCKDB if rule.how != "refused"]
VALUES = {f"c{place}": value(rule) for place, rule in enumerate(HELD)} | {
    "deep": "[{'u': ['550e8400-e29b-41d4-a716-446655440000'::UUID], 'h': MAP {'k': 1::HUGEINT}, 'e': []::DATE[]}]",
    "nothing": "null",
    "empty_list": "[]::STRUCT(a HUGEINT, b JSON)[]",
    "nan": "'nan'::FLOAT",
    "minus_zero": "'-0.0'::DOUBLE",
    "huge": "9007199254740993::HUGEINT",
    "list_of_enums": "['a'::ENUM('a', 'b')]",
    "vectors": "[[1, 2]::FLOAT[2], null]",
    "zoned": "['2020-01-01 00:00:00+09'::TIMESTAMPTZ]",
    "empty_text": "''",
}
"""Column by column: a value of each type that rows hold, and some nested in one another."""


def texts(con: Any, query: str, wanted: dict[str, str] = VALUES) -> dict[str, str]:
    """The one row of a query, as DuckDB writes its values."""
    listed = ", ".join(f'"{name}"::VARCHAR as "{name}"' for name in wanted)
    made = con.execute(f"select {listed} from ({query}) limit 1")
    return dict(zip(wanted, made.fetchone(), strict=True))


@pytest.fixture
def expected() -> dict[str, str]:
    """What DuckDB writes of each value in the type that the table promises; nanoseconds cut off."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        types = {name: con.sql(f"select {sql} as x").types[0] for name, sql in VALUES.items()}
        cut = {name: f"left(({sql})::VARCHAR, 26)" for name, sql in VALUES.items() if "TIMESTAMP_NS" in sql}
        listed = ", ".join(
            f"({cut.get(name, sql)})::{stored(str(types[name]))} as {name}" for name, sql in VALUES.items()
        )
        return texts(con, f"select {listed}")


def steps(project: Write, tmp_path: Path) -> Project:
    """A pipeline in which every value is made by SQL and then meets a step of each kind."""
    (tmp_path / "sums.jsonl").write_text(
        "".join(json.dumps({"question": f"What is {n} + 1?", "answer": str(n + 1)}) + "\n" for n in range(3))
    )
    listed = ", ".join(f"{sql} as {name}" for name, sql in VALUES.items())
    return project(f"""
[teachers.parrot]
provider = "parrot"
log = "LOG"

[pipelines.made]
from = "sums.jsonl"
steps = [ {{ op = "sql", query = '''select *, {listed} from rows''' }} ]

[pipelines.stepped]
from = "made"
max_failed_rate = 1.0
steps = [
    {{ op = "talk", teacher = "parrot", n = 1 }},
    {{ op = "verify_math" }},
    {{ op = "length" }},
    {{ op = "filter", where = "question <> 'What is 2 + 1?'" }},
    {{ op = "split", near = false, shares = {{ train = 0.5, test = 0.5 }} }},
    {{ op = "dedup", column = "question" }},
]

[pipelines.joined]
from = "select problem_id, question, answer from made"
steps = [ {{ op = "join", catalog = "made", columns = {json.dumps(list(VALUES))} }} ]
""")


def test_every_type_passes_every_kind_of_step(
    project: Write, store: Store, tmp_path: Path, expected: dict[str, str]
) -> None:
    loaded = steps(project, tmp_path)
    for name in ("made", "stepped", "joined"):
        run_pipeline(loaded, name, store)
        con = store.connect()
        assert texts(con, f"from {name}") == expected, name
        described = {str(row[0]): str(row[1]) for row in con.execute(f"describe from {name}").fetchall()}
        assert all(stored(described[column]) == described[column] for column in VALUES), name
    [gone] = store.query("select row from stepped__rejects").read_all().to_pylist()
    row = json.loads(gone["row"])
    assert row["question"] == "What is 2 + 1?" and set(VALUES) <= set(row)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "json", "csv"])
def test_every_type_is_exported_and_read_back(
    project: Write, store: Store, tmp_path: Path, expected: dict[str, str], kind: Format
) -> None:
    loaded = steps(project, tmp_path)
    run_pipeline(loaded, "made", store)
    file = tmp_path / f"made.{kind}"
    columns = ", ".join(f'"{name}"' for name in ("question", "answer", *VALUES))
    assert write(store.query(f"select {columns} from made"), file, kind) == 3
    again = project(f'[pipelines.again]\nfrom = "made.{kind}"\nsteps = []')
    run_pipeline(again, "again", store)
    made = texts(store.connect(), "from again")
    if kind == "parquet":
        assert made == expected
        return
    other = ("BLOB", "DECIMAL", "FLOAT", "nan", "inf", "TIME", "MAP", "[", "{")
    exact = {name for name, sql in VALUES.items() if "::JSON" in sql or not any(word in sql for word in other)}
    assert len(exact) > 18
    for name in exact - {"nothing", "empty_text", "minus_zero"}:
        assert made[name] == expected[name], name
    assert float(made["minus_zero"]) == 0 and made["minus_zero"].startswith("-")
    assert (made["nothing"], made["empty_text"]) == (None, "")


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_decimals_are_written_and_read_with_every_digit(store: Store, tmp_path: Path, kind: Format) -> None:
    exact = ["1234567890123456789.10", "-0.01", "99999999999999999999999999999999999.99"]
    rows = ", ".join(f"({text}::DECIMAL(37,2))" for text in exact)
    write(store.query(f"select * from (values {rows}) t(x)"), tmp_path / f"d.{kind}", kind)
    read = Files(FilesParams(path=f"d.{kind}", types={"x": "DECIMAL(37,2)"}), Here(tmp_path, store))
    assert read.schema() == {"x": "DECIMAL(37,2)"}
    assert [str(value) for batch in read.batches() for value in batch["x"].to_pylist()] == exact


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_whole_numbers_keep_every_digit(store: Store, tmp_path: Path, kind: Format) -> None:
    exact = [2**53 + 1, -(2**63), 2**64, 10**38 - 1]
    rows = ", ".join(f"({number}::HUGEINT, {number % 2**63}::BIGINT)" for number in exact)
    write(store.query(f"select * from (values {rows}) t(x, y)"), tmp_path / f"d.{kind}", kind)
    read = Files(FilesParams(path=f"d.{kind}"), Here(tmp_path, store))
    assert read.schema()["x"] == "DECIMAL(38,0)"
    made = [row for batch in read.batches() for row in batch.to_pylist()]
    assert [(int(row["x"]), int(row["y"])) for row in made] == [(number, number % 2**63) for number in exact]


class Here(NamedTuple):
    """The `SourceContext` of a folder."""

    root: Path
    store: Store
    grows: bool = False


def test_every_type_is_applied_to(tmp_path: Path, expected: dict[str, str]) -> None:
    cut = {name: f"left(({sql})::VARCHAR, 26)" for name, sql in VALUES.items() if "TIMESTAMP_NS" in sql}
    listed = ", ".join(f"({cut.get(name, sql)})::{_in_parquet(sql)} as {name}" for name, sql in VALUES.items())
    file, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"copy (select 'q' as question, {listed}) to {literal(str(file))}")
        done = apply_operator("filter", {"where": "true"}, file, out, workers=1)
        assert (done.rows_in, done.rows_out) == (1, 1)
        assert texts(con, f"from {literal(str(out))}") == expected


def _in_parquet(sql: str) -> str:
    """The type that DuckDB itself writes to Parquet without losing digits or zones."""
    with duckdb.connect() as con:
        return stored(str(con.sql(f"select {sql} as x").types[0]))


@pytest.mark.parametrize("rule", [rule for rule in DUCKDB if rule.how == "refused"], ids=lambda rule: rule.name)
def test_a_type_that_rows_cannot_hold_is_refused_when_planning(
    project: Write, tmp_path: Path, rule: Rule, store: Store
) -> None:
    (tmp_path / "x.jsonl").write_text('{"question": "1 + 1"}\n')
    for made in (value(rule), f"[{value(rule)}]", f"{{'a': {value(rule)}}}"):
        step = f'{{ op = "sql", query = "select *, {made} as odd from rows" }}'
        loaded = project(f'[pipelines.p]\nfrom = "x.jsonl"\nsteps = [ {step} ]')
        with pytest.raises(InputError, match=rf"'odd' is .*can't hold {rule.name}.*::VARCHAR"):
            make_plan(loaded, "p", NoStore())
        with pytest.raises(QueryError, match=rf"'odd' is .*can't hold {rule.name}"):
            store.query(f"select {made} as odd")


def test_types_of_arrow_are_named_as_duckdb_names_them() -> None:
    kinds = {
        f"c{place}": name
        for place, name in enumerate([f"{plain}{part}" for plain in PLAIN for part in ("", "[]", "[][]")])
    }
    kinds |= {"d": "DECIMAL(9,2)[]", "s": "STRUCT(a BIGINT, b VARCHAR[])[]", "m": "MAP(VARCHAR, DATE)"}
    rows = arrow_schema(kinds).empty_table()
    with connect() as con:
        con.register("rows_of_schema", rows)
        described = con.sql("describe from rows_of_schema").fetchall()
    assert len(PLAIN) > 15 and columns_of(rows.schema) == {str(name): str(kind) for name, kind, *_ in described}


def test_types_of_duckdb_are_all_in_the_table() -> None:
    known = {id_.upper() for rule in DUCKDB for id_ in rule.ids} | {"NULL", "ANY", "TYPE", "INTEGER_LITERAL"}
    with duckdb.connect() as con:
        names = {
            str(row[0]).upper() for row in con.execute("select distinct logical_type from duckdb_types()").fetchall()
        }
    assert {name.strip('"') for name in names} - known == set()


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (
            "sum(100000000000000000000000000000000000000::HUGEINT) over ()",
            "up to 38 digits; cast the column to VARCHAR",
        ),
        ("'infinity'::DATE", r"column 'odd' of row '.*' holds a date or time that rows can't hold.*odd::VARCHAR"),
        ("'-infinity'::TIMESTAMP", "infinity or a year beyond 1 to 9999"),
        ("['290000-01-01'::TIMESTAMP]", "infinity or a year beyond 1 to 9999"),
        ("{'a': '44-03-15 (BC)'::DATE}", "infinity or a year beyond 1 to 9999"),
        ("MAP {'a': 'infinity'::TIMESTAMPTZ}", "infinity or a year beyond 1 to 9999"),
    ],
)
def test_a_value_that_rows_cannot_hold_names_column_and_cast(
    project: Write, store: Store, tmp_path: Path, sql: str, problem: str
) -> None:
    (tmp_path / "x.jsonl").write_text('{"question": "1 + 1"}\n')
    query = f'[pipelines.p]\nfrom = "x.jsonl"\nsteps = [ {{ op = "sql", query = "select *, {sql} as odd from rows" }} ]'
    with pytest.raises((InputError, ColumnError), match=problem):
        run_pipeline(project(query), "p", store)
    as_advised = query.replace(f"{sql} as odd", f"({sql})::VARCHAR as odd")
    assert run_pipeline(project(as_advised), "p", store).rows_out == 1


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_any_value_of_a_query_can_be_exported(store: Store, tmp_path: Path, kind: Format) -> None:
    odd = "'infinity'::DATE as d, '290000-01-01'::TIMESTAMP as t, ['-infinity'::TIMESTAMPTZ] as l, "
    odd += "TIMESTAMP_NS '1999-02-03 04:05:06.123456789' as n, {'m': MAP {[1]: '\\x00'::BLOB}}.m::VARCHAR as m"
    file = tmp_path / f"x.{kind}"
    assert write(store.query(f"select {odd}"), file, kind) == 1
    if kind == "csv":
        [row] = csv.DictReader(file.open(encoding="utf-8", newline=""))
        assert (row["d"], row["t"]) == ("infinity", "290000-01-01 00:00:00")
    elif kind != "parquet":
        row = json.loads(file.read_text().strip("[\n]"))
        assert (row["d"], row["t"]) == ("infinity", "290000-01-01 00:00:00")
        assert row["n"] == "1999-02-03T04:05:06.123456"

"""Properties over arbitrary texts, names and sizes: quoting, names, identity, chunks and their resume."""

from __future__ import annotations

import functools
import json
import tempfile
import tomllib
import unicodedata
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from dqdata.columns import REJECTS, polars_schema
from dqdata.engine.chunks import Folder, Slice, slices
from dqdata.errors import InputError
from dqdata.ids import canonical, child_id, digest, json_string, problem_id
from dqdata.place import StorePlace
from dqdata.project.tables import read_project
from dqdata.refs import RESERVED, Ref, as_query, catalog_ref, check_name
from dqdata.sql import literal, quoted
from dqdata.teacher import Message, Request, Sampling

few = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
NASTY = "'\"\\;-@#\n\t\u2028é\u00e9\U0001f600${}[]"
TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), st.sampled_from(NASTY)))
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@few
@given(text=TEXTS, number=st.integers(-(2**63), 2**63 - 1), real=st.floats())
@example("'; drop table x; --", 0, float("inf"))
def test_a_value_in_sql_is_the_value(con: duckdb.DuckDBPyConnection, text: str, number: int, real: float) -> None:
    found = con.execute(f"select {literal(text)}, {literal(number)}, {literal(real)}, {literal(None)}").fetchall()
    assert repr(found) == repr([(text, number, real, None)])


@few
@given(names=st.lists(TEXTS.filter(bool), min_size=1, max_size=4, unique_by=str.lower))
def test_a_quoted_name_is_one_name(con: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    columns = ", ".join(f"{place} as {quoted(name)}" for place, name in enumerate(names))
    made = con.execute(f"select {columns}")
    assert made.description is not None
    assert [column[0] for column in made.description] == names
    picked = ", ".join(quoted(name) for name in reversed(names))
    assert con.execute(f"select {picked} from (select {columns})").fetchall() == [tuple(reversed(range(len(names))))]


@few
@given(name=st.one_of(NAMES, TEXTS, st.sampled_from(sorted(RESERVED))), version=st.integers(0, 10**9))
@example("p__rejects", 1)
@example("dq_x", 1)
def test_a_name_that_a_catalog_may_have_is_a_reference_and_a_table(
    con: duckdb.DuckDBPyConnection, name: str, version: int
) -> None:
    try:
        assert check_name(name) == name
    except InputError:
        assert not may_be_a_catalog(name)
        return
    assert may_be_a_catalog(name)
    assert catalog_ref(f" {name}@{version} ") == Ref(name, version)
    assert catalog_ref(name) == catalog_ref(f"{name}@Latest") == Ref(name, None)
    assert as_query(f"{name}@{version}") == f"select * from {name}@{version}"
    con.execute(f"create or replace temp table {name} as select 1 as a")
    assert con.execute(f"select {name}.a from {name}").fetchall() == [(1,)]
    con.execute(f"drop table {name}")


def may_be_a_catalog(name: str) -> bool:
    """The rule as docs/pipelines.md states it, without the regular expression that the product uses."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    plain = 0 < len(name) <= 63 and name[0] in letters and set(name) <= set(letters + "0123456789_")
    own = name.endswith("__rejects") or name.startswith("dq_")
    return plain and not own and not _means_something_else(name)


def _means_something_else(name: str) -> bool:
    """Whether DuckDB reads a table of this name as something else, or a store has a schema of this name."""
    if name in {"lake", "ledger", "main", "memory", "system", "temp", "information_schema", "pg_catalog"}:
        return True
    return _keywords().get(name) in {"reserved", "type_function"} or name in {"at", "by", "unpack"}


@functools.cache
def _keywords() -> dict[str, str]:
    return dict(duckdb.sql("select keyword_name, keyword_category from duckdb_keywords()").fetchall())


@few
@given(question=TEXTS, answer=TEXTS, other=TEXTS, blanks=st.text(" \t\n", min_size=1, max_size=3))
def test_a_problem_is_what_it_asks(question: str, answer: str, other: str, blanks: str) -> None:
    made = problem_id(question, answer)
    for form in ("NFC", "NFD"):
        assert problem_id(unicodedata.normalize(form, question), unicodedata.normalize(form, answer)) == made
    assert problem_id(blanks + question.replace(" ", f" {blanks}") + blanks, answer) == made
    assert len(made) == 32 and set(made) <= set("0123456789abcdef")
    assume(_plainly(other) != _plainly(question))
    assert problem_id(other, answer) != made
    assert problem_id(question, answer, tests="assert f(1) == 1") != made


def _plainly(text: str) -> list[str]:
    return unicodedata.normalize("NFC", text).split()


@few
@given(one=st.lists(TEXTS, max_size=4), other=st.lists(TEXTS, max_size=4))
def test_parts_of_a_hash_do_not_run_together(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
    assert child_id(one, "s", 1) != child_id(one, "s", 11)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


@few
@given(value=VALUES, text=TEXTS)
def test_canonical_text_is_json_in_one_spelling(value: object, text: str) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(_reversed(value)) == written
    assert json_string(text) == canonical(text)


def _reversed(value: object) -> object:
    """The same value, with its keys in another order."""
    if isinstance(value, dict):
        return {name: _reversed(item) for name, item in reversed(value.items())}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


@few
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=3),
    extra=st.dictionaries(TEXTS, st.integers(), max_size=3),
    sample=st.integers(0, 5),
)
def test_a_ledger_key_is_of_all_that_could_change_the_answer(
    texts: list[str], extra: dict[str, int], sample: int
) -> None:
    messages = tuple(Message("user", text) for text in texts)
    key = Request(messages, Sampling(extra=extra), sample=sample).key("openai", "m", "")
    again = dict(reversed(extra.items()))
    assert Request(messages, Sampling(extra=again), sample=sample).key("openai", "m", "") == key
    others = [
        Request((*messages[:-1], Message("user", texts[-1] + ".")), Sampling(extra=extra), sample=sample),
        Request((*messages[:-1], Message("assistant", texts[-1])), Sampling(extra=extra), sample=sample),
        Request((*messages, Message("user", "")), Sampling(extra=extra), sample=sample),
        Request(messages, Sampling(extra=extra, temperature=0.0), sample=sample),
        Request(messages, Sampling(extra=extra), sample=sample + 1),
        Request(messages, Sampling(extra=extra), sample=sample, draw="d"),
    ]
    keys = [other.key("openai", "m", "") for other in others]
    assert len({key, *keys, Request(messages, Sampling(extra=extra), sample=sample).key("openai", "m2", "")}) == 8


SIZES = st.lists(st.integers(0, 12), min_size=1, max_size=4)


@settings(few, max_examples=25)
@given(sizes=SIZES, chunk=st.integers(1, 7), finished=st.sets(st.integers(0, 40)), partial=st.sets(st.integers(0, 40)))
def test_chunks_hold_every_row_once_and_a_resume_takes_the_rest(
    sizes: list[int], chunk: int, finished: set[int], partial: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        files, rows = [], iter(range(1000))
        for number, size in enumerate(sizes):
            files.append(Path(name) / f"in-{number}.parquet")
            pl.DataFrame({"n": [next(rows) for _ in range(size)]}, schema={"n": pl.Int64}).write_parquet(files[-1])
        planned = list(slices(files, chunk))
        assert [one.number for one in planned] == list(range(len(planned)))
        assert _numbers(planned) == list(range(sum(sizes)))
        assert all(one.rows <= chunk for one in planned) and planned

        folder = Folder(Path(name) / "work").prepare()
        nothing = pl.DataFrame(schema=polars_schema(REJECTS))
        for one in planned:
            if one.number in finished or one.number in partial:
                folder.write(one.number, one.read(), nothing, partial=one.number not in finished)
        (folder.path / ".rows-000099.parquet.1.part").write_bytes(b"of a killed run")
        again = Folder(folder.path).prepare()
        open_ = [one for one in planned if not again.has(one.number)]
        assert {one.number for one in open_} == {one.number for one in planned} - finished
        for one in open_:
            again.write(one.number, one.read(), nothing)
        assert not again.partial() and not list(folder.path.glob(".*"))
        made = pl.concat([pl.read_parquet(file, glob=False) for file in again.rows()])
        assert made["n"].to_list() == list(range(sum(sizes)))
        assert len(again.rejects()) == len(planned)


def _numbers(planned: list[Slice]) -> list[int]:
    return [n for one in planned for n in one.read()["n"].to_list()]


@few
@given(folder=NAMES, profile=NAMES, bucket=st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True))
def test_a_store_of_a_profile_leads_back_to_the_one_above(folder: str, profile: str, bucket: str) -> None:
    for data in ("", f"s3://{bucket}/{folder}", f"s3://{bucket}"):
        place = StorePlace(Path("/x") / folder, data=data)
        below = place.of_profile(profile)
        assert (below.above, below.profile, below.ledger) == (place, profile, place.ledger)
        assert below.data == (f"{data}/profiles/{profile}" if data else "") and below.work != place.work


@settings(few, max_examples=25)
@given(names=st.lists(NAMES.filter(lambda name: name not in RESERVED), min_size=1, max_size=3, unique=True))
def test_names_of_pipelines_are_read_as_written(names: list[str]) -> None:
    text = "".join(f'[pipelines.{name}]\nfrom = "rows.jsonl"\n' for name in names)
    assert list(tomllib.loads(text)["pipelines"]) == names
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipelines.toml"
        path.write_text(text)
        try:
            read = read_project(path)
        except InputError:
            assert any(not may_be_a_catalog(name) for name in names)
        else:
            assert list(read.pipelines) == names

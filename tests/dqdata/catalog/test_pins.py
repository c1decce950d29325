"""name@3 in SQL: what is rewritten, what is left alone, what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from dqdata.catalog.pins import pin
from dqdata.errors import QueryError

KNOWN = {"p": [1, 2, 3], "old": [1, 2, 5], "data": [1], "method": [1, 2], "sample": [4]}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "pinned"),
    [
        ("select * from p@2", 'select * from "p@2"'),
        ("select * from p", 'select * from "p@3"'),
        ("from P@LATEST", 'from "p@3"'),
        ("from p@02", 'from "p@2"'),
        ("from P", 'from "p@3"'),
        ('from "p"', 'from "p@3"'),
        ('from "p"@2', 'from "p@2"'),
        ('from "p@2"', 'from "p@2"'),
        ("from old", 'from "old@5"'),
        ("from main.p", 'from "p@3"'),
        ("from lake . main . p x", 'from "p@3" x'),
        ("from p__rejects@1", 'from "p__rejects@1"'),
        ("from p__rejects", 'from "p__rejects@3"'),
        ("select x.id from p@2 x join old@latest y using (id)", 'select x.id from "p@2" x join "old@5" y using (id)'),
        ("select p@2.id from p@2", 'select "p@2".id from "p@2"'),
        ("select p.id from p", 'select p.id from "p@3" AS "p"'),
        ("select p.* from p, old", 'select p.* from "p@3" AS "p", "old@5"'),
        ("select P from p", 'select P from "p@3" AS "p"'),
        ("from data, method@1, sample", 'from "data@1", "method@1", "sample@4"'),
        ("from p a, p b", 'from "p@3" a, "p@3" b'),
        ("select * from p(a, b)", None),
        ("select 'p@2', id from p@2 where 'bob@2.com' <> 'p@latest' -- p@2\n", None),
        ("select id from /* p@9 */ p@2 where q = 'it''s p@9'", None),
        ("select $$ p@9 $$, E'\\'p@9' from p@1", None),
        ("select abs(@id), @ 2, 3 from p@2", None),
        ("select p from old", 'select p from "old@5"'),
        ("select (select count(*) from p) n from old o", 'select (select count(*) from "p@3") n from "old@5" o'),
        ("from old o, lateral (select o.id from p)", 'from "old@5" o, lateral (select o.id from "p@3")'),
        ("with p as (select 1 x) from p", "with p as (select 1 x) from p"),
        ("with p as (from p) from p", 'with p as (from "p@3") from p'),
        ("with a as (from p), p as (from a) from p", 'with a as (from "p@3"), p as (from a) from p'),
        ("from (with p as (select 1) from p), p x", 'from (with p as (select 1) from p), "p@3" x'),
        ("with recursive p as (select 1 n union all select n + 1 from p where n < 3) from p", None),
        ("from p union all by name from old except from data", None),
        ("from p tablesample 10%", 'from "p@3" tablesample 10%'),
        ("from p semi join old using (id)", 'from "p@3" semi join "old@5" using (id)'),
        ("describe p", 'describe "p@3"'),
        ("summarize p@1", 'summarize "p@1"'),
        ("table p", 'table "p@3"'),
        ("pivot p on q in ('a', 'b') using count(*)", None),
        ("select 'größe', é.x from p é where 'ü' <> ''", "select 'größe', é.x from \"p@3\" é where 'ü' <> ''"),
        ("select id from p;", 'select id from "p@3"'),
        ("select ';' from p ;\n; ", "select ';' from \"p@3\""),
        ("values (1)", "values (1)"),
        ("from 'p.parquet'", "from 'p.parquet'"),
        ("select list_filter([1], lambda p: p > 0) from old", None),
        ("select struct_pack(p := 1).p from old@1", 'select struct_pack(p := 1).p from "old@1"'),
        ("select 2 where 1 in (select 1 from p@1) and exists (from p@2)", None),
    ],
)
def test_rewritten(con: duckdb.DuckDBPyConnection, sql: str, pinned: str | None) -> None:
    found = pin(sql, KNOWN, con)
    if pinned is not None:
        assert found.sql == pinned
    again = pin(found.sql, KNOWN, con)
    assert (again.sql, set(again.tables)) == (found.sql, set(found.tables)), "pinned SQL must stay as it is"


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("select 'p@2', id from p@2 where 'bob@2.com' <> 'p@latest' -- p@1\n", {"p@2"}),
        ("select id from /* p@9 */ p@2 where q = 'it''s p@9'", {"p@2"}),
        ("select $$ p@9 $$, E'\\'p@9' from p@1", {"p@1"}),
        ("with recursive p as (select 1 n union all select n + 1 from p where n < 3) from p", set()),
        ("from p union all by name from old except from data", {"p@3", "old@5", "data@1"}),
        ("pivot p on q in ('a', 'b') using count(*)", {"p@3"}),
        ("from p_other_cte, p", {"p@3"}),
    ],
)
def test_tables_that_are_read(con: duckdb.DuckDBPyConnection, sql: str, tables: set[str]) -> None:
    assert set(pin(sql, KNOWN, con).tables) == tables


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("from p@9", "p has no version 9; it has 1-3"),
        ("from old@3", "old has no version 3; it has 1-2, 5"),
        ("from metod@1", "no catalog 'metod'; did you mean 'method'?"),
        ('from "p@9"', "p has no version 9"),
        ("from p at (version => 3)", "write p@VERSION"),
        ("from p; from old", "SELECT and SELECT"),
        ("", "got nothing"),
        ("drop table p", "got DROP"),
        ("insert into p select 1", "got INSERT"),
        ("update p set x = 1", "got UPDATE"),
        ("copy p to 'x.csv'", "got COPY"),
        ("call lake.set_option('a', 'b')", "got CALL"),
        ("attach 'x' as y", "got ATTACH"),
        ("set threads = 1", "got SET"),
        ("pivot p on q using count(*)", "name them"),
        ("selec 1", "syntax error"),
        ("from p where '", "unterminated"),
    ],
)
def test_refused(con: duckdb.DuckDBPyConnection, sql: str, message: str) -> None:
    with pytest.raises(QueryError, match="(?i)" + message.replace("?", r"\?").replace("(", r"\(")):
        pin(sql, KNOWN, con)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select random() from p", "random()"),
        ("select * from p order by uuid()", "uuid()"),
        ("select now(), * from p", "now()"),
        ("select current_date from p", "current_date"),
        ("select row_number() over (order by random()) from p", "random()"),
        ("from p using sample 10", "seed"),
        ("from p tablesample 10%", "seed"),
        ("from read_csv('x.csv')", "read_csv()"),
        ("from 'x.parquet'", "x.parquet"),
        ("from dq_runs", "dq_runs"),
        ("from ledger.calls", "ledger.calls"),
        ("from p, glob('*')", "glob()"),
    ],
)
def test_what_a_recipe_cannot_keep(con: duckdb.DuckDBPyConnection, sql: str, why: str) -> None:
    assert any(why in reason for reason in pin(sql, KNOWN, con, for_recipe=True).unpinned)


@pytest.mark.parametrize(
    "sql",
    [
        "from p",
        "select hash(id), length(q) from p using sample reservoir(10 rows) repeatable (3)",
        "select unnest([1, 2]) from p, range(3)",
        "with c as (from p) select list(id order by id) from c",
    ],
)
def test_what_a_recipe_can_keep(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert pin(sql, KNOWN, con, for_recipe=True).unpinned == ()


def test_an_empty_store_says_so(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match="the store is empty"):
        pin("from p@1", {}, con)

"""Rewrites a query so that each catalog in it is a fixed version: `problems` and `problems@latest` become "problems@3".

    pinned = pin("select id from problems p join old@2 using (id)", {"problems": [1, 2, 3], "old": [1, 2]}, con)
    pinned.sql       # select id from "problems@3" p join "old@2" using (id)

`name@N` is no SQL; quoting alone makes it a plain table name, so aliases, joins, CTEs and strings stay as they are. The
marks are found with DuckDB's tokenizer, bare names with its parser, which knows a table from a column or a CTE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dqdata.catalog.marks import Marks
from dqdata.errors import QueryError, nearest
from dqdata.refs import COSTS, DIFFICULTY, LATEST, RECORDS, catalog_ref, owner
from dqdata.sql import PURE, WORD, base_tables, edited, nodes, parsed, quote_refs, quoted, table_functions, without_end

if TYPE_CHECKING:
    import duckdb

_PATH = re.compile(rb"(?:" + WORD + rb")(?:\s*\.\s*(?:" + WORD + rb"))*")

NO_MARKS = Marks()

_VOLATILE = "select distinct function_name from duckdb_functions() where stability <> 'CONSISTENT'"
_volatile: set[str] = set()
"""Functions that give other values at another time, once a query was looked at: listing them takes 30 ms."""

_LAKE = ("", "lake", "main")
"""Catalog and schema parts that may stand before a catalog's name."""


@dataclass(frozen=True)
class Pinned:
    """tables: names "NAME@N" the SQL reads. records: dq_ tables it reads. ledger: whether it reads `ledger.*`.
    unknown: plain names that are no catalog. unpinned: why the same SQL may give other rows tomorrow; empty for SQL
    that a recipe may keep. functions: the table functions it calls."""

    sql: str
    tables: tuple[str, ...]
    records: tuple[str, ...] = ()
    ledger: bool = False
    costs: bool = False
    """Whether it reads the view `dq_costs`, which needs the ledger."""
    difficulty: bool = False
    """Whether it reads the view `dq_difficulty`."""
    unknown: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


def pin(
    sql: str,
    known: Mapping[str, Sequence[int]],
    con: duckdb.DuckDBPyConnection,
    *,
    for_recipe: bool = False,
    marks: Marks = NO_MARKS,
) -> Pinned:
    """The SQL with versions; `known` has the versions of each catalog, the one that the bare name means last. marks:
    for tags and days. `for_recipe` also looks for what gives other rows next time, such as random(). Raises
    QueryError."""
    quoted_sql, marked = quote_refs(without_end(sql), lambda ref: _resolve(ref, known, marks))
    tree = _parse(quoted_sql, con)
    edits: list[tuple[int, int, str]] = []
    tables = dict.fromkeys(marked)
    records, unknown, unpinned, ledger, costs = [], [], [], False, False
    difficulty = False
    raw = quoted_sql.encode()
    called = _names_used(tree)

    for ref in base_tables(tree):
        name, parts = ref["table_name"], [ref["catalog_name"], ref["schema_name"]]
        if ref.get("at_clause"):
            raise QueryError(f"write {name}@VERSION instead of AT (...): snapshot numbers are the store's own")
        bare = name.lower()
        here = all(part.lower() in _LAKE for part in parts)
        if here and "@" in name and catalog_ref(name):
            pinned_name = _resolve(name, known, marks)
            tables[pinned_name] = None
            if pinned_name == name:
                continue
        elif here and owner(bare) in known:
            pinned_name = _resolve(f"{bare}@latest", known, marks)
            tables[pinned_name] = None
        elif here and bare in RECORDS:
            records.append(bare)
            unpinned.append(f"{bare} has no versions")
            continue
        elif here and bare == COSTS:
            costs = ledger = True
            unpinned.append(f"{bare} has no versions")
            continue
        elif here and bare == DIFFICULTY:
            difficulty = True
            unpinned.append(f"{bare} has no versions")
            continue
        else:
            ledger = ledger or "ledger" in (part.lower() for part in parts)
            if not any(parts) and re.fullmatch(r"\w+", name):  # else a file, or another schema's table
                unknown.append(name)
            unpinned.append(f"{'.'.join([*filter(None, parts), name])} is no catalog")
            continue
        start = ref["query_location"]
        end = _end_of_path(raw, start, name)
        alias = f" AS {quoted(bare)}" if not ref["alias"] and bare in called else ""
        edits.append((start, end, quoted(pinned_name) + alias))

    if for_recipe:
        unpinned += _unstable(tree, con)
    return Pinned(
        edited(raw, edits),
        tuple(tables),
        tuple(dict.fromkeys(records)),
        ledger,
        costs,
        difficulty,
        tuple(unknown),
        tuple(dict.fromkeys(unpinned)),
        tuple(table_functions(tree)),
    )


def _resolve(marked: str, known: Mapping[str, Sequence[int]], marks: Marks) -> str:
    """`name@3` as it is, if there is such a version; `name@latest`, a tag and a day with the number. Raises
    QueryError."""
    table, _, wanted = marked.lower().rpartition("@")
    name = owner(table)
    if name not in known:
        there = f" (there are: {', '.join(sorted(known))})" if known else " (the store is empty)"
        raise QueryError(f"no catalog {name!r}{nearest(name, known) or there}", code="unknown-catalog")
    versions = known[name]
    if wanted == LATEST:
        version = versions[-1]
        if (name, version) in marks.held and (held := marks.held_back(name, versions)) is not None:
            raise held
    elif wanted.isdecimal():
        version = int(wanted)
    else:
        version = marks.version(name, wanted)
    if (dropped := marks.unreadable(name, version)) is not None:
        raise dropped
    if version not in versions:
        raise QueryError(f"{name} has no version {version}; it has {_spans(sorted(versions))}", code="unknown-version")
    return f"{table}@{version}"


def _spans(versions: Sequence[int]) -> str:
    """`1-4, 7` for [1, 2, 3, 4, 7]."""
    spans: list[list[int]] = []
    for version in versions:
        if spans and version == spans[-1][1] + 1:
            spans[-1][1] = version
        else:
            spans.append([version, version])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _parse(sql: str, con: duckdb.DuckDBPyConnection) -> Any:
    """DuckDB's own syntax tree of one query. Raises QueryError for anything that isn't one query."""
    import duckdb

    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(str(error)) from error
    if len(statements) != 1 or statements[0].type.name != "SELECT":
        if re.search(r"(?i)\bpivot", sql) and [s.type.name for s in statements[-2:]] == ["CREATE", "SELECT"]:
            raise QueryError("this PIVOT's columns depend on the rows; name them: PIVOT ... ON column IN ('a', 'b')")
        got = " and ".join(statement.type.name for statement in statements) or "nothing"
        raise QueryError(f"catalogs are read by one query (SELECT, FROM, WITH, DESCRIBE, SUMMARIZE), got {got}")
    tree = parsed(sql, con)
    if tree["error"]:
        said = str(tree.get("error_message", "no reason given"))
        if "only select" in said.lower():  # PRAGMA, SHOW, CALL: DuckDB calls them SELECT too
            said = f"{(sql.split() or ['it'])[0].upper()} is none of SELECT, FROM, WITH, DESCRIBE, SUMMARIZE"
        raise QueryError(f"catalogs are read by one query that DuckDB can analyse: {said}")
    return tree["statements"]


def _names_used(tree: Any) -> set[str]:
    """First names of column references and stars: a table called by its name needs that name as its alias."""
    used = set()
    for node in nodes(tree):
        if names := node.get("column_names"):
            used.add(str(names[0]).lower())
        if relation := node.get("relation_name"):
            used.add(str(relation).lower())
    return used


def _unstable(tree: Any, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What in this query gives other rows at another time: random(), now(), files, samples without a seed."""
    if not _volatile:
        _volatile.update(str(name) for (name,) in con.execute(_VOLATILE).fetchall() if name != "error")
    keywords = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
    yield from (f"{function}() reads what has no version" for function in table_functions(tree) if function not in PURE)
    for node in nodes(tree):
        name = str(node.get("function_name") or "").lower()
        if name in _volatile:
            yield f"{name}() gives another value each time"
        if node.get("type") == "COLUMN_REF" and len(node["column_names"]) == 1:
            column = node["column_names"][0].lower()
            if column in keywords:
                yield f"{column} gives another value each time"
        sample = node.get("sample")
        if isinstance(sample, dict) and sample.get("seed", -1) == -1:
            yield "a sample needs a seed: USING SAMPLE reservoir(100 ROWS) REPEATABLE (42)"


def _end_of_path(raw: bytes, start: int, name: str) -> int:
    """Where the table reference that starts here ends. Raises QueryError when the text isn't that reference."""
    found = _PATH.match(raw, start)
    last = found[0].rpartition(b".")[2].strip().decode() if found else ""
    if found is None or last.strip('"').replace('""', '"').lower() != name.lower():
        raise QueryError(f"can't locate {name!r} in this query; write {name}@VERSION")
    return found.end()

"""Generated references: the keys of pipelines.toml from its JSON Schema, the tables of a store from a store."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from dqdata.api.catalogs import Catalogs, open_store
from dqdata.catalog import Store
from dqdata.catalog.records import JSON_COLUMNS
from dqdata.cli.schema import whole_schema
from dqdata.columns import Columns
from dqdata.ledger.tables import connect
from dqdata.refs import COSTS, DIFFICULTY, RECORDS
from dqdata.sql import quoted

Schema = Mapping[str, Any]

KEYS_PAGE = """# Keys of pipelines.toml

Every table of pipelines.toml with its keys, types and defaults; [the page by example](pipelines.md) shows them in use.
Made by `make docs` from the JSON Schema that `dqdata schema` prints, which editors check the file against.

TOML has no null: where a type says *or false*, `false` takes a value back. A value of a teacher can be read from the
environment: `api_key = { env = "R1_API_KEY" }`. A key that no table has is an error that names the nearest one."""

SECTIONS = {
    "[store]": ("store", ""),
    "[engine]": ("engine", ""),
    "[sandbox]": ("sandbox", ""),
    "[teachers.NAME]": (
        "common:teachers",
        "The keys of every teacher. `provider` names the plug-in, with keys of its own: "
        "[operators.md](operators.md#teachers).",
    ),
    "price of a teacher": ("#limits.Price", ""),
    "[pipelines.NAME]": (
        "pipelines.NAME",
        "`from` may be a table with `source`, with [its keys](operators.md#sources). Each table of `steps` has "
        "`op`, maybe `id`, and the [parameters of the operator](operators.md#operators).",
    ),
    "[[pipelines.NAME.checks]]": ("#pipeline.CheckSpec", ""),
    "[trainers.NAME]": (
        "common:trainers",
        "The keys of every trainer. `kind` names the plug-in, with keys of its own: "
        "[operators.md](operators.md#trainers).",
    ),
    "[evaluations.NAME]": (
        "evaluations.NAME",
        "`data` or `benchmark` is required. `evaluate` of a trainer has the same keys without `models`, `benchmark`, "
        "`by`.",
    ),
    "[experiments.NAME]": ("experiments.NAME", ""),
    "[experiments.NAME.arms.ARM]": ("#experiment.ArmSpec", ""),
    "[profiles.NAME]": (
        "profiles.NAME",
        "`--profile NAME` lays these over the project; the catalogs are in a store of their own.",
    ),
}
"""Titles with the place in the schema and, where the schema has no description, one."""


def keys() -> str:
    """The page of keys: a table of each section."""
    schema = whole_schema()
    pages = [KEYS_PAGE]
    for title, (place, about) in SECTIONS.items():
        found = _section(schema, place)
        described = about or found.get("description", "")
        rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
        rows += [_key(name, one, name in found.get("required", ())) for name, one in found["properties"].items()]
        pages.append(f"## {title}\n\n{' '.join(described.split())}\n\n" + "\n".join(rows))
    return "\n\n".join(pages) + "\n"


def _section(schema: Schema, place: str) -> Schema:
    definitions = schema["definitions"]
    if place.startswith("#"):
        return definitions[place.removeprefix("#")]
    if place.startswith("common:"):  # what every plug-in of the group has
        group = place.removeprefix("common:") + "."
        owned = [one["properties"] for name, one in definitions.items() if re.fullmatch(rf"{group}\w+", name)]
        common = {
            name: _without_environment(one) for name, one in owned[0].items() if all(name in own for own in owned)
        }
        return {"properties": common}
    name, _, each = place.partition(".")
    return schema["properties"][name]["additionalProperties"] if each else schema["properties"][name]


def _without_environment(one: Schema) -> Schema:
    """A teacher's key without the alternative `{ env = NAME }`, which every one has."""
    choices = one.get("anyOf", [])
    environment = [choice for choice in choices if set(choice.get("properties", ())) == {"env"}]
    return choices[0] if environment and len(choices) == 2 else one


def _key(name: str, one: Schema, required: bool) -> str:
    default = "required" if required else f"`{json.dumps(one['default'])}`" if "default" in one else ""
    cells = (f"`{name}`", _type(one), default, " ".join(str(one.get("description", "")).split()))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(one: Schema) -> str:
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(filter(None, (_type(choice) for choice in one["anyOf"]))))
    if "enum" in one:
        return " or ".join(f"`{value}`" for value in one["enum"])
    if "const" in one:
        return "false" if one["const"] is False else f"`{one['const']}`"
    if one.get("type") == "array":
        return f"list of {_type(one['items'])}" if isinstance(one.get("items"), dict) else "list"
    return "table" if "$ref" in one or one.get("type") == "object" else str(one.get("type", "any")) + _limits(one)


def _limits(one: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {one[key]}" for key, sign in signs.items() if key in one]
    return f" {', '.join(found)}" if found else ""


TABLES_PAGE = """# Tables of a store

What `dqdata sql`, `from`, the viewer and `dqdata.open().sql()` can query. Made by `make docs` from a store that it
makes.

Each version of a catalog is a table (`traces`, `traces@3`) whose columns are those of its pipeline's last step:
`dqdata plan` shows them before a run, [columns.md](columns.md) explains them. Beside it is what was not kept,
`traces__rejects`.
{json} hold JSON text: `recipe->>'$.steps[0].op'` works."""

ABOUT = {
    "dq_versions": "Versions of catalogs: rows, rejects, and the recipe that made each.",
    "dq_runs": "Runs and their attempts: rows in and out, calls, tokens, cost.",
    "dq_models": "Models that were trained here, with what they were made from.",
    "dq_metrics": "Values that a training logged, by step.",
    "dq_evals": "Scores of models with 95% intervals; `answers` names the catalog with the answers.",
    "dq_marks": "Tags, notes and licences of versions, and which were dropped or held back.",
    "dq_files": "The data files of each version with their checksums.",
    "dq_checks": "Results of checks that pipelines state of their catalogs.",
    COSTS: "A view: what a version cost, and a kept and a verified row of it.",
    DIFFICULTY: "A view: pass rates of all catalogs that have them.",
    "calls": "Every answer of a teacher, what it cost and which run paid for it. In SQL `ledger.calls`.",
    "requests": "Requests; `calls` and `failures` refer to it. In SQL `ledger.requests`.",
    "failures": "Attempts that brought no answer. In SQL `ledger.failures`.",
    "batches": "Batches that were submitted to an endpoint. In SQL `ledger.batches`.",
}


def tables() -> str:
    """The page of tables, from a store with one small catalog and its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogs"
        _make(path)
        made = _created(open_store(path), ("problems", "problems__rejects", *RECORDS, COSTS, DIFFICULTY))
        with contextlib.closing(sqlite3.connect(path / "ledger.sqlite")) as ledger:
            calls = dict(ledger.execute("select name, sql from sqlite_master where type = 'table'").fetchall())
    columns = ", ".join(f"`{name}`" for name in sorted(JSON_COLUMNS))
    pages = [TABLES_PAGE.format(json=columns), "## A catalog and its rejects"]
    pages += [f"```sql\n{made[name]}\n```" for name in ("problems", "problems__rejects")]
    pages.append("## Records of the store")
    pages += list(_titled({name: made[name] for name in (*RECORDS, COSTS, DIFFICULTY)}))
    pages += ["## The ledger", "One SQLite file, `ledger.sqlite`, unless `[store]` names a Postgres."]
    pages += list(_titled({name: sql + ";" for name, sql in calls.items() if name in ABOUT}))
    return "\n\n".join(pages) + "\n"


def _titled(made: Mapping[str, str]) -> Iterator[str]:
    for name, sql in made.items():
        yield f"### {name}\n\n{ABOUT[name]}\n\n```sql\n{sql}\n```"


def _make(path: Path) -> None:
    file = path.parent / "problems.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"copy (select 'p' as problem_id, '1 + 1?' as question, '2' as answer) to '{file}' (format parquet)"
        )
    columns = Columns(dict.fromkeys(("problem_id", "question", "answer"), "VARCHAR"))
    with Store.open(path) as store:
        store.commit("problems", rows=[file], rejects=[], columns=columns, fingerprint="f", recipe={}, run_id="r")
    connect(path / "ledger.sqlite").close()


def _created(store: Catalogs, names: Sequence[str]) -> dict[str, str]:
    """Tables, and what columns views have, as CREATE TABLE; by name."""
    each = "select '{0}' as t, column_name as c, column_type as k from (describe select * from {0})"
    parts = [each.format(name) for name in names]
    rows = store.sql(" union all ".join(parts)).arrow().to_pylist()
    made = {}
    for name in names:
        fields = [(_name(row["c"]), row["k"]) for row in rows if row["t"] == name]
        width = max(len(field) for field, _ in fields)
        lines = ",\n".join(f"  {field:{width}} {kind}" for field, kind in fields)
        made[name] = f"create table {name} (\n{lines}\n);"
    return made


@functools.cache
def _reserved() -> frozenset[str]:
    with duckdb.connect() as con:
        found = con.execute("select keyword_name from duckdb_keywords() where keyword_category = 'reserved'").fetchall()
    return frozenset(word for (word,) in found)


def _name(column: str) -> str:
    """A column's name, quoted where SQL reserves the word."""
    return quoted(column) if column in _reserved() else column

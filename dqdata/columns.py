"""The vocabulary of columns: name, type, meaning. Types are DuckDB's own names, the ones `describe` prints.

>>> have = Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})
>>> have.require("question", "VARCHAR").add(verdict="VARCHAR").key
'problem_id'
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dqdata.errors import ColumnError, nearest

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

MESSAGES = (
    'STRUCT("role" VARCHAR, "content" VARCHAR, reasoning_content VARCHAR, '
    'tool_calls STRUCT(id VARCHAR, "type" VARCHAR, "function" STRUCT("name" VARCHAR, arguments VARCHAR))[], '
    'tool_call_id VARCHAR, "name" VARCHAR, train BOOLEAN)[]'
)
"""Type of a chat as dqdata writes it: the keys of a message in this order, null where it has none (dqdata.chats)."""


class Known(NamedTuple):
    type: str
    meaning: str


SYNONYMS: dict[str, tuple[str, ...]] = {
    "question": ("problem", "prompt", "query", "instruction", "input", "Question", "text"),
    "answer": (
        "final_answer",
        "final",
        "solution",
        "expected_answer",
        "gold",
        "target",
        "label",
        "reference",
        "Answer",
    ),
    "response": ("output", "completion", "generation", "generated_text", "model_output", "Response"),
    "reasoning": ("thinking", "reasoning_content", "thought", "rationale", "cot"),
    "tests": ("test", "test_list", "test_cases", "unit_tests"),
    "verdict": ("is_correct", "label"),
}
"""Names that other sets give a column of the vocabulary, the likeliest first."""

VOCABULARY: dict[str, Known] = {
    "problem_id": Known("VARCHAR", "which problem; hash of question, reference answer and tests, or the imported id"),
    "trace_id": Known("VARCHAR", "which reasoning attempt; unique in a catalog of traces"),
    "pair_id": Known("VARCHAR", "which preference pair; unique in a catalog of pairs"),
    "parent_id": Known("VARCHAR", "trace this one was made from by rewriting"),
    "parent_ids": Known("VARCHAR[]", "keys of all the rows this one was made from"),
    "question": Known("VARCHAR", "the problem as the student reads it"),
    "answer": Known("VARCHAR", "the reference answer"),
    "answer_type": Known("VARCHAR", "math, choice, text or code: which verifier applies"),
    "tests": Known("VARCHAR", "test code or JSON test cases of a programming problem"),
    "domain": Known("VARCHAR", "math, code, science, ..."),
    "source": Known("VARCHAR", "where the problem came from"),
    "teacher": Known("VARCHAR", "model that wrote the trace"),
    "reasoning": Known("VARCHAR", "the thinking, without its tags"),
    "response": Known("VARCHAR", "what follows the thinking"),
    "finish_reason": Known("VARCHAR", "why the teacher stopped: stop, length, ..."),
    "ledger_key": Known("VARCHAR", "call in the ledger that made the trace"),
    "input_tokens": Known("BIGINT", "tokens of the prompt, as the endpoint counted"),
    "output_tokens": Known("BIGINT", "tokens of reasoning and response, as the endpoint counted"),
    "top_logprobs": Known(
        "STRUCT(token VARCHAR, logprob DOUBLE, top STRUCT(token VARCHAR, logprob DOUBLE)[])[]",
        "each token that the teacher wrote, with the likeliest ones at its place",
    ),
    "extracted": Known("VARCHAR", "final answer found in the response"),
    "verdict": Known("VARCHAR", "correct, incorrect or unverifiable"),
    "verdict_reason": Known("VARCHAR", "how the verdict was reached"),
    "correct": Known("BOOLEAN", "verdict as a boolean; null when unverifiable"),
    "tests_passed": Known("BIGINT", "tests that the program passed; null where none was run"),
    "tests_total": Known("BIGINT", "tests that there are"),
    "error": Known("VARCHAR", "first test that failed, and how"),
    "checked": Known("VARCHAR", "outside: another process compared; inside: the tests ran beside the program"),
    "salvaged": Known("BOOLEAN", "the program is what was left of a broken answer"),
    "choices": Known("VARCHAR[]", "texts of the options of a multiple-choice problem, in the order of their letters"),
    "judge_verdict": Known("VARCHAR", "a judge's verdict where rules could not decide; kept apart from verdict"),
    "judge_reason": Known("VARCHAR", "the judge's reason"),
    "judge_agreement": Known("DOUBLE", "share of the judge's votes that agree"),
    "judge_by": Known("VARCHAR", "model that judged"),
    "rv": Known("DOUBLE", "reasoning verbosity, 0-9"),
    "cd": Known("DOUBLE", "cognitive difficulty of the trace, 0-9"),
    "messages": Known(MESSAGES, "chat for SFT"),
    "tools": Known("VARCHAR", "definitions of the tools that the chat may call: JSON text of a list"),
    "prompt": Known(MESSAGES, "chat up to the student's turn"),
    "chosen": Known(MESSAGES, "preferred turn"),
    "rejected": Known(MESSAGES, "turn that is worse"),
    "effort": Known("VARCHAR", "thinking requested from the teacher: low, medium, high"),
    "tool_calls": Known("BIGINT", "calls of tools in the trace"),
    "beta": Known("DOUBLE", "DPO's beta of this pair"),
}

KEYS = ("pair_id", "trace_id", "problem_id")
"""A table's key is the first of these that it has."""


def key_of(names: Mapping[str, object] | list[str]) -> str:
    """Key column of a table with these columns. Raises ColumnError where there is none."""
    for key in KEYS:
        if key in names:
            return key
    raise ColumnError(f"rows have no key: one of {', '.join(KEYS)} is needed, have {', '.join(names)}")


INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
NUMBERS = (*INTEGERS, "FLOAT", "DOUBLE")
"""Types whose values become a 64-bit float without a cast that could fail."""


def is_number(kind: str) -> bool:
    """Whether values of the type are numbers, decimals and 128-bit integers among them."""
    return kind in NUMBERS or kind in ("HUGEINT", "UHUGEINT") or kind.startswith("DECIMAL")


@functools.cache
def is_chat(kind: str) -> bool:
    """Whether the type is a list of messages: structs with at least `role` and `content` as text."""
    if kind == MESSAGES:
        return True
    if not (kind.startswith("STRUCT(") and kind.endswith("[]")):
        return False
    import pyarrow as pa

    made = _arrow_type(kind)
    if not pa.types.is_list(made) or not pa.types.is_struct(made.value_type):
        return False
    inner = {field.name: field.type for field in made.value_type}
    return all(name in inner and pa.types.is_string(inner[name]) for name in ("role", "content"))


class Columns(Mapping[str, str]):
    """Columns of a table, in order: name to DuckDB type. Immutable: `add` and `drop` give new ones."""

    __slots__ = ("_types",)

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = dict(types)

    def __getitem__(self, name: str) -> str:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __repr__(self) -> str:
        return f"Columns({self._types!r})"

    @property
    def key(self) -> str:
        return key_of(self)

    def require(self, name: str, *types: str) -> Columns:
        """Self, if the column is there and, where types are given, has one of them. For MESSAGES every chat will do:
        keys may be fewer, more, or in another order. Raises ColumnError."""
        if name not in self._types:
            known = name in VOCABULARY  # then a column that is known too is another one, however alike their letters
            alike = nearest(name, (one for one in self._types if not (known and one in VOCABULARY)))
            raise ColumnError(
                f"needs column {name!r}{alike} (have: {', '.join(self._types)}){mapping_hint(name, self._types)}",
                code="missing-column",
            )
        if types and self._types[name] not in types:
            if MESSAGES in types:
                if is_chat(self._types[name]):
                    return self
                raise ColumnError(
                    f"needs column {name!r} as a chat, a list of {{role, content, ...}}, but it is "
                    f"{self._types[name]}; `dqdata import` reads chats of other forms"
                )
            wanted = "a number such as DOUBLE or BIGINT" if types == NUMBERS else " or ".join(types)
            raise ColumnError(f"needs column {name!r} as {wanted}, but it is {self._types[name]}")
        return self

    def add(self, **types: str) -> Columns:
        """With these columns after the others; a name that exists takes the new type."""
        return Columns({**self._types, **types})

    def drop(self, *names: str) -> Columns:
        return Columns({name: kind for name, kind in self._types.items() if name not in names})


def mapping_hint(name: str, have: Iterable[str]) -> str:
    """For the end of a message about a missing column: which other one probably is it, and how it is mapped."""
    likely = next((other for other in SYNONYMS.get(name, ()) if other in have), None)
    return f'; if {likely!r} is it, write columns = {{ {name} = "{likely}" }} in `from`' if likely else ""


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Arrow schema of these columns. DuckDB itself reads the types, so no type is written down twice."""
    import pyarrow as pa

    return pa.schema([pa.field(name, _arrow_type(kind)) for name, kind in columns.items()])


def polars_schema(columns: Mapping[str, str]) -> dict[str, pl.DataType]:
    import polars as pl

    return dict(pl.Schema(arrow_schema(columns)))  # `from_arrow` of an empty table would import pandas


def columns_of(schema: pa.Schema) -> Columns:
    """Columns of rows with an Arrow schema, in the types that rows hold (docs/types.md). Raises ColumnError for a type
    that can't be held, and for names that SQL can't tell apart."""
    from dqdata.arrow_types import stored_schema

    check_names(schema.names)
    if not schema.names:
        raise ColumnError("the rows have no column; a row of a problem has at least `question`")
    return Columns({field.name: _duckdb_type(field.type) for field in stored_schema(schema)})


@functools.cache
def _duckdb_type(kind: pa.DataType) -> str:
    """As DuckDB writes it."""
    import pyarrow as pa

    from dqdata.sql import connection

    if pa.types.is_list(kind):
        return f"{_duckdb_type(kind.value_type)}[]"
    if plain := _plain_types().get(kind):
        return plain
    con = connection()
    con.register("rows_of_schema", pa.schema([("x", kind)]).empty_table())
    try:
        return str(con.sql("describe from rows_of_schema").fetchall()[0][1])
    finally:
        con.unregister("rows_of_schema")


@functools.cache
def _plain_types() -> dict[pa.DataType, str]:
    """Arrow's types of those without parts. Rows of Arrow, handed to DuckDB, make it import pyarrow.dataset, and that
    pandas where it is installed, which takes 0.4 s; what DuckDB hands out does not."""
    from dqdata.sql import connection, quoted
    from dqdata.types import PLAIN

    nulls = ", ".join(f"null::{name} as {quoted(name)}" for name in PLAIN)
    return {field.type: field.name for field in connection().sql(f"select {nulls} limit 0").to_arrow_table().schema}


def check_names(names: Iterable[str]) -> None:
    """Raises ColumnError for names that no column can have: empty ones, two that are one in SQL, and text that can't be
    written as UTF-8 or holds a NUL."""
    taken: dict[str, str] = {}
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise ColumnError(f"column {place} has no name; give it one")
        if not is_text(name):
            raise ColumnError(f"the name of column {place}, {name!r}, is no text that SQL can hold; rename it")
        if other := taken.get(name.lower()):
            how = "" if other == name else f" in SQL, which takes A for a ({other!r} is the other)"
            raise ColumnError(f"two columns are named {name!r}{how}; rename one")
        taken[name.lower()] = name


def is_text(text: str) -> bool:
    """Whether SQL and Arrow can hold the text: no NUL, and no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def _arrow_type(kind: str) -> pa.DataType:
    import duckdb

    from dqdata.sql import connection

    try:
        kind_type: pa.DataType = (
            connection().sql(f"select null::{kind} as x limit 0").to_arrow_table().schema.field(0).type
        )
    except duckdb.Error as error:
        raise ColumnError(f"{kind!r} is no DuckDB type: {error}") from error
    return kind_type


REJECTS = Columns(
    {
        "step": "VARCHAR",
        "op": "VARCHAR",
        "kind": "VARCHAR",
        "reason": "VARCHAR",
        "detail": "VARCHAR",
        "problem_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "row_key": "VARCHAR",
        "row": "VARCHAR",
    }
)
"""Columns of every `NAME__rejects`: where and why a row stopped, its ids, and the row itself as JSON."""

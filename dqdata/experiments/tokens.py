"""Rows for a number of tokens: what the models of an arm learn from, drawn by a seed.

    weighed = weigh(project, arm, store, version, problems)
    weighed.total                                        # tokens of all rows
    selection(weighed, tokens=2_000_000, seed=1).query   # select * from traces@3 where ...

Tokens are the student's: each row through its chat template, as a step of the training counts it. Where the trainer
cannot know them (`Trainer.tokens`), they are those that the endpoint counted, or characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dqdata.experiments.arms import Arm, with_arms
from dqdata.models import loadable
from dqdata.sql import literal, quoted
from dqdata.training.job import unpacked_models
from dqdata.training.plan import make_train_plan

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.project.tables import Project

CHARACTERS = 4
"""Characters that a token is taken to have, where rows have no `output_tokens`."""
STUDENT, GUESS = "student", "output_tokens or characters / 4"
"""Where numbers of tokens are from."""


@dataclass(frozen=True)
class Weighed:
    """table: the version, with `where`, the condition of the problems that the arm may learn from. tokens: of each row
    that the trainer reads, by the key of the catalog; problems: of each row of the table. source: STUDENT or GUESS."""

    table: str
    where: str
    key: str
    tokens: Mapping[str, int]
    problems: Mapping[str, str]
    source: str

    @property
    def total(self) -> int:
        return sum(self.tokens.values())


@dataclass(frozen=True)
class Selection:
    """query: for the rows, in the order of the catalog. rows, problems, tokens: that it gives the trainer."""

    query: str
    rows: int
    problems: int
    tokens: int


def weigh(project: Project, arm: Arm, store: Store, version: int, problems: str | None) -> Weighed:
    """problems: the query for the problems that the arm may learn from; None for all. Raises InputError for a row that
    the trainer cannot learn from."""
    schema = store.schema(arm.pipeline.into, version)
    table, key = f"{arm.pipeline.into}@{version}", quoted(schema.key)
    where = "" if problems is None else f"problem_id in ({problems})"
    rows = f"select * from {table}{f' where {where}' if where else ''}"
    known = {
        str(row["k"]): (str(row["p"]), int(row["t"]))
        for row in _rows(store, f"select {key} as k, problem_id as p, {_guessed(schema)} as t from ({rows})")
    }
    of = {one: problem for one, (problem, _) in known.items()}
    made = arm.trained_on(0, rows)
    plan = make_train_plan(with_arms(project, [arm], {made.name: made}), made.name, store)
    split = plan.splits["train"]
    if schema.key in split.columns:
        keys: list[str] = []
        student = loadable(next(iter(plan.models.values())), unpacked_models(store))
        counts = plan.trainer.tokens(_keyed(store, split.query, schema.key, keys), student)
        if counts is not None:
            tokens: dict[str, int] = {}
            for number, count in enumerate(counts):
                tokens[keys[number]] = tokens.get(keys[number], 0) + count
            return Weighed(table, where, key, tokens, of, STUDENT)
    return Weighed(table, where, key, {one: count for one, (_, count) in known.items()}, of, GUESS)


def selection(weighed: Weighed, tokens: int, seed: int) -> Selection:
    """Rows of at most so many tokens: the first ones in the order of a hash of key and seed."""
    order = sorted((hashlib.md5(f"{key}:{seed}".encode()).hexdigest(), key) for key in weighed.tokens)
    taken, used = list[str](), 0
    for _, key in order:
        if used + weighed.tokens[key] > tokens:
            break
        taken.append(key)
        used += weighed.tokens[key]
    conditions = [weighed.where] if weighed.where else []
    if not taken:
        conditions.append("false")
    elif len(taken) < len(order):
        drawn, (last, key) = f"md5({weighed.key} || ':{seed}')", order[len(taken) - 1]
        conditions.append(f"({drawn}, {weighed.key}) <= ({literal(last)}, {literal(key)})")
    query = f"select * from {weighed.table}" + (f" where {' and '.join(conditions)}" if conditions else "")
    return Selection(query, len(taken), len({weighed.problems[key] for key in taken}), used)


def _rows(store: Store, query: str) -> Iterator[dict[str, Any]]:
    for batch in store.query(query, repeatable=True):
        yield from batch.to_pylist()


def _keyed(store: Store, query: str, key: str, keys: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a query; the key of each is appended to `keys` as it is given."""
    for row in _rows(store, query):
        keys.append(str(row[key]))
        yield row


def _guessed(columns: Mapping[str, str]) -> str:
    """SQL for the tokens of a row: as the endpoint counted, else by its characters."""
    texts = [name for name in ("reasoning", "response", "messages", "chosen", "rejected") if name in columns]
    if not texts:
        texts = [name for name, kind in columns.items() if kind == "VARCHAR" and not name.endswith("_id")]
    length = " + ".join(f"coalesce(length({quoted(name)}::varchar), 0)" for name in texts) or "0"
    guess = f"ceil(({length}) / {CHARACTERS})::bigint"
    return f"coalesce(output_tokens, {guess})" if "output_tokens" in columns else guess

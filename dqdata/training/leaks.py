"""Finds problems that a project trains on in one place and uses for rewards or evaluation in another.

    >>> found = find_leaks(project, store)
    >>> found.leaks[0].left, found.leaks[0].right
    ('rm (reward) train', 'policy (grpo) train')

Two rules. What a reward model was trained on must be in no RL training: it would be sure of what it has seen. What
anything was trained on must be in no evaluation, be it a split of a trainer's data or its `evaluate` table. The same
problem is the same problem_id, or a near duplicate of the question (the service `same_problem` finds them).
Where something is measured, questions that differ in a number are two problems: exercises made from one template would
all be one otherwise.

`dqdata train`, and with it `dqdata build`, asks both of itself before it begins, with `shared_problems`.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from dqdata.columns import Columns, is_chat
from dqdata.errors import InputError, boundary
from dqdata.plugins import load
from dqdata.project.tables import EVALUATE, Project
from dqdata.refs import as_query
from dqdata.sql import read_parquet

if TYPE_CHECKING:
    import duckdb

    from dqdata.source import StoreView

REWARD = ("reward",)
RL = ("grpo", "rloo", "online_dpo", "ppo")
THRESHOLD = 0.7
"""Jaccard similarity of word 3-grams from which two questions are one problem; as in the operator `split`."""
SAME_PROBLEM = "same_problem"
"""The service that groups rows by problem: (table, run, threshold, same_numbers) -> frame of problem_id and cluster."""
MEMORY = 2 << 30
"""Bytes that the comparison may hold."""


@dataclass(frozen=True)
class Leak:
    """One problem on both sides, by its rows' problem ids and texts."""

    left: str
    right: str
    left_problem: str
    right_problem: str
    left_text: str
    right_text: str

    def __str__(self) -> str:
        text = " ".join(self.left_text.split())
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        both = (
            self.left_problem
            if self.left_problem == self.right_problem
            else (f"{self.left_problem} / {self.right_problem}")
        )
        return f"{self.left} and {self.right} share a problem: {both}: {shown}"


@dataclass(frozen=True)
class Leaks:
    leaks: list[Leak]
    checked: list[str]
    """Sides that were read."""
    unchecked: list[str]
    """Sides that couldn't be, and why."""


@dataclass(frozen=True)
class Side:
    trainer: str
    kind: str
    split: str
    query: str

    def __str__(self) -> str:
        return f"{self.trainer} ({self.kind}) {self.split}"

    @property
    def trains(self) -> bool:
        return self.split == "train"

    def is_one_of(self, kinds: tuple[str, ...]) -> bool:
        return self.kind in kinds or self.kind.split("_")[0] in kinds


@dataclass(frozen=True)
class Rule:
    """Which sides, in this order, must share no problem."""

    forbids: Callable[[Side, Side], bool]
    same_numbers: bool = False
    """Whether questions that differ in a number are two problems."""


def find_leaks(project: Project, store: StoreView) -> Leaks:
    """All problems shared by sides that must share none. Reads the rows of every trainer's data and evaluation."""
    return _compared(list(_sides(project)), store, (Rule(measured, same_numbers=True), Rule(rewarded)))


def shared_problems(left: Sequence[Side], right: Sequence[Side], store: StoreView, *, same_numbers: bool) -> Leaks:
    """Problems that any of `left` has in common with any of `right`. same_numbers: whether questions that differ in a
    number are two problems."""
    others = set(right)
    rule = Rule(lambda a, b: a not in others and b in others, same_numbers=same_numbers)
    return _compared([*left, *right], store, (rule,))


def _compared(wanted: Sequence[Side], store: StoreView, rules: Sequence[Rule]) -> Leaks:
    leaks: list[Leak] = []
    checked, unchecked = [], []
    with tempfile.TemporaryDirectory(prefix="dqdata-leaks-") as temporary:
        folder = Path(temporary)
        sides: list[Side] = []
        for side in wanted:
            try:
                _write(side, store, folder / f"{len(sides):04}.parquet", len(sides))
            except InputError as error:
                unchecked.append(f"{side}: {error}")
                continue
            sides.append(side)
            checked.append(str(side))
        for rule in rules:
            if any(rule.forbids(left, right) for left, right in itertools.permutations(sides, 2)):
                leaks += _shared(sides, folder, rule)
    return Leaks(leaks, checked, unchecked)


def measured(left: Side, right: Side) -> bool:
    """Whether the left side is trained on and the right one measures."""
    return left.trains and not right.trains


def rewarded(left: Side, right: Side) -> bool:
    """Whether the left side trains a reward model and the right one is RL."""
    return left.trains and right.trains and left.is_one_of(REWARD) and right.is_one_of(RL)


def _sides(project: Project) -> Iterator[Side]:
    for trainer in project.trainers.values():
        for split, text in trainer.data.items():
            yield Side(trainer.name, trainer.kind, split, as_query(text))
        evaluate = trainer.params.get(EVALUATE)
        if isinstance(evaluate, Mapping) and "data" in evaluate:
            yield Side(trainer.name, trainer.kind, EVALUATE, as_query(str(evaluate["data"])))


def _write(side: Side, store: StoreView, target: Path, number: int) -> None:
    """The side's distinct problems as problem_id (a key of its own), problem, question, side. Raises InputError."""
    import pyarrow.parquet as pq

    pinned, columns = store.query_columns(side.query)
    question = _question(columns)
    problem = "problem_id" if "problem_id" in columns else "md5(dq_question)"
    query = f"""
        select '{number}:' || problem || ':' || md5(dq_question) as problem_id, problem, dq_question as question,
            {number}::bigint as side
        from (
            select distinct {problem} as problem, dq_question
            from (select *, {question} as dq_question from ({pinned}\n))
            where dq_question is not null and {problem} is not null
        )
    """
    reader = store.query(query)
    with pq.ParquetWriter(target, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _question(columns: Columns) -> str:
    """SQL for the problem's text: its column, or what the user says in a chat."""
    if "question" in columns:
        return "question::varchar"
    for name in ("prompt", "messages", "chosen"):
        if is_chat(columns.get(name, "")):
            return f"list_filter(\"{name}\", lambda m: m.role = 'user')[-1].content"
        if columns.get(name) == "VARCHAR":
            return f'"{name}"'
    raise InputError(f"no question, prompt or messages to compare (have: {', '.join(columns)})")


def _shared(sides: list[Side], folder: Path, rule: Rule) -> list[Leak]:
    from dqdata.engine.table import DiskTable

    files = sorted(folder.glob("*.parquet"))
    columns = Columns({"problem_id": "VARCHAR", "problem": "VARCHAR", "question": "VARCHAR", "side": "BIGINT"})
    scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
    table = DiskTable(files, columns, MEMORY, scratch)
    run = SimpleNamespace(scratch=scratch, memory_limit=MEMORY, seed=0, spread=None)
    clusters = scratch / "found.parquet"
    with boundary("service", SAME_PROBLEM):
        found = load("services", SAME_PROBLEM)(table, run, threshold=THRESHOLD, same_numbers=rule.same_numbers)
        found.sink_parquet(clusters)
    with table.connect() as con:
        con.execute(f"create view clusters as from {read_parquet([clusters])}")
        return list(_leaks(con, sides, rule.forbids))


def _leaks(con: duckdb.DuckDBPyConnection, sides: list[Side], forbids: Callable[[Side, Side], bool]) -> Iterator[Leak]:
    """One leak a pair of sides and problem, in the order of the sides."""
    con.execute(
        """
        create temp table placed as
        select rows.*, cluster from rows join clusters using (problem_id)
        """
    )
    for a, left in enumerate(sides):
        for b, right in enumerate(sides):
            if a == b or not forbids(left, right):
                continue
            found = con.execute(
                """
                select min(l.problem), min(r.problem), min_by(l.question, l.problem), min_by(r.question, r.problem)
                from placed l join placed r on l.cluster = r.cluster or l.problem = r.problem
                where l.side = ? and r.side = ? group by l.cluster order by 1, 2
                """,
                [a, b],
            )
            for row in found.fetchall():
                yield Leak(str(left), str(right), *row)

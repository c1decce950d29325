"""Goes through a plan with the answers that the ledger has, and counts the calls that a run would have to make.

    tallies = rehearse(plan, project, store, ledger)         # by step id; a row waits where its answer is missing

The engine runs as in a run, over at most `ROWS` rows spread evenly over the source, in a folder that is removed. No
request is sent, no program is executed in the sandbox and no text is embedded: the rehearsal ends before the first step
that wants to, and what follows is left to estimates.
"""

from __future__ import annotations

import asyncio
import bisect
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.calls.hiding import without_secrets
from dqdata.columns import Columns
from dqdata.engine.chunks import row_count
from dqdata.engine.executor import execute
from dqdata.engine.executors import LocalExecutor
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime, StepRun
from dqdata.engine.tasks import Labels
from dqdata.errors import RunError, TeacherError
from dqdata.ledger import Ledger
from dqdata.operator import Ask, CallOperator, Outcome, Reject, Row, Run, Schema
from dqdata.project.estimates import Estimator
from dqdata.project.plan import Plan, Step
from dqdata.project.sampling import tokens_in
from dqdata.project.tables import Project
from dqdata.schema import Child
from dqdata.source import Source, StoreView
from dqdata.teacher import Completion, Request, Teacher

if TYPE_CHECKING:
    import pyarrow as pa

    from dqdata.sandbox import Sandbox

ROWS = 1_000
"""Rows of the source that are looked at."""
UNANSWERED = "unanswered"
"""Reason of a row whose answer the ledger lacks."""


@dataclass
class Tally:
    """Calls of one step over the rows that reached it, by teacher.

    answered: the ledger has them. missing, most: those that a run makes, as expected and at worst. seen: requests
    that are missing for certain, and prompt_tokens: of these. waiting, waiting_most: rows that would come out of the
    step once they are answered.
    """

    answered: Counter[str] = field(default_factory=Counter)
    missing: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    prompt_tokens: dict[str, float] = field(default_factory=dict)
    waiting: float = 0.0
    waiting_most: float = 0.0


@dataclass(frozen=True)
class Rehearsal:
    """tallies: by the id of each step that calls teachers and was reached. scale: rows of the source for each one that
    was looked at. ended: id of the step before which the rehearsal ended, None where all were reached. passed: rows
    that came so far."""

    tallies: Mapping[str, Tally]
    scale: float
    ended: str | None
    passed: int


def rehearse(plan: Plan, project: Project, store: StoreView, ledger: Ledger) -> Rehearsal:
    """Raises what reading the source or a step would end a run with. The source must have counted its rows."""
    assert plan.rows is not None
    every = max(1, math.ceil(plan.rows / ROWS))
    thinned = replace(
        plan,
        source=_Thinned(plan.source, every, plan.pipeline.limit),
        pipeline=plan.pipeline.model_copy(update={"limit": None}),
    )
    steps, ended = plan.steps, None
    while True:
        tallies = {step.spec.id: Tally() for step in steps if isinstance(step.operator, CallOperator)}
        observed = tuple(_observed(step, tallies[step.spec.id]) if step.spec.id in tallies else step for step in steps)
        try:
            passed = asyncio.run(_through(replace(thinned, steps=observed), project, store, ledger))
        except _UnrehearsedError as error:
            names = [step.spec.id for step in steps]
            steps, ended = steps[: names.index(error.step)], error.step
            continue
        return Rehearsal(tallies, plan.rows / max(1, math.ceil(plan.rows / every)), ended, passed)


async def _through(plan: Plan, project: Project, store: StoreView, ledger: Ledger) -> int:
    """Rows that came through."""
    with tempfile.TemporaryDirectory(prefix="dqdata-plan-") as folder:
        path = Path(folder)
        async with _Rehearsing(
            project,
            ledger,
            Labels("", plan.pipeline.name),
            seed=plan.pipeline.seed,
            memory_limit=plan.pipeline.memory,
            scratch=path / "scratch",
            store=store,
            teachers=plan.teachers,
        ) as runtime:
            progress = Progress(math.inf, list, None)
            executor = LocalExecutor(runtime, progress)
            output = await execute(plan, runtime, executor, path, progress, allow_partial=True)
        return row_count(list(output.rows))


class _UnrehearsedError(RunError):
    """A step wants what a plan does not do."""

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step} is not rehearsed")
        self.step = step


class _Thinned(Source[Any]):
    """Every n-th row of the first `limit` rows of a source."""

    kind = "thinned"

    def __init__(self, source: Source[Any], every: int, limit: int | None) -> None:
        super().__init__(source.params, source.context)
        self._source, self._every, self._limit = source, every, limit
        setattr(self, "kind", source.kind)  # noqa: B010 - a class variable, but errors name the source itself

    def schema(self) -> Any:
        return self._source.schema()

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def namespace(self) -> str:
        return self._source.namespace()

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        at = 0
        for batch in self._source.batches():
            end = at + batch.num_rows if self._limit is None else min(at + batch.num_rows, self._limit)
            chosen = range(-at % self._every, end - at, self._every)
            yield batch.take(pa.array(chosen, pa.int64())) if self._every > 1 else batch.slice(0, end - at)
            at += batch.num_rows
            if self._limit is not None and at >= self._limit:
                return


class ChosenRows(Source[Any]):
    """Some rows of a source, by their positions in ascending order."""

    kind = "chosen"

    def __init__(self, source: Source[Any], positions: Sequence[int]) -> None:
        super().__init__(source.params, source.context)
        self._source, self._positions = source, positions
        setattr(self, "kind", source.kind)  # noqa: B010 - a class variable, but errors name the source itself

    def schema(self) -> Any:
        return self._source.schema()

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def namespace(self) -> str:
        return self._source.namespace()

    def row_count(self) -> int:
        return len(self._positions)

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        at = first = 0
        for batch in self._source.batches():
            last = bisect.bisect_left(self._positions, at + batch.num_rows, first)
            yield batch.take(pa.array([place - at for place in self._positions[first:last]], pa.int64()))
            at, first = at + batch.num_rows, last


class _Rehearsing(Runtime):
    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self.asked: set[str] = set()
        """Keys of missing answers that were counted already."""

    def at(self, step: Step) -> StepRun:
        return _Step(self, step.spec.id, step.fingerprint, step.catalogs, step.children, _Row())

    def recorded(self, name: str) -> Teacher[Any]:
        return self._planned[name]


class _Step(StepRun):
    """What an operator sees in a rehearsal. `row`: calls of the row at hand, where one is counted."""

    def __init__(
        self,
        runtime: _Rehearsing,
        name: str,
        fingerprint: str,
        catalogs: Mapping[str, str],
        children: Mapping[str, Child] | None,
        row: _Row,
    ) -> None:
        super().__init__(runtime, name, fingerprint, catalogs, children)
        self._rehearsing, self._row = runtime, row

    def of_row(self, row: _Row) -> _Step:
        return _Step(self._rehearsing, self.step_name, self.step, self._catalogs, self._children, row)

    def with_children(self, children: Mapping[str, Child]) -> _Step:
        return _Step(self._rehearsing, self.step_name, self.step, self._catalogs, children, self._row)

    @property
    def sandbox(self) -> Sandbox:
        raise _UnrehearsedError(self.step_name)

    def answers(self, teacher: str, requests: Sequence[Request]) -> list[Completion]:
        raise _UnrehearsedError(self.step_name)

    def teacher(self, name: str) -> Ask:
        return _Recorded(self._rehearsing, name, self._row)


@dataclass
class _Row:
    """Calls of one row."""

    answered: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    prompt_tokens: Counter[str] = field(default_factory=Counter)


class _Recorded:
    """Gives the answers that the ledger has, as the teacher's table reads them today."""

    def __init__(self, runtime: _Rehearsing, name: str, row: _Row) -> None:
        self._teacher = runtime.recorded(name)
        self._runtime, self._name, self._row = runtime, name, row

    @property
    def model(self) -> str:
        return self._teacher.model

    async def complete(self, request: Request) -> Completion:
        key = self._teacher.key(request)
        stored = await self._runtime.owner.lookup(key)
        if stored is not None:
            self._row.answered[self._name] += 1
            return self._teacher.present(without_secrets(stored))
        self._row.missing[self._name] += 1
        if key not in self._runtime.asked:
            self._runtime.asked.add(key)
            self._row.seen[self._name] += 1
            self._row.prompt_tokens[self._name] += math.ceil(sum(tokens_in(one.content) for one in request.messages))
        await asyncio.sleep(0)  # the other samples of the row are asked before this one fails it
        raise TeacherError("the ledger has no answer", kind="retryable", reason=UNANSWERED)


def _observed(step: Step, tally: Tally) -> Step:
    assert isinstance(step.operator, CallOperator) and step.estimator is not None
    return replace(step, operator=_Observed(step.operator, step.estimator, tally))


class _Observed(CallOperator[Any]):
    """A call operator whose calls are counted row by row."""

    def __init__(self, operator: CallOperator[Any], estimator: Estimator, tally: Tally) -> None:
        super().__init__(operator.params)
        self._operator, self._tally = operator, tally
        setattr(self, "name", operator.name)  # noqa: B010 - a class variable, but this one differs by instance
        self._expected, self._most = estimator.expected(1), estimator.most(1)

    @property
    def deadline(self) -> float:
        return self._operator.deadline

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return self._operator.columns(have, schema)

    def teachers(self) -> tuple[str, ...]:
        return ()

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        assert isinstance(run, _Step)
        counted = _Row()
        outcomes: Sequence[Outcome] = ()
        try:
            outcomes = await self._operator.process(row, run.of_row(counted))
            return outcomes
        finally:
            self._book(counted, outcomes)

    def _book(self, row: _Row, outcomes: Sequence[Outcome]) -> None:
        """A row that lacks an answer makes the calls that it is expected to make, less those that are answered; one
        that lacks the same answer as a row before it makes none for that."""
        tally = self._tally
        tally.answered.update(row.answered)
        if not row.missing:
            return
        tally.seen.update(row.seen)
        kept = sum(not isinstance(outcome, Reject) for outcome in outcomes)
        tally.waiting += max(0.0, self._expected.rows - kept)
        tally.waiting_most += max(0.0, self._most.rows - kept)
        for name in {*row.missing, *self._expected.calls, *self._most.calls}:
            repeated = row.missing[name] - row.seen[name]
            tally.prompt_tokens[name] = tally.prompt_tokens.get(name, 0.0) + row.prompt_tokens[name]
            for into, estimate in ((tally.missing, self._expected), (tally.most, self._most)):
                calls = estimate.calls[name].calls if name in estimate.calls else 0.0
                left = max(row.missing[name], calls - row.answered[name]) - repeated
                into[name] = into.get(name, 0.0) + max(0.0, left)


__all__ = ["ChosenRows", "Rehearsal", "Tally", "rehearse"]

"""What a run would do and cost, for the screen, JSON and notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.engine.chunks import Folder
from dqdata.notebook import Shown

if TYPE_CHECKING:
    from dqdata.engine.forecast import Forecast, TeacherForecast
    from dqdata.project.plan import Plan, Segment, Step
    from dqdata.project.tables import Project
    from dqdata.teacher import Teacher


@dataclass(frozen=True)
class StepReport:
    """rows: expected after the step, None where nobody knows before the rows are read. added, removed: columns that the
    step brings and takes away. columns: all of them after it, by name and DuckDB type."""

    id: str
    op: str
    params: Mapping[str, Any]
    rows: float | None
    added: Sequence[str]
    removed: Sequence[str]
    columns: Mapping[str, str]
    fingerprint: str


@dataclass(frozen=True)
class SegmentReport:
    """Steps between two places where every row must have arrived. chunks_done: checkpoints of an earlier run."""

    number: int
    chunks_done: int
    steps: Sequence[StepReport]


@dataclass(frozen=True)
class WorstCase:
    """Calls at worst, and tokens over all of them. output_tokens: None where nothing bounds an answer. cost_usd: None
    where it is unknown."""

    calls: float
    input_tokens: float
    output_tokens: float | None
    cost_usd: float | None


@dataclass(frozen=True)
class TeacherReport:
    """Calls that a run is expected to make to one teacher, tokens over all of them and their cost, None where it is
    unknown; `most` is the worst case. untrained: it answers with a model that is still to be trained. answered: calls
    beside these that the ledger answers. measured: answers of this pipeline in the ledger that the expected length was
    taken from; 0: the operator's own guess."""

    name: str
    model: str
    untrained: bool
    calls: float
    input_tokens: float
    output_tokens: float
    cost_usd: float | None
    most: WorstCase
    answered: float
    measured: int


@dataclass(frozen=True)
class PlanReport(Shown):
    """A plan of one pipeline. made: the version that this recipe made already, which a run returns. rows: those that
    enter the first step. columns: as they enter it.

    cost_usd, most_usd: of all calls that a run makes, as expected and at worst; None where that is unknown. per_rows:
    set where nobody knows the rows before they are read; then the numbers of `teachers` are those of so many rows.
    ledger: whether answers of the ledger were looked up; sampled: in so many rows, spread over the source. ended: the
    step before which looking up had to end: its calls and later ones are all taken to be new. new_rows: in append mode,
    rows that the last run did not have, which calls and costs are of; None where all rows are processed.
    target_rows: of the pipeline; target_from: the first rows of the source that are expected to give so many, which
    expected calls and costs are of, while the worst case is of all rows."""

    pipeline: str
    into: str
    source: str
    fingerprint: str
    made: str | None
    rows: float | None
    columns: Mapping[str, str]
    segments: Sequence[SegmentReport]
    teachers: Sequence[TeacherReport]
    cost_usd: float | None
    most_usd: float | None
    budget_usd: float | None
    budget_tokens: int | None
    per_rows: int | None
    ledger: bool
    sampled: int | None
    ended: str | None
    new_rows: int | None = None
    target_rows: int | None = None
    target_from: int | None = None

    @classmethod
    def of(cls, plan: Plan, project: Project, forecast: Forecast) -> PlanReport:
        work = project.store.work / plan.pipeline.into
        unknown = forecast.per_rows is not None and bool(forecast.most_usd is None or forecast.most_usd)
        return cls(
            plan.pipeline.name,
            plan.pipeline.into,
            plan.pipeline.source.kind,
            plan.fingerprint,
            f"{plan.made[0]}@{plan.made[1]}" if plan.made else None,
            plan.rows,
            dict(plan.columns),
            tuple(
                _segment(number, segment, work / plan.checkpoints(segment))
                for number, segment in enumerate(plan.segments, 1)
            ),
            tuple(_teacher(name, plan.teachers[name], one) for name, one in forecast.teachers.items()),
            None if unknown else forecast.cost_usd,
            None if unknown else forecast.most_usd,
            plan.pipeline.budget_usd,
            plan.pipeline.budget_tokens,
            forecast.per_rows,
            forecast.ledger,
            forecast.sampled,
            forecast.ended,
            forecast.new_rows,
            plan.pipeline.target_rows,
            forecast.target_from,
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def _repr_html_(self) -> str:
        from dqdata.notebook import fields, table

        steps = [
            (segment.number, step.id, step.rows, ", ".join(step.added), ", ".join(step.removed))
            for segment in self.segments
            for step in segment.steps
        ]
        about = {
            "pipeline": self.pipeline,
            "into": self.into,
            "made already": self.made,
            "source": self.source,
            "rows": self.rows,
            "teachers": [asdict(teacher) for teacher in self.teachers],
            "expected cost in USD": self.cost_usd if self.teachers else None,
            "at most": self.most_usd if self.teachers else None,
            "budget in USD": self.budget_usd,
        }
        return fields(about) + table(["segment", "step", "rows after it", "new columns", "removed columns"], steps)


def _segment(number: int, segment: Segment, checkpoints: Path) -> SegmentReport:
    done = len(Folder(checkpoints).rows())
    return SegmentReport(number, done, tuple(_step(step) for step in segment.steps))


def _step(step: Step) -> StepReport:
    return StepReport(
        step.spec.id,
        step.spec.op,
        step.operator.params.model_dump(mode="json"),
        step.estimate.rows if step.estimate else None,
        tuple(name for name in step.after if name not in step.before),
        tuple(name for name in step.before if name not in step.after),
        dict(step.after),
        step.fingerprint,
    )


def _teacher(name: str, teacher: Teacher[Any], one: TeacherForecast) -> TeacherReport:
    most = one.most
    return TeacherReport(
        name,
        teacher.model,
        teacher.trained is not None and teacher.trained.kind == "untrained",
        one.expected.calls,
        one.expected.input_tokens,
        one.expected.output_tokens,
        one.cost_usd,
        WorstCase(
            most.calls,
            most.input_tokens,
            most.output_tokens if math.isfinite(most.output_tokens) else None,
            one.most_usd,
        ),
        one.answered,
        one.measured,
    )

"""What a run would do and cost, for the screen, JSON and notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.engine.chunks import Folder
from dqdata.notebook import Shown
from dqdata.teacher import Price, Usage

if TYPE_CHECKING:
    from dqdata.operator import CallEstimate
    from dqdata.project.plan import Plan, Segment, Step
    from dqdata.project.tables import Project


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
class TeacherReport:
    """What is expected of one teacher. untrained: it answers with a model that is still to be trained. cost_usd: at
    most; None where the price or the number of calls is unknown."""

    name: str
    model: str
    untrained: bool
    calls: float | None
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: float | None


@dataclass(frozen=True)
class PlanReport(Shown):
    """A plan of one pipeline. made: the version that this recipe made already, which a run returns. rows: those that
    enter the first step. columns: as they enter it. cost_usd: at most, over all teachers; None where it is unknown.
    Answers that the ledger has cost nothing."""

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

    @classmethod
    def of(cls, plan: Plan, project: Project) -> PlanReport:
        work = project.store_path / "work" / plan.pipeline.into
        teachers = _teachers(plan, project)
        costs = [teacher.cost_usd for teacher in teachers]
        return cls(
            plan.pipeline.name,
            plan.pipeline.into,
            plan.pipeline.source.kind,
            plan.fingerprint,
            f"{plan.made[0]}@{plan.made[1]}" if plan.made else None,
            plan.rows,
            dict(plan.columns),
            tuple(_segment(number, segment, work) for number, segment in enumerate(plan.segments, 1)),
            teachers,
            None if None in costs else sum(cost for cost in costs if cost is not None),
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
            "cost in USD, at most": self.cost_usd if self.teachers else None,
        }
        return fields(about) + table(["segment", "step", "rows after it", "new columns", "columns gone"], steps)


def _segment(number: int, segment: Segment, work: Path) -> SegmentReport:
    done = len(Folder(work / segment.fingerprint).rows())
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


def _teachers(plan: Plan, project: Project) -> tuple[TeacherReport, ...]:
    expected = plan.calls()
    reports = []
    for name, teacher in plan.teachers.items():
        calls = expected.get(name)
        reports.append(
            TeacherReport(
                name,
                teacher.model,
                teacher.trained is not None and teacher.trained.kind == "untrained",
                calls.calls if calls else None,
                calls.input_tokens if calls else None,
                calls.output_tokens if calls else None,
                _cost(teacher.limits(project.teachers[name].limits).price, calls),
            )
        )
    return tuple(reports)


def _cost(price: Price | None, calls: CallEstimate | None) -> float | None:
    """USD at most; None where the price or the number of calls is unknown."""
    if price is None or calls is None:
        return 0.0 if price == Price() else None
    return price.cost(Usage(round(calls.input_tokens), round(calls.output_tokens)))

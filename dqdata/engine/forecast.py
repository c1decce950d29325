"""What a run of a plan would call and cost: as expected and at worst, less what the ledger has.

    made = forecast(plan, project, store)
    made.teachers["r1"].calls, made.cost_usd, made.most_usd

Requests are as long as those of the first rows, answers as long as those that the ledger has of the same step and
teacher, and otherwise as the operator takes them to be. The worst case is every sample, every repetition and every
answer as long as `max_tokens` allows. An attempt that breaks off is not in it; budgets count those as they happen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

from dqdata.engine.append import Past, new_rows
from dqdata.engine.rehearsal import ChosenRows, Rehearsal, Tally, rehearse
from dqdata.engine.target import expected_source_rows
from dqdata.ledger import Ledger
from dqdata.ledger.choice import has_ledger
from dqdata.operator import CallEstimate
from dqdata.project.estimates import added
from dqdata.project.plan import Plan, Step
from dqdata.project.tables import Project
from dqdata.source import StoreView
from dqdata.teacher import Price, Teacher

NONE = CallEstimate(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class TeacherForecast:
    """Calls to one teacher that a run would make, and tokens over all of them. answered: calls that the ledger answers.
    measured: answers of the ledger that the length of the expected ones is taken from. Tokens of `most` are infinite
    where nothing bounds an answer, and a cost is None where it is unknown."""

    expected: CallEstimate = NONE
    most: CallEstimate = NONE
    answered: float = 0.0
    measured: int = 0
    cost_usd: float | None = 0.0
    most_usd: float | None = 0.0


@dataclass(frozen=True)
class Forecast:
    """rows: that the numbers are of; None where nobody knows, and then all numbers are per `per_rows` rows.
    ledger: whether answers of the ledger are subtracted. sampled: rows that were looked at for that. ended: the step
    before which that had to end, whose calls and those after it are all taken to be new."""

    rows: float | None
    teachers: Mapping[str, TeacherForecast]
    ledger: bool = False
    sampled: int | None = None
    ended: str | None = None
    per_rows: int | None = None
    made: bool = False
    new_rows: int | None = None
    """In append mode, rows of the source that the last run did not have, which the numbers are of; None where all rows
    are processed."""
    target_from: int | None = None
    """With `target_rows`, the first rows of the source that the expected numbers are of, by what the operators expect
    to keep; the worst case is of all rows."""

    @property
    def cost_usd(self) -> float | None:
        return _sum(one.cost_usd for one in self.teachers.values())

    @property
    def most_usd(self) -> float | None:
        return _sum(one.most_usd for one in self.teachers.values())


PER_ROWS = 1_000
"""Rows that a forecast is over where nobody knows how many there are."""


def forecast(
    plan: Plan, project: Project, store: StoreView, *, retry_failed: bool = False, subtract: bool = True
) -> Forecast:
    """A version that is there costs nothing, unless its failed rows are to be retried. Makes no call. subtract: calls
    whose answers the ledger has."""
    if plan.made is not None and not retry_failed:
        return Forecast(plan.rows, {name: TeacherForecast() for name in plan.teachers}, made=True)
    if plan.pipeline.mode == "append" and plan.pipeline.limit is None and not retry_failed:
        past = Past.load(project.store.appended / plan.pipeline.into)
        if (chosen := new_rows(past, plan)) is not None:
            plan = replace(plan, source=ChosenRows(plan.source, chosen), rows=float(len(chosen)), counted=True)
            return replace(_forecast(plan, project, store, subtract), new_rows=len(chosen))
    if plan.pipeline.target_rows is not None and plan.pipeline.limit is None and plan.rows is not None:
        return _until_target(plan, project, store, subtract)
    return _forecast(plan, project, store, subtract)


def _until_target(plan: Plan, project: Project, store: StoreView, subtract: bool) -> Forecast:
    """As expected, the first rows of the source that the target needs; at worst, all rows."""
    assert plan.pipeline.target_rows is not None and plan.rows is not None
    needed = min(plan.rows, float(expected_source_rows(plan, plan.pipeline.target_rows)))
    whole = _forecast(plan, project, store, subtract)
    first = _forecast(replace(plan.first(int(needed)), rows=needed), project, store, subtract)
    teachers = {
        name: replace(one, most=whole.teachers[name].most, most_usd=whole.teachers[name].most_usd)
        for name, one in first.teachers.items()
    }
    return replace(first, rows=plan.rows, teachers=teachers, target_from=int(needed))


def _forecast(plan: Plan, project: Project, store: StoreView, subtract: bool) -> Forecast:
    if not has_ledger(project.ledger_place) or not plan.teachers:
        return _estimated(plan, project, None, {})
    with Ledger(project.ledger_place, read_only=True) as ledger:
        measured = _measured(plan, ledger)
        rehearsed = rehearse(plan, project, store, ledger) if subtract and _worth_it(plan, ledger) else None
    return _estimated(plan, project, rehearsed, measured)


def _worth_it(plan: Plan, ledger: Ledger) -> bool:
    """Whether the ledger may have an answer, and the rows are there to look it up."""
    if not plan.counted or not plan.rows or any(_untrained(teacher) for teacher in plan.teachers.values()):
        return False
    if ledger.rows("select 1 from calls where pipeline = ? limit 1", (plan.pipeline.name,)):
        return True
    known = ledger.rows("select distinct provider, model, revision from calls", ())
    who = {(one.provider, one.keyed_model, one.revision) for one in plan.teachers.values()}
    return bool(who.intersection(known)) and bool(plan.source.sample(1))  # no download for a plan


def _untrained(teacher: Teacher[Any]) -> bool:
    return teacher.trained is not None and teacher.trained.kind == "untrained"


Measured = Mapping[tuple[str, str], tuple[int, float, float]]
"""(answers, mean of input tokens, mean of output tokens) by step and teacher."""


def _measured(plan: Plan, ledger: Ledger) -> Measured:
    rows = ledger.rows(
        "select step, provider, model, revision, count(*), avg(input_tokens), avg(output_tokens) from calls "
        "where pipeline = ? group by 1, 2, 3, 4",
        (plan.pipeline.name,),
    )
    by_model = {tuple(row[:4]): (int(row[4]), float(row[5]), float(row[6])) for row in rows}
    found = {}
    for step in plan.steps:
        for name, teacher in plan.teachers.items():
            key = (step.spec.id, teacher.provider, teacher.keyed_model, teacher.revision)
            if key in by_model:
                found[step.spec.id, name] = by_model[key]
    return found


def _estimated(plan: Plan, project: Project, rehearsed: Rehearsal | None, measured: Measured) -> Forecast:
    """Walks through the steps with the rows that wait for answers; those that a rehearsal brought through need none."""
    rows = plan.rows if plan.rows is not None else float(PER_ROWS)
    waiting, most = (0.0, 0.0) if rehearsed else (rows, rows)
    totals = {name: TeacherForecast() for name in plan.teachers}
    tallies: Mapping[str, Tally] = rehearsed.tallies if rehearsed else {}
    scale = rehearsed.scale if rehearsed else 1.0
    for step in plan.steps:
        assert step.estimator is not None
        if rehearsed and step.spec.id == rehearsed.ended:
            waiting, most = waiting + scale * rehearsed.passed, most + scale * rehearsed.passed
        one, worst = step.estimator.expected(waiting), step.estimator.most(most)
        waiting, most = one.rows, worst.rows
        expected, most_calls = dict(one.calls), dict(worst.calls)
        seen: Mapping[str, CallEstimate] = {}
        if tally := tallies.get(step.spec.id):
            waiting, most = waiting + scale * tally.waiting, most + scale * tally.waiting_most
            seen = _new(step, tally, scale, most=False)
            most_calls = added(most_calls, _new(step, tally, scale, most=True))
        for name in {*expected, *most_calls, *seen, *(tally.answered if tally else ())}:
            have = totals[name]
            lengths = measured.get((step.spec.id, name))
            bounded = _bounded(most_calls.get(name, NONE), plan.teachers[name])
            guessed = _like(expected.get(name, NONE), lengths, bounded, prompts=True)
            known = _like(seen.get(name, NONE), lengths, bounded, prompts=not (tally and tally.seen[name]))
            totals[name] = replace(
                have,
                expected=_plus(have.expected, _plus(guessed, known)),
                most=_plus(have.most, bounded),
                answered=have.answered + (scale * tally.answered[name] if tally else 0.0),
                measured=have.measured + (lengths[0] if lengths else 0),
            )
    return Forecast(
        plan.rows,
        {name: _priced(one, price_of(plan, project, name)) for name, one in totals.items()},
        rehearsed is not None,
        None if rehearsed is None else math.ceil(rows / scale),
        rehearsed.ended if rehearsed else None,
        PER_ROWS if plan.rows is None else None,
    )


def _new(step: Step, tally: Tally, scale: float, *, most: bool) -> dict[str, CallEstimate]:
    """Calls of the rows that lack an answer; the requests that were seen are as long as they are."""
    assert step.estimator is not None
    one = (step.estimator.most if most else step.estimator.expected)(1)
    made = {}
    for name, calls in (tally.most if most else tally.missing).items():
        each = one.calls.get(name, NONE)
        given, written = (each.input_tokens / each.calls, each.output_tokens / each.calls) if each.calls else (0.0, 0.0)
        if tally.seen[name] and not most:
            given = tally.prompt_tokens[name] / tally.seen[name]
        made[name] = CallEstimate(scale * calls, scale * calls * given, scale * calls * written if calls else 0.0)
    return made


def _like(
    calls: CallEstimate, lengths: tuple[int, float, float] | None, most: CallEstimate, *, prompts: bool
) -> CallEstimate:
    """With answers as long as those that were measured, within what they may have now; requests too, where `prompts`
    says that they were not seen."""
    if lengths is None or not calls.calls:
        return calls
    longest = most.output_tokens / most.calls if most.calls else math.inf
    given = calls.calls * lengths[1] if prompts else calls.input_tokens
    return CallEstimate(calls.calls, given, calls.calls * min(lengths[2], longest))


def _bounded(calls: CallEstimate, teacher: Teacher[Any]) -> CallEstimate:
    """Answers that nothing else bounds end with the context window."""
    if math.isfinite(calls.output_tokens) or teacher.context_tokens is None:
        return calls
    return replace(calls, output_tokens=calls.calls * teacher.context_tokens)


def _plus(one: CallEstimate, other: CallEstimate) -> CallEstimate:
    return added({"": one}, {"": other})[""]


def price_of(plan: Plan, project: Project, name: str) -> Price | None:
    return plan.teachers[name].limits(project.teachers[name].limits).price


def _priced(one: TeacherForecast, price: Price | None) -> TeacherForecast:
    """With costs. The worst case is never below what is expected: requests that were seen may be longer than those
    that the operator took the worst of."""
    most = CallEstimate(*map(max, astuple(one.expected), astuple(one.most)))
    return replace(one, most=most, cost_usd=cost_of(price, one.expected), most_usd=cost_of(price, most))


def cost_of(price: Price | None, calls: CallEstimate) -> float | None:
    """USD; None where calls are made and the price is unknown, or nothing bounds what they cost."""
    if not calls.calls:
        return 0.0
    if price is None:
        return None
    cost = price.input * calls.input_tokens / 1e6
    if price.output:
        cost += price.output * calls.output_tokens / 1e6
    return cost if math.isfinite(cost) else None


def _sum(costs: Any) -> float | None:
    listed = list(costs)
    return None if None in listed else math.fsum(listed)

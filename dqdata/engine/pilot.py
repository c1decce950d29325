"""A pilot: a run over the first rows of a source, and what it says of a run over all of them.

    found = pilot(project, "traces", store, 50)
    found.rows_out, found.cost_usd, found.seconds      # each with a 95% interval

The pilot is `run --limit`: its version is NAME__first_50, and a full run takes its answers from the ledger. Then the
plan is executed again with these answers alone, which shows what each problem cost, also where an earlier run had paid
for it, and how long everything but the calls takes. Intervals hold where the first rows are like the others, and where
no step that sees all rows keeps another share of more rows.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import polars as pl

from dqdata.engine.forecast import PER_ROWS
from dqdata.engine.replay import replay
from dqdata.engine.result import RunResult
from dqdata.engine.run import run_pipeline
from dqdata.errors import DataError
from dqdata.ledger import Ledger
from dqdata.ledger.choice import has_ledger
from dqdata.notebook import Shown
from dqdata.place import LedgerPlace
from dqdata.project.plan import Plan, make_plan
from dqdata.project.tables import EngineKind, Project
from dqdata.statistics import Interval, clustered, total_of
from dqdata.teacher import Usage

if TYPE_CHECKING:
    from dqdata.catalog import Store


@dataclass(frozen=True)
class Expected:
    """A number, and the bounds of its 95% interval; `high` is infinite where there are too few rows to bound it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PilotResult(Shown):
    """What a pilot says of a run over all rows. source_rows: rows of the source that the run takes; None where nobody
    knows before they are read, and then all numbers are those of `per_rows` rows. rows_out: of the version. calls,
    cost_usd, seconds: of the calls that the pilot did not make already, None where a teacher has no price.
    engine_seconds: what everything but the calls takes. sees_all: steps whose share of kept rows may change with their
    number."""

    run: RunResult
    rows: int
    yield_a_row: Expected
    source_rows: Expected | None
    per_rows: int | None
    rows_out: Expected
    calls: Expected
    cost_usd: Expected | None
    seconds: Expected
    engine_seconds: float
    unpriced: tuple[str, ...]
    sees_all: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        made = asdict(self)
        for one in made.values():
            if isinstance(one, dict) and one.get("high") == math.inf:
                one["high"] = None  # JSON has no infinity
        return made


class _Asked(NamedTuple):
    """The calls of one problem: number, USD, and by teacher seconds and tokens."""

    calls: float
    usd: float
    seconds: Mapping[str, float]
    tokens: Mapping[str, float]
    made: Mapping[str, float]


def pilot(
    project: Project,
    name: str,
    store: Store,
    rows: int,
    *,
    workers: int | None = None,
    budget_usd: float | None = None,
    engine: EngineKind | None = None,
    out: TextIO | None = None,
) -> PilotResult:
    """Runs over the first `rows` rows and projects. Raises InputError, RunError as a run does; DataError for a source
    without rows."""
    run = run_pipeline(project, name, store, limit=rows, workers=workers, budget_usd=budget_usd, engine=engine, out=out)
    limited = project.limited(name, rows)
    plan = make_plan(limited, name, store)
    folder = Path(tempfile.mkdtemp(prefix=f"pilot-{name}-", dir=store.work))
    try:
        ledger = store.ledger_place if has_ledger(store.ledger_place) else None
        noted: dict[str, str] = {}
        began = time.monotonic()
        done = replay(plan, limited, store, ledger, folder, workers=workers, noted=noted)
        engine_seconds = time.monotonic() - began
        taken = done.output.rows_in
        if not taken:
            raise DataError(f"the source of pipeline {name!r} has no rows to try")
        ingested = sorted((folder / plan.source_fingerprint).glob("rows-*.parquet"))
        problems = _problems(ingested)
        kept = _problems(done.output.rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    by_problem = {} if ledger is None else _asked(ledger, plan, limited, noted)
    return _projected(
        replace(run, rows_in=run.rows_in or taken),
        plan,
        make_plan(project, name, store),
        limited,
        taken,
        _per_row(problems, kept, taken),
        _per_row_calls(problems, by_problem, taken),
        engine_seconds,
    )


def _projected(
    run: RunResult,
    plan: Plan,
    full: Plan,
    project: Project,
    taken: int,
    kept: Sequence[float],
    asked: Sequence[_Asked],
    engine_seconds: float,
) -> PilotResult:
    share = _share(kept)
    source, per_rows = _source_rows(full, share)
    total = source.value if source is not None else float(PER_ROWS)
    more = max(0.0, total - taken) if source is not None else total
    unpriced = tuple(name for name in plan.teachers if _price(plan, project, name) is None and _called(asked, name))
    own = sum(kept) if source is not None else 0.0
    # Further rows scatter too, so the interval of their mean is widened by the spread of as many draws.
    widened = math.sqrt(1 + taken / more) if more else 0.0
    low, high = (
        own + more * max(0.0, share.value + sign * widened * abs(bound - share.value))
        for sign, bound in ((-1, share.low), (1, share.high))
    )
    rows_out = Expected(own + more * share.value, low, high)
    target = full.pipeline.target_rows
    if target is not None:
        rows_out = Expected(*(min(value, float(target)) for value in (rows_out.value, rows_out.low, rows_out.high)))
    seconds = _seconds(plan, project, asked, more)
    rest = engine_seconds / taken * more
    return PilotResult(
        run,
        taken,
        share,
        source,
        per_rows,
        rows_out,
        _total([one.calls for one in asked], more),
        None if unpriced else _total([one.usd for one in asked], more),
        Expected(*(max(value, rest) for value in (seconds.value, seconds.low, seconds.high))),
        rest,
        unpriced,
        tuple(step.spec.id for step in plan.steps if step.sees_all),
    )


def _source_rows(full: Plan, share: Expected) -> tuple[Expected | None, int | None]:
    """Rows of the source that the full run takes."""
    target, known = full.pipeline.target_rows, full.rows
    if target is None:
        return (Expected(known, known, known), None) if known is not None else (None, PER_ROWS)
    most = math.inf if known is None else known
    value, low, high = (min(most, target / one if one else math.inf) for one in (share.value, share.high, share.low))
    return (Expected(value, low, high), None) if math.isfinite(value) else (None, PER_ROWS)


def _share(kept: Sequence[float]) -> Expected:
    """Rows of the result for each row of the source: Wilson's interval of their share in the most that a row gave."""
    most = max(1, math.ceil(max(kept)))
    mean = sum(kept) / len(kept)
    if all(float(value).is_integer() for value in kept):
        low, high = clustered([int(value) for value in kept], most)
    else:
        low, high = (bound / len(kept) / most for bound in total_of(kept, len(kept)))
    return Expected(mean, low * most, high * most)


def _total(values: Sequence[float], more: float) -> Expected:
    interval: Interval = total_of(values, more)
    return Expected(sum(values) / len(values) * more, *interval)


def _seconds(plan: Plan, project: Project, asked: Sequence[_Asked], more: float) -> Expected:
    """Of the calls: each teacher works on `concurrency` at once and within its limits per minute; the slowest decides.
    The last of few rows leave places empty, which makes it longer than this by one answer at most."""
    found = [Expected(0.0, 0.0, 0.0)]
    for name, teacher in plan.teachers.items():
        limits = teacher.limits(project.teachers[name].limits)
        busy = _total([one.seconds.get(name, 0.0) for one in asked], more)
        found.append(_scaled(busy, 1 / limits.concurrency))
        if limits.requests_per_minute is not None:
            found.append(
                _scaled(_total([one.made.get(name, 0.0) for one in asked], more), 60 / limits.requests_per_minute)
            )
        if limits.tokens_per_minute is not None:
            found.append(
                _scaled(_total([one.tokens.get(name, 0.0) for one in asked], more), 60 / limits.tokens_per_minute)
            )
    return Expected(*(max(getattr(one, part) for one in found) for part in ("value", "low", "high")))


def _scaled(one: Expected, factor: float) -> Expected:
    return Expected(one.value * factor, one.low * factor, one.high * factor)


def _called(asked: Iterable[_Asked], name: str) -> bool:
    return any(one.made.get(name) for one in asked)


def _price(plan: Plan, project: Project, name: str) -> Any:
    return plan.teachers[name].limits(project.teachers[name].limits).price


def _problems(files: Sequence[Path]) -> Counter[str]:
    """How many rows each problem has."""
    if not files:
        return Counter()
    found = pl.scan_parquet(list(files), glob=False).group_by("problem_id").len().collect()
    return Counter(dict(found.iter_rows()))


def _per_row(problems: Counter[str], kept: Counter[str], taken: int) -> list[float]:
    """Rows of the result by row of the source; those of problems that a step made are spread over all rows."""
    made = sum(count for problem, count in kept.items() if problem not in problems)
    own = [kept[problem] / there for problem, there in problems.items() for _ in range(there)]
    return [value + made / taken for value in own + [0.0] * (taken - len(own))]


def _per_row_calls(problems: Counter[str], asked: Mapping[str, _Asked], taken: int) -> list[_Asked]:
    nothing = _Asked(0, 0, {}, {}, {})
    rest = [one for problem, one in asked.items() if problem not in problems]
    shared = _divided(_summed(rest), taken)
    own = [_divided(asked.get(problem, nothing), there) for problem, there in problems.items() for _ in range(there)]
    return [_summed([one, shared]) for one in own + [nothing] * (taken - len(own))]


def _summed(parts: Sequence[_Asked]) -> _Asked:
    sums: list[Counter[str]] = []
    for field in ("seconds", "tokens", "made"):
        counted: defaultdict[str, float] = defaultdict(float)
        for part in parts:
            for name, value in getattr(part, field).items():
                counted[name] += value
        sums.append(counted)  # type: ignore[arg-type]
    return _Asked(sum(part.calls for part in parts), sum(part.usd for part in parts), *sums)


def _divided(one: _Asked, by: int) -> _Asked:
    parts = ({name: value / by for name, value in field.items()} for field in (one.seconds, one.tokens, one.made))
    return _Asked(one.calls / by, one.usd / by, *parts)


def _asked(file: LedgerPlace, plan: Plan, project: Project, noted: Mapping[str, str]) -> dict[str, _Asked]:
    """The calls of each problem, from the ledger. noted: the problem whose row first used the answer under a key."""
    who = {(one.provider, one.keyed_model, one.revision): name for name, one in plan.teachers.items()}
    parts: defaultdict[str, list[_Asked]] = defaultdict(list)
    keys = list(noted)
    with Ledger(file, read_only=True) as ledger:
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ", ".join("?" * len(part))
            rows = ledger.rows(
                "select ledger_key, provider, model, revision, seconds, input_tokens, output_tokens, cached_tokens, "
                f"cost_usd from calls where ledger_key in ({marks})",
                tuple(part),
            )
            for key, provider, model, revision, seconds, given, written, cached, paid in rows:
                name = who.get((provider, model, revision), "")
                price = _price(plan, project, name) if name else None
                usd = paid if price is None else price.cost(Usage(given, written, cached))
                parts[noted[key]].append(_Asked(1, usd, {name: seconds}, {name: float(given + written)}, {name: 1.0}))
    return {problem: _summed(listed) for problem, listed in parts.items()}

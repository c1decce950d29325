"""What a run returns: the version it made or found, with its counts, costs and checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dqdata.catalog import Store
from dqdata.engine.assertions import CheckOutcome, differ, evaluate_version
from dqdata.engine.memory import database_bytes
from dqdata.errors import ChecksFailed
from dqdata.notebook import Shown
from dqdata.project.pipeline_table import Pipeline
from dqdata.project.tables import Project


@dataclass(frozen=True)
class RunResult(Shown):
    """A run that committed a version. rows_in: of the source; rows_out: of the version. dropped, failed: how many rows
    by reason. calls: made, cached (from the ledger) and failed; tokens: input and output of those made. seconds: of
    this attempt."""

    run_id: str
    catalog: str
    version: int
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]
    calls: Mapping[str, int] = field(default_factory=lambda: {"made": 0, "cached": 0, "failed": 0})
    tokens: Mapping[str, int] = field(default_factory=lambda: {"input": 0, "output": 0})
    cost_usd: float | None = 0.0
    """None where it is unknown: a teacher without a price was called."""
    unpriced: tuple[str, ...] = ()
    """Teachers whose calls have no known price."""
    paid_usd: float | None = 0.0
    """Of all attempts of this run, those that were stopped included, and answers that never came at worst. None where
    it is unknown."""
    verified: int | None = None
    """Rows that are `correct`; None where the rows have no such column."""
    seconds: float = 0.0
    unchanged: bool = False
    """The version was there already, and nothing ran."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Kept rows whose verdict is `unverifiable` because a rule broke, by error."""
    target_rows: int | None = None
    checks: tuple[CheckOutcome, ...] = ()
    ended_by: str = ""
    """Why a run with `target_rows` took no more rows: target, source or budget."""
    append: Mapping[str, Any] | None = None
    """In append mode: `since`, the version whose rows were taken over ("" for none); `taken` and `processed`, rows that
    entered each run of per-row steps; `changed`, the step because of which rows were processed again."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def there_already(store: Store, catalog: str, number: int, pipeline: Pipeline) -> RunResult:
    """The version that is there. Checks that changed since, or failed, are evaluated again."""
    version = store.version(catalog, number)
    checked: tuple[CheckOutcome, ...] = ()
    if differ(store.checks(catalog, number), pipeline.checks) or (catalog, number) in store.held():
        memory = database_bytes(pipeline.memory)
        checked = tuple(evaluate_version(pipeline.checks, store, catalog, number, memory))
        store.record_checks(catalog, number, [one.record() for one in checked])
    rejects = f"select reason, count(*) as n from {catalog}__rejects@{number} where kind = 'failed' group by all"
    batches = store.query(f"{rejects} order by n desc, reason") if version.rejects else ()
    failed = {row["reason"]: row["n"] for batch in batches for row in batch.to_pylist()}
    return RunResult(version.run_id, catalog, number, 0, version.rows, {}, failed, checks=checked, unchanged=True)


def passed(result: RunResult, project: Project) -> RunResult:
    """The result. Raises ChecksFailed where a check of severity "error" failed."""
    failed = [one for one in result.checks if one.holds_back]
    if not failed:
        return result
    name = f"{result.catalog}@{result.version}"
    raise ChecksFailed(
        f"{name} was committed, and {len(failed)} of its {len(result.checks)} checks failed, so it is not "
        f"{result.catalog}@latest: {'; '.join(one.text for one in failed)}. Look at it with "
        f"`{project.command('sql', f'from {name}')}`; correct the pipeline or the check, then run again"
    )

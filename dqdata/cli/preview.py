"""`dqdata preview PIPELINE`: the first rows of a pipeline with what each step did to them.

$ dqdata preview slow_thinking
$ dqdata run slow_thinking        # asks for the rest: the answers of the preview are in the ledger
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli import completion
from dqdata.cli.common import Finite, json_option, open_project, print_json, progress_out, project_option, usd
from dqdata.cli.lines import say, say_command

if TYPE_CHECKING:
    from dqdata.history.preview import Outcome, StepEffect
    from dqdata.project.tables import EngineKind

VALUE = 240
"""Characters of a value; `dqdata show` has the rows whole."""


@click.command()
@click.argument("name", shell_complete=completion.pipelines)
@click.option("--rows", type=click.IntRange(min=1, max=100), default=5, show_default=True, help="First rows to take.")
@click.option("--budget-usd", type=Finite(min=0, min_open=True), help="Instead of the pipeline's budget.")
@click.option("--engine", type=click.Choice(["local", "inline", "spawn", "ray"]), help="Instead of [engine] kind.")
@project_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    name: str,
    rows: int,
    budget_usd: float | None,
    engine: EngineKind | None,
    project: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the first rows of a pipeline and show what each step did to them.

    The rows and rejects are those of `dqdata run NAME --limit ROWS`: a full run does not pay for their calls again.
    Rows that fail are shown and don't end the preview.
    """
    from dqdata.api.project import Project
    from dqdata.catalog import Store
    from dqdata.cli.lines import cut
    from dqdata.history.preview import StepEffect, effects

    loaded = open_project(project)
    patient = loaded.tables.pipeline(name).model_copy(update={"max_failed_rate": 1.0})
    loaded = Project(loaded.tables.model_copy(update={"pipelines": {**loaded.tables.pipelines, name: patient}}))
    plan = loaded.plan(name, limit=rows)
    steps = [
        StepEffect(step.id, step.op, step.added, step.removed) for segment in plan.segments for step in segment.steps
    ]
    made = loaded.run(
        name, limit=rows, budget_usd=budget_usd, engine=engine, allow_partial=True, out=progress_out(quiet)
    )
    with Store.open(loaded.place, read_only=True) as store:
        found = effects(store, made.catalog, made.version)
    if as_json:
        print_json({"run": made.as_json(), "steps": list(map(asdict, steps)), "rows": list(map(asdict, found))})
        return
    for number, one in enumerate(found, 1):
        say(cut(f"-- row {number} of {len(found)}: {_short(one.outcomes[0].values.get('question', one.key))} --"))
        for place, outcome in enumerate(one.outcomes, 1):
            if len(one.outcomes) > 1:
                say(f"   {place} of the {len(one.outcomes)} rows made from it")
            _print(outcome, steps)
    cost = "" if not sum(made.calls.values()) else f", {made.calls['made']:,} new calls, {usd(made.cost_usd, 4)}"
    say(f"{made.catalog}@{made.version}: {made.rows_out:,} rows kept, {len(found):,} came in{cost}")
    say_command("next: ", loaded.tables.command("run", name))


def _print(outcome: Outcome, steps: list[StepEffect]) -> None:
    """The steps that the row met, one below the other, each with what it added or with the end of the row."""
    width = max((len(step.id) for step in steps), default=0)
    for step in steps:
        at = f"   {step.id:{width}}  "
        if outcome.ended.partition(" > ")[0] == step.id:
            _wrapped(at, f"{outcome.kind}: {outcome.reason} {_short(outcome.detail)}".rstrip())
            return
        lines = list(_effect(step, outcome.values)) or ["kept"]
        for number, line in enumerate(lines):
            _wrapped(at if not number else " " * len(at), line)
    if outcome.ended:
        _wrapped("   ", f"{outcome.kind} by {outcome.ended}: {outcome.reason} {_short(outcome.detail)}".rstrip())


def _effect(step: StepEffect, values: Mapping[str, Any]) -> Iterator[str]:
    for name in step.added:
        if values.get(name) is not None:
            yield f"+ {name} = {_short(values[name])}"
    if step.removed:
        yield f"- {', '.join(step.removed)}"


def _wrapped(label: str, text: str) -> None:
    from dqdata.cli.lines import width, wrapped

    room = max(min(width(), 100) - len(label), 20)
    for number, line in enumerate(wrapped(text, room, 0)):
        say(f"{label if not number else ' ' * len(label)}{line}".rstrip())


def _short(value: Any) -> str:
    from dqdata.cli.records import as_text

    line = " ".join(as_text(value).split())
    return line if len(line) <= VALUE else f"{line[: VALUE // 2]} … {line[-VALUE // 2 :]}"

"""`dqdata train NAME`: trains a model and records it; `trained:NAME@version` names it from then on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option
from dqdata.cli.lines import say, say_command

if TYPE_CHECKING:
    from dqdata.training.run import Prepared, TrainOutcome


@click.command()
@click.argument("name", shell_complete=completion.trainers)
@click.argument("keys", nargs=-1, metavar="[KEY=VALUE]...")
@project_option
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Ranks on this machine: one a GPU, or on a CPU one for every few cores.",
)
@click.option(
    "--nodes", type=click.IntRange(min=1), default=1, help="Machines: write the job and print how to start it."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    name: str,
    keys: tuple[str, ...],
    project: Path | None,
    processes: int,
    nodes: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a model on a catalog; a stopped or killed run goes on from its newest whole checkpoint.

    KEY=VALUE sets a key of the trainer's table for this run, such as args.learning_rate=1e-5, lora.r=8 or
    max_length=2048. Values are TOML. With --nodes nothing is trained here: start the printed lines on the machines, and
    when they have ended, the same command records the model."""
    from dqdata.training.run import Prepared

    loaded, out = open_project(project), progress_out(quiet)
    if nodes == 1:
        outcome: TrainOutcome | Prepared = loaded.train(name, keys, processes=processes, out=out)
    else:
        outcome = loaded.train_on_nodes(name, keys, nodes=nodes, processes=processes, out=out)
    if as_json:
        print_json(outcome.as_json())
    else:
        say(_summary(outcome))
        if not (isinstance(outcome, Prepared) or outcome.unchanged):
            query = f"select * from dq_models where name = '{outcome.name}'"
            say_command("  look     ", loaded.tables.command("sql", query))


def _how_to_start(prepared: Prepared) -> str:
    return "\n".join(
        [
            f"{prepared.name} is ready; every machine must see {prepared.job.parent}",
            f"  on machine R, of which 0 is HOST:  {prepared.torchrun}",
            f"  or with Slurm:  sbatch {prepared.slurm}",
            f"  and when it has ended:  {prepared.record}",
        ]
    )


def _summary(outcome: TrainOutcome | Prepared) -> str:
    from dqdata.training.run import Prepared

    if isinstance(outcome, Prepared):
        return _how_to_start(outcome)
    model = f"trained:{outcome.name}@{outcome.version}"
    if outcome.unchanged:
        return f"{model} is what this recipe makes already; nothing ran\n  files    {outcome.path}"
    lines = [f"{model} in {outcome.seconds:.0f} s"]
    if "first_loss" in outcome.metrics:
        lines.append(f"  loss     {outcome.metrics['first_loss']:.4g} -> {outcome.metrics['last_loss']:.4g}")
    lines += [
        f"  {label:8} {scored}" for label, scored in (("before", outcome.before), ("after", outcome.after)) if scored
    ]
    lines += [f"  note     {note}" for note in outcome.notes]
    lines.append(f"  files    {outcome.path}")
    return "\n".join(lines)

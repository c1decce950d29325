"""`dqdata eval MODEL... --on BENCHMARK`: models on the same questions, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dqdata.cli import completion
from dqdata.cli.apply import setting
from dqdata.cli.common import Finite, json_option, open_project, print_json, progress_out, project_option
from dqdata.cli.lines import say


@click.command()
@click.argument("models", nargs=-1, metavar="MODEL...")
@click.option("--on", shell_complete=completion.evaluations, help="A benchmark, or [evaluations.NAME] of the project.")
@click.option("--path", type=click.Path(path_type=Path), help="A local copy of the benchmark.")
@click.option("--data", help="SQL or a catalog with question, and answer or tests; in place of --on.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), help="By default 8192 for a benchmark, else 256.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Answers written at once; 16 by default.")
@click.option("--samples", type=click.IntRange(min=1), help="Answers to each question; 1 by default.")
@click.option("--temperature", type=Finite(min=0), help="By default 0 for one sample, 0.6 for several.")
@click.option("--top-p", type=Finite(min=0, max=1, min_open=True), help="1 by default.")
@click.option("--seed", type=int, help="Of the samples of local models; 0 by default.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Also the score of each value of this column.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many questions, in the order of the query.")
@click.option("--user", help="The user's turn, {{column}} put in; {{question}} by default, of a benchmark its own.")
@click.option("--system", help="A system turn before it.")
@click.option("--verify", help="Operator that makes the column `correct`; verify_math by default.")
@click.option("--chat", multiple=True, metavar="KEY=VALUE", help="For the chat template, as enable_thinking=false.")
@project_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    models: tuple[str, ...],
    on: str | None,
    path: Path | None,
    data: str | None,
    by: tuple[str, ...],
    chat: tuple[str, ...],
    project: Path | None,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Score models: trained:NAME@version, a folder, a GGUF file, a hub name, or teacher:NAME.

    Benchmarks: gsm8k, math500, aime24, aime25, gpqa_diamond, humaneval, mbpp, livecodebench. Answers become a version
    of the catalog eval_NAME, scores rows of dq_evals; `dqdata compare` prints them."""
    given = {name: value for name, value in settings.items() if value is not None}
    if given.get("samples", 1) > 1 and given.get("temperature") == 0:
        raise click.BadParameter("samples at temperature 0 are all the same", param_hint="--temperature")
    if chat:
        given["chat_template_kwargs"] = dict(setting(text, "--chat") for text in chat)
    compared = open_project(project).eval(
        *models, on=on, path=path, data=data, by=by or None, out=progress_out(quiet), **given
    )
    if as_json:
        print_json(compared.as_json())
        return
    width = max(len(one.name) for one in compared)
    for one in compared:
        against = "" if one.p_value is None else f"  p = {one.p_value:.3g} against {compared.models[0].name}"
        say(f"{one.name:{width}}  {one.score}{against}")
        for column, found in one.groups.items():
            for value, scored in found.items():
                say(f"{'':{width}}  {column} {value}: {scored}")
    say(f"answers: {compared.answers}; `dqdata compare` prints scores side by side")

"""`dqdata eval MODEL... --data QUESTIONS`: exact match of models on the same questions, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli.common import Finite, json_option, open_project, print_json, progress_out, project_option


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--data", required=True, help="SQL or a catalog with the columns question and answer.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Answers to each question.")
@click.option("--temperature", type=Finite(min=0), help="By default 0 for one sample, 0.6 for several.")
@click.option("--top-p", type=Finite(min=0, max=1, min_open=True), default=1.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the samples of local models.")
@click.option("--by", metavar="COLUMN", help="Also the score of each value of this column, such as level.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many questions, in the order of the query.")
@click.option("--user", default="{{question}}", show_default=True, help="The user's turn; {{column}} is put in.")
@click.option("--system", help="A system turn before it.")
@click.option("--verify", default="verify_math", show_default=True, help="Operator that makes the column `correct`.")
@project_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    models: tuple[str, ...],
    data: str,
    max_new_tokens: int,
    batch_size: int,
    samples: int,
    temperature: float | None,
    top_p: float,
    seed: int,
    by: str | None,
    limit: int | None,
    user: str,
    system: str | None,
    verify: str,
    project: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Score models by exact match: trained:NAME@version, a folder, a GGUF file, a hub name, or teacher:NAME."""
    if samples > 1 and temperature == 0:
        raise click.BadParameter("samples at temperature 0 are all the same", param_hint="--temperature")
    compared = open_project(project).eval(
        *models,
        data=data,
        by=by,
        samples=samples,
        temperature=temperature,
        out=progress_out(quiet),
        user=user,
        system=system,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        top_p=top_p,
        seed=seed,
        limit=limit,
        verify=verify,
    )
    if as_json:
        print_json(compared.as_json())
        return
    width = max(len(one.name) for one in compared)
    for one in compared:
        against = "" if one.p_value is None else f"  p = {one.p_value:.3g} against {compared.models[0].name}"
        click.echo(f"{one.name:{width}}  {one.score}{against}")
        for value, scored in one.groups.items():
            click.echo(f"{'':{width}}  {by} {value}: {scored}")

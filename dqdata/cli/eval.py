"""`dqdata eval MODEL... --data QUESTIONS`: exact match of models on the same questions, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--data", required=True, help="SQL or a catalog with the columns question and answer.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True)
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
    limit: int | None,
    user: str,
    system: str | None,
    verify: str,
    project: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Score models by exact match: trained:NAME@version, a folder, a GGUF file, a hub name, or teacher:NAME."""
    from dqdata.catalog import Store
    from dqdata.training.compare import compare
    from dqdata.training.exact_match import Evaluate

    loaded = open_project(project)
    evaluate = Evaluate(
        data=data,
        user=user,
        system=system,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        limit=limit,
        verify=verify,
    )
    with Store.open(loaded.store_path) as store:
        compared = compare(loaded, store, models, evaluate, progress_out(quiet))
    if as_json:
        print_json({"models": [{"model": c.name, **c.score.as_json(), "p_value": c.p_value} for c in compared]})
        return
    width = max(len(one.name) for one in compared)
    for one in compared:
        against = "" if one.p_value is None else f"  p = {one.p_value:.3g} against {compared[0].name}"
        click.echo(f"{one.name:{width}}  {one.score}{against}")

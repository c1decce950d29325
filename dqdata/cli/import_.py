"""`dqdata import FILE... --into NAME`: files become a version of a catalog, by the road every row takes."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli.apply import pair
from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option, store_option

FORMATS = ("jsonl", "json", "csv", "tsv", "parquet")


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--into", required=True, metavar="NAME", help="Catalog that gets the new version.")
@click.option("--column", "columns", multiple=True, metavar="NEW=OLD", help="Read the files' column OLD as NEW.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default what the name of the file says.")
@click.option("--encoding", help="Of CSV and JSON, by its Python name; utf-8 by default.")
@click.option("--types", multiple=True, metavar="NAME=TYPE", help="DuckDB type of a column, such as answer=VARCHAR.")
@project_option
@store_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    files: tuple[str, ...],
    into: str,
    columns: tuple[str, ...],
    form: str | None,
    encoding: str | None,
    types: tuple[str, ...],
    project: Path | None,
    store: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Import JSONL, Parquet or CSV files; ids are given to rows that have none."""
    from dqdata.catalog import Store
    from dqdata.engine.run import run_pipeline
    from dqdata.errors import InputError, ProjectError
    from dqdata.project.tables import Pipeline, Project, SourceSpec
    from dqdata.refs import check_name

    try:
        check_name(into)
    except InputError as error:
        raise ProjectError("dqdata import --into", str(error)) from None
    params = {
        "path": [str(Path(file).absolute()) for file in files],
        "columns": dict(pair(text, "--column") for text in columns),
        "types": dict(pair(text, "--types", "NAME=TYPE") for text in types),
        **({} if form is None else {"format": form}),
        **({} if encoding is None else {"encoding": encoding}),
    }
    where = f"dqdata import --into {into}"
    pipeline = Pipeline(
        into=into, name=f"import_{into}", source=SourceSpec(kind="files", params=params), steps=(), where=where
    )
    loaded = open_project(project) if store is None else None
    folder = loaded.store_path if loaded is not None else Path(store or "").absolute()
    bare = Project(
        path=Path.cwd() / "pipelines.toml",
        store_path=folder,
        profile=loaded.profile if loaded is not None else "",
        teachers={},
        pipelines={pipeline.name: pipeline},
        trainers={},
    )
    with Store.open(folder, group=loaded.store_group if loaded is not None else None) as opened:
        result = run_pipeline(bare, pipeline.name, opened, out=progress_out(quiet))
    if as_json:
        print_json(result.as_json())
        return
    click.echo(
        f"{result.catalog}@{result.version}: {result.rows_out:,} rows" + (", unchanged" if result.unchanged else "")
    )
    for reason, count in [*result.dropped.items(), *result.failed.items()]:
        click.echo(f"  {count:,} {reason}")

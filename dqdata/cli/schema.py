"""`dqdata schema`: the JSON Schema of pipelines.toml, with every plug-in that is installed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dqdata.cli.lines import echo


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write instead of standard output.")
def command(output: Path | None) -> None:
    """Print the JSON Schema of pipelines.toml, for editors and checkers.

    Editors with a TOML language server read it from the line `#:schema ./pipelines.schema.json` in pipelines.toml."""
    from dqdata.catalog.export import check_target

    text = json.dumps(whole_schema(), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        echo(text, nl=False)
        return
    check_target(output)
    output.write_text(text, encoding="utf-8")
    echo(str(output))


def whole_schema() -> dict[str, object]:
    """The schema, with the keys that training adds."""
    from dqdata.project.schema import project_schema
    from dqdata.training.exact_match import Evaluate

    return project_schema(Evaluate)

"""`dqdata ops [NAME]`: the plug-ins that are installed, or one of them with its parameters."""

from __future__ import annotations

import textwrap

import click

from dqdata.cli.common import json_option, print_json
from dqdata.errors import PluginError
from dqdata.plugins import distribution, found, load

GROUPS = ("operators", "trainers", "teachers", "sources")


@click.command()
@click.argument("name", required=False)
@click.option("--group", type=click.Choice(GROUPS), default="operators", show_default=True)
@json_option
def command(name: str | None, group: str, as_json: bool) -> None:
    """List operators and other plug-ins, or show one with its parameters."""
    from dqdata.project.parameters import described

    if name is None:
        listed = [
            {"name": point.name, "does": _does(group, point.name), "from": distribution(point)}
            for point in found(group).values()  # type: ignore[arg-type]
        ]
        if as_json:
            print_json({group: listed})
            return
        width = max((len(item["name"]) for item in listed), default=0)
        for item in listed:
            click.echo(f"{item['name']:{width}}  {item['does']}")
        return
    kind = load(group, name)  # type: ignore[arg-type]
    parameters = list(described(kind.Params))
    if as_json:
        print_json({"name": name, "does": _summary(kind), "params": kind.Params.model_json_schema()})
        return
    click.echo(f"{name}: {kind.__doc__ or ''}".rstrip())
    for one in parameters:
        default = f" = {one.default}" if one.default else "  (required)"
        click.echo(f"  {one.name}: {one.type}{default}")
        if one.meaning:
            click.echo(textwrap.fill(one.meaning, 100, initial_indent=" " * 6, subsequent_indent=" " * 6))


def _does(group: str, name: str) -> str:
    """The first line of a plug-in's docstring; for one that can't be imported, why not."""
    try:
        return _summary(load(group, name))  # type: ignore[arg-type]
    except PluginError as error:
        return f"BROKEN: {error}"


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]

"""`dqdata ops [NAME]`: the plug-ins that are installed, or one of them with its parameters."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from typing import Any

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, print_json
from dqdata.cli.lines import say, width, wrapped
from dqdata.errors import PluginError, PluginFault, nearest
from dqdata.plugins import Group, distribution, found, load

GROUPS: tuple[Group, ...] = ("operators", "trainers", "teachers", "sources")

_KEY = re.compile(r"[a-z_.]+ = ")


@click.command()
@click.argument("name", required=False, shell_complete=completion.plugins)
@click.option("--group", type=click.Choice(GROUPS), help="By default operators; with NAME every group.")
@json_option
def command(name: str | None, group: Group | None, as_json: bool) -> None:
    """List operators and other plug-ins, or show one: parameters, columns in and out, an example."""
    if name is None:
        _list(group or "operators", as_json)
        return
    groups = [one for one in GROUPS if name in found(one) and group in (None, one)]
    if not groups:
        names = {known for one in GROUPS for known in found(one)}
        raise PluginError(
            f"no plug-in {name!r}{nearest(name, names) or ';'} "
            "`dqdata ops --group operators|trainers|teachers|sources` lists them",
            code="unknown-plugin",
        )
    shown = [_as_json(one, name) for one in groups]
    if as_json:
        print_json(shown[0] if len(shown) == 1 else {"name": name, "plugins": shown})
        return
    for one in groups:
        _show(one, name)


def _list(group: Group, as_json: bool) -> None:
    listed = [
        {"name": point.name, "does": _does(group, point.name), "from": distribution(point)}
        for point in found(group).values()
    ]
    if as_json:
        print_json({group: listed})
        return
    longest = max((len(item["name"]) for item in listed), default=0)
    for item in listed:
        say(f"{item['name']:{longest}}  {item['does']}")


def _as_json(group: Group, name: str) -> dict[str, Any]:
    from dqdata.project.columns_used import columns_trained, columns_used

    kind = load(group, name)
    columns: dict[str, Any] | None = None
    try:
        if group == "operators" and (used := columns_used(kind)):
            columns = used._asdict()
        elif group == "trainers" and (trained := columns_trained(kind)):
            columns = {"reads": trained}
    except PluginFault as fault:
        columns = {"unknown": str(fault)}
    return {
        "name": name,
        "group": group,
        "does": _summary(kind),
        "columns": columns,
        "example": example_of(kind),
        "params": kind.Params.model_json_schema(),
    }


def _show(group: Group, name: str) -> None:
    from dqdata.project.columns_used import columns_trained, columns_used
    from dqdata.project.parameters import described

    kind = load(group, name)
    say(f"{name} ({group[:-1]}): {inspect.getdoc(kind) or ''}".rstrip())
    try:
        used = columns_used(kind) if group == "operators" else None
        trained = columns_trained(kind) if group == "trainers" else None
    except PluginFault as fault:
        used = trained = None
        say(_filled(f"\ncolumns: unknown, since with the defaults the {fault}", hang=2))
    if used:
        say("\ncolumns, with the defaults")
        say(_filled(f"in:  {', '.join(used.reads) or 'none of its own'}", hang=7))
        say(_filled(f"out: {', '.join(f'+{one}' for one in used.makes) or 'the same'}", hang=7))
        if used.removes:
            say(_filled(f"     {', '.join(f'-{one}' for one in used.removes)}", hang=7))
    if trained:
        say("\ncolumns of the rows, for the example")
        say(_filled(f"in:  {', '.join(trained)}", hang=7))
    if example := example_of(kind):
        say(f"\nexample\n{textwrap.indent(example, '  ')}")
    parameters = list(described(kind.Params))
    if parameters:
        say("\nparameters")
    for one in parameters:
        default = f" = {one.default}" if one.default else "  (required)"
        say(f"  {one.name}: {one.type}{default}")
        if one.meaning:
            say(_filled(one.meaning, " " * 6))


def _filled(text: str, before: str = "  ", hang: int = 6) -> str:
    return "\n".join(wrapped(before + text, min(width(), 80), hang))


def example_of(kind: type) -> str:
    """The indented lines, or those with braces and bars, of the docstring of the plug-in's module."""
    text = inspect.getdoc(sys.modules[kind.__module__]) or ""
    _, _, rest = text.partition("\n\n")
    blocks = [block for block in rest.split("\n\n") if _is_code(block)]
    return textwrap.dedent("\n\n".join(blocks[:2])).strip("\n")


def _is_code(block: str) -> bool:
    """Whether a paragraph is an example rather than prose."""
    lines = block.splitlines()
    marked = sum(line.startswith((" ", "{", "[", ">>>")) or " | " in line or bool(_KEY.match(line)) for line in lines)
    return bool(lines) and marked * 2 >= len(lines)


def _does(group: Group, name: str) -> str:
    """The first line of a plug-in's docstring; for one that can't be imported, why not."""
    try:
        return _summary(load(group, name))
    except PluginError as error:
        return f"BROKEN: {error}"


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]

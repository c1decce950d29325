"""`dqdata lineage NAME@VERSION`: what a version was made from, and what was made from it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option, usd
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqdata.history.lineage import Node


@click.command()
@click.argument("version")
@project_option
@store_option
@json_option
def command(version: str, project: Path | None, store: Path | None, as_json: bool) -> None:
    """Show what a version was made from (sources, versions, models, calls) and what was made from it.

    VERSION is NAME@VERSION; a bare NAME is the newest.
    """
    found = open_catalogs(project, store).lineage(version)
    if as_json:
        print_json(asdict(found))
        return
    lines = [_line(found), *_calls(found, 1), "made from", *_tree(found.up, "up")]
    lines += ["used by", *_tree(found.down, "down")]
    say("\n".join(lines))


def _tree(nodes: list[Node], way: str, depth: int = 1) -> Iterator[str]:
    if not nodes and depth == 1:
        yield "  nothing"
    for node in nodes:
        yield "  " * depth + _line(node)
        yield from _calls(node, depth + 1)
        yield from _tree(node.up if way == "up" else node.down, way, depth + 1)


def _calls(node: Node, depth: int) -> Iterator[str]:
    for calls in node.calls:
        yield (
            f"{'  ' * depth}{calls.calls:,} calls to {calls.teacher} ({calls.model}): {calls.input_tokens:,} "
            f"tokens in, {calls.output_tokens:,} out, {usd(calls.cost_usd)}"
        )


def _line(node: Node) -> str:
    return f"{node.name}  {node.about}".rstrip()

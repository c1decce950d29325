"""`dqdata explain CODE`: what the code of an error, a warning or a reject means, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, print_json
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.codes import Code

FAMILIES = {"contaminated_": "contaminated", "finish_reason:": "finish_reason", "filtered by ": "filtered"}
"""Codes whose reasons have a part that differs from row to row, by how such a reason begins."""


@click.command()
@click.argument("code", required=False, shell_complete=completion.codes)
@json_option
def command(code: str | None, as_json: bool) -> None:
    """Explain the code of an error[CODE], a warning[CODE] or the reason of a reject; without CODE list all."""
    from dqdata.codes import CODES, KINDS

    if code is None:
        if as_json:
            print_json({"codes": {name: one._asdict() for name, one in CODES.items()}})
            return
        width = max(map(len, CODES))
        for name, one in CODES.items():
            say(f"{name:{width}}  {one.meaning}")
        return
    name = code.strip().removeprefix("error").removeprefix("warning").strip("[]:")
    family = next((family for start, family in FAMILIES.items() if name.startswith(start)), name)
    one = CODES.get(family) or _of_operators(name)
    if as_json:
        print_json({"code": name, **one._asdict()})
        return
    say(f"{name}  ({KINDS[one.kind]})\n\n{one.meaning}\nWhat to do: {one.action}")


def _of_operators(name: str) -> Code:
    """A reason that an installed operator has of its own."""
    from dqdata.codes import CODES, Code
    from dqdata.errors import InputError, PluginError, nearest
    from dqdata.plugins import found, load

    own: dict[str, str] = {}
    for operator in found("operators"):
        try:
            own.update(load("operators", operator).reasons)
        except PluginError:  # one that is broken has no reasons to tell
            continue
    if name in own:
        return Code("dropped", own[name], "See the operator: `dqdata ops`.")
    known = [*CODES, *own]
    raise InputError(
        f"no code {name!r}{nearest(name, known) or ';'} `dqdata explain` lists all; a reason that a step sets itself "
        "(reason = '...') is the pipeline's own",
        code="unknown-code",
    )

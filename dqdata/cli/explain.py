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
        everything = {**CODES, **{name: _of_operator(*one) for name, one in _own_reasons().items()}}
        if as_json:
            print_json({"codes": {name: one._asdict() for name, one in everything.items()}})
            return
        width = max(map(len, everything))
        for name, one in everything.items():
            say(f"{name:{width}}  {one.meaning}")
        return
    name = code.strip().removeprefix("error").removeprefix("warning").strip("[]:")
    family = next((family for start, family in FAMILIES.items() if name.startswith(start)), name)
    one = CODES.get(family) or _found_in_operators(name)
    if as_json:
        print_json({"code": name, **one._asdict()})
        return
    say(f"{name}  ({KINDS[one.kind]})\n\n{one.meaning}\nWhat to do: {one.action}")


def _own_reasons() -> dict[str, tuple[str, str]]:
    """The reasons that installed operators have of their own: what each means, and the operator."""
    from dqdata.errors import PluginError
    from dqdata.plugins import found, load

    own: dict[str, tuple[str, str]] = {}
    for operator in found("operators"):
        try:
            own.update({reason: (meaning, operator) for reason, meaning in load("operators", operator).reasons.items()})
        except PluginError:  # one that is broken has no reasons to tell; `dqdata doctor` names it
            continue
    return own


def _of_operator(meaning: str, operator: str) -> Code:
    from dqdata.codes import Code

    return Code("dropped", meaning, f"`dqdata ops {operator}` shows what it decides by.")


def _found_in_operators(name: str) -> Code:
    from dqdata.codes import CODES
    from dqdata.errors import InputError, nearest

    own = _own_reasons()
    if name in own:
        return _of_operator(*own[name])
    raise InputError(
        f"no code {name!r}{nearest(name, [*CODES, *own]) or ';'} `dqdata explain` lists all; a reason that a step sets "
        "itself (reason = '...') is the pipeline's own",
        code="unknown-code",
    )

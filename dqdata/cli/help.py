"""Help of a group of commands: the first sentence of each command, whole, over as many lines as it needs."""

from __future__ import annotations

from collections.abc import Mapping

import click

LIMIT = 1000
"""Characters of a sentence; click's own default cuts at the width of the terminal."""


class WholeHelp(click.Group):
    def summaries(self, context: click.Context) -> Mapping[str, str]:
        """What each command does, by name."""
        commands = {name: self.get_command(context, name) for name in self.list_commands(context)}
        return {name: one.get_short_help_str(LIMIT) for name, one in commands.items() if one is not None}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))

"""Help of a group of commands: the first sentence of each command, whole, over as many lines as it needs."""

from __future__ import annotations

from collections.abc import Mapping

import click

from dqdata.errors import nearest

LIMIT = 1000
"""Characters of a sentence; click's own default cuts at the width of the terminal."""


class WholeHelp(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], known)} (have: {', '.join(known)})", ctx)
        return super().resolve_command(ctx, args)

    def summaries(self, context: click.Context) -> Mapping[str, str]:
        """What each command does, by name."""
        commands = {name: self.get_command(context, name) for name in self.list_commands(context)}
        return {name: one.get_short_help_str(LIMIT) for name, one in commands.items() if one is not None}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))

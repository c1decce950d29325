"""What the command line prints and returns for whatever a command raises: one message, and no traceback.

>>> failure(ProjectError("pipelines.toml [pipelines.p]", "unknown key 'x'", code="unknown-key"))
Failure(lines=["error[unknown-key]: pipelines.toml [pipelines.p]: unknown key 'x'"], exit_code=2)
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from dqdata.errors import DqdataError, PluginFault, ProjectErrors, described
from dqdata.extras import missing_extra

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
INTERRUPTED, PIPE_CLOSED = 130, 141
"""Exit codes of a shell for SIGINT and SIGPIPE."""


@dataclass(frozen=True)
class Failure:
    lines: list[str]
    exit_code: int


def failure(error: BaseException) -> Failure:
    """The message for an error, place and next action in it, and the exit code."""
    if isinstance(error, ProjectErrors):
        return Failure([_line(one.code, str(one)) for one in error.errors], error.exit_code)
    if isinstance(error, DqdataError):
        return Failure([_line(error.code, str(error))], error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure([_line("interrupted", "interrupted; the same command goes on from here")], INTERRUPTED)
    if isinstance(error, ImportError) and (missing := missing_extra(error)) is not None:
        return Failure([_line(missing.code, str(missing))], missing.exit_code)
    if isinstance(error, OSError):
        return Failure([_line(*_of_system(error))], 1)
    if isinstance(error, MemoryError):
        return Failure([_line("out-of-memory", "memory is too small for this; see `memory` of the pipeline")], 1)
    if any(kind.__module__.partition(".")[0] in ("sqlite3", "duckdb", "_duckdb") for kind in type(error).__mro__):
        return Failure([_line("database-failed", f"a database of the store failed: {described(error)}")], 1)
    return Failure(
        [
            _line(
                "internal-error",
                f"dqdata itself failed: {described(error)}; `dqdata -v ...` shows where: please report it",
            )
        ],
        1,
    )


def details(error: BaseException) -> str:
    """For -v: the traceback of a plug-in's fault or of one of dqdata itself; empty for what the user can fix."""
    cause = error.__cause__ if isinstance(error, PluginFault) else error
    if cause is None or isinstance(cause, DqdataError | KeyboardInterrupt):
        return ""
    return "".join(traceback.format_exception(cause))


def coloured(line: str, *, colour: bool) -> str:
    """The line with its `error[...]` or `warning[...]` in colour."""
    head, bracket, rest = line.partition("]:")
    codes = {"error": "31", "warning": "33"}
    kind = head.partition("[")[0]
    return f"\x1b[1;{codes[kind]}m{head}]\x1b[0m:{rest}" if colour and bracket and kind in codes else line


def warning(code: str, message: str) -> str:
    return f"warning[{code}]: {message}"


def _line(code: str, message: str) -> str:
    return f"error[{code}]: {message}"


def _of_system(error: OSError) -> tuple[str, str]:
    if error.errno == errno.ENOENT and error.filename is None and not _is_somewhere():
        return "system-error", "the current folder was removed; change to another one (cd) and run the command again"
    place = error.filename if error.filename is not None else "a file or connection"
    said = f"{place}: {error.strerror or error}"
    if error.errno in FULL:
        return "disk-full", f"{said}; free some space and run the same command again"
    if error.errno in DENIED:
        return "no-permission", f"{said}; give yourself permission, or use another folder"
    if error.errno == errno.EMFILE:
        return "too-many-files", f"{said}; raise the limit: ulimit -n 65536"
    return "system-error", f"{said} ({described(error).rpartition(' (')[2]}"


def _is_somewhere() -> bool:
    """Whether the current folder is still there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def clear_line() -> str:
    """On a terminal, what removes a line of progress that is drawn there, so that no message is glued to it."""
    return "\r\x1b[K" if sys.stderr.isatty() else ""


def use_colour() -> bool:
    """Whether errors are coloured: on a terminal, and not where the environment says NO_COLOR."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_error(line: str) -> None:
    """One error or warning on standard error, secrets hidden, in colour on a terminal."""
    import click

    from dqdata.cli.lines import width, wrapped

    columns = width(sys.stderr)
    text = "\n".join(part for one in hidden(line).split("\n") for part in wrapped(one, columns))
    click.echo(clear_line() + coloured(text, colour=use_colour()), err=True, color=True)


def hidden(text: str) -> str:
    """The text without secrets and without characters that a terminal obeys."""
    from dqdata.cli.lines import printable
    from dqdata.masking import masker

    return printable(masker.hide(text))

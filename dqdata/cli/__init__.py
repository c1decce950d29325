"""The command line: one file a verb, which parses, calls and prints.

    $ dqdata run quickstart --json | jq .rows_out

Exit code 0: done; 1: failed while running, usually resumable; 2: the input is wrong and nothing ran.
"""

from __future__ import annotations

import importlib
import io
import logging
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType

import click

from dqdata import __version__
from dqdata.errors import DqdataError

VERBS = {
    "init": "init",
    "check": "check",
    "plan": "plan",
    "run": "run",
    "build": "build",
    "apply": "apply",
    "sql": "sql",
    "log": "log",
    "import": "import_",
    "export": "export",
    "train": "train",
    "eval": "eval",
    "ledger": "ledger",
    "ops": "ops",
}


class _Verbs(click.Group):
    """Imports a verb's file when it is asked for; the files import what they need when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"dqdata.cli.{VERBS[name]}").command
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dqdata")
@click.option("-v", "--verbose", is_flag=True, help="Show what operators and teachers log.")
def dqdata(verbose: bool) -> None:
    """Reasoning datasets from TOML pipelines: generate, verify, grade, select; versioned catalogs; TRL trainers."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Masked(handler.formatter))
    logging.getLogger("dqdata").setLevel(logging.DEBUG if verbose else logging.WARNING)


class _Masked(logging.Formatter):
    """Log records without keys and other secrets, whoever wrote them."""

    def __init__(self, usual: logging.Formatter | None) -> None:
        super().__init__()
        self._usual = usual or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return _hidden(self._usual.format(record))


def _hidden(text: str) -> str:
    from dqdata.cli.common import printable
    from dqdata.masking import masker

    return printable(masker.hide(text))


def _traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(_hidden("".join(traceback.format_exception(kind, error, trace))))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: the exit code. dqdata's own errors become one message on standard error, without a traceback.

    argv: arguments after the program's name; those of the process if None. A command that finds what it looks for, such
    as errors in a project, returns its own exit code.
    """
    sys.excepthook = _traceback
    try:
        code = dqdata.main(args=None if argv is None else list(argv), standalone_mode=False)
    except click.exceptions.Abort:
        return 1
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(_hidden(shown.getvalue()), err=True, nl=False)
        return 2
    except DqdataError as error:
        click.echo(f"error: {_hidden(str(error))}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return code if isinstance(code, int) else 0

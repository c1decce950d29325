"""The command line: one file a verb, which parses, calls and prints.

    $ dqdata run quickstart --json | jq .rows_out

Exit code 0: done; 1: failed while running, usually resumable, or found what it looks for (`check`, `verify`, `ledger
verify`, `rebuild`, `test`, `doctor`); 2: the input is wrong and nothing ran; 130: Ctrl-C; 143: SIGTERM; 141: whoever
read standard output closed it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from keyword import iskeyword
from types import TracebackType

import click

from dqdata import __version__
from dqdata.cli.failures import PIPE_CLOSED, clear_line, coloured, details, failure, hidden, print_error, use_colour
from dqdata.cli.help import WholeHelp
from dqdata.cli.lines import results_alone
from dqdata.platforms import refusal

VERBS = {
    "init": "Write a first project: pipelines.toml, its schema for editors, .gitignore and what the template needs.",
    "check": "Check pipelines and trainers: keys, operators, teachers, columns, types, environment, cycles.",
    "plan": "Show columns, segments, calls and cost of pipelines: expected, at most, and what the ledger has.",
    "preview": "Run the first rows of a pipeline and show what each step did to them.",
    "run": "Run a pipeline; a stopped or killed run goes on where it was.",
    "build": "Run and train what NAMES depend on, where it is not up to date, then NAMES themselves.",
    "apply": "Run one operator on a Parquet, JSONL or CSV file; rejects go to OUT.rejects.",
    "sql": "Run one SQL query over the catalogs; it can only read.",
    "log": "List the versions of a catalog, or of all, oldest first, with tags and notes.",
    "tag": "Name a version of a catalog (NAME@TAG reads it), keep a note on it, or state its licence.",
    "drop": "Make versions unreadable; `dqdata restore` brings them back until `dqdata gc` removes their files.",
    "restore": "Bring back versions (NAME@VERSION) that were dropped and whose files are still there.",
    "gc": "Remove the files of dropped versions, which can't be restored afterwards.",
    "rebuild": "Remake a version from its recipe, and report whether every row is the same; nothing is committed.",
    "test": "Run the recorded tests of pipelines offline, or record one: its first rows with their answers.",
    "verify": "Read all data files of a catalog, a version or the whole store, and compare their checksums.",
    "diff": "Compare two versions: rows added, removed and changed, and the causes in their recipes.",
    "lineage": "Show what a version was made from (sources, versions, models, calls) and what was made from it.",
    "why": "Explain one row by its problem_id, trace_id or pair_id.",
    "report": "Write what a version is and how it was made: one HTML file, or Markdown.",
    "import": "Import JSONL, Parquet, CSV or Arrow files; ids are given to rows that have none.",
    "publish": "Publish a version as a data set: a new FOLDER, or hf:OWNER/NAME on the Hub.",
    "export": "Write a catalog (NAME, NAME@3, NAME__rejects@3), the rows of a query, or a model (trained:NAME@2).",
    "train": "Train a model on a catalog; a stopped or killed run goes on from its newest whole checkpoint.",
    "eval": "Score models: trained:NAME@version, a folder, a GGUF file, a hub name, or teacher:NAME.",
    "compare": "Print the newest score of each model, with 95% intervals and paired tests.",
    "ablate": "Run the arms of [experiments.NAME], train and evaluate them at equal tokens, and compare them.",
    "audit": "Report changed answers, drift of length, language and difficulty by step, style, agreement and bias.",
    "calibrate": "Compare a judge's verdicts with labels: its rates of error, kappa, the corrected share, drift.",
    "efficiency": "Show what the accuracy of models costs in tokens and seconds, as distributions, whole and by group.",
    "strategy": "Show which mode of thinking models chose (none, short, long), by difficulty, and what that wasted.",
    "deploy": "Write a folder that serves a model: vLLM command, compose file, PAI-EAS service.",
    "ledger": "Look after the record of all teacher calls.",
    "store": "Copy a whole store between a folder, Postgres and S3.",
    "ops": "List operators and other plug-ins, or show one: parameters, columns in and out, an example.",
    "new": "Write the files of a plug-in of your own.",
    "show": "Show rows of a catalog (NAME or NAME@3), or its rejects.",
    "view": "Look at catalogs, rows, costs, runs and models in a browser, and mark rows.",
    "schema": "Print the JSON Schema of pipelines.toml, for editors and checkers.",
    "explain": "Explain the code of an error[CODE], a warning[CODE] or the reason of a reject; without CODE list all.",
    "doctor": "Look at Python, extras, sandbox, GPU, models, keys, store, disk, endpoints.",
}
"""First sentence of each verb's help. It is repeated here so that `dqdata --help` imports no verb's file."""


class State:
    """What the options in front of a verb, and -v behind it, say."""

    verbose = False


def _be_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("dqdata").setLevel(logging.DEBUG)
        if isinstance(context.obj, State):
            context.obj.verbose = True


def _prepared(command: click.Command) -> click.Command:
    """The command with -v, which may stand behind the verb too, and with its results alone on standard output."""
    taken = {name for parameter in command.params for name in parameter.opts}
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _prepared(inner)
    elif "-v" not in taken and command.callback is not None:
        command.callback = results_alone()(command.callback)
        names = [name for name in ("-v", "--verbose") if name not in taken]
        command.params.append(
            click.Option(
                [*names, "be_verbose"], is_flag=True, expose_value=False, callback=_be_verbose, help=VERBOSE_HELP
            )
        )
    return command


VERBOSE_HELP = "Show what plug-ins log, and where one failed."


class _Verbs(WholeHelp):
    """Imports a verb's file when it is asked for; the files import what they need when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def summaries(self, context: click.Context) -> Mapping[str, str]:
        return VERBS

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"dqdata.cli.{name}{'_' if iskeyword(name) else ''}").command
        return _prepared(command)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dqdata")
@click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_be_verbose, help=VERBOSE_HELP)
def dqdata() -> None:
    """Reasoning datasets from TOML pipelines: generate, verify, grade, select; versioned catalogs; TRL trainers."""


class _Masked(logging.Formatter):
    """Log records without keys and other secrets, whoever wrote them; one with a `code` as `warning[CODE]: ...`."""

    def __init__(self, usual: logging.Formatter | None) -> None:
        super().__init__()
        self._usual = usual or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        code = getattr(record, "code", None)
        if code is None:
            return clear_line() + hidden(self._usual.format(record))
        line = f"{'error' if record.levelno > logging.WARNING else 'warning'}[{code}]: {record.getMessage()}"
        more = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return clear_line() + coloured(hidden(line), colour=use_colour()) + hidden(more)


def _traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(hidden("".join(traceback.format_exception(kind, error, trace))))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: the exit code. Whatever a command raises becomes one message on standard error.

    argv: arguments after the program's name; those of the process if None. A command that finds what it looks for, such
    as errors in a project, returns its own exit code.
    """
    sys.excepthook = _traceback
    if reason := refusal():
        print_error(f"error[unsupported-platform]: {reason}")
        return 2
    _prepare_streams()
    _prepare_logs()
    state = State()
    streams = sys.stdout, sys.stderr
    try:
        code = dqdata.main(
            args=None if argv is None else list(argv), prog_name="dqdata", standalone_mode=False, obj=state
        )
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        return _refused(error)
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit:
        if sys.stdout is streams[0]:
            raise
        sys.stdout, sys.stderr = streams  # click answered a closed pipe by putting others in their place
        return _pipe_closed()
    except click.exceptions.Abort as error:
        return _failed(error.__cause__ or error.__context__ or error, state)
    except Exception as error:
        return _failed(error, state)
    return code if isinstance(code, int) else 0


def _failed(error: BaseException, state: State) -> int:
    if isinstance(error, click.exceptions.Abort | EOFError):  # a question that was answered with no, or not at all
        click.echo("\nnothing was done; where nobody answers, --yes does", err=True)
        return 1
    found = failure(error)
    if state.verbose and (more := details(error)):
        click.echo(hidden(more), err=True)
    for line in found.lines:
        print_error(line)
    return found.exit_code


def _refused(error: click.ClickException) -> int:
    """A command line that can't be read."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(hidden(error.format_message()), err=True)
        print_error("error[usage]: name one of these commands")
        return 2
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(hidden(context.get_usage()), err=True)
    print_error(f"error[usage]: {_plain(error.format_message())}")
    if context is not None:
        click.echo(f"try: {context.command_path} --help", err=True)
    return 2


def _plain(message: str) -> str:
    """click's words for numbers in words that say what to write."""
    for said, kind in (("integer", "whole number"), ("float", "number")):
        message = re.sub(rf"is not a valid {said}(?: range)?\b", f"is no {kind}", message)
    return message


def _prepare_streams() -> None:
    """Characters that the terminal's encoding lacks are escaped rather than refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _prepare_logs() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, _Masked):
            handler.setFormatter(_Masked(handler.formatter))
    logging.getLogger("dqdata").setLevel(logging.WARNING)


def _pipe_closed() -> int:
    """Nobody reads standard output any more: what is still to be flushed at the end goes nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
    return PIPE_CLOSED

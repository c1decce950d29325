"""Every error dqdata raises on purpose.

    DqdataError
    ├── InputError                 what the user wrote or gave is wrong; nothing ran          exit code 2
    │   ├── ProjectError           pipelines.toml: file, table, key
    │   ├── ColumnError            a step needs a column that isn't there, or of another type
    │   ├── DataError              a file or table of rows: path, line or row
    │   ├── QueryError             SQL that DuckDB refuses, or a version that doesn't exist
    │   └── PluginError            an operator, trainer, teacher or source that can't be found or imported
    └── RunError                   work that began and can't go on                            exit code 1
        ├── PluginFault            plug-in code raised what it should not: plug-in, cause, file and line
        ├── OperatorError          an operator gave something else than it promised
        ├── AccountingError        an operator lost or invented rows
        ├── TooManyFailures        more failed rows than `max_failed_rate` allows
        ├── ChecksFailed           a version was committed and its checks keep it from being `@latest`
        ├── Incomplete             retryable failures are left; the run can be resumed
        ├── Stopped                the run ended early and is resumable
        │   ├── BudgetExceeded
        │   ├── Interrupted        Ctrl-C                                                  exit code 130
        │   └── Terminated         SIGTERM                                                 exit code 143
        ├── StoreError             the store is locked, read-only, full, newer, damaged
        ├── SandboxError           no working sandbox, or it died
        ├── DeadlineExceeded       a CPU task was killed at its deadline
        └── TeacherError           one call failed: kind is "retryable", "row" or "fatal"

    RowError(ValueError)           raised by an operator: this row fails, the run goes on

The author of a plug-in raises RowError or ValueError for a bad row. Any other exception in one row of a row, batch or
call operator fails that row with the reason `operator_error` (`row_failure`). Where plug-in code doesn't work on one
row, `boundary` turns what it raises into a PluginFault that names the plug-in, file and line.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, TypeVar

T = TypeVar("T")

MOST_CAUSES = 3
"""Exceptions of a group that are shown."""
_DQDATA, _PYTHON = (file.rpartition(os.sep)[0] + os.sep for file in (__file__, os.__file__))


def storable(text: str) -> str:
    """The text with halves of surrogate pairs and NUL, which neither a file nor SQL holds, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class DqdataError(Exception):
    """Base of all. `exit_code` is what the command line returns for it.

    code: the name of this kind of error in `dqdata.codes`, which `dqdata explain` shows. An error without one has that
    of its cause, else its class's. Texts of messages change between releases, codes do not.
    """

    exit_code = 1
    general: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(storable(message))
        self._code = code

    @property
    def code(self) -> str:
        return self._specific or self.general

    @property
    def _specific(self) -> str:
        cause = self.__cause__
        return self._code or (cause._specific if isinstance(cause, DqdataError) else "")


class InputError(DqdataError):
    exit_code = 2
    general = "invalid-input"


class ProjectError(InputError):
    """Something in pipelines.toml. `where` reads like `pipelines.toml [pipelines.x] step 2 (dedup)`."""

    general = "invalid-project"

    def __init__(self, where: str, problem: str, *, code: str = "") -> None:
        super().__init__(f"{where}: {problem}", code=code)
        self.where, self.problem = where, problem


class ProjectErrors(ProjectError):
    """Several errors of one file, reported together."""

    def __init__(self, where: str, errors: Sequence[InputError]) -> None:
        super().__init__(where, f"{len(errors)} problems:" + "".join(f"\n  {one}" for one in errors))
        self.errors = tuple(errors)
        if len(codes := {one.code for one in errors}) == 1:
            [self._code] = codes

    def __str__(self) -> str:
        return str(self.errors[0]) if len(self.errors) == 1 else super().__str__()


class ColumnError(InputError):
    general = "invalid-column"


class DataError(InputError):
    general = "invalid-data"


class QueryError(InputError):
    general = "invalid-query"


class PluginError(InputError):
    general = "invalid-plugin"


class RunError(DqdataError):
    general = "run-failed"


class PluginFault(RunError):
    general = "plugin-fault"


class OperatorError(RunError):
    general = "operator-contract"


class AccountingError(RunError):
    general = "row-accounting"


class TooManyFailures(RunError):
    general = "too-many-failures"


class ChecksFailed(RunError):
    """A version was committed, and its checks keep it from being `@latest`."""

    general = "checks-failed"


class Incomplete(RunError):
    general = "incomplete"


class Stopped(RunError):
    general = "stopped"


class BudgetExceeded(Stopped):
    general = "budget-exceeded"


class Interrupted(Stopped):
    general = "interrupted"
    exit_code = 130


class Terminated(Stopped):
    general = "terminated"
    exit_code = 143


class StoreError(RunError):
    general = "store-failed"


class SandboxError(RunError):
    general = "sandbox-failed"


class DeadlineExceeded(RunError):
    general = "deadline-exceeded"


class TeacherError(RunError):
    """One call to a teacher failed.

    kind: "retryable" (rate limit, 5xx, connection: worth another try), "row" (this request can never work: context
    too long, content refused by the endpoint), "fatal" (no request can work: wrong key, unknown model).
    `reason` is a short word for rejects; `retry_after` is in seconds; `usage_unknown` is true where the endpoint may
    have charged for an answer that never arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Literal["retryable", "row", "fatal"],
        reason: str,
        status: int | None = None,
        retry_after: float | None = None,
        usage_unknown: bool = False,
    ) -> None:
        super().__init__(message, code=reason)
        self.kind, self.reason, self.status = kind, reason, status
        self.retry_after, self.usage_unknown = retry_after, usage_unknown


class RowError(ValueError):
    """This row fails; the run goes on. `reason` is a short word that rejects are counted by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = storable(reason), storable(detail)
        super().__init__(f"{self.reason}: {self.detail}" if detail else self.reason)


def from_outside(error: BaseException) -> bool:
    """Whether an exception ends plug-in code from outside: Ctrl-C, a task that is cancelled, a generator that is
    closed, a deadline. Whatever else plug-in code raises is its own, `sys.exit()` among it, and ends no command."""
    if isinstance(error, Exception | SystemExit):
        return False
    kind = type(error)
    if kind.__module__ == "asyncio.exceptions":
        return _in_a_task()
    return kind in (KeyboardInterrupt, GeneratorExit) or kind.__module__.partition(".")[0] == "dqdata"


def cancels_itself(error: BaseException) -> bool:
    """Whether a coroutine raised CancelledError though nobody cancels its task."""
    return type(error).__module__ == "asyncio.exceptions" and not _task_is(lambda task: task.cancelling() > 0)


def _in_a_task() -> bool:
    return _task_is(lambda task: True)


def _task_is(test: Callable[[Any], bool]) -> bool:
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and test(task)


@contextmanager
def boundary(kind: str, name: str) -> Iterator[None]:
    """Runs plug-in code that doesn't work on one row. dqdata's own errors pass; anything else becomes a PluginFault.

    kind: "operator", "source", "teacher", "trainer", "reward" or the like. name: as it is written in TOML.
    """
    try:
        yield
    except DqdataError:
        raise
    except BaseException as error:
        if from_outside(error):
            raise
        raise fault(kind, name, error) from error


def fault(kind: str, name: str, error: BaseException) -> PluginFault:
    """What a plug-in's code is blamed with, for whatever it raised."""
    return PluginFault(f"{kind} {name!r} failed: {described(error)}")


def produced_by(kind: str, name: str, items: Iterable[T]) -> Iterator[T]:
    """The items that plug-in code produces, each within `boundary`."""
    with boundary(kind, name):
        yield from items


def row_failure(error: BaseException) -> RowError:
    """What a failed row is rejected with, for whatever an operator raised while it worked on the row.

    A ValueError may be meant for the row or be a fault of the code: the detail says where it was raised.
    """
    if isinstance(error, RowError):
        return error
    if isinstance(error, ValueError):
        return RowError("invalid_row", described(error).removeprefix("ValueError: "))
    return RowError("operator_error", described(error))


def described(error: BaseException) -> str:
    """Type, text, and the file and line of the plug-in that raised: `KeyError: 'a' (plugin.py:12)`."""
    frames = traceback.extract_tb(vars(BaseException)["__traceback__"].__get__(error))
    at = f" ({_place(frames)})" if frames else ""
    text = _text(error)
    return f"{type(error).__name__}: {text}{at}" if text else f"{type(error).__name__}{at}"


def _place(frames: Sequence[traceback.FrameSummary]) -> str:
    """File and line of the innermost call within the folder of the code that dqdata called: the plug-in's, not that
    of a library below it."""
    own = max((at for at, one in enumerate(frames) if one.filename.startswith(_DQDATA)), default=-1)
    below = [one for one in frames[own + 1 :] if not _passes_on(one.filename)]
    folder = below[0].filename.rpartition(os.sep)[0] if below else ""
    called = [one for one in below if one.filename.rpartition(os.sep)[0] == folder]
    last = (called or frames)[-1]
    parts = last.filename.rsplit(os.sep, 2)
    return f"{'/'.join(parts[-2:] if parts[-1] == '__init__.py' else parts[-1:])}:{last.lineno}"


def _passes_on(file: str) -> bool:
    """Whether a file is of Python's library or of pydantic, which call plug-ins' code in turn."""
    library = file.startswith((_PYTHON, "<frozen ")) and "-packages" not in file
    return library or f"{os.sep}pydantic{os.sep}" in file


def _text(error: BaseException) -> str:
    """What an exception says, with what those of a group say; the code of that is a plug-in's too, and may fail."""
    try:
        text = str(error)
    except BaseException as failure:
        if from_outside(failure):
            raise
        return "(it can't be printed)"
    if isinstance(error, BaseExceptionGroup):
        text = f"{text}: {'; '.join(map(described, error.exceptions[:MOST_CAUSES]))}"
    return storable(text)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'length'?` or an empty string: for the end of a message about an unknown name."""
    import difflib

    names = list(known)
    begun = [one for one in names if len(name) > 2 and one.startswith(name)]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or begun
    return f"; did you mean {close[0]!r}?" if close else ""

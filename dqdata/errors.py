"""Every error dqdata raises on purpose.

    DqdataError
    ├── InputError                 what the user wrote or gave is wrong; nothing ran          exit code 2
    │   ├── ProjectError           pipelines.toml: file, table, key
    │   ├── ColumnError            a step needs a column that isn't there, or of another type
    │   ├── DataError              a file or table of rows: path, line or row
    │   ├── QueryError             SQL that DuckDB refuses, or a version that doesn't exist
    │   └── PluginError            an operator, trainer, teacher or source that can't be found or imported
    └── RunError                   work that began and can't go on                            exit code 1
        ├── OperatorError          plug-in code broke: operator, row, cause
        ├── AccountingError        an operator lost or invented rows
        ├── TooManyFailures        more failed rows than `max_failed_rate` allows
        ├── Incomplete             retryable failures are left; the run can be resumed
        ├── Stopped                Ctrl-C, SIGTERM or a budget: resumable
        │   └── BudgetExceeded
        ├── StoreError             the store is locked, read-only, full, newer, damaged
        ├── SandboxError           no working sandbox, or it died
        ├── DeadlineExceeded       a CPU task was killed at its deadline
        └── TeacherError           one call failed: kind is "retryable", "row" or "fatal"

    RowError(ValueError)           raised by an operator: this row fails, the run goes on

The author of a plug-in raises RowError or ValueError for a bad row and lets anything else fly; `boundary` adds the
operator and the row on the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal


class DqdataError(Exception):
    """Base of all. `exit_code` is what the command line returns for it."""

    exit_code = 1


class InputError(DqdataError):
    exit_code = 2


class ProjectError(InputError):
    """Something in pipelines.toml. `where` reads like `pipelines.toml [pipelines.x] step 2 (dedup)`."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where, self.problem = where, problem


class ColumnError(InputError):
    pass


class DataError(InputError):
    pass


class QueryError(InputError):
    pass


class PluginError(InputError):
    pass


class RunError(DqdataError):
    pass


class OperatorError(RunError):
    pass


class AccountingError(RunError):
    pass


class TooManyFailures(RunError):
    pass


class Incomplete(RunError):
    pass


class Stopped(RunError):
    pass


class BudgetExceeded(Stopped):
    pass


class StoreError(RunError):
    pass


class SandboxError(RunError):
    pass


class DeadlineExceeded(RunError):
    pass


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
        super().__init__(message)
        self.kind, self.reason, self.status = kind, reason, status
        self.retry_after, self.usage_unknown = retry_after, usage_unknown


class RowError(ValueError):
    """This row fails; the run goes on. `reason` is a short word that rejects are counted by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


@contextmanager
def boundary(operator: str, row: str = "") -> Iterator[None]:
    """Runs plug-in code. RowError, ValueError and dqdata's own errors pass; anything else becomes OperatorError."""
    try:
        yield
    except (ValueError, DqdataError):
        raise
    except Exception as error:
        at = f" at row {row}" if row else ""
        raise OperatorError(f"operator {operator!r} broke{at}: {type(error).__name__}: {error}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'length'?` or an empty string: for the end of a message about an unknown name."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""

"""`[[pipelines.NAME.checks]]`: what must hold of the result of a pipeline, as SQL.

    [[pipelines.traces.checks]]
    name = "mostly_correct"
    expect = "avg(correct::int) > 0.5"                 # of all rows, or of every row: expect = "level between 1 and 5"

    [[pipelines.traces.checks]]
    name = "one_trace_a_problem"
    severity = "warning"
    query = "select problem_id from result group by all having count(*) > 1"      # the rows that break it

The tables are `result` and `rejects`. A check changes no row, so it is no part of a version's fingerprint.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from dqdata.params import Params

RESULT, REJECTED = "result", "rejects"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


class CheckSpec(Params):
    """One check of a pipeline's result: `expect` or `query`."""

    name: str
    severity: Literal["error", "warning"] = "error"
    """error: where it fails, the version is committed and is not `@latest`. warning: it is reported."""
    expect: str | None = Field(None, min_length=1)
    """SQL expression that must be true: of aggregates over all rows, or of each row."""
    query: str | None = Field(None, min_length=1)
    """Query for the rows that break the check: it passes where there is none."""

    @model_validator(mode="after")
    def _is_one(self) -> CheckSpec:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"check {self.name!r}: a name has letters, digits, _ and -, a letter first")
        if (self.expect is None) == (self.query is None):
            raise ValueError(f"check {self.name!r} needs `expect` or `query`, and not both")
        return self

    @property
    def sql(self) -> str:
        """The query for what breaks the check, as one column `held` that is false or null, or the rows themselves."""
        if self.query is not None:
            return self.query
        return f"select ({self.expect}) as held from {RESULT}"

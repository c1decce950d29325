"""Extends traces that are too terse for the student, simplifies those that are too complex, keeps the others.

    steps = [
      { op = "verify_math" },
      { op = "critique", judge = "qwq", student = "7B" },
      { op = "rethink", teacher = "r1", student = "7B", attempts = 2 },
    ]

    trace_id | fit    | reasoning  ->  trace_id | parent_id | rewrite | rewrite_stop | rewrite_ratio
    t1       | easy   | 12.            77a1..   | t1        | extend  | rewritten    |           6.0
    t2       | medium | 3 * 4 = 12     t2       |           |         | fitting      |

rewrite_stop: rewritten; parent (the old text beside it); fitting, not_correct, not_verified (left as they are);
gave_up (kept after `attempts` failures, where on_failure = "keep"). An extended text must be longer than the one it
replaces, a simplified one not a tenth of it. The child isn't judged: run `critique` again for that.
"""

from __future__ import annotations

from functools import cached_property

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import PromptFile, Row, Schema
from dqdata_operators.generate._rewriting import RewriteOperator, RewriteParams, Task
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt


class RethinkParams(RewriteParams):
    student: str = Field("7B", min_length=1)
    """Parameters of the student, as the prompt says them."""
    prompt_extend: PromptFile | None = None
    """For easy traces, instead of the built-in one; may use the same placeholders."""
    prompt_simplify: PromptFile | None = None
    """For hard traces, instead of the built-in one; may use the same placeholders."""


class Rethink(RewriteOperator[RethinkParams]):
    """Rewrites traces that a critic found too terse or too complex for the student; the answer is verified again."""

    name = "rethink"
    Params = RethinkParams
    own = (*RewriteOperator.own, "student")

    @cached_property
    def extend(self) -> Task:
        prompt = load_prompt("rethink_extend", self.params.language, self.params.prompt_extend)
        return Task("extend", prompt, low=1.05)

    @cached_property
    def simplify(self) -> Task:
        prompt = load_prompt("rethink_simplify", self.params.language, self.params.prompt_simplify)
        return Task("simplify", prompt, low=0.1)

    def prompts(self) -> tuple[Prompt, ...]:
        return (self.extend.prompt, self.simplify.prompt)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return super().columns(have.require("fit", "VARCHAR"), schema)

    def values(self, row: Row) -> dict[str, str]:
        return {"student": self.params.student}

    def task(self, row: Row) -> Task | str:
        tasks: dict[str, Task | str] = {"easy": self.extend, "hard": self.simplify, "medium": "fitting"}
        return tasks.get(str(row["fit"]), "not_judged")

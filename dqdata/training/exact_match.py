"""Exact match on held-out questions: the questions, the sampling, and the verifier.

evaluate = { data = "select question, answer from heldout", max_new_tokens = 64 }
evaluate = { data = "heldout", samples = 8, temperature = 0.6 }
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.errors import DqdataError, ProjectError
from dqdata.operator import Row
from dqdata.params import Params

JUDGED_BY = ("tests", "instruction_id_list")
"""Columns that say by themselves what a right response is, in place of an `answer`."""
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class Evaluate(Params):
    """The `evaluate` table of a trainer."""

    data: str
    """SQL or a catalog: the held-out questions, with `answer` or `tests`, and what `user` names."""
    user: str = "{{question}}"
    """The user's turn, as it is in training; {{column}} is put in."""
    system: str | None = None
    max_new_tokens: int = Field(256, ge=1)
    samples: int = Field(1, ge=1)
    """Answers to each question."""
    temperature: float = Field(0.0, ge=0)
    """0: the likeliest token each time."""
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int = 0
    batch_size: int = Field(16, ge=1)
    limit: int | None = Field(None, ge=1)
    """Only so many questions, in the order of the query."""
    verify: str = "verify_math"
    """Operator that judges: it makes the column `correct` from response and answer."""
    verify_params: Mapping[str, Any] = Field(default_factory=dict)
    chat_template_kwargs: Mapping[str, Any] = Field(default_factory=dict)
    every_steps: int | None = Field(None, ge=1)
    """Of a trainer: the model answers every so many steps of the training and after the last, and the step with the
    best accuracy is the model that is kept. By default the last step is."""

    @model_validator(mode="after")
    def _samples_differ(self) -> Evaluate:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"{self.samples} samples at temperature 0 are all the same: set temperature, such as 0.6")
        return self

    def needs(self, have: Columns, where: str) -> None:
        """Raises ProjectError where a column is missing. A program is judged by its tests, constraints by
        themselves: they need no answer."""
        try:
            reference = () if any(name in have for name in JUDGED_BY) else ("answer",)
            for name in (*reference, *PLACEHOLDER.findall(self.user)):
                have.require(name)
        except DqdataError as error:
            raise ProjectError(where, str(error)) from error

    def prompt(self, row: Row) -> list[dict[str, str]]:
        """The chat up to the model's turn."""
        user = PLACEHOLDER.sub(lambda match: str(row[match[1]]), self.user)
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": user}]

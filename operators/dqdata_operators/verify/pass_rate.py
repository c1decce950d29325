"""How hard is a problem for this student? Lets it try, and verifies what it says.

    { op = "pass_rate", student = "qwen", n = 16, temperature = 0.8, max_tokens = 2048 }

    question       ->  pass_rate | pass_low | pass_high | pass_n | pass_correct | pass_by
    What is 2 + 2?          1.00 |     0.51 |      1.00 |      4 |            4 | qwen-0.5b

Samples are drawn `block` at a time, fresh ones that no training set holds, and drawing ends before n where the whole
Wilson interval lies in one bin of `bins`: an easy problem costs one block. An attempt that is cut off, empty or refused
is a failed one. The samples are the same for every row of a problem and for every later step that asks in the same way,
so a second grading costs nothing. The interval speaks of one look; looking after every block makes it a little
optimistic.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from dqdata.aio import gather_all
from dqdata.columns import Columns
from dqdata.errors import RowError
from dqdata.operator import (
    CallEstimate,
    CallOperator,
    Estimate,
    Outcome,
    PromptFile,
    Reject,
    Row,
    Run,
    Schema,
    TeacherName,
    bind,
)
from dqdata.statistics import wilson
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS
from dqdata_operators.lib.asking.programs import prompt_for
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt
from dqdata_operators.lib.asking.requests import AskParams
from dqdata_operators.lib.asking.verdicts import verdict_columns

ATTEMPT_TOKENS = 800
"""Tokens that an attempt of a student is taken to have where `max_tokens` isn't given."""


class PassRateParams(AskParams):
    student: TeacherName
    """Whose attempts are counted."""
    n: int = Field(16, ge=1)
    """Attempts at most."""
    block: int = Field(4, ge=1)
    """Attempts drawn together, and the fewest of a problem."""
    bins: tuple[float, ...] = (0.25, 0.75)
    """Pass rates that part hard from medium from easy; with none, all n attempts are drawn."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Of the Wilson interval: of pass_low and pass_high, and of when enough attempts are drawn."""
    verifier: str = "verify_math"
    """Operator that says whether an attempt is right."""
    verifier_params: Mapping[str, Any] = {}
    """Parameters of the verifier."""
    prompt: PromptFile | None = None
    """Instead of that of `generate`; a student is best given the prompt of its training."""
    prompt_code: PromptFile | None = None
    """For rows whose `answer_type` is code, instead of `prompt`."""
    temperature: float | None = Field(None, gt=0)
    """Above 0, or all attempts are one; the endpoint's own where not given."""

    @model_validator(mode="after")
    def _rising(self) -> PassRateParams:
        if any(not 0 < mark < 1 for mark in self.bins) or any(high <= low for low, high in pairwise(self.bins)):
            raise ValueError(f"bins = {list(self.bins)} must rise and lie between 0 and 1")
        return self


class PassRate(CallOperator[PassRateParams]):
    """Draws fresh attempts of a student at each problem and gives the share that is verified correct."""

    name = "pass_rate"
    Params = PassRateParams

    @cached_property
    def prompt(self) -> Prompt:
        return load_prompt("generate", self.params.language, self.params.prompt)

    @cached_property
    def code_prompt(self) -> Prompt | None:
        given = self.params.prompt_code
        return None if given is None else load_prompt("generate", self.params.language, given)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR")
        self.prompt.require(have)
        if self.code_prompt is not None:
            self.code_prompt.require(have.require("answer_type", "VARCHAR"))
        attempt = have.add(reasoning="VARCHAR", response="VARCHAR")
        verdict_columns(schema, self.params.verifier, self.params.verifier_params, attempt)
        return have.add(
            pass_rate="DOUBLE",
            pass_low="DOUBLE",
            pass_high="DOUBLE",
            pass_n="BIGINT",
            pass_correct="BIGINT",
            pass_flawed="BIGINT",
            pass_by="VARCHAR",
        )

    def files(self) -> tuple[Path, ...]:
        return tuple(prompt.path for prompt in (self.prompt, self.code_prompt) if prompt is not None and prompt.path)

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return ((self.params.verifier, self.params.verifier_params),)

    def estimate(self, rows: float) -> Estimate:
        """All n attempts for every row: further traces of a problem, and problems whose bin is soon clear, ask less."""
        return self._estimate(rows, self.params.max_tokens or ATTEMPT_TOKENS)

    def at_most(self, rows: float) -> Estimate:
        return self._estimate(rows, self.params.max_tokens or math.inf)

    def _estimate(self, rows: float, answer: float) -> Estimate:
        calls = rows * self.params.n
        given = self.prompt.tokens(self.tokens_of, PROBLEM_TOKENS)
        written = calls * answer if calls else 0.0
        return Estimate(rows, {self.params.student: CallEstimate(calls, calls * given, written)})

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        correct = flawed = n = drawn = 0
        while drawn < self.params.n and not (n and self._certain(correct, n)):
            size = min(self.params.block, self.params.n - drawn)
            verdicts = await self._attempts(row, range(drawn, drawn + size), run)
            drawn += size
            correct += sum(verdict is True for verdict in verdicts)
            flawed += sum(verdict == "flawed" for verdict in verdicts)
            n += sum(verdict is not None for verdict in verdicts)
            if not n:
                raise RowError(
                    "unverifiable", f"none of {drawn} attempts could be verified; is the reference readable?"
                )
        low, high = wilson(correct, n, self.params.confidence)
        made: dict[str, Any] = {
            "pass_rate": correct / n,
            "pass_low": low,
            "pass_high": high,
            "pass_n": n,
            "pass_correct": correct,
            "pass_flawed": flawed,
            "pass_by": run.teacher(self.params.student).model,
        }
        return [{**row, **made}]

    def _certain(self, correct: int, n: int) -> bool:
        """Whether the whole interval lies in one bin."""
        low, high = wilson(correct, n, self.params.confidence)
        return bool(self.params.bins) and bisect_right(self.params.bins, low) == bisect_right(self.params.bins, high)

    async def _attempts(self, row: Row, samples: range, run: Run) -> list[bool | str | None]:
        """A verdict for each: true, false, "flawed" (which counts as false), or None where nobody can say."""
        student, messages = run.teacher(self.params.student), prompt_for(row, self.prompt, self.code_prompt).render(row)
        given = await gather_all(
            student.complete(self.params.request(messages, self.name, sample)) for sample in samples
        )
        whole = [answer for answer in given if flaw(answer) is None]
        rows = [{**row, "reasoning": answer.reasoning, "response": answer.response} for answer in whole]
        judged = await bind(self.params.verifier, self.params.verifier_params, run)(rows) if rows else []
        verdicts: list[bool | str | None] = ["flawed"] * (len(given) - len(whole))
        for [outcome] in judged:
            verdicts.append(None if isinstance(outcome, Reject) else outcome["correct"])
        return verdicts

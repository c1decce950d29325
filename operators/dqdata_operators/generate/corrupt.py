"""Inserts a plausible wrong step into a correct trace: a negative that differs from its positive in one place.

    { op = "corrupt", teacher = "v3" }

    trace_id | reasoning  | response | correct  ->  trace_id | parent_id | reasoning  | response | correct | corrupted
    t1       | 3 * 4 = 12 | 12       | true         t1       |           | 3 * 4 = 12 | 12       | true    | false
                                                    c9f0..   | t1        | 3 * 4 = 14 | 14       | false   | true

The corrupted trace must be verified wrong, of about the same length and in the same language, so that neither tells a
reward model which is which. Rows that aren't correct go on as they are: sampled negatives need no help.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from dqdata.columns import Columns
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
)
from dqdata.teacher import Completion, Message
from dqdata_operators.generate._rewriting import STALE
from dqdata_operators.generate._shape import same_language, size
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, TRACE_TOKENS, fenced, required, trace_tokens
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt
from dqdata_operators.lib.asking.requests import AskParams
from dqdata_operators.lib.asking.verdicts import verdict_columns, verified, with_verdict

PARTS = re.compile(
    r"\s*(?:<reasoning>(?P<reasoning>.*?)</reasoning>\s*)?<response>(?P<response>.*?)</response>\s*", re.DOTALL
)
AGAIN = {
    "en": "That can't be used: {why}. Write the whole corrupted text again, in the same marks.",
    "zh": "这段文字无法使用：{why}。请用同样的标记重新写出完整的错误版本。",
}


class CorruptParams(AskParams):
    teacher: TeacherName
    """Writes the wrong twins."""
    verifier: str = "verify_math"
    """Operator that must find the corrupted trace wrong."""
    verifier_params: Mapping[str, Any] = {}
    """Parameters of the verifier."""
    attempts: int = Field(2, ge=1, le=10)
    """Twins of one trace before it is given up."""
    prompt: PromptFile | None = None
    """Instead of the built-in one; may use the same placeholders."""
    similar: float = Field(0.5, gt=0, lt=1)
    """How far the length may go from the original's, as a share of it."""


class Corrupt(CallOperator[CorruptParams]):
    """Makes a wrong twin of each right trace, verified to be wrong."""

    name = "corrupt"
    Params = CorruptParams

    @cached_property
    def prompt(self) -> Prompt:
        return load_prompt("corrupt", self.params.language, self.params.prompt)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("trace_id", "VARCHAR").require("question", "VARCHAR").require("answer", "VARCHAR")
        have.require("response", "VARCHAR").require("correct", "BOOLEAN")
        self.prompt.require(have, "problem", "reference", "trace")
        made = verdict_columns(schema, self.params.verifier, self.params.verifier_params, have)
        return made.add(parent_id="VARCHAR", corrupted="BOOLEAN")

    def files(self) -> tuple[Path, ...]:
        return (self.prompt.path,) if self.prompt.path else ()

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return ((self.params.verifier, self.params.verifier_params),)

    def estimate(self, rows: float) -> Estimate:
        """Each further attempt is taken to be needed by half of the traces before it."""
        calls = rows * sum(0.5**attempt for attempt in range(self.params.attempts))
        return self._estimate(rows, calls, self.params.max_tokens or TRACE_TOKENS)

    def at_most(self, rows: float) -> Estimate:
        """Every attempt for every trace."""
        return self._estimate(rows, rows * self.params.attempts, self.params.max_tokens or math.inf)

    def _estimate(self, rows: float, calls: float, answer: float) -> Estimate:
        texts = self.tokens_of("question", PROBLEM_TOKENS) + trace_tokens(self.tokens_of)
        given = self.prompt.overhead + texts
        written = calls * answer if calls else 0.0
        return Estimate(2 * rows, {self.params.teacher: CallEstimate(calls, calls * given, written)})

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        kept = {
            **await with_verdict(run, self.params.verifier, self.params.verifier_params, row),
            "parent_id": row.get("parent_id"),
            "corrupted": bool(row.get("corrupted")),
        }
        if not kept["correct"]:
            return [kept]
        response, reasoning = required(row, "response").strip(), str(row.get("reasoning") or "").strip()
        whole = f"<reasoning>\n{reasoning}\n</reasoning>\n" if reasoning else ""
        shown = {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", required(row, "answer")),
            "trace": fenced("trace", f"{whole}<response>\n{response}\n</response>"),
        }
        messages = self.prompt.render(row, **shown)
        failures: list[str] = []
        child: Row = kept
        for _ in range(self.params.attempts):
            answer = await run.teacher(self.params.teacher).complete(self.params.request(messages, self.name))
            child, failure = await self._child(kept, reasoning, response, answer, run)
            if failure is None:
                return [kept, child]
            failures.append(failure)
            why = AGAIN.get(self.params.language, AGAIN["en"]).format(why=failure)
            messages = (*messages, Message("assistant", answer.response or "..."), Message("user", why))
        return [kept, Reject(failures[-1].partition(":")[0], "; ".join(failures), row=child)]

    async def _child(
        self, kept: Row, reasoning: str, response: str, answer: Completion, run: Run
    ) -> tuple[Row, str | None]:
        """The corrupted trace, and what is wrong with it."""
        made: dict[str, Any] = {
            **kept,
            **{name: None for name in STALE if name in kept},
            "trace_id": None,
            "parent_id": kept["trace_id"],
            "corrupted": True,
        }
        for name, value in (
            ("teacher", run.teacher(self.params.teacher).model or answer.model),
            ("finish_reason", answer.finish_reason),
            ("ledger_key", answer.ledger_key),
            ("input_tokens", answer.usage.input),
            ("output_tokens", answer.usage.output),
        ):
            if name in made:
                made[name] = value
        if found := flaw(answer):
            return {**made, "response": answer.response}, f"{found.reason}: {found.detail}"
        parts = PARTS.fullmatch(answer.response)
        if parts is None or bool(parts["reasoning"]) != bool(reasoning):
            return {**made, "response": answer.response}, "format_lost: <reasoning> and <response> as in the original"
        made |= {"response": parts["response"].strip()} | (
            {"reasoning": parts["reasoning"].strip()} if reasoning else {}
        )
        old, new = f"{reasoning}\n{response}", f"{made.get('reasoning') or ''}\n{made['response']}"
        if not same_language(old, new):
            return made, "language_changed"
        ratio = size(new) / max(1, size(old))
        if abs(ratio - 1) > self.params.similar:
            return made, f"wrong_length: {ratio:.2f} of the original"
        verdict = {**await self._verified(made, run), "trace_id": None}
        if verdict["correct"] is not False:
            return verdict, "still_correct" if verdict["correct"] else "unverifiable"
        return verdict, None

    async def _verified(self, row: Row, run: Run) -> Row:
        return await verified(run, self.params.verifier, self.params.verifier_params, row)

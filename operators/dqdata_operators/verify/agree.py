"""Asks several teachers for the answer of each problem, and keeps the problems whose answers agree.

    { op = "agree", teachers = ["r1", "qwq", "v3"], k = 2, temperature = 0.6, max_tokens = 16384 }

    question         | answer  ->  answer | agreed | agree_of | agreed_by  | answer_source
    What is 1/2 + 1? |             3/2    |      3 |        3 | [r1, q, v] | agree
    What is 5 + 2?   | 7           7      |      2 |        3 | [r1, v]    | reference
    What is 2 + 2?   | 5       dropped: reference_differs, 3 of 3 answer 4

Answers are equal where the verifier says so, in one direction or the other: 0.5 and \\frac{1}{2} agree. The answer that
most teachers agree with counts; two answers with equally many are no agreement. A reference that is there must be the
answer that the teachers agree on (as DeepMath asks of three solutions), unless `reference = "keep"`. An answer that is
cut off, empty or refused, and one without a final answer, agrees with none. The requests are those of `generate` with
the same settings: a later `generate` with one of the teachers finds its first sample in the ledger.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from dqdata.aio import gather_all
from dqdata.columns import Columns
from dqdata.errors import ColumnError, TeacherError
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
from dqdata.teacher import Completion, Message, Request, Sampling
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt
from dqdata_operators.lib.asking.requests import AskParams
from dqdata_operators.lib.asking.verdicts import verdict_columns
from dqdata_operators.lib.maths import extract
from dqdata_operators.lib.maths.numbers import literal

ANSWER_TOKENS = 4000
"""Tokens that an answer is taken to have where `max_tokens` isn't given or is more."""


class AgreeParams(AskParams):
    teachers: tuple[TeacherName, ...] = Field(min_length=2)
    """Each receives one request. Two tables with the same model are two draws of it."""
    k: int | None = Field(None, ge=2)
    """Teachers that must reach the same answer; all of them where not given."""
    verifier: str = "verify_math"
    """Operator that says whether two answers are equal."""
    verifier_params: Mapping[str, Any] = {}
    """Parameters of the verifier."""
    reference: Literal["must_agree", "keep"] = "must_agree"
    """What a reference that is there means. must_agree: the teachers must reach it, or the problem is dropped as
    `reference_differs`. keep: it is kept, and `agreed_reference` says whether they reached it."""
    prompt: PromptFile | None = None
    """Instead of that of `generate`."""

    @model_validator(mode="after")
    def _enough(self) -> AgreeParams:
        if len(set(self.teachers)) < len(self.teachers):
            raise ValueError("`teachers` names one teacher twice; an answer would agree with itself")
        if self.k is not None and self.k > len(self.teachers):
            raise ValueError(f"k = {self.k} is more than the {len(self.teachers)} teachers")
        return self

    @property
    def needed(self) -> int:
        return self.k or len(self.teachers)


class Agree(CallOperator[AgreeParams]):
    """Keeps the problems for which k teachers reach the same answer, and fills a missing reference with it."""

    name = "agree"
    Params = AgreeParams
    reasons: ClassVar = {
        "no_agreement": "Fewer teachers than needed reach the same answer.",
        "reference_differs": "The teachers agree on an answer that is not the reference.",
    }

    @cached_property
    def prompt(self) -> Prompt:
        return load_prompt("generate", self.params.language, self.params.prompt)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR")
        if "trace_id" in have or "pair_id" in have:
            raise ColumnError("works on problems; these rows are traces: put a step `sql` that groups them")
        self.prompt.require(have)
        if "answer" in have:
            have.require("answer", "VARCHAR")
        verdict_columns(schema, self.params.verifier, self.params.verifier_params, self._judged(have))
        return have.add(
            answer="VARCHAR",
            agreed="BIGINT",
            agree_of="BIGINT",
            agreed_answer="VARCHAR",
            agreed_by="VARCHAR[]",
            agreed_reference="BOOLEAN",
            answer_source="VARCHAR",
        )

    @staticmethod
    def _judged(have: Columns) -> Columns:
        return have.add(answer="VARCHAR", reasoning="VARCHAR", response="VARCHAR")

    def files(self) -> tuple[Path, ...]:
        return (self.prompt.path,) if self.prompt.path else ()

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return ((self.params.verifier, self.params.verifier_params),)

    def estimate(self, rows: float) -> Estimate:
        return self._estimate(rows, min(self.params.max_tokens or ANSWER_TOKENS, ANSWER_TOKENS))

    def at_most(self, rows: float) -> Estimate:
        return self._estimate(rows, self.params.max_tokens or math.inf)

    def _estimate(self, rows: float, answer: float) -> Estimate:
        given = self.prompt.tokens(self.tokens_of, PROBLEM_TOKENS)
        one = CallEstimate(rows, rows * given, rows * answer if rows else 0.0)
        return Estimate(rows, dict.fromkeys(self.params.teachers, one))

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        messages = self.prompt.render(row)
        models = [run.teacher(name).model for name in self.params.teachers]
        samples = [models[:place].count(model) for place, model in enumerate(models)]
        drawn = zip(self.params.teachers, samples, strict=True)
        answers = await gather_all(self._ask(name, sample, messages, run) for name, sample in drawn)
        failures = [answer.why for answer in answers if isinstance(answer, _NoAnswer)]
        if len(answers) - len(failures) < self.params.needed:
            raise failures[0]
        said = {
            name: final
            for name, answer in zip(self.params.teachers, answers, strict=True)
            if (final := _final(answer)) is not None
        }
        centre, agreeing = await self._largest(row, said, run)
        made: dict[str, Any] = {
            **row,
            "agreed": len(agreeing),
            "agree_of": len(answers),
            "agreed_answer": centre and said[centre],
            "agreed_by": [run.teacher(name).model for name in agreeing],
            "agreed_reference": None,
        }
        reference = str(row.get("answer") or "").strip()
        if len(agreeing) < self.params.needed:
            shown = json.dumps({name: said.get(name) for name in self.params.teachers}, ensure_ascii=False)
            made |= {"answer": row.get("answer"), "answer_source": "reference" if reference else None}
            return [Reject("no_agreement", f"{len(agreeing)} of {len(answers)}: {shown}", row=made)]
        assert centre is not None
        if not reference:
            return [{**made, "answer": said[centre], "answer_source": "agree"}]
        [reached] = await self._equal(row, [(reference, said[centre])], run)
        made |= {"answer": row["answer"], "answer_source": "reference", "agreed_reference": reached}
        if not reached and self.params.reference == "must_agree":
            detail = f"{len(agreeing)} of {len(answers)} answer {said[centre]!r}, the reference is {reference!r}"
            return [Reject("reference_differs", detail, row=made)]
        return [made]

    async def _ask(self, name: str, sample: int, messages: tuple[Message, ...], run: Run) -> Completion | _NoAnswer:
        """The answer, or why this teacher alone has none; the others may. sample: so that two
        tables with one model are two draws of it, and no answer agrees with itself."""
        asked = self.params
        sampling = Sampling(asked.max_tokens, asked.temperature, asked.top_p, extra=asked.extra)
        try:
            return await run.teacher(name).complete(Request(messages, sampling, asked.draw, sample))
        except TeacherError as error:
            if error.kind == "row":
                return _NoAnswer(error)
            raise

    async def _largest(self, row: Row, said: Mapping[str, str], run: Run) -> tuple[str | None, tuple[str, ...]]:
        """The teacher whose answer most others equal, and all whose answers equal it, itself among them; (None, ())
        where two different answers have equally many."""
        names = tuple(said)
        pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
        both = [(said[a], said[b]) for one, other in pairs for a, b in ((one, other), (other, one))]
        verdicts = await self._equal(row, both, run)
        equal = {frozenset(pair): any(verdicts[2 * at : 2 * at + 2]) for at, pair in enumerate(pairs)}
        groups = {one: tuple(n for n in names if n == one or equal[frozenset((one, n))]) for one in names}
        if not groups:
            return None, ()
        most = max(map(len, groups.values()))
        first, *others = (one for one in names if len(groups[one]) == most)
        if any(other not in groups[first] for other in others):
            return None, ()
        return first, groups[first]

    async def _equal(self, row: Row, pairs: Sequence[tuple[str, str]], run: Run) -> list[bool]:
        """Whether the verifier finds the second answer of each pair equal to the first, as the reference."""
        rows = [{**row, "answer": one, "reasoning": None, "response": f"\\boxed{{{other}}}"} for one, other in pairs]
        judged = await bind(self.params.verifier, self.params.verifier_params, run)(rows)
        return [not isinstance(outcome, Reject) and outcome["correct"] is True for [outcome] in judged]


class _NoAnswer(NamedTuple):
    """One teacher has none, and why: the others may."""

    why: TeacherError


def _final(answer: Completion | _NoAnswer) -> str | None:
    """The final answer of a completion, as it is written; None without one, and where the last line is only prose."""
    if isinstance(answer, _NoAnswer) or flaw(answer) is not None:
        return None
    found = extract(answer.response)
    if found is None or (found.place == "line" and literal(found.text) is None):
        return None
    return found.text

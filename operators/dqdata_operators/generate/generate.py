"""Asks a teacher to solve each problem, n times.

    { op = "generate", teacher = "r1", n = 4, temperature = 0.6, max_tokens = 8192 }

    problem_id | question       ->  problem_id | question       | trace_id | teacher | reasoning | response | ...
    p1         | What is 2 + 2?     p1         | What is 2 + 2? | a41f...  | r1      | 2 and 2.. | \\boxed{4}
                                    p1         | What is 2 + 2? | 07bc...  | r1      | Adding... | \\boxed{4}

Every sample is a call of its own, so 8 samples after 4 pay for 4. An answer that is cut off, empty, refused, withheld
or running in circles is dropped with that reason and its text.

With `tools = ["python"]` the teacher may run Python in a sandboxed session that keeps its state; the trace is then a
chat in `messages`, with `tools` beside it; `reasoning` is what was thought, run and read, `response` the last answer.

`efforts` asks for n samples of each of several efforts of thinking, with and without tools; the column `effort` says
which, and the request or its chat template gets `reasoning_effort`:

    { op = "generate", teacher = "oss", efforts = [{ effort = "low" }, { effort = "high", tools = ["python"] }] }

With several teachers the first is the cheapest: each next one receives only the problems that have fewer than
`want` traces which `accept`, an operator, found correct. Rows then have the columns of that operator too.

    { op = "generate", teachers = ["small", "big"], n = 4, accept = "verify_math", want = 2 }
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dqdata.aio import gather_all
from dqdata.columns import VOCABULARY, Columns
from dqdata.errors import ColumnError, TeacherError
from dqdata.ids import call_trace_id
from dqdata.operator import (
    CallEstimate,
    CallOperator,
    Estimate,
    Outcome,
    Reject,
    Row,
    Run,
    Schema,
)
from dqdata.teacher import Completion, Message, Request
from dqdata_operators.generate._parameters import GenerateParams
from dqdata_operators.generate._tools import PYTHON, Bounds, traced
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.programs import prompt_for
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt

MADE = (
    *("teacher", "reasoning", "response", "finish_reason"),
    *("ledger_key", "input_tokens", "output_tokens"),
)
TURNS = 3
"""Requests that a trace with tools is taken to need."""
RESULT_TOKENS = 8000
"""Tokens of a tool's result at most: a token is a character or more."""
TRACED = ("messages", "tools", "tool_calls")
QUESTION_TOKENS = 150
"""Tokens that the columns in a prompt are taken to have when costs are estimated."""
ANSWER_TOKENS = 4000
"""Tokens that an answer is taken to have before any was measured, `max_tokens` at most: about what a reasoning model
needs."""


class Generate(CallOperator[GenerateParams]):
    """Asks a teacher to solve each problem, n times; a cheap teacher first where several are given."""

    name = "generate"
    Params = GenerateParams

    @cached_property
    def prompt(self) -> Prompt:
        prompt = load_prompt("generate", self.params.language, self.params.prompt)
        return prompt if self.params.system is None else prompt.with_system(self.params.system)

    @cached_property
    def code_prompt(self) -> Prompt | None:
        if self.params.prompt_code is None:
            return None
        prompt = load_prompt("generate", self.params.language, self.params.prompt_code)
        return prompt if self.params.system is None else prompt.with_system(self.params.system)

    @property
    def names(self) -> tuple[str, ...]:
        """Teachers in the order in which they are called."""
        return self.params.teachers or (str(self.params.teacher),)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR")
        self.prompt.require(have)
        if self.code_prompt is not None:
            self.code_prompt.require(have.require("answer_type", "VARCHAR"))
        ids = {"parent_id": "VARCHAR"} if "trace_id" in have else {"trace_id": "VARCHAR"}
        asked: tuple[str, ...] = ("top_logprobs",) if self.params.top_logprobs else ()
        asked += TRACED if self._tooled else ()
        asked += ("effort",) if self.params.efforts else ()
        made = have.add(**ids, **{name: VOCABULARY[name].type for name in (*MADE, *asked)})
        if self.params.accept is None:
            return made
        judged = schema.child(self.params.accept, self.params.accept_params, made)
        if "correct" not in judged:
            raise ColumnError(f"accept = {self.params.accept!r} makes no column 'correct'; use a verifier")
        return judged

    def files(self) -> tuple[Path, ...]:
        return tuple(prompt.path for prompt in (self.prompt, self.code_prompt) if prompt is not None and prompt.path)

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return () if self.params.accept is None else ((self.params.accept, self.params.accept_params),)

    @cached_property
    def ways(self) -> tuple[tuple[str | None, GenerateParams], ...]:
        return self.params.ways

    @property
    def _tooled(self) -> bool:
        """Whether any way has tools."""
        return any(params.tools for _, params in self.ways)

    def estimate(self, rows: float) -> Estimate:
        """Of several teachers each is taken to leave half the problems open."""
        drawn = {name: rows * self.params.n / 2**place for place, name in enumerate(self.names)}
        calls = {name: _total([self._expected(params, one) for _, params in self.ways]) for name, one in drawn.items()}
        return Estimate(len(self.ways) * sum(drawn.values()), calls)

    def _expected(self, params: GenerateParams, drawn: float) -> CallEstimate:
        answer = min(params.max_tokens or ANSWER_TOKENS, ANSWER_TOKENS)
        calls = (TURNS if params.tools else 1) * drawn
        return CallEstimate(calls, calls * self._given, calls * answer)

    def at_most(self, rows: float) -> Estimate:
        """Every teacher receives every problem, and every answer is cut off and requested again."""
        drawn = rows * self.params.n
        one = _total([self._worst(params, drawn) for _, params in self.ways])
        return Estimate(drawn * len(self.names) * len(self.ways), dict.fromkeys(self.names, one))

    def _worst(self, params: GenerateParams, drawn: float) -> CallEstimate:
        answer: float = params.max_tokens or math.inf
        calls, written = drawn, drawn * answer if drawn else 0.0
        if params.on_truncated == "retry":
            calls, written = 2 * drawn, written + drawn * (params.retry_max_tokens or 2 * answer)
        read = calls * self._given
        if params.tools:  # each request of a trace holds the answers and results before it
            turns = params.tool_calls + 2
            read = drawn * (turns * self._given + turns * (turns - 1) / 2 * (answer + RESULT_TOKENS)) if drawn else 0.0
            calls, written = turns * calls, turns * written
        return CallEstimate(calls, read, written)

    @property
    def _given(self) -> float:
        return self.prompt.tokens(self.tokens_of, QUESTION_TOKENS)

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        messages = prompt_for(row, self.prompt, self.code_prompt).render(row)
        outcomes: list[Outcome] = []
        accepted = 0
        for name in self.names:
            drawn = await self._draw(row, messages, name, run)
            if self.params.accept is not None:
                drawn = await self._judged(drawn, run)
                accepted += sum(not isinstance(outcome, Reject) and bool(outcome["correct"]) for outcome in drawn)
            outcomes += drawn
            if accepted >= self.params.want:
                break
        return outcomes

    async def _draw(self, row: Row, messages: tuple[Message, ...], name: str, run: Run) -> list[Outcome]:
        """The n samples of one teacher for each way to ask, in order."""
        drawn = [(effort, params, sample) for effort, params in self.ways for sample in range(params.n)]
        outcomes = await gather_all(self._sample(row, messages, name, one, sample, run) for _, one, sample in drawn)
        if not self.params.efforts:
            return outcomes
        return [self._of(effort, outcome) for (effort, *_), outcome in zip(drawn, outcomes, strict=True)]

    def _of(self, effort: str | None, outcome: Outcome) -> Outcome:
        """The outcome with its effort, and nulls for a chat with tools where another way has one."""
        if not isinstance(outcome, Reject):
            return {**(dict.fromkeys(TRACED) if self._tooled else {}), **outcome, "effort": effort}
        return outcome if outcome.row is None else replace(outcome, row={**outcome.row, "effort": effort})

    async def _sample(
        self, row: Row, messages: tuple[Message, ...], name: str, params: GenerateParams, sample: int, run: Run
    ) -> Outcome:
        teacher = run.teacher(name)
        sampling = params.sampling(sample)
        try:
            if params.tools:
                return await self._with_tools(row, messages, name, params, sample, run)
            answer = await teacher.complete(Request(messages, sampling, params.draw, sample))
            wrong = flaw(answer)
            if wrong and wrong.reason == "truncated" and params.on_truncated == "retry":
                longer = params.retry_max_tokens or 2 * (params.max_tokens or 0)
                request = Request(messages, replace(sampling, max_tokens=longer), params.draw, sample)
                answer = await teacher.complete(request)
                wrong = flaw(answer)
        except TeacherError as error:
            if error.kind == "fatal":
                raise
            return Reject(error.reason, str(error), kind="failed", retryable=error.kind == "retryable")
        made = _trace(row, answer, teacher.model)
        if params.top_logprobs:
            made = {**made, "top_logprobs": _likely(answer)}
            if answer.logprobs is None:
                detail = f"{name} gave no log-probabilities: leave `top_logprobs` out, or ask a teacher that has them"
                return Reject("no_logprobs", detail, row=made, kind="failed")
        if wrong and not (wrong.reason == "truncated" and params.on_truncated == "keep"):
            return Reject(wrong.reason, wrong.detail, row=made)
        return made

    async def _with_tools(
        self, row: Row, messages: tuple[Message, ...], name: str, params: GenerateParams, sample: int, run: Run
    ) -> Outcome:
        teacher = run.teacher(name)
        sampling = params.sampling(sample)

        async def ask(chat: tuple[Message, ...]) -> Completion:
            return await teacher.complete(Request(chat, sampling, params.draw, sample, tools=PYTHON))

        bounds = Bounds(params.tool_calls, params.call_seconds, params.trace_seconds)
        trace = await traced(ask, messages, run, bounds)
        chat = {"messages": trace.messages, "tools": PYTHON, "tool_calls": trace.calls}
        made = {**_trace(row, trace.answer, teacher.model), **chat, "reasoning": trace.reasoning}
        if trace.answer.tool_calls:
            return Reject("tool_calls", f"calls a tool again after {trace.calls} calls", row=made)
        wrong = flaw(trace.answer)
        if wrong and not (wrong.reason == "truncated" and params.on_truncated == "keep"):
            return Reject(wrong.reason, wrong.detail, row=made)
        return made

    async def _judged(self, drawn: list[Outcome], run: Run) -> list[Outcome]:
        """Traces as the accepting operator leaves them; what was rejected before stays as it is."""
        assert self.params.accept is not None
        judge = run.operator(self.params.accept, self.params.accept_params)
        traces = [outcome for outcome in drawn if not isinstance(outcome, Reject)]
        verdicts = iter(await judge(traces)) if traces else iter(())
        judged: list[Outcome] = []
        for outcome in drawn:
            judged += [outcome] if isinstance(outcome, Reject) else next(verdicts)
        return judged


def _total(parts: Sequence[CallEstimate]) -> CallEstimate:
    return CallEstimate(
        sum(one.calls for one in parts), sum(one.input_tokens for one in parts), sum(one.output_tokens for one in parts)
    )


def _trace(row: Row, answer: Completion, model: str) -> Row:
    """The new row. A problem's trace is named after its call; a row that is a trace already gets a child, whose id the
    engine gives."""
    problem = str(row["problem_id"])
    ids: dict[str, Any] = {"trace_id": call_trace_id(problem, answer.ledger_key)}
    if row.get("trace_id") is not None:
        ids = {"trace_id": None, "parent_id": row["trace_id"]}
    return {
        **row,
        **ids,
        "teacher": model or answer.model,
        "reasoning": answer.reasoning,
        "response": answer.response,
        "finish_reason": answer.finish_reason,
        "ledger_key": answer.ledger_key,
        "input_tokens": answer.usage.input,
        "output_tokens": answer.usage.output,
    }


def _likely(answer: Completion) -> list[dict[str, Any]] | None:
    """The log-probabilities of each token, as the column `top_logprobs` has it."""
    if answer.logprobs is None:
        return None
    return [
        {**one, "top": [{"token": token, "logprob": logprob} for token, logprob in one["top"]]}
        for one in answer.logprobs
    ]

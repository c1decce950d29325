"""The base of every operator that uses a judge: one call per row, votes, one repair request, strict answers.

    class Clarity(JudgeOperator[JudgeParams]):
        "Says how clear a trace is."
        name = "clarity"                                  # and prompts/clarity.en.md with {{problem}}, {{trace}}
        asked = {"clarity": Scale(0, 9)}

        def columns(self, have: Columns, schema: Schema) -> Columns:
            return self.judges(have).add(clarity="DOUBLE", clarity_by="VARCHAR")

        async def process(self, row: Row, run: Run) -> list[Outcome]:
            said = await self.ask(row, run)
            return [{**row, "clarity": said.values["clarity"].value, "clarity_by": said.judge}]

A row is judged alone, so its neighbours and their order change nothing. What is judged is put between fences whose
marks a trace can't know: it can neither close its own fence nor write another block. An answer that can't be read is
asked for once more, with what was wrong with it; then the row fails as `unparseable_judgement`, and the reject's detail
is what the judge said. Votes are samples of draws of their own, never those under judgement.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.ids import digest
from dqdata.operator import CallEstimate, CallOperator, Estimate, Params, PromptFile, Row, Run, TeacherName
from dqdata.teacher import Completion, MarkedText, Message, Request, Sampling
from dqdata_operators.lib.asking.judgement import Asked, Settled, UnreadableError, read, schema_of
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt

_KEY = secrets.token_bytes(32)
"""Of the marks that this process sends; no text holds it, and no disk."""
PROBLEM_TOKENS = 150
TRACE_TOKENS = 2000
ANSWER_TOKENS = 30
"""Tokens that a problem, a trace and a judge's answer are taken to have when costs are estimated."""

REPAIR = {
    "en": "That answer can't be read: {why}. Give the same judgement again as one JSON object with exactly the keys "
    "{keys}, and nothing before or after it.",
    "zh": "上面的回答无法解析：{why}。请重新给出同样的判断：只输出一个 JSON 对象，键恰好为 {keys}，前后不要有别的内容",
}


class VoteParams(Params):
    """How a judge is asked, whoever it is."""

    votes: int = Field(1, ge=1, le=99)
    """Answers to ask for; each is a call. Numbers become their median, words the value with most votes."""
    need: int | None = Field(None, ge=1)
    """Votes that must be readable, or the row fails; more than half of them where not given."""
    language: str = "en"
    """Of the built-in prompt: en or zh."""
    prompt: PromptFile | None = None
    """Instead of the built-in one; may use the same placeholders."""
    temperature: float | None = Field(None, ge=0)
    """0 for a single vote where not given, and the endpoint's own for several."""
    max_tokens: int | None = Field(None, ge=1)
    """Bounds an answer; a judge that thinks needs thousands."""
    extra: Mapping[str, Any] = {}
    """Goes into the request body as it is."""
    draw: str = ""
    """Another word draws fresh votes, never those of an earlier run."""

    @model_validator(mode="after")
    def _votes(self) -> VoteParams:
        if self.votes > 1 and self.temperature == 0:
            raise ValueError(f"votes = {self.votes} with temperature = 0 pays for {self.votes} equal answers")
        if self.need is not None and self.need > self.votes:
            raise ValueError(f"need = {self.need} is more than votes = {self.votes}")
        return self

    @property
    def needed(self) -> int:
        return self.need or self.votes // 2 + 1

    @property
    def sampling(self) -> Sampling:
        temperature = 0.0 if self.temperature is None and self.votes == 1 else self.temperature
        return Sampling(max_tokens=self.max_tokens, temperature=temperature, extra=self.extra)


class ToJudge(Params):
    judge: TeacherName
    """A `[teachers.NAME]` table; its model judges."""


class JudgeParams(VoteParams, ToJudge):
    """What every operator with a judge may say."""


JP = TypeVar("JP", bound=JudgeParams)


@dataclass(frozen=True)
class Said:
    """What a judge says of one row: each value combined over the votes that could be read."""

    values: Mapping[str, Settled]
    votes: int
    judge: str
    """Name of the model, to be kept in a column: scores of two judges aren't on one scale."""


class JudgeOperator(CallOperator[JP]):
    """Asks a judge about each row. Subclasses give `asked`, a prompt of their name, and make columns of the answer."""

    asked: ClassVar[Mapping[str, Asked]]

    @cached_property
    def prompt(self) -> Prompt:
        return load_prompt(self.name, self.params.language, self.params.prompt)

    def files(self) -> tuple[Path, ...]:
        return (self.prompt.path,) if self.prompt.path else ()

    def estimate(self, rows: float) -> Estimate:
        return self.votes_on(rows, rows)

    def at_most(self, rows: float) -> Estimate:
        return self.votes_on(rows, rows, worst=True)

    def votes_on(self, rows: float, judged: float, *, worst: bool = False) -> Estimate:
        """Votes on `judged` of the rows. worst: every first answer is unreadable, and shown in a second request."""
        votes = judged * self.params.votes
        answer = self.params.max_tokens or (math.inf if worst else ANSWER_TOKENS)
        given, calls = votes * self.prompt_tokens, votes
        if worst:
            given, calls = 2 * given + votes * (self.params.max_tokens or TRACE_TOKENS), 2 * votes
        written = calls * answer if calls else 0.0
        return Estimate(rows, {self.params.judge: CallEstimate(calls, given, written)})

    @property
    def prompt_tokens(self) -> float:
        """Tokens of one request, estimated."""
        return self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS) + trace_tokens(self.tokens_of)

    def judges(self, have: Columns) -> Columns:
        """Self-check of a judge of traces: a question, and a reasoning or a response. Raises ColumnError."""
        have.require("question", "VARCHAR")
        if "reasoning" not in have and "response" not in have:
            raise ColumnError(f"needs a trace: 'reasoning', 'response' or both (have: {', '.join(have)})")
        self.prompt.require(have, *self.own)
        return have

    own: ClassVar[tuple[str, ...]] = ("problem", "reference", "trace")
    """Placeholders beside the columns; `material` fills them."""

    def material(self, row: Row) -> dict[str, str]:
        """What the judge is shown, fenced. Empty text for a reference that isn't there. Raises RowError."""
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", str(row["answer"])) if row.get("answer") else "",
            "trace": fenced("trace", trace_of(row)),
        }

    def check(self, values: Mapping[str, Any], row: Row) -> None:
        """What must hold between the values of one answer. Raises UnreadableError."""

    def questions(self, row: Row) -> Mapping[str, Asked]:
        """What is asked about this row."""
        return self.asked

    async def ask(self, row: Row, run: Run) -> Said:
        """The votes on a row, combined. Raises RowError `unparseable_judgement` where too few can be read, and
        TeacherError. Waits for all votes before it raises: what is in flight is paid for."""
        messages = self.prompt.render(row, **self.material(row))
        drawn: Sequence[dict[str, Any] | BaseException]
        if self.params.votes == 1:
            drawn = [await self._vote(row, messages, 0, run)]
        else:
            asked = (self._vote(row, messages, sample, run) for sample in range(self.params.votes))
            drawn = await asyncio.gather(*asked, return_exceptions=True)
        votes: list[dict[str, Any]] = []
        raw: list[str] = []
        for vote in drawn:
            if isinstance(vote, _Unread):
                raw.append(str(vote))
            elif isinstance(vote, BaseException):
                raise vote
            else:
                votes.append(vote)
        if len(votes) < self.params.needed:
            raise RowError("unparseable_judgement", "\n----\n".join(raw))
        settled = {name: asked.settle([vote[name] for vote in votes]) for name, asked in self.questions(row).items()}
        return Said(settled, len(votes), run.teacher(self.params.judge).model)

    async def _vote(self, row: Row, messages: tuple[Message, ...], sample: int, run: Run) -> dict[str, Any] | _Unread:
        """One vote, with one more try at an answer that can't be read."""
        judge, asked = run.teacher(self.params.judge), self.questions(row)
        draw = ":".join(part for part in ("judge", self.name, self.params.draw) if part)
        request = Request(messages, self.params.sampling, draw, sample, schema_of(asked))
        first = await judge.complete(request)
        try:
            return self._read(first, asked, row)
        except UnreadableError as error:
            words = REPAIR.get(self.params.language, REPAIR["en"]).format(why=error, keys=", ".join(asked))
            again = (*messages, Message("assistant", first.response), Message("user", words))
            second = await judge.complete(replace(request, messages=again))
        try:
            return self._read(second, asked, row)
        except UnreadableError as error:
            return _Unread(f"{error}\nfirst: {first.response}\nthen: {second.response}")

    def _read(self, answer: Completion, asked: Mapping[str, Asked], row: Row) -> dict[str, Any]:
        values = read(answer.response, asked, whole=answer.ending != "truncated")
        self.check(values, row)
        return values


class _Unread(Exception):
    """A vote that stayed unreadable; the message holds what the judge said."""


def fenced(kind: str, text: str) -> MarkedText:
    """The text as data, between marks. Those that are sent are keyed by a secret of this process and depend on the
    text: whoever wrote it can neither end its block nor write a block of its own. Those of the ledger are a plain hash,
    so that another run finds the answer again."""
    known = digest("fence", kind, text)[:12]
    keyed = hmac.digest(_KEY, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256").hex()[: len(known)]
    return MarkedText(_block(kind, known, text), _block(kind, keyed, text))


def _block(kind: str, mark: str, text: str) -> str:
    return f"<{kind} {mark}>\n{text}\n</{kind} {mark}>"


def trace_tokens(tokens_of: Callable[[str, float], float]) -> float:
    """Of reasoning and response; both come with the source, or a teacher is to write them."""
    return tokens_of("reasoning", 0) + tokens_of("response", 0) or TRACE_TOKENS


def trace_of(row: Row) -> str:
    """Reasoning and response of a row as one text. Raises RowError where both are missing."""
    parts: Sequence[str] = [str(row[name]).strip() for name in ("reasoning", "response") if row.get(name)]
    text = "\n\n".join(part for part in parts if part)
    if not text:
        raise RowError("no_trace", "reasoning and response are empty")
    return text


def required(row: Row, column: str) -> str:
    """The text in a column that the prompt can't do without. Raises RowError where it is null or empty."""
    if not row.get(column):
        raise RowError("null_in_prompt", f"column {column!r} is empty, and the judge needs it")
    return str(row[column])

"""Parameters of `generate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from dqdata.operator import Params, PromptFile, TeacherName
from dqdata.teacher import Sampling
from dqdata_operators.generate._efforts import EffortIn, EffortTable, merged

BOUNDS = ("tool_calls", "call_seconds", "trace_seconds")


class GenerateParams(Params):
    teacher: TeacherName | None = None
    """A `[teachers.NAME]` table; its model solves the problems."""
    teachers: tuple[TeacherName, ...] = ()
    """Instead of `teacher`: cheapest first."""
    n: int = Field(1, ge=1)
    """Samples of a problem, from each teacher that is called."""
    prompt: PromptFile | None = None
    """Instead of the built-in one; may name any column as a placeholder."""
    prompt_code: PromptFile | None = None
    """For rows whose `answer_type` is code, instead of `prompt`: the built-in one asks for a final answer in a box."""
    language: str = "en"
    """Of the built-in prompt: en or zh."""
    system: str | None = None
    """System message, instead of the prompt's own."""
    temperature: float | None = Field(None, ge=0)
    """The endpoint's own where not given."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Share of the likeliest tokens that are drawn from; the endpoint's own where not given."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest answer, thinking included; a budget needs it, or the teacher's `context_tokens`."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer."""
    seed: int | None = None
    """Sample i is requested with seed + i."""
    top_logprobs: int | None = Field(None, ge=1, le=20)
    """Keep so many of the likeliest tokens at each place, for `kind = "distill"` without the teacher's weights."""
    extra: Mapping[str, Any] = {}
    """Goes into the request body as it is."""
    draw: str = ""
    """Another word draws fresh samples, never those of an earlier run."""
    on_truncated: Literal["reject", "retry", "keep"] = "reject"
    """retry: once more, with `retry_max_tokens`."""
    retry_max_tokens: int | None = Field(None, ge=1)
    """Twice `max_tokens` where not given."""
    tools: tuple[Literal["python"], ...] = ()
    """Tools that the teacher may call. python: a session in the sandbox."""
    tool_calls: int = Field(8, ge=1)
    """Calls of one trace."""
    call_seconds: float = Field(10.0, gt=0)
    """Time of one call."""
    trace_seconds: float = Field(60.0, gt=0)
    """Time of all calls of a trace."""
    efforts: tuple[EffortTable, ...] = ()
    """Ways to ask, each n times: { effort, tools, max_tokens, temperature, extra }."""
    effort_in: EffortIn = "request"
    """Where an effort is stated. request: as `reasoning_effort` of the body. template: as the chat template's, in
    `chat_template_kwargs`."""
    accept: str | None = None
    """Operator that says whether a trace is correct, such as verify_math."""
    accept_params: Mapping[str, Any] = {}
    """Parameters of `accept`."""
    want: int = Field(1, ge=1)
    """Correct traces of a problem that are enough."""

    @model_validator(mode="after")
    def _consistent(self) -> GenerateParams:
        if self.efforts:
            self._check_efforts()
        if (self.teacher is None) == (not self.teachers):
            raise ValueError("give either `teacher` or `teachers`")
        if len(set(self.teachers)) < len(self.teachers):
            raise ValueError("`teachers` names one teacher twice; ask it for more samples with a larger `n`")
        if len(self.teachers) > 1 and self.accept is None:
            raise ValueError("several teachers need `accept`, the operator that says when a problem has enough traces")
        if self.accept is None and ("want" in self.model_fields_set or self.accept_params):
            raise ValueError("`want` and `accept_params` mean something only with `accept`")
        if self.n > 1 and self.temperature == 0:
            raise ValueError(f"n = {self.n} with temperature = 0 pays for {self.n} equal answers")
        if self.tools and self.on_truncated == "retry":
            raise ValueError("on_truncated = 'retry' means nothing with `tools`: raise `max_tokens`")
        if self.tools and self.top_logprobs:
            raise ValueError("`top_logprobs` are of one answer; with `tools` a trace has several")
        tooled = self.tools or any(one.tools for one in self.efforts)
        if not tooled and self.model_fields_set & set(BOUNDS):
            raise ValueError("`tool_calls`, `call_seconds` and `trace_seconds` mean something only with `tools`")
        if self.on_truncated == "retry" and self.max_tokens is None:
            raise ValueError("on_truncated = 'retry' needs `max_tokens`, or there is nothing to raise")
        if self.retry_max_tokens is not None:
            if self.on_truncated != "retry":
                raise ValueError("`retry_max_tokens` means something only with on_truncated = 'retry'")
            if self.retry_max_tokens <= (self.max_tokens or 0):
                raise ValueError("`retry_max_tokens` must be more than `max_tokens`")
        return self

    def _check_efforts(self) -> None:
        ways = [(one.effort, self.tools if one.tools is None else one.tools) for one in self.efforts]
        if len(set(ways)) < len(ways):
            raise ValueError("`efforts` has one effort twice with the same tools; raise `n` for more samples")
        said = self.model_dump(exclude={"efforts"}, exclude_unset=True)
        for one in self.efforts:  # each way must be one that the step could ask for alone
            changed = {**said, **self._changes(one)}
            bounds = () if changed.get("tools") else BOUNDS
            type(self)(**{name: value for name, value in changed.items() if name not in bounds})

    def _changes(self, one: EffortTable) -> dict[str, Any]:
        return one.changes() | {"extra": merged(self.extra, one.extra_of(self.effort_in))}

    @property
    def ways(self) -> tuple[tuple[str | None, GenerateParams], ...]:
        """The effort of each way to ask, and its parameters; without `efforts` the step's own alone."""
        if not self.efforts:
            return ((None, self),)
        return tuple((one.effort, self.model_copy(update=self._changes(one))) for one in self.efforts)

    def sampling(self, sample: int) -> Sampling:
        return Sampling(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=None if self.seed is None else self.seed + sample,
            stop=self.stop,
            top_logprobs=self.top_logprobs,
            extra=self.extra,
        )

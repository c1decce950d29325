"""The contract of a teacher, which answers requests. An endpoint, an engine in process, or a replay of stored answers.

    class Echo(Teacher[NoParams]):
        "Says what it was asked; for tests."
        provider = "echo"

        async def complete(self, request: Request) -> Completion:
            return Completion(response=request.messages[-1].content, finish_reason="stop", usage=Usage(1, 1))

A teacher answers one request at a time and knows nothing of ledgers, limits, budgets or retries: the engine puts those
in front. It raises TeacherError and says of each failure whether another try is worth it. Found by its entry point in
the group `dqdata.teachers`; the name is what `provider = "..."` says in TOML.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Protocol

from pydantic import Field

from dqdata.errors import DataError
from dqdata.finish_reasons import Meaning, meaning
from dqdata.ids import canonical, digest, json_string
from dqdata.params import NoParams, P, Params

if TYPE_CHECKING:
    from dqdata.models import ModelRef


class Message(NamedTuple):
    role: str
    content: str

    @property
    def more(self) -> Mapping[str, Any]:
        """What it has beside role and content."""
        return {}


class ToolMessage(Message):
    """A message with more than role and content.

    more: `tool_calls` of a turn of the assistant, {id, type, function: {name, arguments}} each, the arguments as JSON
    text; `tool_call_id` of a result; `reasoning_content`.
    """

    _more: Mapping[str, Any]

    def __new__(cls, role: str, content: str, more: Mapping[str, Any]) -> ToolMessage:
        made = super().__new__(cls, role, content)
        made._more = {name: value for name, value in more.items() if value is not None and value != []}
        return made

    @property
    def more(self) -> Mapping[str, Any]:
        return self._more


class MarkedText(str):
    """Text that is sent with other marks than it is known by.

    Its value is what keys and rows of the ledger hold, the same in every run. `sent` is what a teacher receives: the
    same text with marks that only this process can make (`fenced` of the operators).
    """

    sent: str

    def __new__(cls, known: str, sent: str) -> MarkedText:
        made = super().__new__(cls, known)
        made.sent = sent
        return made


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. None: the endpoint's own default. `extra` goes into the request body as it is."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("temperature", self.temperature), ("top_p", self.top_p)):
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")

    @property
    def text(self) -> str:
        """Every field, as `canonical` writes it."""
        fields = {name: getattr(self, name) for name in Sampling.__slots__}
        extra, *others = fields.pop("extra"), *fields.values()
        zero = self.temperature == 0 or self.top_p == 0  # 0.0 and -0.0 are equal, and their texts differ
        if extra or zero or not isinstance(self.stop, tuple):
            return canonical({**fields, "extra": extra})
        return _sampling_text(*others)


@lru_cache(maxsize=256, typed=True)  # typed: 1 and 1.0 are equal as well
def _sampling_text(*others: Any) -> str:
    return canonical(dict(zip(Sampling.__slots__, (*others, {}), strict=True)))


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to draw.

    sample: its index among the n of this request. draw: names a separate series of fresh samples, so that a judge's
    votes or a pass rate never reuse the samples under judgement. schema: JSON schema that the answer must satisfy.
    known: the messages that the ledger holds and the key is made of, where those to be sent differ (`outgoing`).
    tools: definitions of the tools that the answer may call, JSON text of a list; empty for none.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    draw: str = ""
    sample: int = 0
    schema: Mapping[str, Any] | None = None
    known: tuple[Message, ...] | None = None
    tools: str = ""
    _json_contents: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def json_contents(self) -> Sequence[str]:
        """The content of each message as a JSON string. Made once: key, body and ledger all hold it, and it is long."""
        if not self._json_contents:
            self._json_contents.extend(json_string(message.content) for message in self.messages)
        return self._json_contents

    @property
    def outgoing(self) -> Request:
        """The request as a teacher receives it: marked texts with the marks of this process, under the same key."""
        if not any(isinstance(message.content, MarkedText) for message in self.messages):
            return self
        sent = tuple(
            ToolMessage(message.role, text.sent if isinstance(text, MarkedText) else text, message.more)
            if (text := message.content) is not None and message.more
            else Message(message.role, text.sent)
            if isinstance(text, MarkedText)
            else message
            for message in self.messages
        )
        return replace(self, messages=sent, known=self.messages)

    def key(self, provider: str, model: str, revision: str) -> str:
        """Ledger key: everything that could change the answer, nothing that couldn't (name, URL, credentials)."""
        if self.known is not None:
            return replace(self, messages=self.known, known=None).key(provider, model, revision)
        texts = zip(self.messages, self.json_contents, strict=True)
        said = [
            f"[{json_string(message.role)},{text}{',' + canonical(message.more) if message.more else ''}]"
            for message, text in texts
        ]
        who = f"{json_string(provider)},{json_string(model)},{json_string(revision)}"
        schema = "null" if self.schema is None else canonical(self.schema)
        drawn = f"{json_string(self.draw)},{canonical(self.sample)},{schema}"
        tools = f",{json_string(self.tools)}" if self.tools else ""
        return digest("call", f"[{who},[{','.join(said)}],{self.sampling.text},{drawn}{tools}]")


class Usage(NamedTuple):
    """Tokens as the endpoint counted them. `output` includes reasoning; `cached` is the part of `input` that was read
    from a prefix cache. `estimated`: the endpoint counted nothing, these are guesses from the length of the texts."""

    input: int
    output: int
    cached: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `reasoning` is None where the model doesn't tell thinking apart; `ledger_key` is set by the ledger.

    finish_reason: "stop", "length", "content_filter", or another word of the endpoint; `dqdata.finish_reasons` gives
    its meaning. admitted: the teacher's table lists it among those of whole answers (`finished`). tool_calls: the calls
    that the answer makes, in the form of `ToolMessage`.
    """

    response: str
    finish_reason: str
    usage: Usage
    reasoning: str | None = None
    model: str = ""
    seconds: float = 0.0
    logprobs: tuple[Any, ...] | None = None
    ledger_key: str = ""
    cached: bool = False
    admitted: bool = False
    tool_calls: tuple[Mapping[str, Any], ...] = ()

    def stored_as(self, key: str) -> Completion:
        """The same answer under its ledger key."""
        return Completion(
            *(self.response, self.finish_reason, self.usage, self.reasoning, self.model, self.seconds, self.logprobs),
            *(key, self.cached, self.admitted, self.tool_calls),
        )

    @property
    def ending(self) -> Meaning:
        """What the finish reason means."""
        return "finished" if self.admitted else meaning(self.finish_reason)


class Price(Params):
    """USD per million tokens: `input` and, of a teacher that writes, `output`. `cached_input` is what the provider
    takes for tokens read from its prefix cache."""

    input: float = Field(0.0, ge=0)
    output: float = Field(0.0, ge=0)
    cached_input: float | None = Field(None, ge=0)

    def cost(self, usage: Usage) -> float:
        """USD of one call."""
        cached = self.input if self.cached_input is None else self.cached_input
        return ((usage.input - usage.cached) * self.input + usage.cached * cached + usage.output * self.output) / 1e6


class Limits(Params):
    """What every `[teachers.NAME]` table may say beside its provider's own keys; shared by all steps that use it."""

    concurrency: int = Field(8, ge=1)
    """Calls in flight at most."""
    requests_per_minute: float | None = Field(None, gt=0)
    """Calls that begin within any minute, at most."""
    tokens_per_minute: float | None = Field(None, gt=0)
    """Tokens of prompts and answers within any minute, at most."""
    price: Price | None = None
    """USD per million tokens. Without it a model on this machine costs 0, and what any other costs is unknown."""
    timeout: float = Field(3600.0, gt=0)
    """Seconds for one attempt; reasoning models may think for most of an hour."""
    max_attempts: int = Field(8, ge=1)
    """Tries of one request before its row fails as retryable."""
    patience: float = Field(900.0, ge=0)
    """Seconds to wait for an endpoint that can't be reached at all, before the run stops (it can be resumed)."""


def reward_model(name: str, scores: Sequence[str]) -> DataError:
    """What to say where a reward model is taken for one that writes."""
    return DataError(
        f"{name} is a reward model: it gives {', '.join(scores)} and writes no text. A teacher with "
        'provider = "reward_model" calls it, as the `model` of a step `score`'
    )


class ModelServer(Protocol):
    """A server that a teacher starts on one machine, for teachers of the same table in processes of any machine."""

    @property
    def gpus(self) -> int:
        """GPUs of one machine that it takes."""

    async def start(self, host: str) -> Mapping[str, Any]:
        """Starts on this address of this machine: the parameters with which those teachers reach it. The teacher's
        `close` ends it. Raises TeacherError."""

    async def failed(self) -> None:
        """Waits as long as it works, and raises TeacherError when it has failed."""


class Teacher(ABC, Generic[P]):
    """Answers requests. `params` come from the `[teachers.NAME]` table, less the keys that every teacher has."""

    provider: ClassVar[str]
    Params: ClassVar[type[Params]] = NoParams
    free: ClassVar[bool] = False
    """Whether a call costs nothing unless the table has a price: the model runs here, or the answer is recorded."""
    embeds: ClassVar[bool] = False
    """Whether its answers are vectors of the last message's text: base64 of float32, little-endian."""
    usual_limits: ClassVar[Mapping[str, Any]] = {}
    """Fields of Limits that this kind of teacher needs otherwise than most; what the user writes goes before them."""

    trained: ModelRef | None = None
    """The model made here that it answers with, where its table says `trained:NAME`; its parameter is the folder then.
    None for any other."""

    def __init__(self, params: P) -> None:
        self.params = params

    def limits(self, given: Limits) -> Limits:
        """The limits that hold: as given, and the usual ones of this kind of teacher where nothing was given."""
        usual = {name: value for name, value in self.usual_limits.items() if name not in given.model_fields_set}
        if self.free and given.price is None:
            usual["price"] = Price()
        return given.model_copy(update=usual)

    @property
    def model(self) -> str:
        """Model name as plans and rows show it."""
        return self.trained.trained if self.trained else str(getattr(self.params, "model", ""))

    @property
    def keyed_model(self) -> str:
        """Model name as it enters the ledger key and the fingerprint. For a model made here that is always the same
        word: `revision` is the hash of its weights, and what they are called or where they lie changes no answer."""
        return "trained" if self.trained else self.model

    @property
    def revision(self) -> str:
        """What else distinguishes two models of one name: a commit, or the hash of a file or folder."""
        return str(getattr(self.params, "revision", "") or "")

    @property
    def context_tokens(self) -> int | None:
        """Tokens that prompt and answer may have together: bounds an answer whose request has no max_tokens."""
        value: int | None = getattr(self.params, "context_tokens", None)
        return value

    def present(self, completion: Completion) -> Completion:
        """A stored answer as this teacher's table reads it today: thinking separated by its tags, `finished` applied.
        What was wrong there when the answer was paid for need not be paid for again."""
        return completion

    @property
    def identity(self) -> list[str]:
        """What of this teacher makes the rows of a step: who answers, and how an answer is read."""
        return [self.provider, self.keyed_model, self.revision]

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores that its answers are, as a JSON object; empty for a teacher that writes."""
        return ()

    @property
    def does(self) -> Literal["write", "score", "embed"]:
        """What its answers are: text, a JSON object of `scores`, or vectors."""
        if self.embeds:
            return "embed"
        return "score" if self.scores else "write"

    def key(self, request: Request) -> str:
        return request.key(self.provider, self.keyed_model, self.revision)

    def requires(self) -> tuple[str, ...]:
        """Distributions that it needs with these parameters beside those of dqdata: names as pip takes them, or
        `dqdata[EXTRA]`. `check` and `run` report those that are not installed before the first call."""
        return ()

    def model_server(self) -> ModelServer | None:
        """The server of its model that the machines of a cluster share; None where each process that asks has what it
        needs."""
        return None

    def check(self) -> None:
        """Raises InputError for what can be known to be wrong before the first request; called when planning."""
        if self.trained is not None and self.trained.scores and not self.scores:
            raise reward_model(self.trained.trained, self.trained.scores)

    def remember_in(self, ledger: Any) -> None:
        """The `dqdata.ledger.Ledger` of this run, before anything else: for a teacher whose work outlives the run."""

    async def start(self) -> None:
        """Before the first request: load a model, open connections. Called once, only when a call is really needed."""

    @abstractmethod
    async def complete(self, request: Request) -> Completion:
        """One answer. Raises TeacherError."""

    def ending(self) -> None:
        """No request will follow. A teacher whose answers can be fetched by a later run stops waiting for them, by
        raising a retryable error from `complete`; others let calls in flight end."""

    async def close(self) -> None:
        """After the last request. Called also when start failed or was never called."""

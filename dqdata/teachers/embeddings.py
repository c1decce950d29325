"""An endpoint that embeds texts: `POST BASE_URL/embeddings` of OpenAI, vLLM, SGLang, text-embeddings-inference.

    [teachers.bge]
    provider = "openai_embeddings"
    base_url = "http://127.0.0.1:8000/v1"
    model = "BAAI/bge-m3"

    [[pipelines.clean.steps]]
    op = "dedup"
    column = "question"
    method = "semantic"
    embedding = "teacher:bge"

A request is one text, so ledger, budget and limits hold for each; requests that wait at the same moment travel in one
HTTP call. An answer is the vector as base64 of float32, little-endian, as the endpoint gave it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dqdata.errors import TeacherError
from dqdata.ids import canonical, digest
from dqdata.masking import masker
from dqdata.teacher import Completion, Request, Teacher, Usage
from dqdata.teachers import chat
from dqdata.teachers.endpoint import AddressParams, HttpEndpoint
from dqdata.teachers.error_bodies import is_error
from dqdata.teachers.kept_vectors import FILE, KeptVectors
from dqdata.teachers.refusals import refusal
from dqdata.teachers.usage import counted

WAIT = 0.005
"""Seconds that a text waits for others to travel with."""
MOST_BYTES = 256 << 20
"""Bytes of one HTTP answer."""

Vectors = npt.NDArray[np.float32]


class EmbeddingParams(AddressParams):
    model: str = Field(min_length=1)
    """As the endpoint calls it."""
    revision: str = ""
    """Distinguishes two models of one name: a release date, a commit. Part of the ledger key."""
    dimensions: int | None = Field(None, ge=1)
    """Length of a vector, for models that can give shorter ones."""
    batch_size: int = Field(128, ge=1)
    """Texts of one HTTP call."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Goes into every HTTP call as it is."""


class OpenAIEmbeddings(Teacher[EmbeddingParams]):
    """Embeds texts through an endpoint in the form of OpenAI."""

    provider = "openai_embeddings"
    Params = EmbeddingParams
    embeds: ClassVar[bool] = True
    usual_limits: ClassVar[Mapping[str, Any]] = {"concurrency": 1024}

    def __init__(self, params: EmbeddingParams) -> None:
        super().__init__(params)
        self._endpoint = HttpEndpoint(params, "/embeddings")
        self._waiting: list[tuple[str, asyncio.Future[tuple[str, Usage]]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._packed = True
        self._beside: Path | None = None
        self._kept: KeptVectors | None = None

    @property
    def revision(self) -> str:
        changes = {"dimensions": self.params.dimensions, **self.params.extra_body}
        more = digest("extra_body", canonical(changes))[:12] if any(v is not None for v in changes.values()) else ""
        return "+".join(part for part in (self.params.revision, more) if part)

    @property
    def context_tokens(self) -> int:
        """It writes nothing, so no budget need reserve room for an answer."""
        return 0

    def remember_in(self, ledger: Any) -> None:
        self._beside = ledger.place if isinstance(ledger.place, Path) else None

    async def start(self) -> None:
        await self._endpoint.start()
        kept = self._beside.with_name(FILE) if self._beside else None
        if kept is not None and kept.is_file() and not self.revision:
            self._kept = KeptVectors(kept, f"{self.params.base_url}#{self.params.model}")

    async def close(self) -> None:
        await asyncio.gather(*self._calls)
        await self._endpoint.close()
        if self._kept is not None:
            self._kept.close()

    async def complete(self, request: Request) -> Completion:
        began, text = time.monotonic(), request.messages[-1].content
        if self._kept is not None and (paid := self._kept.get(text)) is not None:
            return Completion(paid, "stop", Usage(0, 0), model=self.model)
        answer: asyncio.Future[tuple[str, Usage]] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, answer))
        if len(self._waiting) >= self.params.batch_size:
            self._send()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT, self._send)
        vector, usage = await answer
        return Completion(vector, "stop", usage, model=self.model, seconds=time.monotonic() - began)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wanted = [(text, answer) for text, answer in self._waiting if not answer.done()]
        self._waiting = []
        if wanted:
            call = asyncio.ensure_future(self._answer(wanted))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _answer(self, asked: Sequence[tuple[str, asyncio.Future[tuple[str, Usage]]]]) -> None:
        """Resolves every future. Of texts that are refused together each half is asked again, so that one text that the
        model doesn't read fails alone."""
        try:
            answers = await self._embedded([text for text, _ in asked])
        except TeacherError as error:
            if error.kind == "row" and len(asked) > 1:
                middle = len(asked) // 2
                await self._answer(asked[:middle])
                await self._answer(asked[middle:])
                return
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _embedded(self, texts: Sequence[str]) -> list[tuple[str, Usage]]:
        """Each text's vector and its share of the tokens. Raises TeacherError."""
        try:
            data = await self._post(texts)
        except TeacherError as error:
            if not self._packed or "encoding_format" not in str(error):
                raise
            self._packed = False  # this endpoint knows lists of numbers alone
            data = await self._post(texts)
        try:
            vectors = vectors_in(data, len(texts))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise chat.malformed(f"{self._endpoint.where} gave no vector for each text: {error}") from None
        usage = counted(data.get("usage"))
        shares = shared(usage.input, [len(text) for text in texts]) if usage else [len(t) // 4 + 1 for t in texts]
        return [
            (base64.b64encode(vector.tobytes()).decode("ascii"), Usage(share, 0, estimated=usage is None))
            for vector, share in zip(vectors, shares, strict=True)
        ]

    async def _post(self, texts: Sequence[str]) -> Any:
        body: dict[str, Any] = {"model": self.params.model, "input": list(texts), **self.params.extra_body}
        if self.params.dimensions is not None:
            body["dimensions"] = self.params.dimensions
        if self._packed:
            body["encoding_format"] = "base64"
        sent = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        raw, headers = await self._endpoint.post(sent, MOST_BYTES)
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            raise chat.malformed(f"no JSON: {masker.hide_body(raw)[:300]}" if raw else "nothing in it") from None
        if is_error(data):
            raise refusal(200, raw, headers, self._endpoint.where)
        return data


def vectors_in(data: Any, count: int) -> Vectors:
    """The vectors of an answer by the texts' places, shape (count, dimensions). Raises ValueError where one is missing,
    of another length or no numbers, and TypeError, KeyError or AttributeError for what is no answer at all."""
    ordered = sorted(data["data"], key=lambda one: int(one["index"]))
    if [one["index"] for one in ordered] != list(range(count)):
        raise ValueError(f"{count} texts, and vectors {[one['index'] for one in ordered][:5]} ...")
    made = [_vector(one["embedding"]) for one in ordered]
    if len({one.shape for one in made}) > 1 or not all(one.ndim == 1 and len(one) for one in made):
        raise ValueError("vectors of several lengths")
    vectors: Vectors = np.stack(made)
    if not np.isfinite(vectors).all():
        raise ValueError("values that are no numbers")
    return vectors


def _vector(said: Any) -> Vectors:
    if isinstance(said, str):
        return np.frombuffer(base64.b64decode(said, validate=True), "<f4")
    return np.array(said, "<f4")


def shared(total: int, sizes: Sequence[int]) -> list[int]:
    """A count divided in proportion to sizes, in whole numbers that add up to it.

    >>> shared(10, [1, 1, 1])
    [3, 3, 4]
    """
    ends = list(accumulate(size + 1 for size in sizes))
    marks = [total * end // ends[-1] for end in ends]
    return [end - start for start, end in zip([0, *marks[:-1]], marks, strict=True)]

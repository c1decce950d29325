"""OpenAI-compatible endpoints: OpenAI, DeepSeek, vLLM, SGLang, llama.cpp, PAI-EAS and others.

    [teachers.r1]
    provider = "openai"
    base_url = "https://api.deepseek.com/v1"
    model = "deepseek-reasoner"
    api_key = { env = "R1_API_KEY" }

HTTP is in `endpoint`; the client of the `openai` package serves where calls are few and large: `openai_batch`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from dqdata.errors import TeacherError
from dqdata.masking import masker
from dqdata.teacher import Completion, Request, Teacher
from dqdata.teachers import chat
from dqdata.teachers.endpoint import AddressParams, HttpEndpoint
from dqdata.teachers.error_bodies import is_error
from dqdata.teachers.error_bodies import read as read_error
from dqdata.teachers.refusals import refusal
from dqdata.teachers.stream import Assembly, events, is_stream

MOST_BYTES, MOST_LOGPROB_BYTES = 64 << 20, 256 << 20
"""Bytes of one answer that are read, and of one with `top_logprobs`. `chat.MOST_CHARS` bounds its text."""


class EndpointParams(chat.ChatParams, AddressParams):
    """A chat endpoint in this format."""


class OpenAI(Teacher[EndpointParams]):
    """Asks an OpenAI-compatible endpoint for chat completions."""

    provider = "openai"
    Params = EndpointParams

    def __init__(self, params: EndpointParams) -> None:
        super().__init__(params)
        self._endpoint = HttpEndpoint(params, "/chat/completions")
        self._instruct = params.structured == "instruction"

    @property
    def revision(self) -> str:
        return self.params.full_revision

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    async def start(self) -> None:
        await self._endpoint.start()

    async def close(self) -> None:
        await self._endpoint.close()

    async def complete(self, request: Request) -> Completion:
        began = time.monotonic()
        instruct = self._instruct and request.schema is not None
        most = MOST_BYTES if request.sampling.top_logprobs is None else MOST_LOGPROB_BYTES
        try:
            data = await self._post(chat.encoded(request, self.params, instruct=instruct), most)
        except TeacherError as error:
            if not _schema_refused(error, request) or instruct or self.params.structured != "auto":
                raise
            self._instruct = True  # this endpoint knows no schemas: ask in words from now on
            data = await self._post(chat.encoded(request, self.params, instruct=True), most)
        return chat.completion(data, request, self.params, time.monotonic() - began)

    async def _post(self, body: bytes, most: int) -> Any:
        """The parsed answer, of `most` bytes or fewer. Raises TeacherError."""
        raw, headers = await self._endpoint.post(body, most)
        return answer_in(raw, headers, self._endpoint.where)


def answer_in(raw: bytes, headers: Mapping[str, str], where: str) -> Any:
    """The answer in a body of status 200, streamed or whole. Raises TeacherError where it is none: some gateways put
    every error inside a 200, and proxies send pages of their own."""
    if is_stream(raw, headers.get("Content-Type", "")):
        return _streamed(raw, headers, where)
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        text = read_error(masker.hide_body(raw)).message[:300]
        raise chat.malformed(f"no JSON: {text}" if text else "nothing in it") from None
    if is_error(data):
        raise refusal(200, raw, headers, where)
    choices = data.get("choices") if isinstance(data, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict) and choice.get("error"):  # OpenRouter: the model's own host failed midway
        raise _midway(choice["error"], headers, where)
    return data


def _streamed(raw: bytes, headers: Mapping[str, str], where: str) -> Any:
    whole = Assembly()
    try:
        for event in events(raw):
            whole.add(event)
            if whole.error is not None:
                raise _midway(whole.error, headers, where, begun=whole.begun)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise chat.malformed(f"an event of its stream is no chunk of an answer ({type(error).__name__})") from None
    if whole.finish_reason is None and b"[DONE]" not in raw[-64:]:
        raise TeacherError(
            f"{where}: the stream ended before the answer did", kind="retryable", reason="cut", usage_unknown=True
        )
    return whole.data()


def _midway(said: Any, headers: Mapping[str, str], where: str, *, begun: bool = True) -> TeacherError:
    """An error after a part of the answer, which may have been charged for."""
    error = refusal(200, json.dumps({"error": said}).encode(), headers, where)
    error.usage_unknown = begun
    return error


def _schema_refused(error: TeacherError, request: Request) -> bool:
    said = str(error).lower()
    about = any(word in said for word in ("response_format", "json_schema", "guided", "structured"))
    return request.schema is not None and error.kind == "row" and about

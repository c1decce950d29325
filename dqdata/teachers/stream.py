"""Assembles the pieces of a streamed answer into one response.

whole = Assembly()
for chunk in events(raw): whole.add(chunk)
chat.completion(whole.data(), request, params)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def is_stream(raw: bytes, content_type: str) -> bool:
    """Whether a body is a stream of server-sent events."""
    return content_type.startswith("text/event-stream") or raw[:64].lstrip().startswith((b"data:", b"event:", b": "))


def events(raw: bytes) -> Iterator[Any]:
    """The JSON values of a stream of server-sent events, up to its end or `[DONE]`, comments left out. Raises
    ValueError where the data of an event is no JSON, or the stream ends within one."""
    data: list[bytes] = []
    for line in raw.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif not line.strip() and data:
            text, data = b"\n".join(data), []
            if text == b"[DONE]":
                return
            if text:
                yield json.loads(text)
    text = b"\n".join(data)
    if text and text != b"[DONE]":
        yield json.loads(text)


class Assembly:
    """Collects chunks of one answer (`n` = 1). error: what a chunk says that is an error, as it came."""

    def __init__(self) -> None:
        self.error: Any = None
        self.finish_reason: str | None = None
        self.begun = False
        self._texts: dict[str, list[str]] = {}
        self._parts: list[Any] = []
        self._logprobs: list[Any] = []
        self._usage: Any = None
        self._model = ""

    def add(self, chunk: Any) -> None:
        """Raises KeyError, TypeError or AttributeError where the chunk isn't one."""
        if chunk.get("error") or chunk.get("object") == "error" or chunk.get("type") == "error":
            self.error = chunk.get("error") or chunk
            return
        self._usage = chunk.get("usage") or self._usage
        self._model = chunk.get("model") or self._model
        for choice in (chunk.get("choices") or ())[:1]:
            if choice.get("error"):
                self.error = choice["error"]
                return
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            self._usage = choice.get("usage") or self._usage
            delta = choice.get("delta") or choice.get("message") or {}
            for name in ("content", "reasoning_content", "reasoning", "thinking", "refusal"):
                if not (text := delta.get(name)):
                    continue
                self.begun = True
                if isinstance(text, list):
                    self._parts += text
                else:
                    self._texts.setdefault(name, []).append(text)
            self._logprobs += (choice.get("logprobs") or {}).get("content") or ()

    def data(self) -> dict[str, Any]:
        """The answer in one piece. Without a finish_reason the stream broke off."""
        message: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if self._parts:
            message["content"] = [*self._parts, message.get("content", "")]
        choice: dict[str, Any] = {"message": message, "finish_reason": self.finish_reason}
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        return {"model": self._model, "choices": [choice], "usage": self._usage}

"""Puts the pieces of a streamed answer together, into what the endpoint would have said in one piece.

whole = Assembly()
for chunk in chunks: whole.add(chunk)
chat.completion(whole.data(), request, params)
"""

from __future__ import annotations

from typing import Any


class Assembly:
    """Collects chunks of one answer (`n` = 1)."""

    def __init__(self) -> None:
        self.error: Any = None
        self.finish_reason: str | None = None
        self._texts: dict[str, list[str]] = {}
        self._logprobs: list[Any] = []
        self._usage: Any = None
        self._model = ""

    def add(self, chunk: Any) -> None:
        """Raises KeyError, TypeError or AttributeError where the chunk isn't one."""
        if chunk.get("error"):
            self.error = chunk["error"]
            return
        self._usage = chunk.get("usage") or self._usage
        self._model = chunk.get("model") or self._model
        for choice in (chunk.get("choices") or ())[:1]:
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            delta = choice.get("delta") or {}
            for name in ("content", "reasoning_content", "reasoning", "refusal"):
                if delta.get(name):
                    self._texts.setdefault(name, []).append(delta[name])
            self._logprobs += (choice.get("logprobs") or {}).get("content") or ()

    def data(self) -> dict[str, Any]:
        """The answer in one piece. Without a finish_reason the stream broke off."""
        message = {name: "".join(pieces) for name, pieces in self._texts.items()}
        choice: dict[str, Any] = {"message": message, "finish_reason": self.finish_reason}
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        return {"model": self._model, "choices": [choice], "usage": self._usage}

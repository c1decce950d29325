"""Reads the charged tokens from the `usage` of a response in each vendor's form.

    >>> counted({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 114})
    Usage(input=9, output=105, cached=0, estimated=False)

`total_tokens` above prompt and completion are reasoning tokens: some endpoints count them there alone (xAI, Gemini).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqdata.teacher import Request, Usage

_PLAIN = {"prompt_tokens", "completion_tokens", "total_tokens"}
_INPUT = ("prompt_tokens", "input_tokens", "prompt_token_count", "promptTokenCount")
_OUTPUT = ("completion_tokens", "output_tokens", "candidates_token_count", "candidatesTokenCount")
_TOTAL = ("total_tokens", "total_token_count", "totalTokenCount")
_THOUGHTS = ("thoughts_token_count", "thoughtsTokenCount")
"""Google counts thoughts apart from the answer."""
_CACHED = ("prompt_cache_hit_tokens", "cached_tokens", "cached_content_token_count", "cachedContentTokenCount")
_REASONING = ("reasoning_tokens", "thinking_tokens", "thoughts_tokens")


def usage_of(said: Any, request: Request, text: str) -> Usage:
    """Tokens as counted, or a guess of four characters each where nothing was."""
    if (usage := counted(said)) is not None:
        return usage
    asked = sum(len(message.content) // 4 + 4 for message in request.messages)
    return Usage(asked, max(1, len(text) // 4), 0, True)


def counted(said: Any) -> Usage | None:
    """Tokens of a `usage` object; None where it holds no count."""
    if not isinstance(said, dict):
        return None
    if said.keys() == _PLAIN:
        prompt, answer, total = said["prompt_tokens"], said["completion_tokens"], said["total_tokens"]
        if type(prompt) is int and type(answer) is int and total == prompt + answer and prompt > 0 <= answer:
            return Usage(prompt, answer)
    prompt, answer, total = _first(said, _INPUT), _first(said, _OUTPUT), _first(said, _TOTAL)
    if not prompt:  # nothing was counted: no prompt has no tokens
        return None
    cached = _first(_details(said, "prompt_tokens_details", "input_tokens_details"), ("cached_tokens",))
    cached = _first(said, _CACHED) if cached is None else cached
    if cached is None and (read := _count(said.get("cache_read_input_tokens"))) is not None:
        # Anthropic counts what it read from and wrote to its cache apart from the other input.
        written = _count(said.get("cache_creation_input_tokens")) or 0
        prompt, cached = (prompt + read + written, read) if "input_tokens" in said else (prompt, read)
    reasoning = _first(_details(said, "completion_tokens_details", "output_tokens_details"), _REASONING)
    reasoning = (_first(said, _REASONING) if reasoning is None else reasoning) or 0
    answer = (answer or 0) + (_first(said, _THOUGHTS) or 0)
    if total is not None:
        answer = max(answer, total - prompt)
    if answer < reasoning:  # then the reasoning isn't part of it
        answer += reasoning
    return Usage(prompt, answer, min(cached or 0, prompt))


def _details(said: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        if isinstance(said.get(name), Mapping):
            found: Mapping[str, Any] = said[name]
            return found
    return {}


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := _count(said.get(name))) is not None), None)


def _count(value: Any) -> int | None:
    """A number of tokens; gateways write some as text or with a decimal point."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if 0 <= number < 1e15 else None

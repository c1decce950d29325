"""Tokens as vendors count them."""

from __future__ import annotations

from typing import Any

import pytest

from dqdata.teachers.usage import counted


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # Google's own names: thoughts are counted apart, and in the total
        ({"prompt_token_count": 10, "candidates_token_count": 500, "thoughts_token_count": 300}, (10, 800, 0)),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 50, "totalTokenCount": 65}
            | {"cachedContentTokenCount": 4},
            (10, 55, 4),
        ),
        # OpenAI, DeepSeek: reasoning is part of the completion
        (
            {"prompt_tokens": 9, "completion_tokens": 105, "total_tokens": 114}
            | {"completion_tokens_details": {"reasoning_tokens": 100}},
            (9, 105, 0),
        ),
        # xAI, Gemini: it is in the total alone
        (
            {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 114}
            | {"completion_tokens_details": {"reasoning_tokens": 100}},
            (9, 105, 0),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 114}, (9, 105, 0)),
        ({"prompt_tokens": 9, "total_tokens": 114}, (9, 105, 0)),
        # reasoning beside the completion, without a total
        ({"prompt_tokens": 9, "completion_tokens": 5, "reasoning_tokens": 100}, (9, 105, 0)),
        # a total that counts less than its parts changes nothing
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 5}, (9, 5, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": None}, (9, 5, 0)),
        # caches: OpenAI, DeepSeek, Moonshot, Anthropic
        ({"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}, (9, 5, 8)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 8}, (9, 5, 8)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "cached_tokens": 800}, (9, 5, 9)),
        (
            {"input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 1},
            (90, 5, 80),
        ),
        # numbers as gateways write them
        ({"prompt_tokens": "9", "completion_tokens": 5.0, "total_tokens": "114"}, (9, 105, 0)),
        ({"prompt_tokens": 9, "completion_tokens": -1, "total_tokens": float("inf")}, (9, 0, 0)),
    ],
)
def test_what_is_charged_is_counted(said: dict[str, Any], expected: tuple[int, int, int]) -> None:
    usage = counted(said)
    assert usage is not None and usage[:3] == expected and not usage.estimated


@pytest.mark.parametrize(
    "said", [None, [], {}, "9", {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": True}]
)
def test_no_count_is_no_count(said: Any) -> None:
    assert counted(said) is None

"""Hides keys in what a teacher raised or answered, before anyone stores or shows it.

>>> hidden(TeacherError("401: wrong key sk-secret")).args
('401: wrong key ***',)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from dqdata.errors import DqdataError
from dqdata.masking import masker
from dqdata.teacher import Completion

E = TypeVar("E", bound=DqdataError)


def hidden(error: E) -> E:
    """The error without secrets, whatever teacher raised it."""
    error.args = tuple(masker.hide(part) if isinstance(part, str) else part for part in error.args)
    return error


def without_secrets(completion: Completion) -> Completion:
    """The answer as it may be stored and read. Tokens with their probabilities would spell out what was hidden in the
    text."""
    reasoning = completion.reasoning
    before = (completion.response, reasoning or "", completion.finish_reason, completion.model)
    masked = tuple(map(masker.hide_answer, before))
    if masked == before:
        return completion
    response, thinking, finish_reason, model = masked
    return replace(
        completion,
        response=response,
        reasoning=None if reasoning is None else thinking,
        finish_reason=finish_reason,
        model=model,
        logprobs=None,
    )

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
    masked = replace(
        completion,
        response=masker.hide_answer(completion.response),
        reasoning=None if reasoning is None else masker.hide_answer(reasoning),
        finish_reason=masker.hide_answer(completion.finish_reason),
        model=masker.hide_answer(completion.model),
    )
    return completion if masked == completion else replace(masked, logprobs=None)

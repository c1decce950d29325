"""The meaning of `finish_reason` values, which differ between vendors.

    >>> meaning("STOP"), meaning("max_tokens"), meaning("insufficient_system_resource"), meaning("tool_calls")
    ('finished', 'truncated', 'interrupted', 'other')

Only a word that is known to mean a whole answer is "finished". A word that nobody listed is "other", never good.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, TypeAlias

Meaning: TypeAlias = Literal["finished", "truncated", "withheld", "refused", "interrupted", "other"]

FINISHED: Final = frozenset(
    (
        "stop eos eos_token end_turn end_of_turn end_of_text endoftext stop_sequence stop_token stop_word "
        "complete completed finished normal "
    ).split()
)
"""The model ended by itself, or at a stop text of the request."""
TRUNCATED: Final = frozenset(
    (
        "length max_tokens max_output_tokens max_new_tokens max_length max_len max_completion_tokens "
        "model_length token_limit limit model_context_window_exceeded context_length_exceeded "
    ).split()
)
"""The answer reached a limit of tokens."""
WITHHELD: Final = frozenset(
    (
        "content_filter content_filtered safety recitation blocklist prohibited_content spii sensitive "
        "guardrail_intervened image_safety error_toxic data_inspection_failed moderation language "
    ).split()
)
"""The endpoint holds the answer, or the rest of it, back."""
REFUSED: Final = frozenset(("refusal", "refused"))
"""The model declines, and the endpoint reports that apart from the text."""
INTERRUPTED: Final = frozenset(
    (
        "error abort aborted cancel cancelled canceled user_cancel network network_error timeout time_limit "
        "insufficient_system_resource insufficient_resources server_error internal_error "
        "internal_server_error overloaded overloaded_error unavailable service_unavailable interrupted "
        "not_finished preempted shutdown malformed_response rate_limit engine_error connection_error "
    ).split()
)
"""Something failed at the endpoint and may work the next time: such an answer is retried and never stored."""


@lru_cache(maxsize=256)
def meaning(finish_reason: str, finished: tuple[str, ...] = ()) -> Meaning:
    """What the word means. finished: further words that the teacher's table declares to mean a whole answer; they take
    precedence over what is known of a word."""
    word = normal(finish_reason)
    if word in FINISHED or any(word == normal(one) for one in finished):
        return "finished"
    if word in TRUNCATED:
        return "truncated"
    if word in WITHHELD:
        return "withheld"
    if word in REFUSED:
        return "refused"
    return "interrupted" if word in INTERRUPTED else "other"


def normal(finish_reason: str) -> str:
    """The word in lower case with underscores and without an enumeration's name: `FinishReason.MAX_TOKENS` is
    `max_tokens`."""
    word = finish_reason.strip().lower().replace("-", "_").replace(" ", "_")
    return word.removeprefix("finishreason.").removeprefix("finish_reason_").removeprefix("reason_")

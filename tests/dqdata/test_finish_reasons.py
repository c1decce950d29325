"""What the words of each vendor mean."""

from __future__ import annotations

import pytest

from dqdata.finish_reasons import meaning


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("stop", "finished"),
        ("STOP", "finished"),
        ("end_turn", "finished"),
        ("eos_token", "finished"),
        ("COMPLETE", "finished"),
        ("FinishReason.STOP", "finished"),
        ("MAX_TOKENS", "truncated"),
        ("model_length", "truncated"),
        ("model_context_window_exceeded", "truncated"),
        ("SAFETY", "withheld"),
        ("sensitive", "withheld"),
        ("guardrail_intervened", "withheld"),
        ("refusal", "refused"),
        ("insufficient_system_resource", "interrupted"),
        ("network_error", "interrupted"),
        ("abort", "interrupted"),
        ("ERROR", "interrupted"),
        ("tool_calls", "other"),
        ("pause_turn", "other"),
        ("OTHER", "other"),
        ("FINISH_REASON_UNSPECIFIED", "other"),
        ("unknown", "other"),
        ("null", "other"),
        ("", "other"),
    ],
)
def test_a_word_that_nobody_listed_is_never_good(word: str, expected: str) -> None:
    assert meaning(word) == expected


def test_the_teachers_table_takes_precedence() -> None:
    assert meaning("eod", ("EOD",)) == "finished"
    assert meaning("abort", ("abort",)) == "finished"
    assert meaning("length", ("eod",)) == "truncated"

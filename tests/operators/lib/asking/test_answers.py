"""Answers that aren't whole: each kind recognised, sound answers left alone."""

from __future__ import annotations

import random

import polars as pl
import pytest
from dqdata_operators.lib.asking.answers import flaw, is_refusal, loop

from dqdata.teacher import Completion, Usage


def reason(response: str, finish: str = "stop", reasoning: str | None = None) -> str | None:
    found = flaw(Completion(response, finish, Usage(5, 7), reasoning))
    return found and found.reason


PARAGRAPH = "Let me reconsider the equation once more, since I may have dropped a sign somewhere along the way.\n"


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (None, ("It is 4.",)),
        (None, ("It is 4.", "stop", "2 and 2")),
        (None, ("It is 4.", "eos")),
        ("truncated", ("It is", "length")),
        ("truncated", ("", "max_tokens", "2 and 2 and")),
        ("empty", ("",)),
        ("empty", (" \n",)),
        ("empty", ("", "stop", "2 and 2 make 4")),
        ("content_filter", ("It is", "content_filter")),
        ("broken_off", ("It is", "abort")),
        ("refused", ("No.", "refusal")),
        ("refused", ("I'm sorry, but I can't help with that.",)),
        ("refused", ("I am really sorry, but I cannot assist with this request.",)),
        ("refused", ("As an AI language model, I cannot do mathematics.",)),
        ("refused", ("抱歉，我无法回答这个问题。",)),
        ("repeated", ("So x = 1. " * 40, "length")),
        ("repeated", ("Start. " + PARAGRAPH * 3, "length")),
        ("repeated", ("", "length", "wait, " * 60)),
        ("repeated", ("等等，再检查一下。" * 30,)),
    ],
)
def test_each_kind(expected, answer):
    assert reason(*answer) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The sum is 4.\n" + "-" * 80,
        "1/3 = 0." + "3" * 60,
        "I can't simplify this further, so x = 7.",
        "I cannot see a shortcut, so let me count: 1, 2, 3. The answer is 3.",
        "Sorry, I made a mistake above. The answer is 12.",
        "I'm sorry for the confusion. " + "We compute the sum step by step. " * 2 + "The answer is 5.",
        "Row: " + "0 1 " * 20 + "and so the determinant is 1.",
        "\n".join(f"{n} * {n} = {n * n}" for n in range(60)),
    ],
)
def test_sound_answers_are_left_alone(text):
    assert reason(text) is None


def test_a_loop_says_what_and_how_often():
    unit, times = loop("Well. " + "ab cd ef " * 50)
    assert len(unit) == 9 and times == 50
    assert flaw(Completion("x " * 300, "length", Usage(5, 7))).detail == "ends in 299 times ' x'"


@pytest.mark.parametrize("period", [1, 3, 17, 59, 60, 200, 900])
def test_loops_of_every_period(period):
    unit = "".join(random.Random(period).choices("abcdefghij ", k=period - 1)) + "."
    times = 6 if period >= 60 else 300 // period + 6
    assert loop("A beginning that isn't part of it: " + unit * times) is not None
    if period >= 60:
        assert loop("A beginning: " + unit * 2) is None


def test_a_long_answer_that_opens_with_regret_is_no_refusal():
    assert not is_refusal("I'm sorry, but I can't help noticing an error. " + "Then we add the two numbers up. " * 30)


def test_real_reasoning_is_not_flagged(shared_data):
    traces = pl.read_parquet(shared_data / "mip_gsm8k_reasoning.parquet")
    flagged = [
        found.reason
        for response, reasoning in traces.select("response", "thinking").iter_rows()
        if (found := flaw(Completion(response or "", "stop", Usage(1, 1), reasoning))) and found.reason != "empty"
    ]
    assert len(flagged) / len(traces) < 0.005, flagged

"""Scores and their statistics: against hand counts, closed forms and simulation."""

from __future__ import annotations

import io
import json
import math
import random
from itertools import combinations, product

import pytest

from dqdata.models import Rules, Text
from dqdata.statistics import Spread, clustered, paired, pass_at, same_answer, voted, wilson
from dqdata.training.answer import _Answers
from dqdata.training.score import Answered, Score


def answered(question: int, sample: int, said: str | None, correct: bool | None) -> Answered:
    return Answered(question, sample, correct, said, 10 + sample, 0.5, said is None, said is not None, sample > 0)


def test_wilson() -> None:
    low, high = wilson(56, 60)
    assert (round(low, 3), round(high, 3)) == (0.841, 0.974)
    assert wilson(0, 0) == (0.0, 1.0)


def test_one_sample_is_wilsons_interval_and_equal_samples_add_nothing() -> None:
    assert clustered([1] * 7 + [0] * 53, 1) == pytest.approx(wilson(7, 60))
    assert clustered([8] * 7 + [0] * 53, 8) == pytest.approx(wilson(7, 60), abs=2e-3), "eight copies are one answer"
    low, high = clustered([4] * 60, 8)
    assert high - low == pytest.approx(wilson(30, 60).high - wilson(30, 60).low), "never narrower than by questions"


def test_the_interval_holds_what_it_promises() -> None:
    """Questions of different difficulty, four samples each: near 95% of intervals hold the true mean."""
    draw, held, truth = random.Random(5), 0, 0.5
    for _ in range(400):
        shares = [draw.random() for _ in range(60)]
        low, high = clustered([sum(draw.random() < share for _ in range(4)) for share in shares], 4)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.985


def test_the_paired_test_is_mcnemars_for_one_sample() -> None:
    assert paired([True, False], [True, False]) == 1.0
    assert paired([True] * 6, [False] * 6) == 0.03125
    assert paired([True] * 8 + [False] * 2, [False] * 8 + [True] * 2) == pytest.approx(0.109375)


def test_the_paired_test_counts_every_flip() -> None:
    ours, theirs = [4, 2, 3, 0, 4, 1], [1, 2, 0, 1, 2, 0]
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    flips = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=6)]
    assert paired(ours, theirs) == pytest.approx(sum(flip >= abs(sum(differences)) for flip in flips) / len(flips))


def test_votes() -> None:
    assert voted(["4", "5", "4.0", None], [True, False, True, None]) == 1.0
    assert voted(["5", "5.0", "4"], [False, False, True]) == 0.0
    assert voted(["5", "4"], [False, True]) == 0.5, "a tie is worth its chance"
    assert voted([None, None], [None, None]) == 0.0
    assert same_answer("$1,000$") == same_answer("1000.0") != same_answer("100")


def test_pass_at_k_is_the_share_of_draws_with_a_right_answer() -> None:
    for samples, right, k in ((4, 1, 2), (5, 2, 3), (6, 0, 4), (6, 6, 1), (8, 3, 8)):
        answers = [True] * right + [False] * (samples - right)
        draws = list(combinations(answers, k))
        assert pass_at(k, [right], samples) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_at(2, [4, 0], 4) == 0.5


def test_spreads() -> None:
    assert Spread.of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) == pytest.approx((6, 2, 6, 10, 10.9))
    assert Spread.of([7]) == (7, 7, 7, 7, 7) and all(map(math.isnan, Spread.of([])))


def test_a_score_by_hand() -> None:
    answers = [
        answered(0, 0, "4", True), answered(0, 1, "5", False), answered(0, 2, "4", True),
        answered(1, 0, "7", False), answered(1, 1, None, None), answered(1, 2, "7", False),
        answered(2, 0, "1", True), answered(2, 1, "2", False), answered(2, 2, "3", False),
    ]  # fmt: skip
    scored = Score(tuple(answers), samples=3, votes=True)
    assert (scored.total, scored.correct, scored.unverifiable, scored.unfinished) == (3, 3, 1, 1)
    assert scored.accuracy == pytest.approx(3 / 9) and scored.format_rate == pytest.approx(8 / 9)
    assert scored.majority == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert scored.pass_at == pytest.approx({2: (1 + 0 + 2 / 3) / 3, 3: 2 / 3})
    assert scored.think_rate == pytest.approx(6 / 9) and scored.tokens.mean == 11 and scored.tokens.p50 == 11
    hard = scored.by([1, 10, 2])
    assert list(hard) == ["1", "2", "10"] and hard["1"].accuracy == pytest.approx(2 / 3)
    assert "majority" not in Score(tuple(answers[:1])).as_json()


def test_the_time_of_a_batch_is_shared_out_among_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two texts end after 6 s, a third, taken with them, after 10 s; a fourth begins at 6 s and ends with the third."""
    now = [100.0]
    monkeypatch.setattr("dqdata.training.answer.time.monotonic", lambda: now[0])
    rules = Rules(8, 0.0, 1.0, 0, 0)
    texts = {Text(f"question {number}", rules): (number, 0) for number in range(4)}
    written = io.StringIO()
    answers = _Answers(texts, [{} for _ in texts], written, 4, lambda done, total: None)
    now[0] += 3  # before anything is taken
    begun = list(answers.take(3, wait=False) or ())
    now[0] += 6
    for text in begun[:2]:
        answers.done(text)
    begun += answers.take(3, wait=False) or ()
    now[0] += 4
    for text in begun[2:]:
        answers.done(text)
    seconds = [json.loads(line)["seconds"] for line in written.getvalue().splitlines()]
    assert seconds == [2, 2, 4, 2] and sum(seconds) == 10

"""The cosine length reward: short where right, long where wrong, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._rewards import Rewards, RewardTable, as_row

from dqdata.errors import InputError
from dqdata.testing import OperatorRun


def scored(tmp_path: Path, answers: list[tuple[str, int, bool]], **table: Any) -> list[float | None]:
    """The cosine rewards of (text, tokens, ended) whose right answer is 4."""
    tables = [RewardTable(op="verify_math"), RewardTable(shape="cosine", hard=100, **table)]
    rewards = Rewards(tables, None, OperatorRun(tmp_path), lambda _: {}, eos=2)
    return rewards.score([as_row({"answer": "4"}, [], *answer[:2], finished=answer[2]) for answer in answers])[1]


def test_short_where_right_and_long_where_wrong(tmp_path: Path) -> None:
    right, wrong = "The answer is 4.", "The answer is 5."
    answers = [(right, 0, True), (right, 50, True), (right, 100, True), (wrong, 0, True), (wrong, 50, True)]
    answers += [(wrong, 100, True), (right, 100, False), (wrong, 40, False), (right, 25, True)]
    expected = [2.0, 1.5, 1.0, -10.0, -5.0, 0.0, -10.0, -5 * (1 + math.cos(0.4 * math.pi))]
    expected.append(1 + 0.5 * (1 + math.cos(math.pi / 4)))
    assert scored(tmp_path, answers) == pytest.approx(expected)
    few = scored(tmp_path, answers[:4], right=(1.0, 0.5), wrong=(-1.0, -0.5), exceeded=-2.0)
    assert few == pytest.approx([1.0, 0.75, 0.5, -1.0])


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shape = 'cosine' needs `hard`"):
        RewardTable(shape="cosine")
    with pytest.raises(ValueError, match="`right` has no meaning without shape = 'cosine'"):
        RewardTable(shape="length", hard=10, right=(1.0, 0.0))
    with pytest.raises(InputError, match="so does shape = 'cosine'"):
        Rewards([RewardTable(shape="cosine", hard=10)], None, OperatorRun(tmp_path), lambda _: {}, eos=2)

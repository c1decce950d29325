"""Problems of reasoning-gym as a source."""

from __future__ import annotations

import sys

import pytest

from dqdata.columns import columns_of
from dqdata.errors import DataError, PluginError
from dqdata.sources.gym import Gym, GymParams


def rows(**params):
    source = Gym(GymParams(**params), None)
    promised = source.schema()
    batches = list(source.batches())
    assert all(columns_of(batch.schema) == promised for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def test_tasks_take_turns_and_a_seed_repeats():
    pytest.importorskip("reasoning_gym")
    made = rows(tasks=["leg_counting", "word_sorting"], size=7, seed=3)
    assert [row["source"].split("/")[1] for row in made] == ["leg_counting", "word_sorting"] * 3 + ["leg_counting"]
    assert {(row["answer_type"], row["domain"]) for row in made} == {("math", "math"), ("text", "algorithmic")}
    assert made == rows(tasks=["leg_counting", "word_sorting"], size=7, seed=3)
    assert made != rows(tasks=["leg_counting", "word_sorting"], size=7, seed=4)


def test_no_question_comes_twice_and_too_many_is_an_error():
    pytest.importorskip("reasoning_gym")
    small = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1, "operators": ["+"]}
    small |= {"allow_negation": False, "format_style": "simple"}
    made = rows(tasks="basic_arithmetic", size=30, config={"basic_arithmetic": small})
    assert len({row["question"] for row in made}) == 30
    with pytest.raises(DataError, match=r"'basic_arithmetic' has no more than \d+ different questions"):
        rows(tasks="basic_arithmetic", size=2000, config={"basic_arithmetic": small})


def test_wrong_tasks_and_configs():
    pytest.importorskip("reasoning_gym")
    with pytest.raises(DataError, match="no task 'leg_count'; did you mean 'leg_counting'"):
        rows(tasks="leg_count")
    with pytest.raises(DataError, match=r"'leg_counting' of reasoning-gym refuses its config: .*'legs'"):
        rows(tasks="leg_counting", config={"leg_counting": {"legs": 3}})
    with pytest.raises(DataError, match=r"config of task 'leg_countin'.*; did you mean 'leg_counting'"):
        rows(tasks="leg_counting", config={"leg_countin": {}})
    with pytest.raises(DataError, match="'rush_hour' has no reference answers"):
        rows(tasks="rush_hour", size=3)


def test_the_fingerprint_follows_the_parameters():
    pytest.importorskip("reasoning_gym")
    of = lambda **params: Gym(GymParams(tasks="leg_counting", **params), None).fingerprint()  # noqa: E731
    assert of() == of()
    assert len({of(), of(seed=1), of(size=7)}) == 3


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(PluginError, match=r"pip install 'dqdata\[gym\]'"):
        rows(tasks="leg_counting")

"""verify_instructions as a step, as a reward and in `dqdata eval`: verdicts, strict and loose, faulty arguments."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._rewards import Rewards, RewardTable

from dqdata.errors import ColumnError
from dqdata.testing import OperatorRun, run_operator

NO_COMMA, WORDS, QUOTED = "punctuation:no_comma", "length_constraints:number_words", "startend:quotation"
LONG = {"num_words": 3, "relation": "at least", "keywords": None}
EMPTY = dict.fromkeys(LONG)


def judged(rows: list[dict[str, Any]], **params: Any) -> list[dict[str, Any]]:
    tried = run_operator("verify_instructions", rows, params=params)
    assert not tried.rejects
    return sorted(tried.rows, key=lambda row: int(row["problem_id"]))


def row(response: str | None, *asked: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "instruction_id_list": [name for name, _ in asked],
        "kwargs": [given for _, given in asked],
        "response": response,
    }


def test_verdicts() -> None:
    """Structs with the arguments of every kind, as published tables have them."""
    rows = judged(
        [
            row("One two three", (NO_COMMA, EMPTY), (WORDS, LONG)),
            row("One, two three", (NO_COMMA, EMPTY), (WORDS, LONG)),
            row("<think>Well, so, then.</think>One two three", (NO_COMMA, EMPTY), (WORDS, LONG)),
            row("One two three", (NO_COMMA, EMPTY), (WORDS, EMPTY)),
            row("One, two", (NO_COMMA, EMPTY), (WORDS, EMPTY)),
            row("One two", ("punctuation:no_dash", EMPTY)),
            row(None, (NO_COMMA, EMPTY)),
            row("One two"),
            {**row("One two", (NO_COMMA, EMPTY)), "kwargs": []},
        ]
    )  # fmt: skip
    assert [one["verdict"] for one in rows] == [
        "correct", "incorrect", "correct", "unverifiable", "incorrect", "unverifiable", "incorrect", "unverifiable",
        "unverifiable",
    ]  # fmt: skip
    assert [one["correct"] for one in rows] == [True, False, True, None, False, None, False, None, None]
    assert [one["followed"] for one in rows] == [
        [True, True], [False, True], [True, True], [True, None], [False, None], [None], [False], None, None,
    ]  # fmt: skip
    assert [one["instructions_share"] for one in rows] == [1.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0, None, None]
    assert [one["verdict_reason"] for one in rows[:4]] == [
        "followed",
        f"not_followed: {NO_COMMA}",
        "followed",
        f"unchecked: {WORDS}: num_words is missing",
    ]
    assert "no kind 'punctuation:no_dash'" in rows[5]["verdict_reason"]
    assert rows[7]["verdict_reason"] == "instructions_unreadable: instruction_id_list is empty"


def test_loose_forgives_a_greeting_and_asterisks() -> None:
    rows = [row('Sure!\n"So it is."', (QUOTED, {})), row('*"So."*', (QUOTED, {})), row("So.", (QUOTED, {}))]
    rows = [{**one, "kwargs": json.dumps(one["kwargs"])} for one in rows]
    strict, loose = judged(rows), judged(rows, mode="loose")
    assert [one["correct"] for one in strict] == [False] * 3 and [one["correct"] for one in loose] == [
        True,
        True,
        False,
    ]
    for one, other in zip(strict, loose, strict=True):
        assert one["followed_loose"] == other["followed_loose"] == [other["correct"]]


def test_columns_that_are_missing_or_of_another_type() -> None:
    for change, says in (
        ({"kwargs": 3}, "is BIGINT, not a list of structs"),
        ({"instruction_id_list": 1}, "'instruction_id_list' as VARCHAR or VARCHAR\\[\\]"),
        ({"response": 1}, "'response' as VARCHAR"),
    ):
        with pytest.raises(ColumnError, match=says):
            run_operator("verify_instructions", [{**row("So.", (QUOTED, {"a": 1})), **change}])


def test_as_a_reward(tmp_path: Path) -> None:
    """The share of constraints that hold, gated by all of them."""
    tables = [
        RewardTable(op="verify_instructions"),
        RewardTable(op="verify_instructions", column="instructions_share", name="share"),
        RewardTable(shape="length", hard=10, gated=True),
    ]
    source = row("", (NO_COMMA, EMPTY), (WORDS, LONG))
    rewards = Rewards(tables, None, OperatorRun(tmp_path), lambda _: source, eos=2)
    completions = ["One two three", "One, two three", "<think>a, b, c, d</think>One, two"]
    called = {"prompts": [[]] * 3, "completions": completions, "completion_ids": [[5, 2]] * 3, "dqdata_row": [0, 1, 2]}
    assert [function(**called) for function in rewards.functions()] == [[1, 0, 0], [1, 0.5, 0], [0.8, 0, 0]]


SCRIPT = """
[[rules]]
match = "red"
answers = ["The sky is red today"]
[[rules]]
answers = ["Sure, it is:\\n\\"Blue, so\\""]
"""
PROJECT = """
[teachers.model]
provider = "scripted"
model = "m"
script = "answers.toml"

[pipelines.prompts]
from = { source = "files", path = "prompts.jsonl", columns = { question = "prompt" } }

[evaluations.strict]
data = "prompts"
verify = "verify_instructions"

[evaluations.loose]
data = "prompts"
verify = "verify_instructions"
verify_params = { mode = "loose" }
"""


def test_in_eval(tmp_path: Path, command_line: Callable[..., Any]) -> None:
    """The published layout from a file: prompts with instruction_id_list and kwargs, and no reference answer."""
    words = {"num_words": 3, "relation": "at least"}
    prompts = [
        {"key": 1, "prompt": "Say red.", "instruction_id_list": [NO_COMMA, WORDS], "kwargs": [{}, words]},
        {"key": 2, "prompt": "Say blue.", "instruction_id_list": [QUOTED], "kwargs": [{}]},
        {"key": 3, "prompt": "Say green.", "instruction_id_list": [NO_COMMA], "kwargs": [{}]},
    ]  # fmt: skip
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in prompts))
    (tmp_path / "answers.toml").write_text(SCRIPT)
    (tmp_path / "pipelines.toml").write_text(PROJECT)
    project = ("-p", str(tmp_path / "pipelines.toml"))
    assert command_line("run", "prompts", "-q", *project).code == 0
    found = []
    for mode in ("strict", "loose"):
        done = command_line("eval", "teacher:model", "--on", mode, "--json", "-q", *project)
        assert done.code == 0, done.error
        [model] = json.loads(done.out)["models"]
        found.append((model["correct"], model["total"]))
    assert found == [(1, 3), (2, 3)]

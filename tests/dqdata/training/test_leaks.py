"""The leak check: problems of reward-model training in RL or evaluation data, by id and by wording."""

from __future__ import annotations

import json

import polars as pl

from dqdata.columns import columns_of
from dqdata.project.tables import read_project
from dqdata.training.leaks import Side, find_leaks, measured, rewarded

PIPELINES = """
[trainers.rm]
kind = "reward"
model = "m"
data = { train = "pairs", eval = "select * from heldout" }

[trainers.policy]
kind = "grpo"
model = "m"
data = "select * from rl@1"

[trainers.student]
kind = "sft"
model = "m"
data = { train = "rl", test = "unmade" }
"""
LONG = "A farmer has {} hens and each of them lays four eggs every day of the week except on Sunday. How many eggs?"


def commit(store, tmp_path, name, frame):
    path = tmp_path / f"{name}.parquet"
    frame.write_parquet(path)
    columns = columns_of(frame.to_arrow().schema)
    store.commit(name, rows=[path], rejects=[], columns=columns, fingerprint=name, recipe={}, run_id="r")


def filled(store, tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": LONG.format("seven brown")}]
    commit(store, tmp_path, "pairs", pl.DataFrame({"problem_id": ["a", "b"], "pair_id": ["x", "y"], "prompt": [
        chat, [{"role": "user", "content": "What is the derivative of the sine at zero?"}]]}))  # fmt: skip
    rl = {
        "problem_id": ["c", "b", "d"],
        "question": [LONG.format("seven brown") + " Why?", "Other words.", "Name a prime."],
    }
    commit(store, tmp_path, "rl", pl.DataFrame(rl))
    commit(store, tmp_path, "heldout", pl.DataFrame({"problem_id": ["z"], "question": ["How tall is the tower?"]}))
    (tmp_path / "pipelines.toml").write_text(PIPELINES)
    return read_project(tmp_path / "pipelines.toml")


def test_shared_problems_are_listed(store, tmp_path):
    found = find_leaks(filled(store, tmp_path), store)
    assert {(leak.left, leak.right, leak.left_problem, leak.right_problem) for leak in found.leaks} == {
        ("rm (reward) train", "policy (grpo) train", "a", "c"),
        ("rm (reward) train", "policy (grpo) train", "b", "b"),
    }
    assert len(found.checked) == 4 and found.unchecked[0].startswith("student (sft) test: ")


def test_check_says_so(store, tmp_path, command_line):
    filled(store, tmp_path)
    store.close()
    result = command_line("check", "--leaks", "--json", "-p", tmp_path / "pipelines.toml")
    said = json.loads(result.out)
    assert result.code == 1 and len(said["leaks"]) == 2 and not said["ok"]


def test_which_sides_must_share_nothing():
    reward, rl, sft = (Side(kind, kind, "train", "") for kind in ("reward_rv", "grpo", "sft"))
    evaluation = Side("sft", "sft", "eval", "")
    assert rewarded(reward, rl) and not rewarded(rl, reward) and not rewarded(sft, rl)
    assert measured(sft, evaluation) and measured(rl, evaluation) and not measured(evaluation, sft)
    assert not rewarded(reward, evaluation) and not measured(reward, rl)


EVALUATED = """
[trainers.student]
kind = "sft"
model = "m"
data = "rl"
evaluate = { data = "exam@latest", max_new_tokens = 8 }

[trainers.other]
kind = "sft"
model = "m"
data = "plain"
evaluate = { data = "select * from exam where problem_id <> 'e2'" }

[trainers.lost]
kind = "sft"
model = "m"
data = "plain"
evaluate = { data = "unmade" }
"""


def test_evaluate_tables_are_sides(store, tmp_path):
    """By id and by wording, from every trainer's data; a question with another number is another problem."""
    filled(store, tmp_path)
    exam = {
        "problem_id": ["e1", "d", "e2", "e3"],
        "question": [
            "Well: " + LONG.format("seven brown"),
            "Name the largest prime.",
            LONG.format("seven brown"),
            LONG.format("9"),
        ],
    }
    commit(store, tmp_path, "exam", pl.DataFrame(exam))
    plain = {"problem_id": ["p1", "p2"], "question": [LONG.format("11"), LONG.format("seven brown") + " Say."]}
    commit(store, tmp_path, "plain", pl.DataFrame(plain))
    (tmp_path / "pipelines.toml").write_text(EVALUATED)
    found = find_leaks(read_project(tmp_path / "pipelines.toml"), store)
    listed = {(leak.left, leak.right) for leak in found.leaks}
    students = {(left, right) for left in ("student (sft) train", "other (sft) train", "lost (sft) train")
                for right in ("student (sft) evaluate", "other (sft) evaluate")}  # fmt: skip
    assert listed == students
    by_id = [leak for leak in found.leaks if leak.left_problem == leak.right_problem == "d"]
    assert {leak.right for leak in by_id} == {"student (sft) evaluate", "other (sft) evaluate"}
    assert not any("p1" in (leak.left_problem, leak.right_problem) for leak in found.leaks)
    assert [side.partition(":")[0] for side in found.unchecked] == ["lost (sft) evaluate"]


def test_check_lists_leaks_of_an_evaluate_table(store, tmp_path, command_line):
    filled(store, tmp_path)
    (tmp_path / "pipelines.toml").write_text(
        "[trainers.student]\nkind = 'sft'\nmodel = 'm'\ndata = 'rl'\nevaluate = { data = 'pairs' }\n"
    )
    store.close()
    result = command_line("check", "--leaks", "--json", "-p", tmp_path / "pipelines.toml")
    said = json.loads(result.out)
    assert result.code == 1 and "student (sft) evaluate" in said["leaks_checked"]
    assert {(leak["left_problem"], leak["right_problem"]) for leak in said["leaks"]} == {("b", "b"), ("c", "a")}

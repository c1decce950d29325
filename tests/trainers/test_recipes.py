"""The four series of pipelines.toml, from problems to trained and measured students: `dqdata build`, profile tiny.

The teachers answer from a script and the student is two layers wide, so that a recipe that no longer fits the
operators, the trainers or the sources fails here and not in somebody's night.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dqdata.catalog import Store
from dqdata.project.tables import read_project
from dqdata.training.build import build

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = ("slow_sft_2", "adaptive_x_sft", "adaptive_y_sft", "reward_grpo")
REST = ("slow_cogpo", "reward_style")


@pytest.fixture
def recipes(tmp_path: Path, tiny: Path) -> Path:
    """The repository's own pipelines.toml, with this student in the place of the embedded model."""
    for name in ("prompts", "examples/tiny"):
        shutil.copytree(ROOT / name, tmp_path / name)
    text = (ROOT / "pipelines.toml").read_text(encoding="utf-8")
    (tmp_path / "pipelines.toml").write_text(text.replace('= "smollm2-135m"', f'= "{tiny}"'), encoding="utf-8")
    return tmp_path / "pipelines.toml"


@pytest.mark.parametrize(
    "names", [SMALLEST, pytest.param(SMALLEST + REST, marks=[pytest.mark.slow, pytest.mark.long])], ids=len
)
def test_every_series_ends_in_a_student(recipes: Path, names: tuple[str, ...]) -> None:
    project = read_project(recipes, "tiny")
    with Store.open(project.store) as store:
        reports = {node.name: node for node in build(project, names, store, report=lambda node: None)}
        assert all(reports[name].made == f"trained:{name}@1" for name in names)
        measured = {name for name, node in reports.items() if node.accuracy is not None}
        assert measured == {"slow_sft_1", *names} - {"reward_style"}
        again = build(project, names, store, report=lambda node: None)
    assert not any(node.built for node in again)

"""The four series of pipelines.toml, from problems to trained and measured students: `dqdata build`, profile tiny.

The teacher is a script on loopback and the student two layers wide, so that a recipe that no longer fits the operators,
the trainers or the sources fails here and not in somebody's night.
"""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from loopback import Loopback

from dqdata.catalog import Store
from dqdata.project.tables import read_project
from dqdata.training.build import build

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = ("slow_sft_2", "adaptive_x_sft", "adaptive_y_sft", "reward_grpo")
REST = ("slow_cogpo", "reward_style")


class Teacher:
    """Solves problems whose answers it knows, two times of three; grades, criticises and rewrites plausibly."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self._count = itertools.count()

    def __call__(self, body: dict[str, Any]) -> str | dict[str, str]:
        text = "\n".join(str(message["content"]) for message in body["messages"])
        asked = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
        drawn = crc32(text.encode())
        if "fit" in asked:
            return f'{{"fit": "{("easy", "medium", "hard")[drawn % 3]}"}}'
        if "rv" in asked:
            return f'{{"rv": {drawn % 9}, "cd": {drawn // 9 % 6}}}'
        if "first_wrong_step" in asked:
            return f'{{"first_wrong_step": {("null", "1")[drawn % 4 == 0]}, "leads_to_answer": true}}'
        question, answer = next(known for known in self.answers.items() if known[0] in text)
        steps = [f"The question is: {question}", "I look at both numbers.", "Then I combine them.", f"It is {answer}."]
        if "Extend it" in text:
            return "\n\n".join([*steps[:-1], "I check each digit of it again with care.", f"The answer is {answer}."])
        if "Simplify it" in text:
            return "\n\n".join([steps[0], f"The answer is {answer}."])
        number = next(self._count)
        said = answer if number % 3 else str(int(answer) + 1)
        steps[-1] = f"It is {said}, which I have worked out {number} times."
        return {"content": f"<think>\n{chr(10).join(steps)}\n</think>\n\nThe answer is {said}."}


@pytest.fixture
def recipes(tmp_path: Path, tiny: Path, loopback: Loopback) -> Path:
    """The repository's own pipelines.toml, with this teacher and student in the place of the embedded model."""
    text = (ROOT / "pipelines.toml").read_text(encoding="utf-8")
    text, replaced = re.subn(
        r"\[teachers\.embedded\]\n(?:[^\n\[]+\n)+",
        f'[teachers.embedded]\nprovider = "openai"\nbase_url = "{loopback.url}"\nmodel = "m"\n',
        text,
    )
    assert replaced == 1
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    (tmp_path / "pipelines.toml").write_text(text.replace('= "smollm2-135m"', f'= "{tiny}"'), encoding="utf-8")
    return tmp_path / "pipelines.toml"


@pytest.mark.parametrize("names", [SMALLEST, pytest.param(SMALLEST + REST, marks=pytest.mark.slow)], ids=len)
def test_every_series_ends_in_a_student(recipes: Path, loopback: Loopback, names: tuple[str, ...]) -> None:
    project = read_project(recipes, "tiny")
    loopback.answer = teacher = Teacher()
    with Store.open(project.store_path) as store:
        build(project, ["problems"], store, report=lambda node: None)
        rows = store.query("select question, answer from problems").read_all().to_pylist()
        teacher.answers = {row["question"]: row["answer"] for row in rows}

        told = {node.name: node for node in build(project, names, store, report=lambda node: None)}
        assert all(told[name].made == f"trained:{name}@1" for name in names)
        measured = {name for name, node in told.items() if node.accuracy is not None}
        assert measured == set(names) & {*SMALLEST, "slow_cogpo"}
        again = build(project, names, store, report=lambda node: None)
    assert not any(node.built for node in again)

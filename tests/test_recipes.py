"""The recipes of the repository's own project: every pipeline in profile tiny, with a scripted endpoint as teacher."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.project.graph import build_order
from dqdata.project.tables import read_project
from dqdata.training.leaks import find_leaks
from tests.loopback import Loopback
from tests.test_quickstart import EMBEDDED, ROOT


def solver(body: dict[str, Any], draws: dict[str, int]) -> str:
    """Every second trace of a problem is right; a judge gives the values that its JSON schema allows."""
    text = body["messages"][-1]["content"]
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return json.dumps(
            {
                name: what["enum"][0] if "enum" in what else 4 if what["type"] != "string" else "plain"
                for name, what in schema["properties"].items()
            }
        )
    sums = re.findall(r"(\d+) ([+-]) (\d+)", text)
    if not sums:
        return "I would say 1000000."
    left, sign, right = sums[0]
    draw = draws[text] = draws.get(text, -1) + 1
    right_answer = int(left) + int(sign + right)
    return f"<think>{left} {sign} {right}, draw {draw}</think>It is {right_answer + 1000 * (draw % 2)}."


@pytest.mark.slow
def test_no_problem_is_on_two_sides_of_a_line(tmp_path: Path, loopback: Loopback) -> None:
    draws: dict[str, int] = {}
    loopback.answer = lambda body: solver(body, draws)
    text = (ROOT / "pipelines.toml").read_text(encoding="utf-8")
    endpoint = f'provider = "openai"\nbase_url = "{loopback.url}"\nmodel = "m"\n'
    text, replaced = EMBEDDED.subn(endpoint, text)
    assert replaced == 1
    (tmp_path / "pipelines.toml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    project = read_project(tmp_path / "pipelines.toml", "tiny")
    rows = {}
    with Store.open(project.store_path) as store:
        for name in build_order(project):
            if name in project.pipelines:
                rows[name] = run_pipeline(project, name, store).rows_out
        found = find_leaks(project, store)
    assert [str(leak) for leak in found.leaks] == []
    assert found.unchecked == []
    assert rows["slow_pairs"] > 0 and rows["reward_graded"] > 0 and rows["adaptive_y"] > 0

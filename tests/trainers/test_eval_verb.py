"""`dqdata eval`: models side by side, answers kept, unknown models and columns refused before any answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.catalog import Store

from .conftest import additions
from .test_train_verb import committed

Run = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    committed(tmp_path / "catalogs", "sums", additions(6), tmp_path)
    path = tmp_path / "pipelines.toml"
    path.write_text("")
    return path


@pytest.fixture
def run(project: Path, command_line: Callable[..., Any]) -> Run:
    """Runs `dqdata eval ARGUMENTS`, and returns what it prints; its error where `code` is not 0."""

    def invoke(*arguments: str, code: int = 0) -> str:
        done = command_line("eval", *arguments, "-q", "-p", project)
        assert done.code == code, done
        return str(done.error if code else done.out)

    return invoke


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trained:nobody", "--data", "sums"), "no model 'nobody' was trained here"),
        (("teacher:nobody", "--data", "sums"), "no teacher 'nobody'"),
        (("x/y", "--data", "select question from sums"), "needs column 'answer'"),
        (("x/y", "--data", "nowhere"), "nowhere"),
        (("x/y", "--data", "sums", "--verify", "verify_txt"), "no operator 'verify_txt'; did you mean 'verify_text'"),
    ],
)
def test_wrong_input_is_refused_before_any_answer(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in run(*arguments, code=2)


def test_models_side_by_side_and_samples_beside_those_that_are_there(project: Path, run: Run, tiny: Path) -> None:
    few = ("--temperature", "0.8", "--limit", "4", "--max-new-tokens", "6", "--data", "sums", "--json")
    copy = shutil.copytree(tiny, project.parent / "copy")
    told = json.loads(run(str(tiny), str(copy), *few))["models"]
    assert [one["total"] for one in told] == [4, 4] and told[0]["correct"] == told[1]["correct"]
    assert told[0]["p_value"] is None and told[1]["p_value"] == 1.0

    with Store.open(project.parent / "catalogs") as store:
        [answers] = (store.work / "eval").glob("*/answers.jsonl")
    first = answers.read_text().splitlines()
    answers.write_text("\n".join(first[:3]) + "\n" + first[3][:20])
    [told] = json.loads(run(str(tiny), *few, "--samples", "3", "--by", "answer"))["models"]
    lines = answers.read_text().splitlines()
    assert lines[:3] == first[:3], "what was answered isn't answered again"
    drawn = {(line["index"], line["sample"]): line["text"] for line in map(json.loads, lines)}
    assert len(lines) == len(drawn) == 12 and len(set(drawn.values())) > 4, "samples of one question differ"

    assert (told["total"], told["samples"], told["correct"]) == (4, 3, 0)
    assert told["majority"] == 0.0 and told["truncation_rate"] + told["format_rate"] <= 1.0
    assert 0 < told["tokens"] <= 6 and told["seconds"] > 0
    assert list(told["by"]["answer"]) == ["0", "2", "4", "6"]
    assert all(part["total"] == 1 for part in told["by"]["answer"].values())


def test_a_teacher_is_asked_for_each_sample(project: Path, run: Run, loopback: Loopback) -> None:
    project.write_text(
        f'''
        [teachers.far]
        provider = "openai"
        base_url = "{loopback.url}"
        model = "far-1"
        '''
    )
    arguments = ("teacher:far", "--data", "sums", "--samples", "2", "--limit", "3", "--json")
    [told] = json.loads(run(*arguments))["models"]
    assert (told["total"], told["samples"]) == (3, 2)
    assert len(loopback.asked) == 6
    run(*arguments)
    assert len(loopback.asked) == 6, "what was answered isn't asked again"


def test_samples_at_temperature_zero_and_an_unknown_column_are_refused(run: Run) -> None:
    assert "temperature" in run("x/y", "--data", "sums", "--samples", "2", "--temperature", "0", code=2)
    assert re.search("eval --by.*'answr'", run("x/y", "--data", "sums", "--by", "answr", code=2))

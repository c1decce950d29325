"""`dqdata eval`: models side by side, answers kept, unknown models and columns refused before any answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dqdata.catalog import Store
from dqdata.cli.eval import command
from dqdata.training.exact_match import paired

from .conftest import additions
from .test_train_verb import committed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    committed(tmp_path / "catalogs", "sums", additions(6), tmp_path)
    path = tmp_path / "pipelines.toml"
    path.write_text("")
    return path


def run(project: Path, *arguments: str) -> str:
    done = CliRunner().invoke(command, [*arguments, "-q", "-p", str(project)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_models_side_by_side_and_answers_kept(project: Path, tiny: Path) -> None:
    arguments = (str(tiny), str(tiny), "--data", "sums", "--max-new-tokens", "8", "--json")
    told = json.loads(run(project, *arguments))["models"]
    assert [one["total"] for one in told] == [6, 6] and told[0]["correct"] == told[1]["correct"]
    assert told[0]["p_value"] is None and told[1]["p_value"] == 1.0

    with Store.open(project.parent / "catalogs") as store:
        [answers] = (store.work / "eval").glob("*/answers.jsonl")
    lines = answers.read_text().splitlines()
    answers.write_text("\n".join(lines[:4]) + "\n" + lines[4][:20])
    assert json.loads(run(project, *arguments))["models"][0]["total"] == 6
    again = answers.read_text().splitlines()
    assert again[:4] == lines[:4], "what was answered isn't answered again"
    assert sorted(json.loads(line)["index"] for line in again) == list(range(6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trained:nobody", "--data", "sums"), "no model 'nobody' was trained here"),
        (("teacher:nobody", "--data", "sums"), "no teacher 'nobody'"),
        (("x/y", "--data", "select question from sums"), "needs column 'answer'"),
        (("x/y", "--data", "nowhere"), "nowhere"),
    ],
)
def test_wrong_input_is_refused_before_any_answer(project: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(Exception, match=message) as raised:
        run(project, *arguments)
    assert getattr(raised.value, "exit_code", None) == 2


def test_the_paired_test_is_mcnemars() -> None:
    assert paired([True, False], [True, False]) == 1.0
    assert paired([True] * 6, [False] * 6) == 0.03125
    assert paired([True] * 8 + [False] * 2, [False] * 8 + [True] * 2) == pytest.approx(0.109375)

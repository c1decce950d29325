"""`dqdata efficiency`: tokens and seconds of models whose answers were planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from loopback import Loopback

from dqdata.cli import main

Invoke = Callable[..., Any]

PROJECT = """
[teachers.slow]
provider = "openai"
base_url = "URL"
model = "slow"

[teachers.adaptive]
provider = "openai"
base_url = "URL"
model = "adaptive"

[evaluations.sums]
data = "select question, answer, level from sums"
by = ["level"]
max_new_tokens = 300
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The slow one takes 200 tokens a question and solves all; the adaptive one takes 50 for level 1, and 150 for level
    2, of which it solves half."""
    loopback = Loopback()
    loopback.start()

    def answer(body: dict[str, Any]) -> str:
        number = int(body["messages"][-1]["content"].split("What is ")[1].split(" ")[0])
        slow, level = body["model"] == "slow", 1 + number % 2
        loopback.usage = {"prompt_tokens": 10, "completion_tokens": 200 if slow else 50 if level == 1 else 150}
        wrong = not slow and number % 4 == 3
        return f"\\boxed{{{number + 1 + wrong}}}"

    loopback.answer = answer
    folder = tmp_path_factory.mktemp("efficiency")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1), "level": 1 + n % 2} for n in range(16)]
        Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        Path("pipelines.toml").write_text(
            PROJECT.replace("URL", loopback.url)
            .replace('model = "slow"', 'model = "slow"\nconcurrency = 1')
            .replace('model = "adaptive"', 'model = "adaptive"\nconcurrency = 1')
        )
        assert main(["import", "sums.jsonl", "--into", "sums", "-q"]) == 0
        assert main(["eval", "teacher:slow", "teacher:adaptive", "--on", "sums", "-q"]) == 0
    yield folder
    loopback.stop()


@pytest.fixture
def report(measured: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    monkeypatch.chdir(measured)
    return lambda *arguments: command_line("efficiency", *arguments)


def test_tokens_by_model_and_level(report: Invoke) -> None:
    done = report("sums", "--by", "level", "--json")
    assert done.code == 0, done.error
    slow, adaptive = json.loads(done.out)["models"]
    assert slow["model"] == "teacher:slow" and slow["whole"]["accuracy"] == 1 and slow["tokens_ratio"] is None
    assert slow["whole"]["tokens"][0] == 200
    assert adaptive["tokens_ratio"] == 0.5 and adaptive["ratio_low"] < 0.5 < adaptive["ratio_high"]
    assert adaptive["difference"] == -0.25 and adaptive["p_adjusted"] == pytest.approx(0.125)
    one, two = (adaptive["groups"]["level"][value] for value in "12")
    assert one["accuracy"] == 1 and one["tokens"][2] == 50 and two["accuracy"] == 0.5 and two["tokens"][2] == 150
    assert two["tokens_a_correct"] == 300 and one["wrong_tokens"][0] is None
    assert one["seconds"][0] > 0


def test_pictures_and_the_report_of_one_model_against_another(report: Invoke, tmp_path: Path) -> None:
    done = report("sums", "--against", "teacher:adaptive", "--by", "level", "-o", tmp_path / "out")
    assert done.code == 0 and "2.00 times the tokens of teacher:adaptive" in done.out
    for name in ("tokens.svg", "distribution.svg"):
        assert ElementTree.parse(tmp_path / "out" / name).getroot().tag.endswith("svg")
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| teacher:adaptive | level 2 | 8 | 50.0% |" in text
    assert json.loads((tmp_path / "out" / "results.json").read_text())["against"] == "teacher:adaptive"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no evaluation 'nothing'"),
        (["sums", "--model", "teacher:fast"], "no model 'teacher:fast'"),
        (["sums", "--against", "nobody"], "no model 'nobody'"),
        (["sums", "--by", "colour"], "has no column 'colour'"),
        (["sums", "-o", "pipelines.toml"], "is no folder"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(report: Invoke, arguments: list[str], said: str) -> None:
    done = report(*arguments)
    assert done.code == 2 and said in done.error

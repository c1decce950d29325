"""`dqdata eval --on` and `dqdata compare`: benchmarks and evaluations of the project; answers and scores are kept."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.cli import main

from ..benchmarks.published_rows import RECORDS, RIGHT

Invoke = Callable[..., Any]
TEACHERS = """
[teachers.good]
provider = "openai"
base_url = "{url}"
model = "good-1"

[teachers.poor]
provider = "openai"
base_url = "{url}"
model = "poor-1"
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Loopback]:
    """`good-1` knows every answer but those of GPQA, of which it says A; `poor-1` knows none."""
    server = Loopback()
    known = [
        (record[key], answer)
        for name, answers in RIGHT.items()
        for record, answer in zip(RECORDS[name], answers, strict=True)
        for key in ("question", "problem", "text", "question_content", "prompt")
        if key in record
    ]

    def answer(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        found = [said for question, said in known if question in asked]
        good = found[0] if found else "<think>Hm.</think>Answer: A"
        return good if body["model"] == "good-1" else "I do not know."

    server.answer = answer
    server.start()
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path, endpoint: Loopback) -> Path:
    return _project(tmp_path, endpoint)


def _project(folder: Path, endpoint: Loopback) -> Path:
    (folder / "pipelines.toml").write_text(TEACHERS.format(url=endpoint.url), encoding="utf-8")
    for name, records in RECORDS.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def measured_once(tmp_path_factory: pytest.TempPathFactory, endpoint: Loopback) -> Path:
    """A project in which one model was measured on one benchmark."""
    folder = _project(tmp_path_factory.mktemp("measured"), endpoint)
    with contextlib.chdir(folder):
        assert main(["eval", "teacher:poor", "--on", "aime25", "--path", "aime25.jsonl", "-q"]) == 0
    return folder


@pytest.fixture
def measured(measured_once: Path, tmp_path: Path) -> Path:
    """A copy of it, which is the current folder."""
    shutil.copytree(measured_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def rows(dqdata: Invoke, sql: str) -> list[dict[str, Any]]:
    done = dqdata("sql", sql, "--json")
    assert done.code == 0, done
    found: list[dict[str, Any]] = json.loads(done.out)["rows"]
    return found


@pytest.mark.parametrize("name", [name for name in RECORDS if name != "gpqa_diamond"])
def test_a_model_is_measured_on_a_benchmark_in_its_published_layout(name: str, dqdata: Invoke, folder: Path) -> None:
    done = dqdata("eval", "teacher:good", "teacher:poor", "--on", name, "--path", f"{name}.jsonl", "--json", "-q")
    assert done.code == 0, done
    told = json.loads(done.out)
    good, poor = told["models"]
    questions = len(RECORDS[name])
    assert (good["correct"], poor["correct"], good["total"]) == (questions, 0, questions)
    assert told["answers"] == f"eval_{name}@1"
    kept = rows(dqdata, f"select model, correct, response, question from eval_{name}")
    assert len(kept) == 2 * questions and all(row["correct"] is (row["model"] == "teacher:good") for row in kept)
    scores = rows(dqdata, "select evaluation, benchmark, pass_at_1, data from dq_evals order by model")
    assert [list(one.values())[:3] for one in scores] == [[name, name, 1], [name, name, 0]]
    assert f"benchmark_{name}@1" in scores[0]["data"]
    several = ("--samples", "2", "--limit", "1", "--json", "-q")
    told = json.loads(dqdata("eval", "teacher:good", "--on", name, "--path", f"{name}.jsonl", *several).out)
    [good] = told["models"]
    votes = None if name in ("humaneval", "mbpp", "livecodebench") else 1
    assert good["pass_at"] == {"2": 1} and good.get("majority") == votes, "programs have no vote"


def test_options_thinking_and_groups_of_gpqa(dqdata: Invoke, folder: Path) -> None:
    done = dqdata("eval", "teacher:good", "--on", "gpqa_diamond", "--path", "gpqa_diamond.jsonl", "--json", "-q")
    [told] = json.loads(done.out)["models"]
    letters = rows(dqdata, "select answer, count(*) as n from benchmark_gpqa_diamond group by all")
    assert told["correct"] == sum(one["n"] for one in letters if one["answer"] == "A") and told["think_rate"] == 1
    assert set(told["by"]["subject"]) == {"Physics", "Chemistry"}
    other = folder / "other"
    other.mkdir()
    (other / "pipelines.toml").write_text(
        (folder / "pipelines.toml").read_text()
        + "[evaluations.shuffled]\n"
        + 'benchmark = { name = "gpqa_diamond", path = "../gpqa_diamond.jsonl", seed = 3 }\nby = []\n'
    )
    assert dqdata("eval", "teacher:poor", "--on", "shuffled", "-p", other, "-q").code == 0
    told = dqdata("sql", "from benchmark_gpqa_diamond", "--json", "-p", other)
    again = [row["answer"] for row in json.loads(told.out)["rows"]]
    assert again != [row["answer"] for row in rows(dqdata, "from benchmark_gpqa_diamond")]


def test_an_evaluation_of_the_project(dqdata: Invoke, folder: Path, endpoint: Loopback) -> None:
    with (folder / "pipelines.toml").open("a") as file:
        file.write(
            """
            [evaluations.maths]
            benchmark = { name = "math500", path = "math500.jsonl" }
            models = ["teacher:poor", "teacher:good"]
            samples = 4
            temperature = 0.9
            max_new_tokens = 77
            system = "Think."
            by = ["level"]

            [profiles.quick.evaluations.maths]
            limit = 1
            samples = 1
            temperature = 0.0
            """
        )
    assert "maths" in dqdata("check").out
    endpoint.asked.clear()
    done = dqdata("eval", "--on", "maths", "--json", "-q")
    assert done.code == 0, done
    poor, good = json.loads(done.out)["models"]
    assert (good["total"], good["samples"], good["correct"], poor["correct"]) == (2, 4, 8, 0)
    assert good["pass_at"] == {"2": 1.0, "4": 1.0} and good["majority"] == 1.0
    assert list(good["by"]["level"]) == ["1", "2"]
    asked = endpoint.asked[0]
    assert (asked["temperature"], asked.get("max_tokens") or asked.get("max_completion_tokens")) == (0.9, 77)
    assert asked["messages"][0] == {"role": "system", "content": "Think."}
    calls = len(endpoint.asked)
    assert json.loads(dqdata("eval", "--on", "maths", "--json", "-q").out)["answers"] == "eval_maths@1"
    assert len(endpoint.asked) == calls, "what was answered is not asked again"
    assert len(rows(dqdata, "from dq_evals")) == 2, "the same evaluation is recorded once"
    few = json.loads(dqdata("eval", "teacher:good", "--on", "maths", "--samples", "2", "--json", "-q").out)
    assert few["answers"] == "eval_maths@2" and few["models"][0]["samples"] == 2 and len(endpoint.asked) == calls
    quick = json.loads(dqdata("eval", "--on", "maths", "--profile", "quick", "--json", "-q").out)
    assert [one["total"] for one in quick["models"]] == [1, 1]


def test_compare_tells_models_apart_beside_published_scores(dqdata: Invoke, folder: Path) -> None:
    assert "error[no-store]" in dqdata("compare").error
    for model in ("teacher:poor", "teacher:good"):  # two commands, two versions of the answers
        dqdata("eval", model, "--on", "math500", "--path", "math500.jsonl", "-q")
        dqdata("eval", model, "--on", "gsm8k", "--path", "gsm8k.jsonl", "-q")
    told = json.loads(dqdata("compare", "--json").out)["evaluations"]
    assert [one["evaluation"] for one in told] == ["math500", "gsm8k"]
    maths, sums = told
    assert [(row["model"], row["accuracy"]) for row in maths["rows"]] == [("teacher:good", 1), ("teacher:poor", 0)]
    assert maths["against"] == "teacher:poor" and maths["rows"][1]["p_value"] is None
    assert maths["rows"][0]["p_value"] == 0.5, "two questions of two differ: 2 of 4 ways to flip the signs"
    assert {one["source"] for one in maths["published"]} and all(one["source"] for one in maths["published"])
    assert sums["published"] == []
    plain = dqdata("compare", "math500").out
    assert "DistilQwen-ThoughtX-7B" in plain and "EasyDistill" in plain and "gsm8k" not in plain
    assert max(map(len, plain.splitlines())) <= 80
    assert "DistilQwen" not in dqdata("compare", "--no-published").out
    table = dqdata("compare", "math500", "--markdown", "--model", "teacher:good", "--against", "teacher:good").out
    assert "| teacher:good | 100.0% |" in table and "teacher:poor" not in table
    assert dqdata("drop", f"{maths['rows'][1]['answers']}").code == 0
    [maths] = json.loads(dqdata("compare", "math500", "--json").out)["evaluations"]
    assert [row["p_value"] for row in maths["rows"]] == [None, None], "scores outlive the answers"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("eval", "teacher:good"), "--on BENCHMARK"),
        (("eval", "teacher:good", "--on", "gsm8k", "--data", "x"), "by one of"),
        (("eval", "--on", "gsm8k", "--path", "gsm8k.jsonl"), "name the models"),
        (("eval", "teacher:good", "--on", "gsm8"), "did you mean 'gsm8k'"),
        (("eval", "teacher:good", "--on", "gsm8k", "--path", "nowhere.jsonl"), "nowhere.jsonl"),
        (("eval", "teacher:good", "--on", "mbpp", "--path", "gsm8k.jsonl"), "needs the field 'test_list'"),
        (("eval", "teacher:god", "--on", "gsm8k", "--path", "gsm8k.jsonl"), "no teacher 'god'; did you mean 'good'"),
        (("eval", "teacher:good", "--on", "gsm8k", "--path", "gsm8k.jsonl", "--by", "levl"), "levl"),
        (("eval", "teacher:good", "--path", "gsm8k.jsonl", "--data", "x"), "eval --path"),
        (("eval", "teacher:good", "--on", "gsm8k", "--path", "gsm8k.jsonl", "--verify", "verify_mth"), "verify_mth"),
        *(
            (("eval", "teacher:good", "--on", "gsm8k", "--path", "gsm8k.jsonl", "--verify", name), "use one of verify")
            for name in ("length", "dedup", "level", "quality")
        ),
        (
            ("eval", "teacher:good", "--on", "aime25", "--path", "aime25.jsonl", "--chat", "thinking=false"),
            "extra_body",
        ),
        (("compare", "gsm8k"), "no evaluation 'gsm8k' was measured"),
    ],
)
def test_wrong_input_is_refused(dqdata: Invoke, measured: Path, arguments: tuple[str, ...], message: str) -> None:
    done = dqdata(*arguments)
    assert done.code in (1, 2) and message in done.error and "Traceback" not in done.error, done


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("models = ['teacher:good']", "needs `benchmark`, or `data`"),
        ("benchmark = 'gsm8k'\ndata = 'x'", "needs `benchmark`, or `data`"),
        ("benchmark = 'gsm9k'", "no benchmark 'gsm9k'; did you mean 'gsm8k'"),
        ("benchmark = { path = 'x.jsonl' }", "needs the key `name`"),
        ("benchmark = 'gsm8k'\nsampels = 3", "unknown key 'sampels'; did you mean 'samples'"),
        ("benchmark = 'gsm8k'\nsamples = 3\ntemperature = 0.0", "all the same"),
        ("benchmark = 'gsm8k'\nevery_steps = 3", "every_steps is for"),
        ("benchmark = 'gsm8k'\nverify = 'verify_meth'", "verify_meth"),
        ("benchmark = 'gsm8k'\nverify = 'quality'", "makes no column 'correct'"),
        ("benchmark = 3", "benchmark"),
        (
            "benchmark = 'gsm8k'\nmodels = ['teacher:good']\nchat_template_kwargs = { enable_thinking = true }",
            "extra_body",
        ),
    ],
)
def test_wrong_tables_are_found_by_check(dqdata: Invoke, folder: Path, table: str, message: str) -> None:
    with (folder / "pipelines.toml").open("a") as file:
        file.write(f"\n[evaluations.e]\n{table}\n")
    done = dqdata("check")
    assert done.code == 1 and message in done.error and "evaluations.e" in done.error, done

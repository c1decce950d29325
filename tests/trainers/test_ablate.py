"""`dqdata ablate`: arms of one pipeline and trainer, with calls counted and real trainings of the tiny student."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from by_hand import flips, score_interval
from kept_workers import kept_pool
from loopback import Loopback

from dqdata.catalog import Store
from dqdata.cli import main
from dqdata.experiments.arms import with_table
from dqdata.training import launch

pytestmark = pytest.mark.usefixtures("kept_workers")
WARM = str(Path(__file__).with_name("warm.py"))
Invoke = Callable[..., Any]

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
price = { input = 1.0, output = 2.0 }

[teachers.u]
provider = "openai"
base_url = "URL"
model = "other"
price = { input = 1.0, output = 2.0 }

[pipelines.traces]
from = "problems.jsonl"
steps = [
  { op = "generate", teacher = "t", max_tokens = 50, n = 2, temperature = 0.5 },
  { op = "verify_math" },
  { op = "filter", id = "right", where = "correct" },
  { op = "to_messages" },
]

[trainers.student]
kind = "sft"
data = "traces@latest"
model = "MODEL"
args = { learning_rate = 1e-3, max_steps = 1, per_device_train_batch_size = 4 }

[evaluations.sums]
data = "select question, answer from sums"
max_new_tokens = 3
verify = "verify_math"

[experiments.what_helps]
pipeline = "traces"
trainer = "student"
evaluation = "sums"
seeds = [0, 1]
KEYS

[experiments.what_helps.arms]
full = {}
raw = { only = ["generate", "to_messages"] }
few = { steps = { generate = { n = 1 } } }
ARMS
"""
OTHER = 'other = { teachers = { t = "u" }, trainer = { args = { learning_rate = 1e-2 } } }'


@pytest.fixture(scope="module")
def teacher() -> Iterator[Loopback]:
    """Right where the number is even."""
    loopback = Loopback()
    loopback.answer = lambda body: _answer(body)
    loopback.start()
    yield loopback
    loopback.stop()


def _answer(body: dict[str, Any]) -> str:
    number = int(re.findall(r"\d+", body["messages"][-1]["content"])[0])
    return f"It is \\boxed{{{number + 1 + number % 2}}}."


@pytest.fixture
def dqdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke, teacher: Loopback) -> Invoke:
    monkeypatch.chdir(tmp_path)
    teacher.asked.clear()
    return command_line


def write(teacher: Loopback, model: object = "smollm2-135m", arms: str = OTHER, keys: str = "") -> None:
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(12)]
    Path("problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = PROJECT.replace("URL", teacher.url).replace("MODEL", str(model)).replace("ARMS", arms)
    Path("pipelines.toml").write_text(text.replace("KEYS", keys))


def test_a_plan_counts_what_arms_share_once(dqdata: Invoke, teacher: Loopback) -> None:
    write(teacher)
    (Path("held.jsonl")).write_text('{"question": "What is 3 + 4?", "answer": "7"}\n')
    assert dqdata("import", "held.jsonl", "--into", "sums", "-q").code == 0
    done = dqdata("ablate", "what_helps", "--plan", "--json")
    assert done.code == 0, done.error
    plan = json.loads(done.out)
    calls = {arm["name"]: (arm["calls"], arm["own_calls"]) for arm in plan["arms"]}
    assert (
        calls["full"] == (24, 24)
        and calls["raw"] == (24, 0)
        and calls["few"] == (12, 12)
        and calls["other"] == (24, 24)
    )
    assert plan["trainings"] == 8 and plan["cost_usd"] > 0 and not teacher.asked
    assert "0 calls of its own, 24 shared" in dqdata("ablate", "what_helps", "--plan").out


@pytest.mark.parametrize(
    ("arms", "keys", "said"),
    [
        ('bad = { without = ["verify"] }', "", "no step 'verify'"),
        ('bad = { only = ["right"], without = ["right"] }', "", "`only` and `without`"),
        ('bad = { replace = { right = { where = "true" } } }', "", "needs `op`"),
        ('bad = { teachers = { t = "nobody" } }', "", "no teacher 'nobody'"),
        ("bad = { steps = { generate = { nn = 3 } } }", "", "nn"),
        ('bad = { without = ["verify_math"] }', "", "correct"),
        ('bad = { without = ["to_messages"] }', "", "messages"),
        ("Bad = { }", "", "small letters"),
        (OTHER, "tokens = 0", "tokens"),
        (OTHER, "problems = -3", "at least 1 problem"),
        (OTHER, "seed = 3", "seed"),
    ],
)
def test_an_arm_that_is_wrong_is_named_before_anything_runs(
    dqdata: Invoke, teacher: Loopback, arms: str, keys: str, said: str
) -> None:
    write(teacher, arms=arms, keys=keys)
    refused = dqdata("ablate", "what_helps", "--plan")
    assert refused.code == 2 and said in refused.error, refused.error
    assert not teacher.asked and not Path("catalogs").exists()


def test_an_unknown_experiment_and_a_trainer_that_reads_something_else(dqdata: Invoke, teacher: Loopback) -> None:
    write(teacher)
    assert "no experiment 'which'" in dqdata("ablate", "which").error
    file = Path("pipelines.toml")
    file.write_text(file.read_text().replace('data = "traces@latest"', 'data = "others"'))
    assert "does not read 'traces'" in dqdata("ablate", "what_helps", "--plan").error


def test_the_rows_of_a_trainer_are_those_of_a_query_wherever_its_catalog_is_read(tmp_path: Path) -> None:
    query = "select 1 as x"
    assert with_table("traces@latest", "traces", query) == 'select * from (select 1 as x) as "traces"'
    assert (
        with_table("select t.x, 'traces' from traces@3 t", "traces", query)
        == "select t.x, 'traces' from (select 1 as x) t"
    )
    assert with_table("from traces join old@2 using (x)", "traces", query).endswith("join old@2 using (x)")
    joined = with_table("with a as (from traces) select traces.x from traces, a", "traces", query)
    assert joined.count("(select 1 as x)") == 2 and "select traces.x" in joined


LEARNT = """
args = { learning_rate = 2e-2, num_train_epochs = 2, per_device_train_batch_size = 4, logging_steps = 3 }
"""
KILLED = """
import os, signal, sys
from dqdata.catalog import Store
from dqdata.cli import main
from dqdata.training import launch

started, recorded = launch.guarded, Store.record_model

def warmed(command, patience=float("inf")):
    return started([sys.executable, "-S", "-E", WARM, "run", SOCKET, command[-1]], patience)

def killed(store, *arguments):
    if len(store.models()) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return recorded(store, *arguments)

launch.guarded, Store.record_model = warmed, killed
sys.exit(main(["ablate", "what_helps", "-q", "--workers", "1"]))
"""


class Experiment(NamedTuple):
    """found: results.json, after a kill and a second start; asked: requests to the teacher before the kill, in all."""

    folder: Path
    found: dict[str, Any]
    asked: tuple[int, int]
    error: str


@contextlib.contextmanager
def warm_trainings(socket: Path) -> Iterator[None]:
    """Trainings of this process are children of the warm one, and its runs share their CPU workers."""
    started = launch.guarded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dqdata.engine.runtime.Pool", kept_pool)
        patch.setattr(
            launch,
            "guarded",
            lambda command, patience=float("inf"): started(
                [sys.executable, "-S", "-E", WARM, "run", str(socket), command[-1]], patience
            ),
        )
        yield


@pytest.fixture(scope="module")
def experiment(
    teacher: Loopback, tiny: Path, warm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Experiment]:
    """Three arms, two seeds; the first start is killed with SIGKILL when its third model is about to be recorded."""
    folder = tmp_path_factory.mktemp("experiment")
    before = Path.cwd()
    os.chdir(folder)
    teacher.asked.clear()
    try:
        write(teacher, tiny, arms="", keys='problems = "equal"')
        file = Path("pipelines.toml")
        text = re.sub(r"args = .*max_steps.*", LEARNT.strip(), file.read_text())
        file.write_text(text.replace("max_new_tokens = 3", "max_new_tokens = 12\nsamples = 2"))
        held = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(20, 28)]
        Path("held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held))
        assert main(["import", "held.jsonl", "--into", "sums", "-q"]) == 0
        script = KILLED.replace("WARM", repr(WARM)).replace("SOCKET", repr(str(warm)))
        first = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
        assert first.returncode == -signal.SIGKILL, first.stderr
        asked = len(teacher.asked)
        with warm_trainings(warm), contextlib.redirect_stderr(io.StringIO()) as error:
            assert main(["ablate", "what_helps", "-o", "report"]) == 0, error.getvalue()
        found = json.loads(Path("report/results.json").read_text())
        yield Experiment(folder, found, (asked, len(teacher.asked)), error.getvalue())
    finally:
        os.chdir(before)


@pytest.mark.slow
def test_a_killed_experiment_goes_on_and_no_call_or_training_is_made_twice(experiment: Experiment) -> None:
    assert experiment.asked == (24, 24), "raw sends full's requests, and few the first of them"
    assert [arm["calls"] for arm in experiment.found["arms"]] == [24, 0, 0]
    with Store.open(experiment.folder / "catalogs", read_only=True) as store:
        models = [(model["name"], model["version"]) for model in store.models()]
    assert sorted(models) == [(f"what_helps_{arm}_{seed}", 1) for arm in ("few", "full", "raw") for seed in (0, 1)]
    for there in ("what_helps_full_0: trained:what_helps_full_0@1", "what_helps_full: what_helps_full@1"):
        assert f"{there}, there already" in experiment.error
    assert "what_helps_few_1: trained:what_helps_few_1@1, made" in experiment.error


@pytest.mark.slow
def test_arms_learn_from_equal_tokens_by_their_training_logs(experiment: Experiment, tiny: Path) -> None:
    """Counted anew: rows of the recorded query through the student's template, and the log of every step."""
    from transformers import AutoTokenizer

    from dqdata.models import tokenize

    tokenizer, found = AutoTokenizer.from_pretrained(tiny), experiment.found
    trained, longest = {}, 0
    with Store.open(experiment.folder / "catalogs", read_only=True) as store:
        for model in store.models():
            query = json.loads(model["recipe"])["data"]["train"]
            rows = store.query(query, repeatable=True).read_all().to_pylist()
            lengths = [len(tokenize(tokenizer, row["messages"]).input_ids) for row in rows]
            log = json.loads((store.path / model["path"] / "metrics.json").read_text())["history"]
            counts = [entry["num_tokens"] for entry in log if "num_tokens" in entry]
            assert counts == sorted(counts) and counts[-1] == 2 * sum(lengths), model["name"]
            trained[model["name"]] = int(counts[-1])
            longest = max(longest, *lengths)
            assert sum(lengths) <= found["tokens"] < sum(lengths) + 2 * max(lengths)
            right = [row for row in rows if row.get("answer") in row["messages"][-1]["content"]]
            assert len(right) == len(rows) or "raw" in model["name"]
    assert max(trained.values()) - min(trained.values()) <= 2 * longest, "two epochs, each within a row"
    assert found["equal"] is True and found["counted_by"] == "student"
    for arm in found["arms"]:
        by_seed = [trained[f"what_helps_{arm['name']}_{seed}"] for seed in (0, 1)]
        assert arm["trained_tokens"] == round(sum(by_seed) / 2) and arm["problems"] <= 6
    smallest = min(found["arms"], key=lambda arm: arm["name"] != "few")
    assert smallest["tokens"] == found["tokens"], "the arm with the fewest tokens learns from all of its rows"


@pytest.mark.slow
def test_the_numbers_of_the_table_are_those_of_an_independent_computation(experiment: Experiment) -> None:
    found, seeds = experiment.found, (0, 1)
    with Store.open(experiment.folder / "catalogs", read_only=True) as store:
        [name, version] = found["answers"].split("@")
        rows = store.query(f"select model, question, correct from {name}@{version}").read_all().to_pylist()
    assert len(rows) == 3 * 2 * 8 * 2 and found["questions"] == 8 and found["samples"] == 2
    right = {
        arm["name"]: [
            sum(bool(row["correct"]) for row in rows if row["model"] in arm["models"] and row["question"] == question)
            for question in sorted({row["question"] for row in rows})
        ]
        for arm in found["arms"]
    }
    p_values = []
    for arm in found["arms"]:
        counts = right[arm["name"]]
        assert arm["accuracy"] == pytest.approx(sum(counts) / 32)
        assert arm["by_seed"] == pytest.approx(
            [
                sum(
                    bool(row["correct"]) for row in rows if row["model"] == f"trained:what_helps_{arm['name']}_{seed}@1"
                )
                / 16
                for seed in seeds
            ]
        )
        assert (arm["low"], arm["high"]) == pytest.approx(score_interval(counts, 4), abs=1e-6)
        if arm["name"] != "full":
            assert arm["difference"] == pytest.approx((sum(counts) - sum(right["full"])) / 32)
            p_values.append(flips(counts, right["full"]))
    assert [arm["p_value"] for arm in found["arms"][1:]] == pytest.approx(p_values)
    low, high = sorted(p_values)
    holm = {low: min(1.0, 2 * low), high: max(min(1.0, 2 * low), high)}
    assert [arm["p_adjusted"] for arm in found["arms"][1:]] == pytest.approx([holm[p] for p in p_values])
    report = (experiment.folder / "report/report.md").read_text()
    for arm in found["arms"]:
        assert f"| {arm['accuracy']:.1%} | {arm['low']:.1%} to {arm['high']:.1%} |" in report
    picture = ElementTree.fromstring((experiment.folder / "report/accuracy.svg").read_text())
    assert {"full", "raw", "few"} <= {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}

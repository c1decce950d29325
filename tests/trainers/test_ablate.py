"""`dqdata ablate`: arms of one pipeline and trainer, with calls counted and real trainings of the tiny student."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.experiments.arms import with_table

pytestmark = pytest.mark.usefixtures("kept_workers")
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

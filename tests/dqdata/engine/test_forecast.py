"""What `plan` says before a run is what the server of the run then counts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback import Loopback

from dqdata.cli import main

pytestmark = pytest.mark.usefixtures("kept_workers")

ROWS = 12
Plan = dict[str, Any]


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    server.answer = lambda body: '{"rv": 4, "cd": 5}' if body["model"] == "judge" else f"{body['seed']}: \\boxed{{4}}"
    server.usage = {"prompt_tokens": 40, "completion_tokens": 123}
    server.start()
    yield server
    server.stop()


class Work:
    def __init__(self, folder: Path, loopback: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.loopback, self._capsys = folder, loopback, capsys

    def write(self, *, rows: int = ROWS, pipeline: str = "", n: int = 2, first: str = "", last: str = "") -> None:
        (self.folder / "problems.jsonl").write_text(
            "".join(json.dumps({"question": f"How much is {k} + 4 - {k}?", "answer": "4"}) + "\n" for k in range(rows))
        )
        (self.folder / "pipelines.toml").write_text(
            f"""
[teachers.solver]
provider = "openai"
base_url = "{self.loopback.url}"
model = "solver"
concurrency = 4
max_attempts = 1
price = {{ input = 1.0, output = 10.0 }}
[teachers.judge]
provider = "openai"
base_url = "{self.loopback.url}"
model = "judge"
max_attempts = 1
price = {{ input = 2.0, output = 20.0 }}
[pipelines.p]
from = "problems.jsonl"
chunk_rows = 3
{pipeline}
steps = [
  {{ op = "generate", teacher = "solver", n = {n}, seed = 1, temperature = 1.0, max_tokens = 1000{first} }},
  {{ op = "verify_math" }},
  {{ op = "grade", judge = "judge", alpha = 1.0, max_tokens = 50{last} }},
  {{ op = "dedup", column = "response" }},
]
[pipelines.q]
from = "select * from p"
steps = [ {{ op = "generate", teacher = "judge", max_tokens = 20, seed = 5 }} ]
"""
        )

    def run(self, *arguments: str) -> int:
        code = main([*arguments, "-p", str(self.folder)])
        self._capsys.readouterr()
        return code

    def plan(self, *arguments: str) -> Plan:
        self._capsys.readouterr()
        assert main(["plan", *arguments, "-p", str(self.folder), "--json"]) == 0
        made: Plan = json.loads(self._capsys.readouterr().out)
        return made

    def text(self, *arguments: str) -> str:
        self._capsys.readouterr()
        assert main([*arguments, "-p", str(self.folder)]) == 0
        return self._capsys.readouterr().out

    def asked(self) -> int:
        return len(self.loopback.asked)


@pytest.fixture
def work(tmp_path: Path, loopback: Loopback, capsys: pytest.CaptureFixture[str]) -> Work:
    made = Work(tmp_path, loopback, capsys)
    made.write()
    return made


def refusal() -> web.HTTPException:
    return web.HTTPBadRequest(text='{"error": {"message": "no"}}', content_type="application/json")


def calls(plan: Plan) -> dict[str, tuple[float, float]]:
    return {one["name"]: (one["calls"], one["answered"]) for one in plan["teachers"]}


def test_before_the_first_run_everything_is_new_and_has_a_worst_case(work: Work) -> None:
    plan = work.plan("p")
    assert calls(plan) == {"solver": (24, 0), "judge": (24, 0)}
    solver, judge = plan["teachers"]
    assert solver["most"]["output_tokens"] == 24 * 1000 and judge["most"]["calls"] == 48, "a judge is asked once more"
    assert 0 < plan["cost_usd"] < plan["most_usd"] and plan["budget_usd"] is None
    assert not plan["ledger"] and work.asked() == 0


def test_after_a_run_nothing_is_new(work: Work) -> None:
    assert work.run("run", "p", "-q") == 0
    plan = work.plan("p")
    assert plan["made"] == "p@1" and plan["cost_usd"] == plan["most_usd"] == 0
    # The same calls behind another recipe: nothing was made, and the ledger answers all of it.
    work.write(pipeline="seed = 3")
    plan = work.plan("p")
    assert plan["made"] is None and calls(plan) == {"solver": (0, 24), "judge": (0, 24)}
    assert plan["cost_usd"] == plan["most_usd"] == 0
    before = work.asked()
    assert work.run("run", "p", "-q") == 0 and work.asked() == before


def test_after_half_a_run_the_rest_is_new(work: Work, loopback: Loopback) -> None:
    answer = loopback.answer
    loopback.answer = lambda body: answer(body) if len(loopback.answered) < 22 else refusal()
    assert work.run("run", "p", "-q") != 0
    made = len(loopback.answered)
    assert 0 < made < 48
    loopback.answer = answer
    plan = work.plan("p")
    assert sum(new + known for new, known in calls(plan).values()) == 48
    assert sum(known for _, known in calls(plan).values()) == made
    before = work.asked()
    assert work.run("run", "p", "-q") == 0
    assert work.asked() - before == sum(new for new, _ in calls(plan).values())


@pytest.mark.parametrize(
    ("change", "new", "known"),
    [
        ({"n": 5}, {"solver": 36, "judge": 36}, 24),
        ({"rows": ROWS + 7}, {"solver": 14, "judge": 14}, 24),
        ({"rows": ROWS - 7}, {"solver": 0, "judge": 0}, 10),
        ({"last": ", draw = 'again'"}, {"solver": 0, "judge": 24}, 24),
        ({"last": ", votes = 3"}, {"solver": 0, "judge": 72}, 24),
        ({"first": ", draw = 'again'"}, {"solver": 24, "judge": 24}, 0),
    ],
)
def test_a_changed_recipe_pays_for_what_changed(
    work: Work, change: dict[str, Any], new: dict[str, float], known: float
) -> None:
    assert work.run("run", "p", "-q") == 0
    work.write(**change)
    plan = work.plan("p")
    assert {name: one for name, (one, _) in calls(plan).items()} == new
    assert calls(plan)["solver"][1] == known
    before = work.asked()
    assert work.run("run", "p", "-q") == 0
    assert work.asked() - before == sum(new.values())


def test_a_limited_run_has_a_namespace_of_its_own_and_pays_for_the_full_run(work: Work) -> None:
    assert calls(work.plan("p", "--limit", "5")) == {"solver": (10, 0), "judge": (10, 0)}
    assert work.run("run", "p", "-q", "--limit", "5") == 0
    assert work.asked() == 20
    assert work.plan("p", "--limit", "5")["made"] == "p__first_5@1"
    plan = work.plan("p")
    assert plan["made"] is None and calls(plan) == {"solver": (14, 10), "judge": (14, 10)}
    solver = plan["teachers"][0]
    assert solver["output_tokens"] == 14 * 123 and solver["measured"] == 10
    assert solver["cost_usd"] == pytest.approx((solver["input_tokens"] * 1 + 14 * 123 * 10) / 1e6)
    assert work.run("run", "p", "-q") == 0 and work.asked() == 48


def test_failed_rows_of_a_version_are_planned_where_they_are_retried(work: Work, loopback: Loopback) -> None:
    work.write(pipeline="max_failed_rate = 0.9")
    answer = loopback.answer
    refused = re.compile(r" (3|7) \+")
    loopback.answer = lambda body: refusal() if refused.search(body["messages"][-1]["content"]) else answer(body)
    assert work.run("run", "p", "-q") == 0
    loopback.answer = answer
    assert work.plan("p")["made"] == "p@1" and work.plan("p")["cost_usd"] == 0
    plan = work.plan("p", "--retry-failed")
    assert calls(plan) == {"solver": (4, 20), "judge": (4, 20)}
    before = work.asked()
    assert work.run("run", "p", "-q", "--retry-failed") == 0 and work.asked() - before == 8


def test_a_build_is_priced_whole(work: Work) -> None:
    both = work.plan("p", "q")
    p, q = both["plans"]
    assert (q["rows"], calls(q)) == (24, {"judge": (24, 0)})
    assert both["cost_usd"] == pytest.approx(p["cost_usd"] + q["cost_usd"])
    text = work.text("build", "q", "--plan")
    assert "72 calls: expected $" in text and "at most $" in text
    assert work.run("run", "p", "-q") == 0
    text = work.text("build", "q", "--dry-run")
    assert "p@1" in text and text.rstrip().splitlines()[-1].startswith("2 calls: expected $"), "dedup left two"


def test_steps_behind_a_sandbox_are_estimated(work: Work, tmp_path: Path) -> None:
    """A plan runs no program; what comes after is taken to be new, and said to be."""
    toml = (tmp_path / "pipelines.toml").read_text().replace('op = "verify_math"', 'op = "verify_code"')
    row = {"question": "Write f.", "tests": "assert f() == 1"}
    (tmp_path / "pipelines.toml").write_text(toml)
    (tmp_path / "problems.jsonl").write_text(
        "".join(json.dumps({**row, "question": f"{n}: write f."}) + "\n" for n in range(4))
    )
    assert work.run("run", "p", "-q") == 0
    (tmp_path / "pipelines.toml").write_text(toml.replace("chunk_rows = 3", "chunk_rows = 3\nseed = 9"))
    plan = work.plan("p")
    assert plan["ended"] == "verify_code" and calls(plan) == {"solver": (0, 8), "judge": (8, 0)}
    assert "calls of verify_code and of later steps are all taken to be new" in work.text("plan", "p")


def test_an_unknown_cost_is_never_a_number(work: Work, tmp_path: Path) -> None:
    toml = (tmp_path / "pipelines.toml").read_text()
    (tmp_path / "pipelines.toml").write_text(toml.replace("price = { input = 1.0, output = 10.0 }", ""))
    text = work.text("plan", "p")
    assert "expected cost unknown, at most cost unknown" in text and "$0.00" not in text
    (tmp_path / "pipelines.toml").write_text(toml.replace(", max_tokens = 1000", ""))
    plan = work.plan("p")
    assert plan["cost_usd"] is not None and plan["most_usd"] is None, "nothing bounds an answer"
    assert plan["teachers"][0]["most"]["output_tokens"] is None


def test_rows_that_nobody_counts_are_priced_by_the_thousand(work: Work, tmp_path: Path) -> None:
    (tmp_path / "problems.json").write_text(json.dumps([{"question": "2 + 2?", "answer": "4"}]))
    toml = (tmp_path / "pipelines.toml").read_text()
    (tmp_path / "pipelines.toml").write_text(toml.replace("problems.jsonl", "problems.json"))
    plan = work.plan("p")
    if plan["rows"] is None:
        assert plan["per_rows"] == 1000 and plan["cost_usd"] is None and calls(plan)["solver"] == (2000, 0)
        assert "for each 1,000 of them" in work.text("plan", "p")
    else:
        assert plan["rows"] == 1


def test_a_large_source_is_looked_up_in_rows_spread_over_it(work: Work) -> None:
    work.write(rows=40)
    assert work.run("run", "p", "-q", "--limit", "20") == 0
    work.write(rows=2500)
    plan = work.plan("p")
    assert plan["sampled"] == 834
    new, known = calls(plan)["solver"]
    assert new + known == pytest.approx(5000) and known == pytest.approx(40, abs=3)


def test_the_installed_script_shows_expected_cost_worst_case_and_budget(work: Work, tmp_path: Path) -> None:
    work.write(pipeline="budget_usd = 0.25")
    script = Path(sys.executable).with_name("dqdata")
    done = subprocess.run([script, "plan", "p"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^expected \$0\.\d\d, at most \$0\.\d\d, budget \$0\.25", done.stdout, re.MULTILINE)
    work.write(pipeline="budget_usd = 0.0001")
    assert "budget $0.000100: it ends the run early" in work.text("plan", "p")


@pytest.mark.parametrize(
    ("expected", "most", "worst"),
    [
        ((62, 2356, 186), (62, 2325, 6200), (62, 2356, 6200)),
        ((10, 100, 900), (10, 100, 500), (10, 100, 900)),
        ((0, 0, 0), (3, 30, 300), (3, 30, 300)),
    ],
)
def test_the_worst_case_is_never_below_what_is_expected(
    expected: tuple[float, ...], most: tuple[float, ...], worst: tuple[float, ...]
) -> None:
    from dqdata.engine.forecast import TeacherForecast, _priced
    from dqdata.operator import CallEstimate
    from dqdata.teacher import Price

    made = _priced(TeacherForecast(CallEstimate(*expected), CallEstimate(*most)), Price(input=1.0, output=2.0))
    assert made.most == CallEstimate(*worst)
    assert made.cost_usd is not None and made.most_usd is not None and made.cost_usd <= made.most_usd
    assert made.most_usd == pytest.approx((worst[1] + 2 * worst[2]) / 1e6)


def test_rows_that_nobody_knows_cost_nothing_where_no_call_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.toml").write_text('[[rules]]\nmatch = "."\nanswers = ["4"]\n')
    (tmp_path / "problems.jsonl").write_bytes(json.dumps({"question": "How much is 2 + 2?"}).encode("utf-16"))
    (tmp_path / "pipelines.toml").write_text(
        '[teachers.s]\nprovider = "scripted"\nmodel = "s"\nscript = "answers.toml"\n'
        '[pipelines.p]\nfrom = { source = "files", path = "problems.jsonl", encoding = "utf-16" }\n'
        'steps = [{ op = "generate", teacher = "s", max_tokens = 9 }]\n'
    )
    assert main(["plan", "p", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] is None
    assert (report["cost_usd"], report["most_usd"]) == (0, 0)

"""`run --pilot N` and `target_rows`: what few rows say of all, and a run that stops when it has enough."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.catalog import Store

Invoke = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("kept_workers")

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
concurrency = 4
price = { input = 100.0, output = 1000.0 }

[pipelines.traces]
from = "problems.jsonl"
KEYS
steps = [
  { op = "generate", teacher = "t", max_tokens = 20, n = SAMPLES },
  { op = "verify_math" },
  { op = "filter", where = "correct" },
  MORE
]
"""
A_CALL = (10 * 100 + 5 * 1000) / 1e6
"""USD: ten tokens in and five out."""


@pytest.fixture(scope="module")
def teacher() -> Iterator[Loopback]:
    """Right but where the number is a multiple of four."""
    loopback = Loopback()
    loopback.start()
    yield loopback
    loopback.stop()


@pytest.fixture
def dqdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    monkeypatch.chdir(tmp_path)
    return command_line


@pytest.fixture
def write(tmp_path: Path, teacher: Loopback) -> Any:
    def answer(body: dict[str, Any]) -> str:
        number = int(re.findall(r"\d+", body["messages"][-1]["content"])[0])
        return f"\\boxed{{{2 * number + (number % 4 == 0)}}}"

    teacher.answer = answer
    teacher.asked.clear()

    def written(keys: str = "", *, rows: int = 120, samples: int = 1, more: str = "") -> None:
        problems = [{"question": f"How much is {n} + {n}?", "answer": str(2 * n)} for n in range(rows)]
        (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
        text = PROJECT.replace("URL", teacher.url).replace("KEYS", keys).replace("MORE", more)
        (tmp_path / "pipelines.toml").write_text(text.replace("SAMPLES", str(samples)))

    return written


def found(dqdata: Invoke, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = dqdata("run", "traces", "-q", "--json", *arguments)
    assert done.code == code, done.error
    return dict(json.loads(done.out))


def rows_of(tmp_path: Path, query: str) -> list[dict[str, Any]]:
    with Store.open(tmp_path / "catalogs", read_only=True) as store:
        return list(store.query(query).read_all().to_pylist())


def test_a_pilot_states_what_the_full_run_then_takes(dqdata: Invoke, teacher: Loopback, write: Any) -> None:
    write()
    pilot = found(dqdata, "--pilot", "20")
    assert len(teacher.asked) == 20 and pilot["run"]["catalog"] == "traces__first_20"
    assert pilot["yield_a_row"]["value"] == 0.75 and pilot["source_rows"]["value"] == 120
    assert pilot["calls"] == {"value": 100, "low": 100, "high": 100}
    assert pilot["cost_usd"]["value"] == pytest.approx(100 * A_CALL)
    full = found(dqdata)
    assert len(teacher.asked) == 120 and full["calls"]["cached"] == 20
    assert full["cost_usd"] == pytest.approx(pilot["cost_usd"]["value"])
    assert pilot["rows_out"]["low"] < full["rows_out"] == pilot["rows_out"]["value"] == 90 < pilot["rows_out"]["high"]
    again = found(dqdata, "--pilot", "20")
    assert len(teacher.asked) == 120 and again["cost_usd"] == pilot["cost_usd"] and again["run"]["unchanged"]


def test_a_pilot_of_a_few_rows_says_how_little_it_knows(dqdata: Invoke, write: Any) -> None:
    write(samples=3, more='{ op = "dedup", column = "question" },')
    widths = []
    for rows in ("1", "16"):
        pilot = found(dqdata, "--pilot", rows)
        widths.append(pilot["yield_a_row"]["high"] - pilot["yield_a_row"]["low"])
        assert pilot["sees_all"] == ["dedup"]
        assert (pilot["cost_usd"]["high"] is None) == (rows == "1")
    assert widths == sorted(widths, reverse=True)
    shown = dqdata("run", "traces", "-q", "--pilot", "1").out
    assert re.search(r"cost .* to \?", shown) and "step dedup sees all rows" in shown


def test_a_pilot_of_unpriced_calls_and_of_no_calls(dqdata: Invoke, write: Any, tmp_path: Path) -> None:
    write()
    file = tmp_path / "pipelines.toml"
    file.write_text(re.sub(r"price = .*", "", file.read_text()))
    pilot = found(dqdata, "--pilot", "8")
    assert pilot["cost_usd"] is None and pilot["unpriced"] == ["t"]
    file.write_text(
        '[pipelines.traces]\nfrom = "problems.jsonl"\nsteps = [ { op = "filter", where = "answer > \'2\'" } ]'
    )
    pilot = found(dqdata, "--pilot", "8")
    assert pilot["calls"]["value"] == 0 and pilot["cost_usd"]["value"] == 0


def test_a_pilot_goes_with_no_other_choice_of_rows(dqdata: Invoke, write: Any) -> None:
    write()
    for more in (["--limit", "3"], ["--force"], ["--retry-failed"], ["--allow-partial"]):
        refused = dqdata("run", "traces", "--pilot", "5", *more)
        assert refused.code == 2 and "error[usage]" in refused.error
    assert dqdata("run", "traces", "--pilot", "0").code == 2
    write(rows=0)
    empty = dqdata("run", "traces", "--pilot", "5")
    assert empty.code == 2 and "holds no row" in empty.error


@pytest.mark.parametrize(("target", "samples", "expected"), [(1, 1, 1), (40, 4, 10), (119, 1, 119), (500, 2, 120)])
def test_a_plan_expects_the_rows_that_the_target_needs(
    dqdata: Invoke, teacher: Loopback, write: Any, target: int, samples: int, expected: int
) -> None:
    """At worst every row of the source is needed; the filter of this pipeline is expected to keep all."""
    write(f"target_rows = {target}", samples=samples)
    plan = json.loads(dqdata("plan", "traces", "--json").out)
    [calls] = plan["teachers"]
    assert plan["rows"] == 120 and plan["target_rows"] == target and plan["target_from"] == expected
    assert calls["calls"] == expected * samples and calls["most"]["calls"] == 120 * samples
    assert plan["cost_usd"] <= plan["most_usd"] and not teacher.asked
    shown = dqdata("plan", "traces").out
    assert f"expected from the first {expected:,} rows" in shown
    limited = json.loads(dqdata("plan", "traces", "--limit", "7", "--json").out)
    assert limited["target_from"] is None and limited["teachers"][0]["calls"] == 7 * samples


def test_a_plan_of_a_target_counts_what_the_ledger_answers(dqdata: Invoke, teacher: Loopback, write: Any) -> None:
    write("target_rows = 30")
    found(dqdata, "--pilot", "10")
    [calls] = json.loads(dqdata("plan", "traces", "--json").out)["teachers"]
    assert (calls["answered"], calls["calls"], calls["most"]["calls"]) == (10, 20, 110)
    done = found(dqdata)
    assert done["calls"]["cached"] == 10 and done["rows_out"] == 30 <= done["rows_in"] <= 120


@pytest.mark.parametrize(("target", "samples"), [(1, 1), (40, 3), (89, 1)])
def test_a_run_stops_when_it_has_enough(
    dqdata: Invoke, teacher: Loopback, write: Any, tmp_path: Path, target: int, samples: int
) -> None:
    write(f"target_rows = {target}", samples=samples)
    done = found(dqdata)
    assert done["rows_out"] == target == done["target_rows"] and done["ended_by"] == "target"
    needed = target / samples / 0.75
    assert len(teacher.asked) == done["calls"]["made"] == samples * done["rows_in"]
    assert needed <= done["rows_in"] <= needed * 1.1 + 3
    wholes = rows_of(tmp_path, "select count(*) as n from traces__rejects where reason = 'target_reached'")
    rejected = rows_of(tmp_path, "select count(*) as n from traces__rejects")
    assert wholes[0]["n"] == done["dropped"].get("target_reached", 0)
    assert rejected[0]["n"] + target == samples * done["rows_in"]
    if samples == 1:
        return
    assert found(dqdata)["unchanged"]
    rebuilt = dqdata("rebuild", "traces@1", "--json")
    assert rebuilt.code == 0, rebuilt.error + rebuilt.out
    assert json.loads(rebuilt.out)["same"] == target and json.loads(rebuilt.out)["same_recipe"]


def test_rows_have_the_ids_of_a_run_over_all(dqdata: Invoke, write: Any, tmp_path: Path) -> None:
    write("target_rows = 20", samples=2)
    found(dqdata)
    first = rows_of(tmp_path, "select trace_id, response from traces order by all")
    write(samples=2)
    found(dqdata)
    assert {row["trace_id"] for row in first} <= {row["trace_id"] for row in rows_of(tmp_path, "from traces")}


def test_a_source_with_too_few_rows_gives_what_it_has(dqdata: Invoke, write: Any) -> None:
    write("target_rows = 1000", rows=40)
    done = found(dqdata)
    assert done["rows_out"] == 30 and done["ended_by"] == "source" and done["rows_in"] == 40


def test_a_budget_that_ends_commits_what_is_accepted_and_a_larger_one_goes_on(
    dqdata: Invoke, teacher: Loopback, write: Any, tmp_path: Path
) -> None:
    write(f"target_rows = 60\nbudget_usd = {30 * A_CALL + 0.02}")
    done = found(dqdata)
    made = len(teacher.asked)
    assert done["ended_by"] == "budget" and 0 < done["rows_out"] < 60 and 20 <= made <= 33
    assert [row["partial"] for row in rows_of(tmp_path, "select partial from dq_versions")] == [True]
    more = found(dqdata, "--budget-usd", "5")
    assert more["ended_by"] == "target" and more["version"] == 2 and more["rows_out"] == 60
    assert len(teacher.asked) - made == more["calls"]["made"] == more["rows_in"] - made


def test_a_limit_is_a_trial_of_all_its_rows(dqdata: Invoke, write: Any) -> None:
    write("target_rows = 5")
    assert found(dqdata, "--limit", "16")["rows_out"] == 12
    pilot = found(dqdata, "--pilot", "16")
    assert pilot["source_rows"]["value"] == pytest.approx(5 / 0.75) and pilot["rows_out"]["value"] == 5


def test_a_target_that_is_no_number_of_rows(dqdata: Invoke, write: Any) -> None:
    for value in ("0", "-3", "1.5", '"many"', "true"):
        write(f"target_rows = {value}")
        refused = dqdata("check")
        assert refused.code and "target_rows" in refused.out + refused.error

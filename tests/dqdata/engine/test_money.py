"""What failed is asked again, what was paid for is kept, and an unknown cost is never $0.00."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback import Loopback

from dqdata.catalog import Store
from dqdata.cli import main
from dqdata.engine.rebuild import _given, _written
from dqdata.engine.run import run_pipeline
from dqdata.errors import BudgetExceeded, ProjectError, TooManyFailures
from dqdata.project.recipe import _named
from dqdata.project.tables import Project, read_project

pytestmark = pytest.mark.usefixtures("kept_workers")

ROWS = 12
PRICED = "price = { input = 0.0, output = 1000.0 }"
"""USD: an answer of 5 tokens costs 0.005, and one of at most 100 tokens at most 0.1."""


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "catalogs") as opened:
        yield opened


def project(tmp_path: Path, loopback: Loopback, *, pipeline: str = "", teacher: str = "", steps: str = "") -> Project:
    (tmp_path / "problems.jsonl").write_text(
        "".join(json.dumps({"question": f"How much is {n} + {n}?", "answer": str(2 * n)}) + "\n" for n in range(ROWS))
    )
    path = tmp_path / "pipelines.toml"
    path.write_text(
        f"""[teachers.t]
provider = "openai"
base_url = "{loopback.url}"
model = "m"
concurrency = 1
{teacher}
[pipelines.p]
from = "problems.jsonl"
{pipeline}
steps = [ {{ op = "generate", teacher = "t", max_tokens = 100, n = 2 }}, {{ op = "length" }}{steps} ]
"""
    )
    return read_project(path)


def refused(message: str, *numbers: int) -> Any:
    """Answers, but for the questions with these numbers, which get a 400."""

    def answer(body: dict[str, Any]) -> Any:
        text = body["messages"][-1]["content"]
        if not numbers or any(f"is {number} +" in text for number in numbers):
            return web.HTTPBadRequest(text=json.dumps({"error": {"message": message}}), content_type="application/json")
        return "It is 4."

    return answer


def test_a_run_that_did_not_commit_asks_failed_rows_again(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    loaded = project(tmp_path, loopback)
    loopback.answer = refused("max_tokens is above 64 for this model")
    for _ in range(2):
        with pytest.raises(TooManyFailures, match="max_tokens is above 64 for this model"):
            run_pipeline(loaded, "p", store)
    assert store.latest("p") is None
    loopback.answer = lambda body: "It is 4."
    assert run_pipeline(loaded, "p", store).rows_out == 2 * ROWS


def test_the_rate_of_failures_is_over_all_samples_of_a_row(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    loopback.answer = refused("no", 1)
    rate = 1 / ROWS
    with pytest.raises(TooManyFailures, match=rf"2 of {2 * ROWS} rows failed"):
        run_pipeline(project(tmp_path, loopback, pipeline=f"max_failed_rate = {0.9 * rate}"), "p", store)
    result = run_pipeline(project(tmp_path, loopback, pipeline=f"max_failed_rate = {1.1 * rate}"), "p", store)
    assert result.rows_out == 2 * ROWS - 2


def test_only_what_failed_is_asked_again(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    loaded = project(tmp_path, loopback, pipeline="chunk_rows = 3\nmax_failed_rate = 0.1")
    loopback.answer = refused("no", 1, 7)
    with pytest.raises(TooManyFailures):
        run_pipeline(loaded, "p", store)
    loopback.answer, answered = (lambda body: "It is 4."), len(loopback.answered)
    result = run_pipeline(loaded, "p", store)
    assert (result.rows_out, len(loopback.answered)) == (2 * ROWS, 2 * ROWS)
    assert answered < 2 * ROWS and not result.failed


def test_retry_failed_completes_a_version_as_a_new_one(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    loaded = project(tmp_path, loopback, pipeline="max_failed_rate = 0.5")
    loopback.answer = refused("not today", 3)
    first = run_pipeline(loaded, "p", store)
    assert (first.version, first.rows_out, sum(first.failed.values())) == (1, 2 * ROWS - 2, 2)
    assert run_pipeline(loaded, "p", store).unchanged
    loopback.answer = lambda body: "It is 4."
    asked = len(loopback.asked)
    again = run_pipeline(loaded, "p", store, retry_failed=True)
    assert (again.version, again.rows_out, again.failed, len(loopback.asked) - asked) == (2, 2 * ROWS, {}, 2)
    assert run_pipeline(loaded, "p", store, retry_failed=True).unchanged, "nothing failed in version 2"
    forced = run_pipeline(loaded, "p", store, force=True)
    assert (forced.version, forced.calls["made"]) == (3, 0)


def test_failed_rows_before_a_table_step_are_in_its_input_the_second_time(
    tmp_path: Path, loopback: Loopback, store: Store
) -> None:
    steps = ', { op = "sample", rows = 100 }, { op = "verify_math" }'
    loaded = project(tmp_path, loopback, pipeline="max_failed_rate = 0.05\nchunk_rows = 6", steps=steps)
    loopback.answer = refused("no", 2)
    with pytest.raises(TooManyFailures):
        run_pipeline(loaded, "p", store)
    loopback.answer = lambda body: "It is 4."
    assert run_pipeline(loaded, "p", store).rows_out == 2 * ROWS


def test_a_budget_in_usd_needs_a_price(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    with pytest.raises(ProjectError, match=r"teacher 't' has no price.*\[teachers.t\] price = "):
        run_pipeline(project(tmp_path, loopback, pipeline="budget_usd = 1.0"), "p", store)
    with pytest.raises(ProjectError, match="has no price"):
        run_pipeline(project(tmp_path, loopback), "p", store, budget_usd=1.0)
    assert not loopback.asked


def test_what_a_budget_paid_for_can_be_committed(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    loaded = project(tmp_path, loopback, pipeline="budget_usd = 0.12", teacher=PRICED)
    with pytest.raises(BudgetExceeded):
        run_pipeline(loaded, "p", store)
    asked = len(loopback.asked)
    assert 0 < asked < 2 * ROWS
    result = run_pipeline(loaded, "p", store, allow_partial=True)
    assert (len(loopback.asked), result.rows_out) == (asked, asked)
    assert result.failed == {"budget_exceeded": 2 * ROWS - asked}
    whole = run_pipeline(loaded, "p", store, budget_usd=10.0)
    assert (whole.version, whole.rows_out, len(loopback.asked)) == (2, 2 * ROWS, 2 * ROWS)


def test_an_unknown_cost_is_never_zero(tmp_path: Path, loopback: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    path = project(tmp_path, loopback).path
    assert main(["plan", "p", "-p", str(path)]) == 0
    planned = capsys.readouterr().out
    assert main(["run", "p", "-p", str(path), "-q"]) == 0
    ran = capsys.readouterr().out
    assert "$" not in planned + ran
    assert "cost unknown" in planned and "cost unknown" in ran and "[teachers.t] has no `price`" in ran
    with Store.open(tmp_path / "catalogs") as store:
        [batch] = store.query("select cost_usd from dq_runs")
        assert batch["cost_usd"].to_pylist() == [None]


def test_the_budget_of_the_command_line(tmp_path: Path, loopback: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    path = project(tmp_path, loopback, teacher=PRICED).path
    assert main(["run", "p", "-p", str(path), "-q", "--budget-usd", "0.12"]) == 1
    error = capsys.readouterr().err
    assert "budget exhausted" in error and "--allow-partial commits what was paid for" in error
    assert main(["run", "p", "-p", str(path), "-q", "--budget-usd", "0.12", "--allow-partial"]) == 0
    assert main(["run", "p", "-p", str(path), "-q", "--budget-usd", "0"]) == 2


def test_a_limited_run_has_a_catalog_of_its_own_and_its_calls_are_used_again(
    tmp_path: Path, loopback: Loopback, store: Store
) -> None:
    loaded = project(tmp_path, loopback)
    small = run_pipeline(loaded, "p", store, limit=3)
    assert (small.catalog, small.rows_in, small.rows_out, len(loopback.asked)) == ("p__first_3", 3, 6, 6)
    assert store.latest("p") is None
    assert run_pipeline(loaded, "p", store, limit=3).unchanged
    whole = run_pipeline(loaded, "p", store)
    assert (whole.rows_out, len(loopback.asked)) == (2 * ROWS, 2 * ROWS)
    more = run_pipeline(loaded, "p", store, limit=1000)
    assert (more.catalog, more.rows_out, more.calls["made"]) == ("p__first_1000", 2 * ROWS, 0)
    same = "select count(*) from p__first_3 join p using (trace_id)"
    assert [batch.column(0)[0].as_py() for batch in store.query(same)] == [6]


def test_a_version_records_its_prompts_and_versions(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    loaded = project(tmp_path, loopback)
    run_pipeline(loaded, "p", store)
    (tmp_path / "own.md").write_text("Please: {{question}}")
    path = tmp_path / "pipelines.toml"
    path.write_text(path.read_text().replace("max_tokens = 100", 'max_tokens = 100, prompt = "own.md"'))
    run_pipeline(read_project(path), "p", store)
    rows = store.query(
        "select version, recipe->'$.steps[0].prompts' as prompts, recipe->>'$.versions.dqdata' as dqdata "
        "from dq_versions where catalog = 'p' order by version"
    )
    [first, second] = [row for batch in rows for row in batch.to_pylist()]
    assert "{{question}}" in first["prompts"] and first["dqdata"]
    prompts = json.loads(second["prompts"])
    assert prompts == {"own.md": "Please: {{question}}"}

    docs = (Path(__file__).parents[3] / "docs" / "catalogs.md").read_text()
    [query] = re.findall(r"```sql\n(select step->>[^`]*)```", docs)
    query = query.replace("'traces'", "'p'").rstrip(";\n")
    rows = [row for batch in store.query(query) for row in batch.to_pylist()]
    assert {(row["step"], row["file"], row["dqdata"]) for row in rows} == {
        ("generate", name, first["dqdata"]) for name in prompts
    }
    assert {row["file"]: row["text"] for row in rows} == prompts


def test_prompts_of_one_file_name_are_all_recorded_and_rebuilt(tmp_path: Path) -> None:
    files = ["solve/v1.md", "judge/v1.md", "other/judge/v1.md", "solve/v1.md", "v2.md"]
    named = _named((tmp_path / file, f"text of {file}") for file in files)
    assert named == {
        "v1.md": "text of solve/v1.md",
        "judge/v1.md": "text of judge/v1.md",
        "other/judge/v1.md": "text of other/judge/v1.md",
        "v2.md": "text of v2.md",
    }
    written = _written(named, tmp_path / "again")
    params = {"prompt": str(tmp_path / "solve/v1.md"), "inner": [{"prompt": "judge/v1.md"}, "no/v3.md", "v2.md"]}
    given = _given(params, written)
    texts = [Path(given["prompt"]).read_text(), Path(given["inner"][0]["prompt"]).read_text()]
    assert texts == ["text of solve/v1.md", "text of judge/v1.md"] and given["inner"][1] == "no/v3.md"
    outside = _written({"../../x.md": "a", "/etc/y.md": "b"}, tmp_path / "inside" / "1")
    assert len(outside) == 2
    assert all(path.is_relative_to(tmp_path / "inside" / "1") for path in outside.values())


def test_cost_of_a_row_counts_all_attempts_once(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    """Rejected and stopped attempts are paid for; answers of the ledger are not paid again; unknown stays unknown."""
    docs = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text()
    query = re.findall(r"```sql\n(select [^`]*from dq_costs.*?)```", docs, re.DOTALL)[0].rstrip(";\n")
    steps = ', { op = "verify_math" }, { op = "filter", where = "correct" }'
    loaded = project(tmp_path, loopback, pipeline="max_failed_rate = 0.1", teacher=PRICED, steps=steps)
    loopback.answer = refused("no", 3, 4, 5)
    with pytest.raises(TooManyFailures):
        run_pipeline(loaded, "p", store)
    loopback.answer = lambda body: "It is 4."
    made = run_pipeline(loaded, "p", store)
    assert (made.rows_out, made.verified, sum(made.dropped.values())) == (2, 2, 2 * ROWS - 2)
    assert made.paid_usd == pytest.approx(2 * ROWS * 0.005)
    again = run_pipeline(loaded, "p", store, force=True)
    assert (again.version, again.paid_usd) == (2, 0)
    rows = [row for batch in store.query(query) for row in batch.to_pylist()]
    assert [(row["version"], row["rows"]) for row in rows] == [(1, 2), (2, 2)]
    assert rows[0]["usd"] == pytest.approx(0.12) and rows[0]["usd_a_row"] == pytest.approx(0.06)
    assert (rows[0]["verified"], rows[0]["usd_a_verified_row"]) == (2, pytest.approx(0.06))
    assert rows[1]["usd"] == 0

    loaded = project(tmp_path, loopback, pipeline="into = 'q'")
    (tmp_path / "problems.jsonl").write_text('{"question": "How much is 50 + 50?", "answer": "100"}\n')
    assert run_pipeline(loaded, "p", store).paid_usd is None
    rows = [row for batch in store.query(query) for row in batch.to_pylist()]
    assert [row["usd"] for row in rows if row["catalog"] == "q"] == [None]


def test_costs_agree_with_a_count_by_hand_over_two_teachers(tmp_path: Path, loopback: Loopback, store: Store) -> None:
    """Failures, lost answers, reruns and two teachers with prices of their own: the server's count is the truth."""
    judge = f'''{PRICED}
[teachers.j]
provider = "openai"
base_url = "{loopback.url}"
model = "judge"
price = {{ input = 100.0, output = 0.0 }}
'''
    steps = ', { op = "verify_math" }, { op = "grade", judge = "j", alpha = 1.0, max_tokens = 50 }'
    loaded = project(tmp_path, loopback, pipeline="max_failed_rate = 0.05", teacher=judge, steps=steps)

    def answer(body: dict[str, Any]) -> Any:
        if body["model"] == "judge":
            return '{"rv": 1, "cd": 2}'
        return refused("no", 2)(body) if len(loopback.asked) < 20 else "It is 4."

    loopback.answer = answer
    with pytest.raises(TooManyFailures):
        run_pipeline(loaded, "p", store)
    run_pipeline(loaded, "p", store)
    run_pipeline(loaded, "p", store, force=True)
    solved = sum(body["model"] == "m" for body in loopback.answered)
    judged = sum(body["model"] == "judge" for body in loopback.answered)
    by_hand = solved * 5 * 1000 / 1e6 + judged * 10 * 100 / 1e6
    [batch] = store.query("select * from dq_costs order by version")
    [first, second] = batch.to_pylist()
    assert first["usd"] == pytest.approx(by_hand) and second["usd"] == 0
    assert first["usd_a_row"] == pytest.approx(by_hand / first["rows"])
    assert first["verified"] == 2 and first["usd_a_verified_row"] == pytest.approx(by_hand / 2)

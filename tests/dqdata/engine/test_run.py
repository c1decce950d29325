from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.errors import (
    AccountingError,
    ColumnError,
    DataError,
    Incomplete,
    Stopped,
    TooManyFailures,
)
from dqdata.project.tables import Project

pytestmark = pytest.mark.usefixtures("kept_workers")

Write = Callable[[str], Project]
Calls = Callable[[], list[str]]

TALK = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
seconds = 0.002
concurrency = 32

[pipelines.talk]
from = { source = "counting", rows = 600 }
chunk_rows = 50
steps = [ { op = "talk", teacher = "parrot", n = 2 } ]
"""


def frame(store: Store, sql: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.query(sql).read_all()))


def test_a_run_makes_a_version_with_every_row_accounted_for(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "counting", rows = 100 }\nsteps = [ { op = "picky" } ]')
    with pytest.raises(TooManyFailures, match="divisible: 34"):
        run_pipeline(loaded, "p", store)
    lenient = project(
        '[pipelines.p]\nfrom = { source = "counting", rows = 100 }\nmax_failed_rate = 0.5\nsteps = [ { op = "picky" } ]'
    )
    result = run_pipeline(lenient, "p", store)
    assert (result.rows_in, result.rows_out) == (100, 33)
    assert result.failed == {"divisible": 34}
    assert result.dropped == {"odd": 33}
    rows = frame(store, "select * from p order by number")
    assert rows["double"].to_list() == [n * 2 for n in range(100) if n % 2 == 0 and n % 3]
    reject = frame(store, "select * from p__rejects where reason = 'divisible' and (row->>'number') = '9'").to_dicts()
    assert [(r["step"], r["kind"], r["row_key"] == r["problem_id"]) for r in reject] == [("picky", "failed", True)]


def test_a_second_run_returns_the_version_and_runs_nothing(project: Write, store: Store, calls: Calls) -> None:
    loaded = project(TALK)
    first = run_pipeline(loaded, "talk", store)
    again = run_pipeline(loaded, "talk", store)
    assert (again.version, again.unchanged, again.rows_out) == (first.version, True, 1200)
    assert len(calls()) == 1200


def test_more_samples_pay_only_for_the_new_ones(project: Write, store: Store, calls: Calls) -> None:
    run_pipeline(project(TALK), "talk", store)
    more = run_pipeline(project(TALK.replace("n = 2", "n = 3")), "talk", store)
    assert (more.calls["made"], more.calls["cached"]) == (600, 1200)
    assert len(set(calls())) == len(calls()) == 1800


def test_rows_come_out_in_the_order_they_came_in_whatever_the_teacher_does(project: Write, store: Store) -> None:
    run_pipeline(project(TALK), "talk", store)
    numbers = frame(store, "select number from talk")["number"].to_list()
    assert numbers == [n for n in range(600) for _ in range(2)]


def test_hanging_dying_and_failing_rows_cost_only_themselves(project: Write, store: Store) -> None:
    loaded = project(
        '[pipelines.p]\nfrom = { source = "counting", rows = 40 }\nmax_failed_rate = 1.0\nsteps = [ { op = "hang" } ]'
    )
    result = run_pipeline(loaded, "p", store)
    assert result.failed == {"invalid_row": 1, "timeout": 1, "worker_died": 1}
    assert frame(store, "select copy from p")["copy"].to_list() == [n for n in range(40) if n not in (5, 7, 9)]
    [detail] = frame(store, "select detail from p__rejects where reason = 'invalid_row'")["detail"]
    assert re.search(r"\(\w+\.py:\d+\)$", detail)


def test_an_operator_that_loses_a_row_stops_the_run_by_name(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "counting", rows = 10 }\nsteps = [ { op = "forget" } ]')
    with pytest.raises(AccountingError, match=r"'forget': 10 rows came in, but 9 were kept and 0 dropped"):
        run_pipeline(loaded, "p", store)
    assert store.latest("p") is None


def test_a_table_step_drops_and_adds_in_the_order_of_the_rows(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "counting", rows = 2500 }\nsteps = [ { op = "rank" } ]')
    result = run_pipeline(loaded, "p", store)
    assert result.dropped == {"low": 1250}
    rows = frame(store, "select number, above from p")
    assert rows["number"].to_list() == list(range(1250, 2500))
    assert rows["above"].to_list() == [n - 1249.5 for n in range(1250, 2500)]


def test_a_table_step_that_makes_new_rows_gives_them_keys_and_parents(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "counting", rows = 7 }\nsteps = [ { op = "merge" } ]')
    result = run_pipeline(loaded, "p", store)
    assert (result.rows_out, result.dropped) == (3, {"alone": 1})
    rows = frame(store, "select * from p order by total")
    assert rows["total"].to_list() == [1, 5, 9]
    assert rows["problem_id"].n_unique() == 3
    assert {len(parents) for parents in rows["parent_ids"].to_list()} == {2}


def test_batches_form_again_between_call_steps(project: Write, store: Store) -> None:
    text = TALK.replace(
        'steps = [ { op = "talk", teacher = "parrot", n = 2 } ]',
        'max_failed_rate = 1.0\nsteps = [ { op = "talk", teacher = "parrot" }, { op = "hang" }, '
        '{ op = "talk", id = "second", teacher = "parrot", n = 2 }, { op = "rank" } ]',
    )
    result = run_pipeline(project(text), "talk", store)
    assert result.failed == {"invalid_row": 1, "timeout": 1, "worker_died": 1}
    assert sum(result.dropped.values()) + result.rows_out == 2 * 597


def test_retryable_failures_leave_the_run_resumable(project: Write, store: Store, calls: Calls, tmp_path: Path) -> None:
    text = TALK.replace("concurrency = 32", 'concurrency = 32\nfail = "much is 7?"\nmax_attempts = 1')
    down = tmp_path / "calls.log.down"
    down.touch()
    with pytest.raises(Incomplete, match=r"1 rows failed \(down: 1\).*--allow-partial"):
        run_pipeline(project(text), "talk", store)
    assert store.latest("talk") is None
    partial = run_pipeline(project(text), "talk", store, allow_partial=True)
    assert (partial.version, partial.rows_out, partial.failed) == (1, 1198, {"down": 1})
    down.unlink()
    whole = run_pipeline(project(text), "talk", store)
    assert (whole.version, whole.rows_out, whole.failed) == (2, 1200, {})
    assert len(calls()) == len(set(calls())) == 1200


def test_duplicate_problems_are_rejected_before_they_are_paid_for(project: Write, store: Store) -> None:
    loaded = project(
        '[pipelines.p]\nfrom = { source = "given", rows = [ { question = "a", answer = "1" }, '
        '{ question = " a ", answer = "1" }, { question = "a", answer = "2" }, { answer = "3" } ] }\n'
        "max_failed_rate = 1.0"
    )
    result = run_pipeline(loaded, "p", store)
    assert (result.rows_out, result.dropped, result.failed) == (2, {"duplicate_id": 1}, {"null_question": 1})


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u3000"])
def test_a_blank_question_is_none(project: Write, store: Store, blank: str) -> None:
    rows = f'{{ question = {json.dumps(blank)}, answer = "1" }}, {{ question = "a", answer = "1" }}'
    loaded = project(f'[pipelines.p]\nfrom = {{ source = "given", rows = [ {rows} ] }}\nmax_failed_rate = 1.0')
    result = run_pipeline(loaded, "p", store)
    assert (result.rows_out, result.failed) == (1, {"null_question": 1})


def test_rows_without_a_question_are_told_apart_by_their_repetition(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "given", rows = [ { x = 1 }, { x = 1 }, { x = 2 } ] }')
    assert run_pipeline(loaded, "p", store).rows_out == 3
    assert frame(store, "select distinct problem_id from p").height == 3


def test_given_ids_must_be_unique(project: Write, store: Store) -> None:
    rows = '[ { problem_id = "a", question = "x" }, { problem_id = "a", question = "y" } ]'
    with pytest.raises(DataError, match=r"problem_id 'given:a' occurs in two rows"):
        run_pipeline(project(f'[pipelines.p]\nfrom = {{ source = "given", rows = {rows} }}'), "p", store)


def test_an_empty_source_makes_an_empty_version(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "counting", rows = 0 }\nsteps = [ { op = "rank" } ]')
    assert run_pipeline(loaded, "p", store).rows_out == 0


def test_a_missing_column_is_found_before_anything_runs(project: Write, store: Store) -> None:
    loaded = project(
        '[pipelines.p]\nfrom = { source = "given", rows = [ { numbr = 1 } ] }\nsteps = [ { op = "picky" } ]'
    )
    with pytest.raises(ColumnError, match=r"step 1 \(picky\): needs column 'number'; did you mean 'numbr'\?"):
        run_pipeline(loaded, "p", store)


def start_run(tmp_path: Path, name: str = "talk") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dqdata", "run", name, "-p", str(tmp_path / "pipelines.toml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
    )


def test_kill_9_at_random_moments_asks_nothing_answered_again(
    project: Write, calls: Calls, tmp_path: Path, store: Store
) -> None:
    concurrency = 8
    loaded = project(TALK.replace("concurrency = 32", f"concurrency = {concurrency}").replace("0.002", "0.02"))
    dice = random.Random(5)
    kills = 0
    for _ in range(4):
        process = start_run(tmp_path)
        before = len(calls())
        while len(calls()) < before + 30 and process.poll() is None:
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    result = run_pipeline(loaded, "talk", store)
    assert result.rows_out == 1200
    repeated = sum(count - 1 for count in Counter(calls()).values())
    assert kills and repeated <= kills * concurrency
    assert frame(store, "select count(*) n, count(distinct trace_id) d from talk").row(0) == (1200, 1200)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_says_how_to_go_on(
    project: Write, calls: Calls, tmp_path: Path, store: Store, number: signal.Signals
) -> None:
    loaded = project(TALK.replace("0.002", "0.1"))  # goes on for seconds: the signal comes before its end
    process = start_run(tmp_path)
    while len(calls()) < 50 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert re.search(rb"`dqdata run talk( -p [^`]+)?` goes on from here", error)
    answered = len(calls())
    assert run_pipeline(loaded, "talk", store).calls["made"] == 1200 - answered
    assert len(calls()) == len(set(calls())) == 1200


def test_two_runs_at_once_the_second_waits(project: Write, calls: Calls, tmp_path: Path) -> None:
    project(TALK)
    first, second = start_run(tmp_path), start_run(tmp_path)
    outputs = [process.communicate(timeout=60) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    told = b"".join(out + error for out, error in outputs)
    assert b"another run into talk is at work; waiting for it" in told
    assert b"is what this recipe makes already" in told
    assert len(calls()) == 1200


def test_a_budget_stops_cleanly_and_the_run_goes_on_when_it_is_raised(
    project: Write, store: Store, calls: Calls
) -> None:
    priced = TALK.replace('provider = "parrot"', 'provider = "parrot"\nprice = { input = 1.0, output = 1.0 }')
    small = priced.replace("chunk_rows = 50", "chunk_rows = 50\nbudget_tokens = 3000")
    with pytest.raises(Stopped, match="budget"):
        run_pipeline(project(small), "talk", store)
    assert 0 < len(calls()) <= 100
    paid = len(calls())
    with pytest.raises(Stopped, match="budget"):
        run_pipeline(project(small), "talk", store)
    assert len(calls()) == paid
    done: Any = run_pipeline(project(small.replace("3000", "3000000")), "talk", store)
    assert done.rows_out == 1200
    assert len(set(calls())) == len(calls()) == 1200


def test_a_run_works_from_another_thread(project: Write, store: Store) -> None:
    loaded = project('[pipelines.p]\nfrom = { source = "counting", rows = 50 }\nsteps = [ { op = "rank" } ]')
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(run_pipeline(loaded, "p", store)))
    thread.start()
    thread.join()
    assert results[0].rows_out == 25

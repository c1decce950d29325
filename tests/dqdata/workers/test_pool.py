"""The CPU pool: rows and calls that hang, die, or send half a message, and workers that can't start."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dqdata.columns import Columns
from dqdata.errors import DeadlineExceeded, RunError
from dqdata.operator import NoParams, Outcome, Reject, Row, RowOperator, Schema
from dqdata.workers import worker
from dqdata.workers.pool import Pool, WorkerDied
from dqdata.workers.pool import _Worker as Worker

pytestmark = pytest.mark.cold_workers


class Odd(RowOperator[NoParams]):
    name = "odd"

    @property
    def deadline(self) -> float:
        return 0.5

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, row: Row) -> Outcome:
        what = row["do"]
        if what == "hang":
            while True:
                pass
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "half":  # a message that never ends, then silence
            os.write(_socket(), worker.LENGTH.pack(1 << 40) + b"x" * 1000)
            while True:
                pass
        if what == "raise":
            raise ValueError("no")
        return {**row, "done": what, "text": "y" * row.get("size", 0)}


def _socket() -> int:
    """The descriptor of this worker's socket to its caller."""
    for descriptor in range(3, 64):
        try:
            if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("socket:"):
                return descriptor
        except OSError:
            continue
    raise AssertionError("no socket")


def mapped(rows: list[dict[str, Any]], workers: int = 1) -> list[Outcome]:
    async def work() -> list[Outcome]:
        async with Pool(workers) as pool:
            return await pool.map_rows(Odd(NoParams()), rows)

    return asyncio.run(work())


def reasons(outcomes: list[Outcome]) -> list[str]:
    return [outcome.reason if isinstance(outcome, Reject) else outcome["done"] for outcome in outcomes]


def test_rows_that_hang_die_or_raise_cost_themselves_alone() -> None:
    done = [{"do": f"{n}"} for n in range(20)]
    rows = [
        *done[:5],
        {"do": "hang"},
        *done[5:9],
        {"do": "die"},
        {"do": "die"},
        *done[9:12],
        {"do": "raise"},
        *done[12:],
    ]
    expected = [str(n) for n in range(20)]
    expected[12:12] = ["invalid_row"]
    expected[9:9] = ["worker_died", "worker_died"]
    expected[5:5] = ["timeout"]
    assert reasons(mapped(rows)) == expected


@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_the_row_that_killed_a_worker_is_blamed_although_the_next_child_is_there(
    monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    """The caller may look which row it was long after the fork server has started another child."""
    noticed = Worker._row_at
    monkeypatch.setattr(Worker, "_row_at", lambda self: (time.sleep(delay), noticed(self))[1])
    rows = [{"do": "die" if n in (1, 3, 4, 9, 14) else str(n)} for n in range(16)]
    expected = ["worker_died" if row["do"] == "die" else row["do"] for row in rows]
    assert [reasons(mapped(rows)) for _ in range(3)] == [expected] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker's socket in /proc")
def test_a_worker_that_falls_silent_within_a_message_confuses_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SILENCE_SECONDS", 1.0)
    rows: list[dict[str, Any]] = [{"do": name} for name in ("a", "half", "b", "half")]
    rows.append({"do": "c", "size": 5_000_000})
    assert reasons(mapped(rows)) == ["a", "worker_died", "b", "worker_died", "c"]


def test_large_rows_travel_both_ways() -> None:
    assert reasons(mapped([{"do": str(n), "size": 3_000_000, "given": "z" * 3_000_000} for n in range(4)], 2)) == [
        "0", "1", "2", "3",
    ]  # fmt: skip


def call(function: Any, *given: Any, deadline: float | None = None) -> Any:
    async def work() -> Any:
        async with Pool(1) as pool:
            try:
                return await pool.call(function, *given, deadline=deadline)
            except RunError as error:
                assert await pool.call(abs, -7) == 7  # the pool goes on
                return error

    return asyncio.run(work())


def test_a_call_that_hangs_or_dies_is_told_apart() -> None:
    assert isinstance(call(time.sleep, 60, deadline=0.2), DeadlineExceeded)
    assert isinstance(call(os._exit, 0), WorkerDied)
    assert isinstance(call(os.abort), WorkerDied)
    assert call(sorted, [3, 1, 2]) == [1, 2, 3]


def test_a_task_that_cannot_be_read_or_answered_fails_alone() -> None:
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        call(open, os.devnull)  # an open file can't travel back
    with pytest.raises(Exception, match="unreadable"):
        call(abs, Unreadable())


class Unreadable:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("unreadable")


@pytest.mark.parametrize("broken", ["cannot_start", "dies_at_once"])
def test_a_worker_that_cannot_start_fails_its_tasks_and_is_not_started_for_ever(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DQDATA_TEST_BROKEN", "1")
    if broken == "cannot_start":
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    else:
        monkeypatch.setenv("PYTHONPATH", "/nowhere")
        monkeypatch.setattr(sys, "executable", "/bin/false")

    async def work() -> list[int | BaseException]:
        async with Pool(2) as pool:
            calls = [pool.call(abs, -n) for n in range(6)]
            return await asyncio.gather(*calls, return_exceptions=True)

    for error in asyncio.run(work()):
        assert isinstance(error, RunError)
        assert "start" in str(error)


async def test_time_without_a_core_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task waits longer than it may, but as the kernel counts it, for a core."""
    began = time.monotonic()
    monkeypatch.setattr("dqdata.workers.pool._Worker._delay_seconds", lambda self: time.monotonic() - began)
    async with Pool(workers=1) as pool:
        assert await pool.call(time.sleep, 2.0, deadline=0.2) is None


async def test_waiting_that_is_not_for_a_core_counts() -> None:
    async with Pool(workers=1) as pool:
        with pytest.raises(DeadlineExceeded):
            await pool.call(time.sleep, 3600.0, deadline=0.2)


async def test_a_task_that_never_gets_a_core_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    monkeypatch.setattr("dqdata.workers.pool._Worker._delay_seconds", lambda self: time.monotonic() - began)
    async with Pool(workers=1) as pool:
        with pytest.raises(DeadlineExceeded):
            await pool.call(time.sleep, 3600.0, deadline=0.05)

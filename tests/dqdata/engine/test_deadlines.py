"""A row for which a plug-in's code doesn't come back fails with a message; its neighbours go on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.project.tables import Project

pytestmark = pytest.mark.cold_workers

Write = Callable[[str], Project]
COUNTING = """[pipelines.p]
from = { source = "counting", rows = 10 }
max_failed_rate = 0.1
steps = [ %s ]
"""
BATCH = ["loop", "sleep", "swallow", "crash"]
CALL = ["loop", "sleep", "swallow", "task", "search"]
STEPS = [f'{{ op = "stuck_batch", how = "{how}" }}' for how in BATCH]
STEPS += [f'{{ op = "stuck_call", how = "{how}" }}' for how in CALL]
STEPS += [
    '{ op = "stuck_call", how = "loop", id = "a" }, { op = "stuck_batch", how = "loop", id = "b" }',
]


def children() -> set[str]:
    return {
        pid for task in Path(f"/proc/{os.getpid()}/task").iterdir() for pid in (task / "children").read_text().split()
    }


@pytest.mark.parametrize("steps", STEPS)
def test_a_row_that_does_not_come_back_fails_alone(project: Write, store: Store, steps: str) -> None:
    before, threads = children(), threading.active_count()
    result = run_pipeline(project(COUNTING % steps), "p", store)
    reason = "worker_died" if '"crash"' in steps else "timeout"
    assert (result.rows_out, result.failed) == (9, {reason: 1})
    rejects = store.query("select * from p__rejects").read_all().to_pylist()
    assert ['"number":7' in reject["row"].replace(" ", "") for reject in rejects] == [True]
    assert rejects[0]["detail"]
    assert store.query("select count(*), sum(seen) from p").read_all().to_pylist()[0]["count_star()"] == 9
    assert children() <= before
    assert threading.active_count() <= threads

"""`mode = "append"`: increments give the rows, the order and the rejects of one run over everything, and only new rows
are processed."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dqdata.catalog import Store
from dqdata.engine.append import Appending, Past, keep
from dqdata.engine.executor import RunOutput, execute
from dqdata.engine.executors import LocalExecutor
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Labels
from dqdata.files import make_folder
from dqdata.ledger import Ledger
from dqdata.project.plan import make_plan
from dqdata.project.tables import Project

Write = Callable[[str], Project]
Lines = list[dict[str, Any]]

SHAPES = {
    "calls, then decisions row by row": """
        { op = "talk", teacher = "parrot", n = 2 }, { op = "length" }, { op = "filter", where = "number % 5 <> 2" }""",
    "all rows between two runs of calls": """
        { op = "talk", teacher = "parrot" }, { op = "dedup", column = "question", method = "exact" },
        { op = "talk", id = "more", teacher = "parrot", n = 2 }, { op = "length" }""",
    "all rows first and last": """
        { op = "rank" }, { op = "talk", teacher = "parrot" }, { op = "length" }, { op = "split", near = "question" }""",
    "new rows out of several": """
        { op = "filter", where = "number % 7 <> 3" }, { op = "merge" }, { op = "filter", where = "total > 9" }""",
    "rows that fail": """
        { op = "picky" }, { op = "sample", share = 0.7 }, { op = "talk", teacher = "parrot" }, { op = "length" }""",
    "nothing but the CPU": """
        { op = "filter", where = "number % 4 <> 1" }, { op = "length", column = "question" }""",
    "no step": "",
}

TOML = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
concurrency = 8

[pipelines.p]
from = "rows.jsonl"
mode = "append"
chunk_rows = CHUNK
max_failed_rate = 1
steps = [ STEPS ]
"""


def lines(numbers: range) -> Lines:
    return [{"question": f"How much is {n} and {n // 2}?", "number": n} for n in numbers]


def write(folder: Path, rows: Lines) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def executed(project: Project, store: Store, folder: Path, kept: Path | None) -> tuple[Lines, Lines, Appending]:
    """Rows in order, rejects, and what was taken over; nothing is committed."""
    plan = make_plan(project, "p", store)
    appending = Appending(Past() if kept is None else Past.load(kept))
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)

    async def work() -> RunOutput:
        with Ledger(folder / "ledger.sqlite") as ledger:
            async with Runtime(
                project, ledger, Labels("r", "p"), scratch=folder / "scratch", store=store, inline=True
            ) as runtime:
                progress = Progress(1.0, runtime.counters, None)
                executor = LocalExecutor(runtime, progress)
                return await execute(plan, runtime, executor, folder, progress, appending=appending)

    output = asyncio.run(work())
    if kept is not None:
        keep(kept, plan, output.source, appending.done)
    rows, rejects = (
        pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()
        for files in (output.rows, output.rejects)
    )
    return rows.to_dicts(), rejects.sort(rejects.columns).to_dicts(), appending


@pytest.mark.parametrize("shape", SHAPES)
def test_random_increments_equal_one_run(project: Write, tmp_path: Path, shape: str) -> None:
    """Rows come at the end and in front, and some go or change."""
    drawn = random.Random(shape)
    write(tmp_path, lines(range(1)))
    loaded = project(TOML.replace("CHUNK", str(drawn.choice([3, 7]))).replace("STEPS", SHAPES[shape]))
    rows: Lines = []
    with Store.open(tmp_path / "catalogs") as store:
        for start in (0, 20, 40):
            more = lines(range(start, start + drawn.randint(5, 15)))
            for one in more:
                if drawn.random() < 0.1:
                    one["question"] = "How much is it all?"
            rows = [*more, *rows] if start == 40 else [*rows, *more]
            if start == 20:
                rows.pop(drawn.randrange(len(rows)))
                rows[drawn.randrange(len(rows))]["number"] += 25
            write(tmp_path, rows)
            made = executed(loaded, store, tmp_path / "work", tmp_path / "kept")
        whole = executed(loaded, store, tmp_path / "whole", None)
    assert made[:2] == whole[:2]
    assert len(made[0]) > 1, "the case shows something"
    if "picky" not in SHAPES[shape] and "rank" not in SHAPES[shape]:
        assert shape == "no step" or made[2].taken
        assert all(made[2].taken.values()), "rows that are there again are not processed"
    assert not any(whole[2].taken.values())

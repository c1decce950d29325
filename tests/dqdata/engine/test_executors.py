"""The executors give the same rows, rejects, failures and calls, and go on after a kill."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from clusters import RayCluster

from dqdata.catalog import Store
from dqdata.engine.chunks import slices
from dqdata.engine.run import run_pipeline
from dqdata.engine.tasks import ChunkTask, Job, Labels
from dqdata.errors import BudgetExceeded, InputError, ProjectError, RunError, TooManyFailures
from dqdata.place import StorePlace
from dqdata.project.plan import make_plan
from dqdata.project.tables import EngineKind, Project

Write = Callable[[str], Project]
WriteFor = Callable[[str, EngineKind], Project]
Calls = Callable[[], list[str]]
KINDS: tuple[EngineKind, ...] = ("local", "inline", "spawn")
ALL = [*KINDS, pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.long, pytest.mark.needs("ray")])]

STEPS = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
concurrency = 8

[pipelines.p]
from = { source = "counting", rows = 24 }
chunk_rows = 12
max_failed_rate = 0.6
steps = [ { op = "talk", teacher = "parrot", n = 2 }, STEP { op = "sample", share = 0.5 }, { op = "length" } ]
"""


def text(step: str = "") -> str:
    return STEPS.replace("STEP", step)


@pytest.fixture
def write(project: Write, request: pytest.FixtureRequest) -> Callable[[str, EngineKind], Project]:
    """Writes a project, for the cluster of the tests where the engine is Ray."""

    def written(toml: str, kind: EngineKind) -> Project:
        if kind == "ray":
            cluster: RayCluster = request.getfixturevalue("ray_cluster")
            toml = f'[engine]\naddress = "{cluster.address}"\n{toml}'
        return project(toml)

    return written


def frame(store: Store, sql: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.query(sql).read_all()))


@pytest.fixture
def outcome(project: Write, tmp_path: Path) -> Callable[..., tuple[Any, ...]]:
    """What a run with an executor makes, in a store of its own."""

    def of(engine: EngineKind, toml: str, **more: Any) -> tuple[Any, ...]:
        loaded = project(toml).model_copy(update={"store": StorePlace(tmp_path / engine / "catalogs")})
        with Store.open(loaded.store) as store:
            made = run_pipeline(loaded, "p", store, engine=engine, workers=2, **more)
            rows, rejects = frame(store, "select * from p"), frame(store, "select * from p__rejects")
            rejects = rejects.with_columns(pl.col("detail").str.replace_all(r"\(\S+:\d+\)|in \d+ pieces", ""))
            spent = frame(store, "select count(*) as calls, count(distinct ledger_key) as keys from ledger.calls")
        return made, rows.to_dicts(), rejects.sort("step", "row_key").to_dicts(), spent.to_dicts()

    return of


def test_the_executors_agree(outcome: Callable[..., tuple[Any, ...]], calls: Calls) -> None:
    made = {kind: outcome(kind, text()) for kind in KINDS}
    result, rows, rejects, spent = made["local"]
    assert len(rows) + len(rejects) == 48 and spent == [{"calls": 48, "keys": 48}]
    for kind in ("inline", "spawn"):
        other, *tables = made[kind]
        assert tables == [rows, rejects, spent]
        same = ("rows_in", "rows_out", "dropped", "failed", "calls", "tokens", "cost_usd")
        assert [getattr(other, name) for name in same] == [getattr(result, name) for name in same]
    assert set(Counter(calls()).values()) == {3}, "each run asked each once"


def test_failures_of_rows_are_the_same(outcome: Callable[..., tuple[Any, ...]]) -> None:
    toml = '[pipelines.p]\nfrom = { source = "counting", rows = 24 }\nmax_failed_rate = 1\nchunk_rows = 12\n'
    toml += 'steps = [ { op = "picky" } ]'
    made = {kind: outcome(kind, toml)[1:] for kind in KINDS}
    assert made["local"] == made["inline"] == made["spawn"]
    assert {one["reason"] for one in made["local"][1]} >= {"divisible"}


@pytest.mark.parametrize("kind", ALL)
def test_too_many_failures_end_the_run(write: WriteFor, store: Store, kind: EngineKind) -> None:
    loaded = write('[pipelines.p]\nfrom = { source = "counting", rows = 100 }\nsteps = [ { op = "picky" } ]', kind)
    with pytest.raises(TooManyFailures, match="divisible: 34"):
        run_pipeline(loaded, "p", store, engine=kind)


@pytest.mark.parametrize("kind", ALL)
def test_a_budget_ends_the_run_and_a_higher_one_goes_on(
    write: WriteFor, store: Store, calls: Calls, kind: EngineKind
) -> None:
    priced = text().replace("concurrency = 8", "concurrency = 8\nprice = { input = 1.0, output = 1.0 }")
    loaded = write(priced, kind)
    with pytest.raises(BudgetExceeded, match="budget exhausted"):
        run_pipeline(loaded, "p", store, engine=kind, budget_usd=5e-4)
    before = len(calls())
    assert before < 48
    result = run_pipeline(loaded, "p", store, engine=kind, budget_usd=10.0)
    assert set(Counter(calls()).values()) == {1} and len(calls()) == 48
    assert result.calls["made"] == 48 - before


KILLED = """
import sys
from pathlib import Path
from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.project.tables import read_project

project = read_project(Path(sys.argv[1]))
with Store.open(project.store) as store:
    print(run_pipeline(project, "p", store, engine=sys.argv[2]).rows_out)
"""


@pytest.mark.parametrize("kind", ALL)
def test_a_killed_run_goes_on(write: WriteFor, calls: Calls, kind: EngineKind) -> None:
    loaded = write(text().replace("concurrency = 8", "concurrency = 4\nseconds = 0.01"), kind)
    command = [sys.executable, "-c", KILLED, str(loaded.path), kind]
    for at in (10, 30):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            while len(calls()) < at and child.poll() is None:
                time.sleep(0.005)
            child.kill()
    time.sleep(0.2)  # tasks end with the process that started them
    before = len(calls())
    time.sleep(0.3)
    assert len(calls()) <= before + 4, "nothing goes on without the run"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    asked = Counter(calls())
    assert len(asked) == 48 and sum(asked.values()) <= 48 + 3 * 4 and int(done.stdout) > 0


def test_a_slow_row_delays_its_own_chunk_alone(project: Write, store: Store, tmp_path: Path) -> None:
    """One row waits until every other chunk has its checkpoint."""
    loaded = project(
        f"""
        [pipelines.p]
        from = {{ source = "counting", rows = 80 }}
        chunk_rows = 8
        steps = [ {{ op = "wait_for_files", row = 3, glob = "{tmp_path}/catalogs/work/p/*/rows-*.parquet", files = 10 }} ]
        """  # noqa: E501
    )
    assert run_pipeline(loaded, "p", store, engine="local").rows_out == 80


def test_a_task_is_plain_and_can_be_pickled(project: Write, store: Store, tmp_path: Path) -> None:
    plan = make_plan(loaded := project(text()), "p", store)
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"problem_id": ["a"]}).write_parquet(file)
    job = Job(loaded, plan.segments[0], tmp_path / "target", Labels("r", "p"))
    [chunk] = slices([file], 10)
    task: ChunkTask = pickle.loads(pickle.dumps(ChunkTask(job, chunk)))
    assert task.chunk == chunk and task.job.segment.fingerprint == plan.segments[0].fingerprint
    assert [step.after for step in task.job.segment.steps] == [step.after for step in plan.segments[0].steps]


def test_a_process_that_dies_is_reported_and_the_run_goes_on(project: Write, store: Store) -> None:
    steps = f'[ {{ op = "leave_once", folder = "{store.path}" }} ]'
    loaded = project(f'[pipelines.p]\nfrom = {{ source = "counting", rows = 6 }}\nsteps = {steps}')
    with pytest.raises(RunError, match=r"the process of chunk 0 ended with code 7"):
        run_pipeline(loaded, "p", store, engine="spawn")
    assert run_pipeline(loaded, "p", store, engine="spawn").rows_out == 6


def test_the_engine_is_a_table_of_the_project(project: Write, store: Store) -> None:
    loaded = project('[engine]\nkind = "inline"\n[pipelines.p]\nfrom = { source = "counting", rows = 5 }')
    assert loaded.engine.kind == "inline"
    with pytest.raises(ProjectError, match=r"\[engine\].*kind"):
        project('[engine]\nkind = "inlin"\n[pipelines.p]\nfrom = { source = "counting", rows = 5 }')


def test_a_teacher_that_gathers_a_whole_run_needs_the_local_executor(project: Write, store: Store) -> None:
    loaded = project(
        """
        [teachers.b]
        provider = "openai_batch"
        base_url = "http://127.0.0.1:9/v1"
        model = "m"
        [pipelines.p]
        from = { source = "counting", rows = 5 }
        steps = [ { op = "generate", teacher = "b" } ]
        """
    )
    with pytest.raises(InputError, match="gathers the requests of a whole run"):
        run_pipeline(loaded, "p", store, engine="spawn")

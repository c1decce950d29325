"""Runs on a Ray cluster of two machines: the rows, rejects and calls of the local engine, whatever is killed."""

from __future__ import annotations

import io
import json
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import vllm_stand_in
from clusters import SETTINGS, RayCluster
from loopback import Loopback
from servers import Bucket, Servers

from dqdata.catalog import Store
from dqdata.engine.cluster import probe, spread
from dqdata.engine.cluster.connection import _unreachable
from dqdata.engine.run import run_pipeline
from dqdata.errors import ProjectError, RunError
from dqdata.place import StorePlace
from dqdata.project.tables import EngineTable, Project

Write = Callable[[str], Project]
Calls = Callable[[], list[str]]
pytestmark = pytest.mark.needs("ray")

STEPS = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
concurrency = 8
seconds = 0.02

[pipelines.p]
from = { source = "counting", rows = 60 }
chunk_rows = 10
max_failed_rate = 0.6
steps = [ { op = "talk", teacher = "parrot", n = 2 }, { op = "sample", share = 0.5 }, { op = "length" } ]
"""


def frame(store: Store, sql: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.query(sql).read_all()))


def tables(store: Store) -> list[Any]:
    rows, rejects = frame(store, "select * from p"), frame(store, "select * from p__rejects")
    spent = frame(store, "select count(*) as calls, count(distinct ledger_key) as keys from ledger.calls")
    return [rows.to_dicts(), rejects.sort("step", "row_key").to_dicts(), spent.to_dicts()]


def on(loaded: Project, cluster: RayCluster, store: StorePlace) -> Project:
    """The project on the cluster, with a store of its own."""
    engine = EngineTable(kind="ray", address=cluster.address)
    return loaded.model_copy(update={"engine": engine, "store": store})


def compared(loaded: Project, store: Store, calls: Calls, engine: EngineTable, place: StorePlace) -> None:
    """A run on a cluster, with a store of its own, against one of the local engine."""
    local = run_pipeline(loaded, "p", store)
    assert len(calls()) == 120
    with Store.open(place) as other:
        result = run_pipeline(loaded.model_copy(update={"engine": engine, "store": place}), "p", other, workers=2)
        assert tables(other) == tables(store)
        assert not (other.work / "p").exists()
    same = ("rows_in", "rows_out", "dropped", "failed", "calls", "tokens", "cost_usd")
    assert [getattr(result, name) for name in same] == [getattr(local, name) for name in same]
    assert set(Counter(calls()).values()) == {2}, "each run asked each once"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings for a cluster that the run starts itself, whose files are in this folder."""
    if sys.platform != "linux":
        pytest.skip("tests of clusters run on Linux")
    with tempfile.TemporaryDirectory(prefix="dqray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        for name, value in {**SETTINGS, "RAY_TMPDIR": folder}.items():
            monkeypatch.setenv(name, value)
        yield Path(folder)


def test_a_cluster_for_one_run_makes_what_the_local_engine_makes(
    project: Write, store: Store, calls: Calls, tmp_path: Path, alone: Path
) -> None:
    compared(project(STEPS), store, calls, EngineTable(kind="ray", address="local"), StorePlace(tmp_path / "ray" / "c"))
    started = [process for process in psutil.Process().children() if process.name() in ("raylet", "gcs_server")]
    assert not psutil.wait_procs(started, timeout=120)[1]


@pytest.mark.slow
def test_rows_rejects_and_calls_are_those_of_the_local_engine(
    project: Write, store: Store, calls: Calls, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    engine = EngineTable(kind="ray", address=ray_cluster.address)
    compared(project(STEPS), store, calls, engine, StorePlace(tmp_path / "ray" / "catalogs"))


ASKS = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
concurrency = 8
price = { input = 1.0, output = 2.0 }

[pipelines.p]
from = { source = "counting", rows = 240 }
chunk_rows = 12
steps = [ { op = "talk", teacher = "t", n = 1 }, { op = "length" } ]
"""


class Interference(threading.Thread):
    """Does something to a run once so many calls were answered, one thing after the other."""

    def __init__(self, loopback: Loopback, *steps: tuple[int, Callable[[], Any]]) -> None:
        super().__init__(daemon=True)
        self._loopback, self._steps, self.done, self.problem = loopback, steps, 0, None
        self._over = threading.Event()

    def run(self) -> None:
        try:
            for answered, act in self._steps:
                while len(self._loopback.answered) < answered:
                    if self._over.wait(0.01):
                        return
                act()
                self.done += 1
        except Exception as error:
            self.problem = error

    def end(self) -> None:
        self._over.set()
        self.join()
        assert self.problem is None and self.done == len(self._steps), (self.problem, self.done)


def kill_one(cluster: RayCluster, title: str) -> None:
    """Waits for a worker process with this title, and kills it."""
    for _ in range(600):
        if found := cluster.workers(title):
            found[0].kill()
            return
        time.sleep(0.05)
    raise AssertionError(f"no process {title}")


def asked(loopback: Loopback) -> Counter[str]:
    return Counter(body["messages"][-1]["content"] for body in loopback.asked)


@pytest.mark.slow
def test_what_is_killed_costs_the_calls_in_flight_alone(
    project: Write, store: Store, ray_cluster: RayCluster, loopback: Loopback, tmp_path: Path
) -> None:
    loopback.latency = 0.1
    loaded = project(ASKS.replace("URL", loopback.url))
    interference = Interference(
        loopback,
        (30, lambda: kill_one(ray_cluster, "chunk")),
        (80, lambda: kill_one(ray_cluster, "OwnerActor")),
        (130, ray_cluster.kill_a_machine),
    )
    interference.start()
    try:
        result = run_pipeline(on(loaded, ray_cluster, store.place), "p", store, budget_usd=1.0)
    finally:
        ray_cluster.add_a_machine()
    interference.end()
    count = asked(loopback)
    assert len(count) == result.rows_out == 240
    assert sum(count.values()) <= 240 + 2 * 8, "of a worker and of a machine; that of the owner costs nothing"
    assert not result.failed and frame(store, "select count(*) as n from ledger.calls")["n"].to_list() == [240]
    with Store.open(tmp_path / "again" / "catalogs") as other:
        place = other.place
        local = loaded.model_copy(update={"store": place})
        run_pipeline(local, "p", other)
        assert frame(other, "select * from p").to_dicts() == frame(store, "select * from p").to_dicts()


@pytest.mark.slow
def test_without_a_shared_folder_rows_go_by_the_bucket_while_servers_fail(
    project: Write,
    store: Store,
    ray_cluster: RayCluster,
    servers: Servers,
    loopback: Loopback,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One upload in ten fails, Postgres is killed and started again, and a worker is killed."""
    loopback.latency = 0.05
    bucket = Bucket(tmp_path / "buckets", fails_every=10)
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    place = servers.place(tmp_path / "driver" / "catalogs")
    loaded = project(ASKS.replace("URL", loopback.url))

    def restart() -> None:
        servers.stop_postgres("immediate")
        time.sleep(1)
        servers.start_postgres()

    interference = Interference(loopback, (30, lambda: kill_one(ray_cluster, "chunk")), (100, restart))
    interference.start()
    with Store.open(place) as other:
        run_pipeline(on(loaded, ray_cluster, place), "p", other)
        interference.end()
        count = asked(loopback)
        assert len(count) == 240 and sum(count.values()) <= 240 + 8
        rows = frame(other, "select * from p").to_dicts()
    assert not list((tmp_path / "buckets").rglob("work/**/*.parquet"))
    bucket.close()
    run_pipeline(loaded, "p", store)
    assert frame(store, "select * from p").to_dicts() == rows


def test_a_cluster_that_is_not_there_is_named(project: Write, store: Store) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    loaded = project(STEPS)
    there = loaded.model_copy(update={"engine": EngineTable(kind="ray", address=address)})
    with pytest.raises(RunError, match=rf"no Ray cluster at {address} answers .*ray start --head.*\[engine\] address"):
        run_pipeline(there, "p", store)


def test_a_cluster_that_wants_a_token_is_told_from_one_that_is_not_there() -> None:
    """What Ray 2.60 raises without RAY_AUTH_MODE=token, and with it but without a token."""
    from ray.exceptions import AuthenticationError

    refused = ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")
    for error in (
        refused,
        AuthenticationError("Token authentication is enabled"),
    ):
        said = str(_unreachable("10.0.0.1:6379", error))
        assert "listens and refuses" in said and "RAY_AUTH_MODE=token" in said and "ray start" not in said
    assert "ray start" in str(_unreachable("10.0.0.1:6379", OSError("[Errno 111] Connect call failed")))


def test_addresses_are_checked_with_the_project(project: Write) -> None:
    for address in ("ray://head:10001", "head", "head:6379:1", "", "10.0.0.1"):
        with pytest.raises(ProjectError, match=r"\[engine\].*address"):
            project(f'[engine]\nkind = "ray"\naddress = "{address}"\n{STEPS}')


def test_machines_that_differ_are_named_with_what_to_do() -> None:
    here = probe.found_here(["dqdata", "polars"], "")
    assert probe.difference(here, here, "") == ""
    version, python = here["packages"]["dqdata"], here["python"]
    packages = {**here["packages"]}
    cases = [
        ({"packages": {**packages, "dqdata": None}}, f"has no dqdata: install the wheel of {version}"),
        ({"packages": {**packages, "dqdata": "0.0.9"}}, rf"has dqdata 0\.0\.9, this machine {version}"),
        ({"source": "0" * 32}, "another source of dqdata"),
        ({"python": "3.99"}, rf"runs Python 3\.99, this machine {python}"),
        ({"packages": {**packages, "polars": None}}, "lacks the package polars.*pip install polars=="),
        ({"file": False}, r"does not see /x/seen.*file system that all machines mount.*s3://"),
    ]
    for change, said in cases:
        assert re.search(said, probe.difference({**here, **change}, here, "/x/seen"))
    kind, (host, problem) = probe.carry_out({**here, "packages": {"dqdata": "9.9"}}, "", b"", "a job", None, b"")
    assert kind == "differs" and host == socket.gethostname() and "this machine 9.9" in problem


class Heard(io.StringIO):
    """Makes a file as soon as something is written."""

    def __init__(self, words: str, file: Path) -> None:
        super().__init__()
        self._words, self._file = words, file

    def write(self, text: str) -> int:
        if self._words in text:
            self._file.touch()
        return super().write(text)


@pytest.mark.slow
def test_what_plug_ins_log_in_workers_is_heard_at_once(
    project: Write, store: Store, ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row waits until the driver has shown what it said."""
    heard = Heard("warning[machine-lost]: row 3 waits", tmp_path / "heard")
    monkeypatch.setattr(sys, "stderr", heard)
    step = f'{{ op = "call_out", row = 3, file = "{tmp_path / "heard"}" }}'
    loaded = project(f'[pipelines.p]\nfrom = {{ source = "counting", rows = 5 }}\nsteps = [ {step} ]')
    assert run_pipeline(on(loaded, ray_cluster, store.place), "p", store).rows_out == 5
    [line] = [line for line in heard.getvalue().splitlines() if "row 3 waits" in line]
    assert re.fullmatch(r"\(chunk 0 pid=\d+(, ip=[\d.]+)?\) warning\[machine-lost\]: row 3 waits with \*\*\*", line)


@pytest.mark.slow
def test_a_model_is_served_once_on_a_machine_that_has_the_gpus(
    project: Write, store: Store, ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is a stand-in for vLLM's, and the GPUs are those that the machine says it has."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # Ray counts what it names
    vllm_stand_in.install(tmp_path / "fake")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    env = f'{{ PYTHONPATH = "{tmp_path / "fake"}", NOTED = "{tmp_path / "log"}" }}'
    toml = f"""
        [teachers.t]
        provider = "vllm"
        model = "org/model"
        tensor_parallel = 2
        serve = true
        python = "{python}"
        env = {env}
        [pipelines.p]
        from = {{ source = "counting", rows = 40 }}
        chunk_rows = 10
        steps = [ {{ op = "talk", teacher = "t", n = 1 }} ]
    """
    loaded = on(project(toml), ray_cluster, store.place)
    with pytest.raises(RunError, match=r"teacher 't' takes 2 GPUs of one machine, those of the cluster have 0 at most"):
        run_pipeline(loaded, "p", store)
    address = ray_cluster.add_a_machine(gpus=2)
    try:
        assert run_pipeline(loaded, "p", store).rows_out == 40
    finally:
        ray_cluster.kill_a_machine()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    [pid] = {line["pid"] for line in lines}
    hosts = {line["options"][line["options"].index("--host") + 1] for line in lines}
    assert len(lines) == 40 and hosts == {address} and {line["devices"] for line in lines} == {"0,1"}
    assert not psutil.pid_exists(pid), "it ends with the run"


@pytest.mark.slow
@pytest.mark.parametrize("distinguish", ['["numbers"]', "[]"])
def test_bands_of_dedup_are_searched_on_all_machines(
    project: Write,
    store: Store,
    ray_cluster: RayCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    distinguish: str,
) -> None:
    chance = random.Random(26)
    words = [f"word{number}" for number in range(60)]
    texts = [" ".join(chance.choices(words, k=30)) for _ in range(300)]
    texts += [text.replace("word1 ", "word2 ") for text in texts] + [f"{text} {chance.randrange(9)}" for text in texts]
    chance.shuffle(texts)
    pl.DataFrame({"question": texts}).write_parquet(tmp_path / "texts.parquet")
    step = f'{{ op = "dedup", column = "question", method = "minhash", threshold = 0.7, distinguish = {distinguish} }}'
    loaded = project(f'[pipelines.p]\nfrom = "texts.parquet"\nsteps = [ {step} ]')
    run_pipeline(loaded, "p", store)
    searched: list[tuple[int, bool]] = []

    def counted(cluster: Any, marker: Path, function: Any, values: Any, gather: Any) -> Any:
        searched.append((len(values), gather is not None))
        return spread.spread(cluster, marker, function, values, gather)

    monkeypatch.setattr("dqdata.engine.cluster.executor.spread", counted)
    with Store.open(place := StorePlace(tmp_path / "ray" / "catalogs")) as other:
        run_pipeline(on(loaded, ray_cluster, place), "p", other)
        for sql in ("from p", "select row_key, reason, detail from p__rejects order by all"):
            found = frame(other, sql)
            assert found.to_dicts() == frame(store, sql).to_dicts() and found.height
    assert searched and all(bands > 1 and on_one_actor for bands, on_one_actor in searched)

"""Fixtures that every test shares."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Generator, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, settings
from kept_workers import kept_pool
from loopback import Loopback
from new_stores import create_by_copy
from warm_workers import fork_server

from dqdata.cli import main
from dqdata.masking import VARIABLES, masker
from dqdata.workers import pool

LONGEST = (
    "tests/trainers/test_recipes.py",
    "tests/test_recipes.py",
    "tests/dqdata/catalog/test_migrations.py",
    "tests/dqdata/view/test_browser.py",
    "tests/trainers/test_train_verb.py",
    "tests/trainers/test_build_models.py",
    "tests/trainers/test_splits.py",
    "tests/dqdata/cli/test_build.py",
    "tests/dqdata/cli/test_history.py",
    "tests/dqdata/cli/test_eval_on.py",
    "tests/test_doc_blocks.py",
    "tests/dqdata/catalog/test_store_0_1.py",
    "tests/dqdata/catalog/test_writers.py",
    "tests/dqdata/catalog/test_upkeep.py",
    "tests/dqdata/engine/test_deadlines.py",
    "tests/dqdata/engine/test_run.py",
)
"""Files of tests or fixtures that take most, to be begun first: at the end each core has short tests to share."""

# The same examples in every run, and no limit of time: a slow machine is no fault.
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anywhere")

CONNECT, REAL_FORK_SERVER = duckdb.connect, pool.fork_server
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without", default="", metavar="MODULE,...", help="as if these modules were not installed, in this process"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Only `-m gpu` computes on a GPU: the figures of other tests are those of a CPU."""
    if "gpu" not in config.getoption("markexpr").replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if hidden := set(filter(None, config.getoption("--without").split(","))):
        sys.meta_path[:] = [Hiding(finder, hidden) if finder is PathFinder else finder for finder in sys.meta_path]


class Hiding:
    """A finder of modules that finds all but some."""

    def __init__(self, finder: Any, hidden: Collection[str]) -> None:
        self._finder, self._hidden = finder, hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, name: str, *rest: Any) -> Any:
        return None if name.partition(".")[0] in self._hidden else self._finder.find_spec(name, *rest)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Workers of `-n auto`: one more than the cores that this process may use, since tests wait a third of their time
    for disks, servers and deadlines; at most eight, since each takes a gigabyte."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, 8)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects garbage only once all tests are collected, which takes an eighth less: hardly any of it is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in LONGEST)


def pytest_collection_finish() -> None:
    """Leaves thousands of tests and all that their files import out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `needs(MODULE, ...)` skip where one is not installed, those marked `gpu` where CUDA finds none."""
    for marker in item.iter_markers("needs"):
        for module in marker.args:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"{module} is not installed")
    if item.get_closest_marker("gpu") is not None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("CUDA finds no GPU here")


@pytest.fixture
def shared_data() -> Path:
    """Folder of public data sets beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public data sets at {SHARED_DATA}")
    return SHARED_DATA


class Said(NamedTuple):
    code: int
    out: str
    error: str


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs `dqdata ARGS` in this process and the current folder: exit code, stdout, stderr."""

    def run(*arguments: object) -> Said:
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session", autouse=True)
def _warm_workers() -> Iterator[None]:
    """CPU workers of runs in this process are forks of one that has imported the operators; see warm_workers.py. For
    the whole session, so that runs of fixtures that tests share have them too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dqdata.workers.pool.fork_server", fork_server)
        yield


@pytest.fixture(autouse=True)
def cold_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests marked `cold_workers` start the real processes."""
    if request.node.get_closest_marker("cold_workers") is not None:
        monkeypatch.setattr("dqdata.workers.pool.fork_server", REAL_FORK_SERVER)


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that a test uses are hidden in its own texts alone."""
    monkeypatch.setattr(masker, "_secrets", masker._secrets)
    monkeypatch.setenv(VARIABLES, "")


@pytest.fixture(autouse=True)
def new_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that this process makes are copies of an empty one; the tests of the catalog make theirs."""
    monkeypatch.setattr("dqdata.catalog.store.create", create_by_copy)


class OfThreads:
    """In place of `duckdb.connect`: databases of dqdata that don't say how many threads they have get this many."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __call__(self, *given: Any, **more: Any) -> duckdb.DuckDBPyConnection:
        if "config" in more:
            more["config"] = {"threads": self.threads, **more["config"]}
        return CONNECT(*given, **more)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Databases that this process opens have one thread, as on a machine with one core: sharing out what a test asks
    takes a third of its CPU time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", OfThreads(1))
        yield


@pytest.fixture(autouse=True)
def many_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases of tests marked `many_threads` have as many threads as there are cores, at least two."""
    if request.node.get_closest_marker("many_threads") is not None:
        monkeypatch.setattr(duckdb, "connect", OfThreads(max(2, os.cpu_count() or 1)))


@pytest.fixture
def kept_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process share their CPU workers; for tests that look neither at processes nor at threads."""
    monkeypatch.setattr("dqdata.engine.runtime.Pool", kept_pool)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A real OpenAI-compatible endpoint on 127.0.0.1 with scripted answers, latency and faults."""
    server = Loopback()
    server.start()
    yield server
    server.stop()

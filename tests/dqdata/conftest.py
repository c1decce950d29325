"""Projects that tests run, with the third-party package of tests/package installed as anyone would install it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clusters import RayCluster
from servers import MODULES, Servers

from dqdata import plugins
from dqdata.catalog import Store
from dqdata.place import LedgerPlace
from dqdata.project.tables import Project, read_project

PACKAGE = Path(__file__).resolve().parents[1] / "package"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Postgres and S3 on loopback; skips where they are not installed."""
    for module in MODULES:
        pytest.importorskip(module)
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.fixture(scope="session")
def ray_cluster(thirdparty_path: Path) -> Iterator[RayCluster]:
    """Two machines on loopback, whose workers have the third-party package; skips where Ray is not installed."""
    pytest.importorskip("ray")
    if sys.platform != "linux":
        pytest.skip("a cluster on loopback needs an address for each machine: 127.0.0.2 and so on")
    with RayCluster([thirdparty_path]) as started:
        yield started


@pytest.fixture(scope="session")
def thirdparty_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that the package was installed into."""
    target = tmp_path_factory.mktemp("site")
    copy = tmp_path_factory.mktemp("package") / "package"
    subprocess.run(["cp", "-r", str(PACKAGE), str(copy)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target, copy],
        check=True,
    )
    return target


@pytest.fixture
def thirdparty(thirdparty_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package on the path of this process and of every process it starts."""
    monkeypatch.syspath_prepend(str(thirdparty_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(thirdparty_path), os.environ.get("PYTHONPATH", "")]))
    importlib.invalidate_caches()
    plugins.claims.cache_clear()
    yield thirdparty_path
    plugins.claims.cache_clear()


@pytest.fixture
def project(tmp_path: Path, thirdparty: Path) -> Callable[[str], Project]:
    """Writes a pipelines.toml and reads it. `LOG` in it is the parrot's file of calls."""

    def write(text: str) -> Project:
        path = tmp_path / "pipelines.toml"
        path.write_text(text.replace("LOG", str(tmp_path / "calls.log")))
        return read_project(path)

    return write


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "catalogs") as opened:
        yield opened


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    """Ledger keys of the calls the parrot answered, in order."""

    def read() -> list[str]:
        log = tmp_path / "calls.log"
        return log.read_text().split() if log.exists() else []

    return read


@pytest.fixture
def at(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerPlace:
    """Where a new ledger is to be: in a file; in tests marked `either`, in Postgres too."""
    if getattr(request, "param", "file") == "file":
        return tmp_path / "ledger.sqlite"
    started: Servers = request.getfixturevalue("servers")
    return started.ledger()

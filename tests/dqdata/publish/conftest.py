"""A store with traces of two licensed sources that a scripted teacher wrote, and a Hub on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import TOKEN, HubServer
from publish_project import ANSWERS, PROJECT, lines, problems

from dqdata.cli import main


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the catalogs algebra (mit), geometry (CC-BY-4.0) and traces: ten of twelve problems are solved."""
    folder = tmp_path_factory.mktemp("publish")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    algebra, geometry = problems("algebra", 1), problems("geometry", 11)
    (folder / "algebra.jsonl").write_text(lines(algebra))
    (folder / "geometry.jsonl").write_text(lines(geometry))
    (folder / "records.jsonl").write_text(lines(algebra + geometry))
    (folder / "answers.toml").write_text(ANSWERS)
    (folder / "pipelines.toml").write_text(PROJECT)
    for words in (
        ["run", "algebra", "-q", "--engine", "inline"],
        ["import", str(folder / "geometry.jsonl"), "--into", "geometry", "--license", "CC-BY-4.0", "-q"],
        ["run", "traces", "-q", "--engine", "inline"],
    ):
        assert main(words) == 0, words
    yield folder
    patch.undo()


@pytest.fixture
def xet(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """The Hub, to which large files go by Xet, with a cache of chunks of its own."""
    import huggingface_hub.constants as constants

    holder = pytest.importorskip("huggingface_hub.utils._xet")
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    holder.abort_xet_session()  # the next one reads the settings again
    yield hub
    holder.abort_xet_session()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    import huggingface_hub.constants as constants

    server = HubServer()
    server.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.stop()

"""A whole store at another place: `dqdata store copy`, from a folder to servers and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import Servers, rows

from dqdata.catalog import Store, Version, upkeep
from dqdata.catalog.choice import backend_of
from dqdata.catalog.copy import copy
from dqdata.catalog.marks import Mark
from dqdata.errors import StoreError
from dqdata.ledger import CallContext, Ledger
from dqdata.place import StorePlace
from dqdata.teacher import Completion, Message, Request, Usage

Make = Callable[..., Version]
Problems = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def full(tmp_path: Path, commit_to: Make, problems: Problems) -> StorePlace:
    """A store in a folder with three versions, a tag, a note, rejects, a run, a model's file, an answer, marks of rows
    that no version has yet, and the store of a profile."""
    place = StorePlace(tmp_path / "full")
    with Store.open(place) as store:
        commit_to(store, "p", problems([1, 2]), rejects=[{"step": "s"}])
        commit_to(store, "p", problems([1]), problems(["é", "2"]))
        commit_to(store, "other", problems([7]))
        with store.marking() as mark:
            mark([Mark("p", 1, "tag", "release"), Mark("p", 2, "note", "second")])
        store.record_run({"run_id": "r", "pipeline": "p"})
    (place.path / "row_marks.jsonl").write_text('{"problem_id": "1", "mark": "good"}\n')
    with Store.open(place.of_profile("big")) as store:
        commit_to(store, "p", problems([5, 6]))
        with store.marking() as mark:
            mark([Mark("p", 1, "tag", "big")])
    model = place.path / "models" / "slow" / "1"
    model.mkdir(parents=True)
    (model / "weights.bin").write_bytes(os.urandom(5_000))
    request = Request((Message("user", "2 + 2?"),))
    with Ledger(place.ledger) as ledger:
        answer = Completion("4", "stop", Usage(1, 1))
        context = CallContext("r", "p", "s", "t")
        key = request.key("openai", "m", "")
        who = {"provider": "openai", "model": "m", "revision": ""}
        asyncio.run(ledger.put(key, request, answer, cost_usd=0.5, context=context, **who))
    return place


def told(place: StorePlace) -> list[Any]:
    """What a reader sees of a store."""
    with Store.open(place, read_only=True) as store:
        found = [store.query(f"from {name} order by all").read_all().to_pylist() for name in ("p@1", "p@2", "other")]
        found += [store.query(f"from {name}").read_all().to_pylist() for name in ("p@release", "p__rejects", "dq_runs")]
        found.append(store.versions())
        found.append(store.query("select ledger_key, response, created_at from ledger.calls").read_all().to_pylist())
    with Store.open(place.of_profile("big"), read_only=True) as store:
        found.append(store.query("from p@big order by all").read_all().to_pylist())
    found.append((place.path / "row_marks.jsonl").read_bytes())
    return [*found, (place.path / "models" / "slow" / "1" / "weights.bin").read_bytes()]


def test_there_and_back(
    full: StorePlace,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    commit_to: Make,
    problems: Problems,
    command_line: Callable[..., Any],
) -> None:
    for name, value in servers.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    cloud, back = servers.place(tmp_path / "cloud"), StorePlace(tmp_path / "back")
    keys = {"path": "cloud", "metadata": cloud.metadata, "data": cloud.data, "ledger": cloud.ledger_url}
    (tmp_path / "cloud.toml").write_text("[store]\n" + "".join(f"{key} = {value!r}\n" for key, value in keys.items()))
    done = command_line("store", "copy", "full", "cloud.toml", "--json")
    assert done.code == 0, done
    said = json.loads(done.out)
    files = backend_of(full).data.files()
    assert (said["versions"], said["files"], said["others"], said["calls"]) == (3, len(files), 2, 1)
    assert said["profiles"] == ["big"]
    assert said["bytes"] == sum(file.size() for file in files)
    assert told(cloud) == told(full)
    assert command_line("verify", "-p", "cloud.toml").out.endswith("sound\n")
    refused = command_line("store", "copy", "full", "cloud.toml")
    assert refused.code == 1 and "is a store already" in refused.error

    with Store.open(cloud) as store:
        assert commit_to(store, "p", problems([9])).version == 3, "it is a store like any other"
    assert command_line("store", "copy", "cloud.toml", "back").code == 0
    assert told(back) == told(cloud)
    with Store.open(back) as store:
        assert commit_to(store, "p", problems([10])).version == 4
        assert upkeep.verify(store).faults == ()


KILLED = """
import sys
from pathlib import Path
from dqdata.catalog import copy as module
from dqdata.place import StorePlace
def killed(*_):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, sys.argv[3], killed)
module.copy(StorePlace(Path(sys.argv[1])), StorePlace(Path(sys.argv[2])))
"""


def test_a_copy_that_was_killed_goes_on(full: StorePlace, tmp_path: Path) -> None:
    target = StorePlace(tmp_path / "target")
    before = told(full)
    for step in ("_metadata", "_others", "_finish"):
        words = [sys.executable, "-c", KILLED, str(full.path), str(target.path), step]
        assert subprocess.run(words).returncode == -signal.SIGKILL
        assert not Store.exists(target), "what is not whole is no store"
    with pytest.raises(StoreError, match="half a copy of another store"):
        copy(StorePlace(_another(tmp_path)), target)
    assert copy(full, target).versions == 3
    assert told(target) == told(full) == before
    assert backend_of(target).data.read_note("copy.pending") is None
    assert rows(target.ledger, "select count(*) from calls") == [(1,)]


def _another(tmp_path: Path) -> Path:
    Store.open(tmp_path / "another").close()
    return tmp_path / "another"


def test_what_is_there_is_never_written_over(full: StorePlace, tmp_path: Path, commit_to: Make, problems: Any) -> None:
    with pytest.raises(StoreError, match="nothing to copy"):
        copy(StorePlace(tmp_path / "nothing", data=""), full)
    half = tmp_path / "half"
    Store.open(half).close()
    (half / "store.json").unlink()
    with pytest.raises(StoreError, match="is not empty, and no copy began there"):
        copy(full, StorePlace(half))


def test_a_file_that_arrives_otherwise_is_named(
    full: StorePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dqdata.catalog import folder

    def place(self: folder.FolderData, table: str, file: Path) -> None:
        target = self._table(table) / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes()[:-1])

    target = StorePlace(tmp_path / "target")
    with monkeypatch.context() as patched:
        patched.setattr(folder.FolderData, "place", place)
        with pytest.raises(StoreError, match="has another checksum than"):
            copy(full, target)
    assert not Store.exists(target)
    assert copy(full, target).files == len(backend_of(full).data.files())
    with Store.open(target) as store:
        assert upkeep.verify(store).faults == ()

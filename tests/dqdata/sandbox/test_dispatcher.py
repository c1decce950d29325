"""Every task ends, with its result or an error, whatever breaks in the thread that runs them."""

from __future__ import annotations

import importlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from dqdata.errors import DqdataError, RowError, SandboxError
from dqdata.sandbox import Limits, Sandbox
from dqdata.sandbox.dispatcher import Dispatcher
from dqdata.sandbox.inside import folders
from dqdata.sandbox.worker import Task, Worker

from .conftest import descendants, started

dispatching = importlib.import_module("dqdata.sandbox.dispatcher")


class Injected(Exception):
    pass


STEPS: list[tuple[Any, str]] = [
    (Dispatcher, "_hand_out"), (Dispatcher, "_hand_out_suspects"), (Dispatcher, "_send"), (Dispatcher, "_start"),
    (Dispatcher, "_collect"), (Dispatcher, "_finish"), (Dispatcher, "_lost"), (Dispatcher, "_requeue"),
    (Dispatcher, "_drop"), (Dispatcher, "_patience"), (Dispatcher, "_turn"),
    (Worker, "send"), (Worker, "receive"), (Worker, "complaint"), (Worker, "stop"),
    (Worker, "_clean"), (Worker, "overdue"), (Worker, "__init__"),
    (Task, "open"), (Task, "written"), (Task, "close"),
]  # fmt: skip


def once_broken(function: Callable[..., Any], error: Exception, at: int, *, late: bool, times: int) -> Any:
    calls = 0

    def broken(*given: Any, **names: Any) -> Any:
        nonlocal calls
        calls += 1
        hit = at <= calls < at + times
        if hit and not late:
            raise error
        result = function(*given, **names)
        if hit:
            raise error
        return result

    return broken


def ended(futures: list[Future[Any]]) -> list[Any]:
    """Results or errors; a future that never ends fails the test."""
    return [future.exception(120) or future.result().stdout for future in futures]


@pytest.fixture(scope="module")
def plain() -> Iterator[Sandbox]:
    with Sandbox("none", workers=1, limits=Limits(wall=20, cpu=5, memory=256 << 20)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("how", ["any", "os", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[f"{owner.__name__}.{name}" for owner, name in STEPS])
def test_an_error_at_any_step_leaves_no_task_waiting(
    owner: Any, name: str, how: str, plain: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(24, "too many open files") if how == "os" else Injected("x")
    if _works(plain):
        _kill_servers(plain)
    monkeypatch.setattr(owner, name, once_broken(getattr(owner, name), error, 2, late=how == "after", times=1))
    for n, found in enumerate(ended([plain.submit(f"print({n})") for n in range(6)])):
        assert found == f"{n}\n" or isinstance(found, DqdataError | OSError | Injected)
    monkeypatch.undo()
    assert _works(plain)


def _works(sandbox: Sandbox) -> bool:
    """Whether the next programs run; the loop may still be in a turn that fails."""
    return any(found == "7\n" for _ in range(3) for found in ended([sandbox.submit("print(7)")]))


def _kill_servers(sandbox: Sandbox) -> None:
    assert sandbox._dispatcher is not None
    for worker in list(sandbox._dispatcher.workers):
        worker.process.kill()


@pytest.mark.parametrize("name", ["_hand_out", "_collect", "_turn", "_patience"])
def test_an_error_that_does_not_go_away_fails_the_tasks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with started("none") as sandbox:
        broken = once_broken(getattr(Dispatcher, name), Injected("for ever"), 1, late=False, times=1 << 30)
        monkeypatch.setattr(Dispatcher, name, broken)
        for found in ended([sandbox.submit("print(7)") for _ in range(5)]):
            assert isinstance(found, RowError | SandboxError)
            assert "for ever" in str(found)
        monkeypatch.undo()
        assert _works(sandbox)


def test_a_loop_that_dies_fails_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = started("none")

    def die(self: Dispatcher, error: Exception) -> None:
        raise SystemExit

    monkeypatch.setattr(Dispatcher, "_recover", die)
    monkeypatch.setattr(
        Dispatcher, "_hand_out", once_broken(Dispatcher._hand_out, Injected("x"), 1, late=False, times=1)
    )
    monkeypatch.setattr("threading.excepthook", lambda *_: None)
    assert isinstance(sandbox.submit("print(7)").exception(60), SandboxError)
    assert sandbox.submit("print(8)").result(60).stdout == "8\n"
    sandbox.close()


@pytest.mark.parametrize("mode", ["bwrap", "landlock", "none"])
def test_servers_that_die_together_cost_no_program(mode: str) -> None:
    with started(mode) as sandbox:
        for _ in range(2):
            running = [sandbox.submit("import time\ntime.sleep(0.5)\nprint('here')") for _ in range(8)]
            time.sleep(0.1)
            _kill_servers(sandbox)
            assert ended(running) == ["here\n"] * 8


def test_a_program_under_which_servers_die_takes_no_neighbour_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with started("none") as sandbox:
        send = Worker.send

        def lethal(self: Worker, task: Task) -> None:
            send(self, task)
            if b"lethal" in task.given[0]:
                self.process.kill()

        monkeypatch.setattr(Worker, "send", lethal)
        futures = [sandbox.submit(f"print({n})") for n in range(12)]
        culprit = sandbox.submit("print('lethal')")
        futures += [sandbox.submit(f"print({n})") for n in range(12, 24)]
        assert ended(futures) == [f"{n}\n" for n in range(24)]
        error = culprit.exception(60)
        assert isinstance(error, RowError)
        assert "3 servers" in str(error)


def test_a_server_that_stops_answering_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    working = importlib.import_module("dqdata.sandbox.worker")
    with started("none") as sandbox:
        monkeypatch.setattr(working, "SLACK_SECONDS", 1.0)
        monkeypatch.setattr(working, "EXCUSED", 1)
        assert sandbox._dispatcher is not None
        for worker in sandbox._dispatcher.workers:
            os.kill(worker.process.pid, signal.SIGSTOP)
        futures = [sandbox.submit("print(7)", limits=sandbox.limits.scaled(wall=1.0)) for _ in range(4)]
        while sum(len(worker.due) for worker in sandbox._dispatcher.workers) < 4:  # the time of each is set
            time.sleep(0.01)
        monkeypatch.setattr(working, "SLACK_SECONDS", 60.0)
        assert ended(futures) == ["7\n"] * 4


@pytest.mark.parametrize("reply", [b"[]", b"{", b'{"id": 999}', b"\xff", b'{"id": [1]}', b"[" * 30000])
def test_a_reply_that_makes_no_sense_replaces_the_server(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with started("none") as sandbox:
        loads = json.loads
        monkeypatch.setattr("dqdata.sandbox.worker.json.loads", once_broken_reply(loads, reply), raising=True)
        assert ended([sandbox.submit(f"print({n})") for n in range(4)]) == [f"{n}\n" for n in range(4)]


def once_broken_reply(loads: Callable[..., Any], reply: bytes) -> Callable[..., Any]:
    done = False

    def load(text: Any) -> Any:
        nonlocal done
        if done or b'"ready"' in text:
            return loads(text)
        done = True
        return loads(reply)

    return load


DEEP = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nprint('made')"


@pytest.mark.parametrize("mode", ["landlock", "none"])
def test_deep_folders_harm_nobody(mode: str) -> None:
    """One program's folders are removed while its neighbours run, and nothing of them is left."""
    with started(mode) as sandbox:
        limits = sandbox.limits
        futures = [sandbox.submit(DEEP if n % 4 == 0 else f"print({n})", limits=limits) for n in range(16)]
        found = ended(futures)
        assert [found[n] for n in range(16) if n % 4] == [f"{n}\n" for n in range(16) if n % 4]
        assert sandbox._dispatcher is not None
        homes = [worker.homes for worker in sandbox._dispatcher.workers]
        deadline = time.monotonic() + 60
        while any(os.listdir(home) for home in homes) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [os.listdir(home) for home in homes] == [[]] * len(homes)
    assert not any(Path(home).exists() for home in homes)


def _nested(folder: str, depth: int) -> None:
    here = os.open(folder, os.O_RDONLY)
    for n in range(depth):
        os.close(os.open(f"file{n}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_removal_copes_with_all_that_a_program_can_make(tmp_path: Any) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    _nested(str(scratch), 5000)
    (scratch / "link").symlink_to(kept)
    (scratch / "loop").symlink_to(scratch)
    (scratch / "wide").mkdir()
    for n in range(300):
        (scratch / "wide" / f"{n}").mkdir()
    (scratch / "\udcff\n").mkdir()
    os.mkfifo(scratch / "pipe")
    (scratch / "wide").chmod(0)
    (scratch / "d").chmod(0o100)
    scratch.chmod(0)
    folders.remove(str(scratch))
    assert not scratch.exists()
    assert (kept / "file").read_text() == "mine"
    folders.remove(str(scratch))  # nothing there: nothing to do
    (tmp_path / "to_kept").symlink_to(kept)
    folders.remove(str(tmp_path / "to_kept"))
    assert (kept / "file").read_text() == "mine"


def test_no_server_is_left_of_those_that_were_lost() -> None:
    before = descendants()
    with started("none") as sandbox:
        for _ in range(3):
            _kill_servers(sandbox)
            assert sandbox.submit("print(1)").result(60).stdout == "1\n"
        assert len(descendants() - before) <= 2 * 3
    deadline = time.monotonic() + 60
    while descendants() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not descendants() - before

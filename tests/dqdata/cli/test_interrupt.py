"""Ctrl-C while a run waits for the lock of its store."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dqdata.catalog import Store


def test_ctrl_c_ends_a_run_that_waits_to_commit(dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?"}\n')
    (tmp_path / "pipelines.toml").write_text("[pipelines.p]\nfrom = 'rows.jsonl'\nsteps = []\n")
    command = ("run", "p", "-q", "--engine", "inline")
    with Store.open(tmp_path / "catalogs") as store:
        held, waiting = store.backend.metadata.lock(), store.path / "commit.waiting"
        assert held.acquire(30)

        def interrupt() -> None:
            while not (waiting.is_dir() and any(waiting.iterdir())):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        sender = threading.Thread(target=interrupt, daemon=True)
        sender.start()
        code, _, error = dqdata(*command)
        assert code == 130 and "interrupted" in error
        sender.join()
        held.release()
    assert dqdata(*command)[0] == 0

"""A ledger that another program holds is waited for with lines that name it, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dqdata.errors import StoreError
from dqdata.files import lock
from dqdata.ledger import tables
from dqdata.ledger.file import FileLedger
from dqdata.ledger.writer import Writer


class Releasing(logging.Handler):
    """Ends the hold at the first line about waiting."""

    def __init__(self, release: Callable[[], None]) -> None:
        super().__init__()
        self.release = release
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.release()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tables, "NOTED_EVERY", 0.02)
    path = tmp_path / "ledger.sqlite"
    tables.connect(path).close()
    return path


def rows(path: Path) -> int:
    """Failed attempts in the ledger after a writer has deleted them all, in a transaction."""
    writer = Writer(FileLedger(path))
    try:
        return int(asyncio.run(writer.write(lambda con: con.execute("delete from failures").rowcount)))
    finally:
        writer.close()


@contextlib.contextmanager
def listening(release: Callable[[], None]) -> Iterator[Releasing]:
    handler = Releasing(release)
    logging.getLogger("dqdata.ledger").addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger("dqdata.ledger").removeHandler(handler)


def test_a_write_of_another_program_is_waited_for_with_a_line(ledger: Path) -> None:
    other = sqlite3.connect(ledger, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    with listening(lambda: other.in_transaction and other.execute("rollback")) as heard:
        assert rows(ledger) == 0
    other.close()
    assert f"another program writes to the ledger {ledger}: waiting for it" in heard.lines[0]


def test_the_lock_of_another_dqdata_is_waited_for_with_a_line(ledger: Path) -> None:
    held = lock(ledger)
    held.acquire()
    with listening(lambda: held.release(force=True)) as heard:
        tables.connect(ledger).close()
    assert str(ledger) in heard.lines[0] and "waiting for it" in heard.lines[0]


def test_a_program_that_does_not_end_is_an_error_that_names_the_file(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PATIENCE", 0.1)
    other = sqlite3.connect(ledger, isolation_level=None)
    other.execute("begin immediate")
    try:
        with pytest.raises(StoreError, match="another program wrote to it") as refused:
            rows(ledger)
        assert str(ledger) in str(refused.value)
    finally:
        other.close()

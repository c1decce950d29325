"""Stores vectors from an endpoint beside the ledger, so that no text is paid for twice.

    with KeptVectors(run.kept / FILE, "https://api.example.com/v1#bge-m3") as kept:
        kept.put(["How far is it?"], np.ones((1, 4), np.float32))     # on disk on return
        kept.get(["How far is it?", "Who asks?"])                     # {0: array([1., 1., 1., 1.])}

A key is the model (endpoint and name) and a hash of the text. Several processes may share the file; of two that ask
for one text at the same moment the first answer stays.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import numpy as np

from dqdata.errors import StoreError
from dqdata.files import lock, make_file, make_folder
from dqdata.ids import digest
from dqdata.sqlite import Step, migrate, newest, version
from dqdata_operators.lib.vectors import F32

FILE = "embeddings.sqlite"
CREATE = """
create table vectors (
  model text not null,                    -- URL#MODEL
  text_hash text not null,                -- dqdata.ids.digest
  vector blob not null,                   -- float32, little-endian, as the endpoint gave it
  primary key (model, text_hash)
) strict, without rowid
"""
STEPS: tuple[Step, ...] = ()
"""From one version of the table to the next."""
CHUNK = 5_000
"""Texts looked up at a time."""


class KeptVectors:
    """One model's part of the file. Safe to use from several threads. Raises StoreError."""

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        self._lock = threading.Lock()
        # SQLite's busy handler isn't asked where two processes turn one file to WAL, and can starve a writer.
        self._writers = lock(path, poll=0.002)
        try:
            make_folder(path.parent)
            with self._writers:
                make_file(path)
                where = f"file:{quote(str(path.resolve()))}"
                self._con = sqlite3.connect(where, uri=True, timeout=60, isolation_level=None, check_same_thread=False)
                try:
                    self._con.execute("pragma journal_mode = wal")
                    self._con.execute("pragma synchronous = full")  # what was paid for survives a power cut
                    if found := version(self._con, STEPS):
                        migrate(self._con, path, found, STEPS)
                    else:
                        self._create()
                except BaseException:
                    self._con.close()
                    raise
        except StoreError as error:
            raise StoreError(f"embeddings {path}: {error}") from None
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error

    def _create(self) -> None:
        self._con.execute("begin immediate")
        self._con.execute(CREATE)
        self._con.execute(f"pragma user_version = {newest(STEPS)}")
        self._con.execute("commit")

    def __enter__(self) -> KeptVectors:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock, self._writers:  # the last connection to close removes the log
            self._con.close()

    def get(self, texts: Sequence[str]) -> dict[int, F32]:
        """The vectors that are known, by the text's place."""
        found: dict[int, F32] = {}
        sql = "select text_hash, vector from vectors where model = ? and text_hash in (select value from json_each(?))"
        try:
            for start in range(0, len(texts), CHUNK):
                places = {digest(text): start + at for at, text in enumerate(texts[start : start + CHUNK])}
                with self._lock:
                    rows = self._con.execute(sql, (self._model, json.dumps(list(places)))).fetchall()
                found |= {places[key]: np.frombuffer(vector, "<f4") for key, vector in rows}
        except sqlite3.Error as error:
            raise self._broken(error) from error
        return found

    def put(self, texts: Sequence[str], vectors: F32) -> None:
        """Stores one vector a text, shape (texts, dimensions)."""
        rows = [
            (self._model, digest(text), vector.astype("<f4").tobytes())
            for text, vector in zip(texts, vectors, strict=True)
        ]
        try:
            with self._lock, self._writers:
                self._con.execute("begin immediate")
                try:
                    self._con.executemany("insert or ignore into vectors values (?, ?, ?)", rows)
                    self._con.execute("commit")
                except BaseException:
                    self._con.execute("rollback")
                    raise
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> StoreError:
        return StoreError(
            f"embeddings {self._path}: {error}; check disk space and rights of the file, or put it aside: "
            "what it held is asked for again"
        )

"""Vectors that dqdata 0.1 kept beside the ledger, in `embeddings.sqlite`: what was paid for there is not asked again.

    KeptVectors(Path("catalogs/embeddings.sqlite"), "https://api.example.com/v1#bge-m3").get("How far is it?")

Nothing is written to the file; a vector that is used enters the ledger like any answer.
"""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from urllib.parse import quote

from dqdata.errors import StoreError
from dqdata.ids import digest

FILE = "embeddings.sqlite"


class KeptVectors:
    """One model's part of the file."""

    def __init__(self, path: Path, model: str) -> None:
        """model: URL#MODEL. Raises StoreError for a file that is none of these."""
        self._path, self._model = path, model
        try:
            where = f"file:{quote(str(path.resolve()))}?mode=ro"
            self._con = sqlite3.connect(where, uri=True, timeout=60)
            self._con.execute("select 1 from vectors limit 1")
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def close(self) -> None:
        self._con.close()

    def get(self, text: str) -> str | None:
        """Base64 of the text's vector, float32, little-endian; None where it isn't there."""
        sql = "select vector from vectors where model = ? and text_hash = ?"
        try:
            found = self._con.execute(sql, (self._model, digest(text))).fetchone()
        except sqlite3.Error as error:
            raise self._broken(error) from error
        return base64.b64encode(found[0]).decode("ascii") if found else None

    def _broken(self, error: Exception) -> StoreError:
        return StoreError(f"embeddings {self._path}: {error}; move the file away, and its texts are requested again")

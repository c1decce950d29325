"""Private copies of SQLite files, for what may only read: reading never changes a store.

copies = Copies()
attach(backend, copies.metadata(backend, facts), read_only=True)    # the file itself where it can be written to
copies.close()
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from dqdata.catalog.backend import Backend
from dqdata.catalog.folder import copied, writable
from dqdata.catalog.format import Facts
from dqdata.catalog.migrations import NEWEST, migrate_copy


class Copies:
    """One copy of each file that was asked for, until it is closed; shared by threads."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._folders: dict[Path, tempfile.TemporaryDirectory[str]] = {}

    def of(self, file: Path) -> Path:
        """The copy of a file, made at the first time."""
        with self._guard:
            if file not in self._folders:
                self._folders[file] = copied(file)
            return Path(self._folders[file].name) / file.name

    def metadata(self, backend: Backend, facts: Facts) -> Path | None:
        """The metadata file of a store; a copy in the present format if it cannot be written to or is older; None
        where the metadata is in a server."""
        file, old = backend.metadata.file, facts.format < NEWEST
        if file is None:
            return None
        if writable(backend.root) and writable(file) and not old:
            return file
        with self._guard:
            new = file not in self._folders
            copy = self.of(file)
            if new and old:
                migrate_copy(backend, facts, copy)
            return copy

    def close(self) -> None:
        with self._guard:
            for folder in self._folders.values():
                folder.cleanup()
            self._folders.clear()

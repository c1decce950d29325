"""New stores without making them: the bytes of an empty one, since DuckLake takes a quarter of a second to make it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from dqdata import __version__
from dqdata.catalog.backend import Backend
from dqdata.catalog.choice import backend_of
from dqdata.catalog.create import _scheme, create
from dqdata.catalog.folder import snapshot
from dqdata.catalog.format import Facts, write_facts
from dqdata.catalog.migrations import NEWEST
from dqdata.files import make_file, make_folder
from dqdata.place import StorePlace


@functools.cache
def _empty() -> bytes:
    """Metadata of a store that was just made, in one file."""
    with tempfile.TemporaryDirectory() as folder:
        made = backend_of(StorePlace(Path(folder) / "store"))
        made.root.mkdir()
        create(made)
        assert made.metadata.file is not None
        snapshot(made.metadata.file, Path(folder) / "whole.sqlite")
        return (Path(folder) / "whole.sqlite").read_bytes()


def create_by_copy(backend: Backend) -> None:
    """In place of `dqdata.catalog.store.create`. The real one makes a store on servers, and finishes one whose creation
    was interrupted."""
    file = backend.metadata.file
    if file is None or file.exists():
        create(backend)
        return
    empty = _empty()
    make_folder(backend.work)
    backend.data.create()
    make_file(file)
    file.write_bytes(empty)
    write_facts(backend, Facts(NEWEST, _scheme(backend), f"dqdata {__version__}"))

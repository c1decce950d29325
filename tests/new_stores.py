"""New stores without making them: the bytes of an empty one, since DuckLake takes a quarter of a second to make it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from dqdata import __version__
from dqdata.catalog.create import _scheme, create
from dqdata.catalog.format import Facts, write_facts
from dqdata.catalog.lake import Layout, snapshot
from dqdata.catalog.migrations import NEWEST
from dqdata.files import make_file, make_folder


@functools.cache
def _empty() -> bytes:
    """Metadata of a store that was just made, in one file."""
    with tempfile.TemporaryDirectory() as folder:
        made = Layout(Path(folder) / "store")
        made.root.mkdir()
        create(made)
        snapshot(made.metadata, Path(folder) / "whole.sqlite")
        return (Path(folder) / "whole.sqlite").read_bytes()


def create_by_copy(layout: Layout) -> None:
    """In place of `dqdata.catalog.store.create`; one whose creation was interrupted is finished by the real one."""
    if layout.metadata.exists():
        create(layout)
        return
    empty = _empty()
    for folder in (layout.data, layout.work):
        make_folder(folder)
    make_file(layout.metadata)
    layout.metadata.write_bytes(empty)
    write_facts(layout, Facts(NEWEST, _scheme(layout), f"dqdata {__version__}"))

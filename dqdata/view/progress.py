"""Runs that have not ended: which are at work, which were stopped, and how far each is, from their checkpoints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dqdata.catalog import Store
from dqdata.files import parquet_file


@dataclass(frozen=True)
class Unfinished:
    """A run into a catalog. at_work: whether a process holds its lock. segments: finished checkpoints and rows in them,
    by the order in which the segments began. changed: seconds since the epoch of the newest checkpoint, 0 for none."""

    catalog: str
    run_id: str
    at_work: bool
    segments: list[tuple[int, int]]
    changed: float


def unfinished(store: Store) -> list[Unfinished]:
    """Runs of a store that committed no version yet, those at work first."""
    work = store.work
    if not work.is_dir():
        return []
    found = [_run(folder) for folder in sorted(work.iterdir()) if folder.is_dir() and not folder.is_symlink()]
    return sorted((one for one in found if one is not None), key=lambda one: (not one.at_work, one.catalog))


def _run(folder: Path) -> Unfinished | None:
    try:
        run_id = str(json.loads((folder / "run.json").read_text(encoding="utf-8"))["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    parts = sorted({file.parent for file in folder.rglob("rows-*.parquet")}, key=lambda part: part.stat().st_mtime)
    segments, changed = [], 0.0
    for part in parts:
        files = sorted(part.glob("rows-*.parquet"))
        segments.append((len(files), sum(_rows(file) for file in files)))
        changed = max([changed, *(file.stat().st_mtime for file in files)])
    return Unfinished(folder.name, run_id, _held(folder), segments, changed)


def _rows(file: Path) -> int:
    with parquet_file(file) as opened:
        return int(opened.metadata.num_rows)


def _held(folder: Path) -> bool:
    """Whether a process is at work: it holds the lock of the folder."""
    lock = Path(f"{folder}.lock")
    if not lock.is_file() or lock.is_symlink():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True

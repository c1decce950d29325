"""Files that a program has deleted and still holds: disk that no name leads to.

>>> exceeds(4711, "/tmp/homes/5f0c", 32 << 20)
False
"""

from __future__ import annotations

import os

MOST_MAPPED = 16
"""Deleted files that may be mapped and not open: what they take can't be asked for."""


def exceeds(pid: int, scratch: str, most_bytes: int) -> bool:
    """Whether a process and its children hold more than that of files which lay in `scratch`. Of a process that nobody
    may look into, nothing is known."""
    mark = f"/{os.path.basename(scratch)}/"
    found, seen = 0, set()
    for holder in (pid, *_children(pid)):
        for folder in _tables(holder):
            for path in _listed(folder):
                try:
                    if _is_unlinked(os.readlink(path), mark):
                        about = os.stat(path)
                        if (about.st_dev, about.st_ino) not in seen:
                            seen.add((about.st_dev, about.st_ino))
                            found += 512 * about.st_blocks
                except OSError:
                    continue
            if found > most_bytes:
                return True
        if _mapped(holder, mark) > MOST_MAPPED:
            return True
    return False


def _is_unlinked(target: str, mark: str) -> bool:
    return target.endswith(" (deleted)") and mark in target


def _tables(pid: int) -> list[str]:
    """Tables of descriptors: a thread may have one of its own."""
    return [f"{task}/fd" for task in _listed(f"/proc/{pid}/task")]


def _listed(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _mapped(pid: int, mark: str) -> int:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split(maxsplit=5) for line in file if mark in line]
    except OSError:
        return 0
    return len({tuple(parts[3:5]) for parts in lines if _is_unlinked(parts[-1].rstrip("\n"), mark)})

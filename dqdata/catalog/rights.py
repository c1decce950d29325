"""Permissions of a store: its owner, or with `[store] group = true` its group; refuses links that lead outside.

>>> make_private(layout.root, group=False)      # 0700, and a profile's store with the one above it
>>> tighten(layout.root)                        # everything below has the rights that its root implies

Everything below the root folder is out of reach for others as soon as the root is, so files that libraries write with
the process's own rights are made private a moment later, when the store is closed or opened again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dqdata.errors import StoreError

OWNER, GROUP = 0o700, 0o770


def make_private(root: Path, group: bool | None) -> None:
    """Makes the folder of a store where it isn't there, and keeps others out of it. group: None leaves a folder that
    its group may write to open to it."""
    above = [root.parent.parent, root.parent] if root.parent.name == "profiles" else []
    for folder in (*above, root):
        there = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        shared = group if group is not None else there and bool(folder.stat().st_mode & stat.S_IWGRP)
        _set(folder, GROUP if shared else OWNER)


def tighten(root: Path) -> None:
    """Takes the rights of others, and of the group where the root gives it none, from all that is below."""
    allowed = stat.S_IMODE(root.stat().st_mode) & GROUP
    for entry in _below(root):
        with suppress(FileNotFoundError):  # a run beside this one is at work
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
            wanted = mode & allowed
            if allowed & stat.S_IRWXG:  # the group may do what the owner may
                wanted |= (mode & stat.S_IRWXU) >> 3
            if wanted != mode:
                _set(Path(entry.path), wanted)


def refuse_links(root: Path) -> None:
    """Raises StoreError for a symbolic link in the store: it could make a version out of any file, or write to one."""
    for entry in _below(root):
        if entry.is_symlink():
            raise StoreError(
                f"the store {root} holds a symbolic link, {os.path.relpath(entry.path, root)} -> "
                f"{Path(entry.path).readlink()}; put what it points to in its place, or move "
                "the whole store and name it in [store] path: a store holds its own files"
            )


def inside(root: Path, path: str) -> Path:
    """A path that the store's metadata name, below the store. Raises StoreError for one that leads out of it."""
    found = root / path
    if not found.resolve().is_relative_to(root.resolve()):
        raise StoreError(f"the store {root} is damaged: its metadata name {path!r}, which is outside of it")
    return found


def _below(root: Path) -> Iterator[os.DirEntry[str]]:
    """Everything in the folder, links not followed; folders that go meanwhile are left out."""
    todo = [str(root)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                found = list(entries)
        except (FileNotFoundError, PermissionError):
            continue
        yield from found
        todo += [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]


def _set(path: Path, mode: int) -> None:
    """Files of another member of the group, and those on a read-only disk, stay as they are."""
    try:
        path.chmod(mode)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOENT):
            raise

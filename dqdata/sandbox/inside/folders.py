"""Scratch folders of programs that nobody trusts: removed whatever their owners made of them.

>>> remove("/tmp/dqdata-sandbox-x")

Folders may be nested thousands deep, closed to their owner, or hold names of any bytes. Nothing here recurses, and no
path is longer than a folder and two names.
"""

from __future__ import annotations

import contextlib
import os
import stat


def remove(folder: str) -> None:
    """Removes a folder and all in it, as its owner; what can't be removed stays. Nobody else may be writing there.

    A folder inside is first emptied of its files; folders in it move up beside it and take their turn. So each entry
    is touched a fixed number of times, however deep it lies.
    """
    try:
        if not os.path.islink(folder):
            os.chmod(folder, 0o700)
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        mark, moved = os.urandom(8).hex(), 0
        while names := [name for name in _emptied(top) if not _removed(name, top)]:
            progress = False
            for name in names:
                inner = _entered(name, top)
                if inner is None:
                    continue
                try:
                    for deeper in _emptied(inner):
                        moved += 1
                        with contextlib.suppress(OSError):
                            os.chmod(deeper, 0o700, dir_fd=inner)  # a folder that moves is written to
                            os.rename(deeper, f"{mark}-{moved}", src_dir_fd=inner, dst_dir_fd=top)
                            progress = True
                finally:
                    os.close(inner)
                progress = _removed(name, top) or progress
            if not progress:
                break
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _emptied(folder: int) -> list[bytes]:
    """Unlinks everything but folders; their names."""
    folders = []
    for name in os.listdir(folder):
        raw = os.fsencode(name)
        try:
            if stat.S_ISDIR(os.stat(raw, dir_fd=folder, follow_symlinks=False).st_mode):
                folders.append(raw)
            else:
                os.unlink(raw, dir_fd=folder)
        except OSError:
            continue
    return folders


def _removed(name: bytes, folder: int) -> bool:
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _entered(name: bytes, folder: int) -> int | None:
    try:
        os.chmod(name, 0o700, dir_fd=folder)  # no symbolic link: it was looked at, and nobody else writes here
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        return None


def exceeds(folder: str, most_bytes: int, most_entries: int, deepest: int = 100) -> bool:
    """Whether what is in a folder takes more blocks of disk than `most_bytes`, or more names than `most_entries`, or is
    nested deeper than `deepest`. Stops as soon as it is sure; what vanishes meanwhile counts as nothing."""
    found, entries = 0, 0
    todo = [(folder, 0)]
    while todo:
        path, depth = todo.pop()
        try:
            names = list(os.scandir(path))
        except OSError:
            continue
        entries += len(names)
        if entries > most_entries or depth > deepest:
            return True
        for name in names:
            try:
                about = name.stat(follow_symlinks=False)
            except OSError:
                continue
            found += 512 * about.st_blocks
            if found > most_bytes:
                return True
            if stat.S_ISDIR(about.st_mode):
                todo.append((name.path, depth + 1))
    return False

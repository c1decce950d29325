"""Files: written whole or not at all, locks between processes, hashes, and the user's cache.

>>> with whole_file(Path("slow.jsonl")) as unfinished:          # slow.jsonl appears when the block ends
...     unfinished.write_text("{}")
>>> with lock(store / "commit"):                                # store/commit.lock, whoever else runs
...     ...
>>> file_hash(Path("gsm8k.parquet"), "blake2b")
'0c3ffc1d9ab0b74ec0c3e3bd41bc17a1'
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dqdata.errors import DataError, StoreError

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from filelock import FileLock

Algorithm = Literal["blake2b", "sha256"]
REMEMBERED_FROM = 16 << 20
"""Bytes from which a file's hash is remembered between processes: smaller files are hashed in no time."""
SETTLED = 2.0
"""Seconds since the last change after which the time of a file tells one content from the next."""

_CANT_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
"""What a file system says that has no hard links, or not between these two places: the file is copied then."""

UNFINISHED = ".*.part"
"""Glob of what a killed process left of a file or folder that it was writing."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside the path to write under. When the block ends the file is synced and gets its own name; when it
    raises, what was written is removed. Raises OSError."""
    part = _part(path)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same for a folder, which is there and empty when the block begins. What had the path's name before is
    replaced when the block ends."""
    part = _part(path)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(path, ignore_errors=True)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_taken(folder: Path) -> None:
    """Raises DataError for a folder that holds something, and for a file of that name."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there and not empty; name a new folder", code="unwritable-file")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """As `whole_folder`, for one that is not there, or empty: nothing is replaced. Raises StoreError where the disk
    fails."""
    unfinished = folder.parent / f".{folder.name}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        with suppress(FileNotFoundError):
            folder.rmdir()
        unfinished.rename(folder)
    except OSError as error:
        raise StoreError(
            f"can't write {folder}: {error.strerror or error}; nothing is left of it", code="unwritable-file"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def linked(file: Path, target: Path) -> bool:
    """Makes the target a hard link to the file. False if that is impossible, and it has to be a copy."""
    try:
        target.hardlink_to(file)
    except OSError as error:
        if error.errno not in _CANT_LINK:
            raise
        return False
    return True


def is_private(folder: Path) -> bool:
    """Whether others than owner and group are kept out of the folder, as out of those of a store."""
    return not stat.S_IMODE(folder.stat().st_mode) & stat.S_IRWXO


def make_folder(path: Path) -> None:
    """Makes the folder and those above it that are missing. Below a private folder they have its rights."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    if is_private(path.parent):
        path.chmod(stat.S_IMODE(path.parent.stat().st_mode))


def file_mode(folder: Path) -> int:
    """Rights of a file that holds answers or rows: the owner's, and the group's below a folder that is for a group."""
    return 0o660 if is_private(folder) and folder.stat().st_mode & stat.S_IWGRP else 0o600


def make_file(path: Path) -> None:
    """An empty file with those rights, for a database that gives them to the files it makes beside it; one that is
    there stays."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.chmod(file_mode(path.parent))


def lock(path: Path, *, timeout: float = -1, poll: float = 0.05) -> FileLock:
    """A lock between processes, held as PATH.lock while its `with` block runs, however the process ends. timeout:
    seconds to wait before filelock.Timeout; -1 waits for ever. poll: seconds between tries."""
    from filelock import FileLock

    mode = file_mode(path.parent) if path.parent.is_dir() else 0o600
    return FileLock(f"{path}.lock", timeout=timeout, poll_interval=poll, mode=mode)


def cache_folder(name: str) -> Path:
    """A folder of the user's cache, which may not exist yet. Losing what is in it costs time, nothing else."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dqdata" / name
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"dqdata-{os.getuid()}" / name


def file_hash(path: Path, algorithm: Algorithm) -> str:
    """32 hex digits for the file's bytes. Of a large file they are remembered until its size or time changes."""
    state_of = path.stat()
    if state_of.st_size < REMEMBERED_FROM or time.time() - state_of.st_mtime <= SETTLED:
        return computed_hash(path, algorithm)
    state = [str(path.resolve()), algorithm, state_of.st_size, state_of.st_mtime_ns]
    memory = (
        cache_folder("files")
        / f"{hashlib.blake2b(f'{algorithm}:{state[0]}'.encode(), digest_size=16).hexdigest()}.json"
    )
    try:
        known = json.loads(memory.read_text())
        if known["state"] == state:
            return str(known["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not remembered, or not readable: computed below
    made = computed_hash(path, algorithm)
    _remember(memory, {"state": state, "hash": made})
    return made


def computed_hash(path: Path, algorithm: Algorithm) -> str:
    """32 hex digits for the file's bytes, read now."""
    with path.open("rb") as file:
        if algorithm == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _remember(memory: Path, known: dict[str, object]) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(memory) as unfinished:
            unfinished.write_text(json.dumps(known))
    except OSError:
        return  # a cache that can't be written is no reason to stop


def parquet_file(path: Path, as_dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """A Parquet file to be read a few rows at a time: pyarrow's own setting holds all of the file until it was read.
    as_dictionaries: columns that are read with their values held once."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        path,
        read_dictionary=list(as_dictionaries),
        pre_buffer=False,
        buffer_size=1 << 20,
        coerce_int96_timestamp_unit="us",  # in nanoseconds the year 9999 would be 1816
    )

"""What dqdata keeps for itself in the user's cache: losing it costs time, nothing else.

>>> folder("unpacked")
PosixPath('/home/me/.cache/dqdata/unpacked')
>>> file_hash(Path("gsm8k.parquet"), "blake2b")
'0c3ffc1d9ab0b74ec0c3e3bd41bc17a1'
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Literal

Algorithm = Literal["blake2b", "sha256"]
REMEMBERED_FROM = 16 << 20
"""Bytes from which a file's hash is remembered between processes: smaller files are hashed in no time."""
SETTLED = 2.0
"""Seconds since the last change after which the time of a file tells one content from the next."""


def folder(name: str) -> Path:
    """Not made yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dqdata" / name


def file_hash(path: Path, algorithm: Algorithm) -> str:
    """32 hex digits for the file's bytes. Of a large file they are remembered until its size or time changes."""
    stat = path.stat()
    if stat.st_size < REMEMBERED_FROM or time.time() - stat.st_mtime <= SETTLED:
        return _computed(path, algorithm)
    state = [str(path.resolve()), algorithm, stat.st_size, stat.st_mtime_ns]
    memory = folder("files") / f"{hashlib.blake2b(f'{algorithm}:{state[0]}'.encode(), digest_size=16).hexdigest()}.json"
    try:
        known = json.loads(memory.read_text())
        if known["state"] == state:
            return str(known["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not remembered, or not readable: computed below
    made = _computed(path, algorithm)
    _remember(memory, {"state": state, "hash": made})
    return made


def _computed(path: Path, algorithm: Algorithm) -> str:
    with path.open("rb") as file:
        if algorithm == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _remember(memory: Path, known: dict[str, object]) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False) as new:
            json.dump(known, new)
        Path(new.name).replace(memory)
    except OSError:
        return  # a cache that can't be written is no reason to stop

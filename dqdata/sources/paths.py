"""Resolves a path, glob or list to files, and a file to its format and bytes.

>>> found("data/*.jsonl", root)
[PosixPath('/home/me/data/a.jsonl'), PosixPath('/home/me/data/b.jsonl')]
>>> format_of(Path("a.jsonl.gz"))
'jsonl'
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from dqdata.errors import DataError, nearest

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow"]
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSED = (*OPENERS, ".zst")


def found(paths: str | Sequence[str], root: Path) -> list[Path]:
    """Files of a path, a glob or a list of both, in the order given and by name within a glob. Raises DataError."""
    files: list[Path] = []
    for text in [paths] if isinstance(paths, str) else paths:
        files += [path for path in _matches(text, root) if path not in files]
    if not files:
        raise DataError("no file is named: `path` is an empty list")
    return files


def folder_of_many(paths: str | Sequence[str], root: Path) -> Path | None:
    """The folder in which a glob or a list looks for files, of the first where there are several; None for one file."""
    first = paths if isinstance(paths, str) else paths[0]
    path = root / Path(first).expanduser()
    if path.is_file():
        return None if isinstance(paths, str) else path.parent
    fixed = list(itertools.takewhile(lambda part: not any(sign in part for sign in "*?["), path.parts))
    return Path(*fixed)


def format_of(path: Path) -> Format:
    """By the suffix, less a compression's. Raises DataError."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in COMPRESSED]
    if not suffixes or suffixes[-1] not in SUFFIXES:
        raise DataError(
            f"{path}: the name does not show the format; write format = 'jsonl' (or json, csv, tsv, parquet, arrow) in "
            "`from`"
        )
    return SUFFIXES[suffixes[-1]]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file's bytes, decompressed by its suffix; reads raise DataError where they break off."""
    try:
        with _open(path) as file:
            yield file
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut off ({error}); fetch or write it again") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def _matches(text: str, root: Path) -> list[Path]:
    try:
        return _files_of(text, root / Path(text).expanduser(), root)
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL in it, `~nobody`
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        raise DataError(f"{shown!r} names no file: {getattr(error, 'strerror', None) or error}") from None


def _files_of(text: str, path: Path, root: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        raise DataError(f"{path} is a folder; name its files, such as {text.rstrip('/')}/*.jsonl")
    if "://" in text:
        raise DataError(
            f"{text}: no file is read from a URL; fetch it, or write hf:OWNER/NAME for a data set of the Hub"
        )
    if not any(sign in text for sign in "*?["):
        if not path.parent.is_dir():
            raise DataError(f"no file {path}: there is no folder {path.parent}", code="missing-file")
        raise DataError(
            f"no file {path}{nearest(path.name, (file.name for file in path.parent.iterdir()))}", code="missing-file"
        )
    anchor = Path(path.anchor)
    matches = sorted(file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file())
    if not matches:
        raise DataError(
            f"no file matches {path}; globs take *, ? and ** and are relative to {root}", code="missing-file"
        )
    return matches


def _open(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix in OPENERS:
        return OPENERS[suffix](path, "rb")
    if suffix == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")

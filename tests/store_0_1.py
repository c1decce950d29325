"""The store that version 0.1 made, which is committed in one archive."""

from __future__ import annotations

import tarfile
from pathlib import Path

MADE = Path(__file__).parent / "dqdata" / "catalog" / "data" / "store_0_1.tar.xz"


def unpack(folder: Path, *names: str) -> Path:
    """The project's folder, in this one. names: files of the archive; without, all."""
    with tarfile.open(MADE) as tar:
        # Python 3.11.2, which is Debian's, has no filters yet.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        tar.extractall(folder, [tar.getmember(name) for name in names] if names else None)
    return folder / "store_0_1"

"""The source over files in a folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from dqdata.sources.files import Files, FilesParams


@pytest.fixture
def files(tmp_path: Path):
    """Makes the source over files in a folder."""

    def make(path, **params) -> Files:
        return Files(FilesParams(path=path, **params), SimpleNamespace(root=tmp_path, store=None, grows=False))

    return make

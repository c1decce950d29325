"""Sources over files in a folder, for the tests of what is read and of what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dqdata.columns import columns_of
from dqdata.errors import DataError
from dqdata.sources.files import Files


def rows(source: Files) -> list[dict]:
    batches = list(source.batches())
    promised = source.schema()
    assert all(columns_of(batch.schema) == promised for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def lines(path: Path, *records) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def message(source: Files) -> str:
    with pytest.raises(DataError) as caught:
        source.schema()
        list(source.batches())
    return str(caught.value)


TWO = [{"question": "2 + 2?", "answer": "4"}, {"question": "2 + 3?", "answer": "5"}]

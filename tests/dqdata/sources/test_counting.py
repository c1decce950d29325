"""Rows are counted as they will be read, whatever stands in them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from dqdata.sources import counting
from dqdata.sources.counting import rows_in

HARD = ["plain", 'with "quotes"', "two\nlines", "", "comma, and\r\nmore", "\u2028", '"', "\n\n"]


def as_csv(rows: list[str], end: str = "\n") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerow(["question", "number"])
    writer.writerows([row, n] for n, row in enumerate(rows))
    return out.getvalue().encode()


@pytest.mark.parametrize("block", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: str) -> None:
    monkeypatch.setattr(counting, "BLOCK", block)
    file = tmp_path / "a.csv"
    for rows in ([], HARD, HARD * 5):
        for tail in (b"", b"\n", b"\n\n"):
            file.write_bytes(as_csv(rows, end) + tail)
            assert rows_in(file, "csv", "utf-8") == len(rows)
    file.write_bytes(as_csv(HARD, end).rstrip(b"\r\n"))
    assert rows_in(file, "csv", "utf-8") == len(HARD)


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(counting, "BLOCK", block)
    lines = [json.dumps({"question": text}) for text in HARD]
    for name, text in (("a.jsonl", "\n".join(lines)), ("b.jsonl", "\n\n".join(lines) + "\n \n"), ("c.jsonl", "")):
        (tmp_path / name).write_text(text)
        assert rows_in(tmp_path / name, "jsonl", "utf-8") == (len(lines) if text else 0)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert rows_in(packed, "jsonl", "utf-8") == len(lines)


def test_what_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"question": "x"}\n' * 100)
    assert rows_in(file, "jsonl", "utf-16") is None and rows_in(file, "json", "utf-8") is None
    monkeypatch.setattr(counting, "MOST", 50)
    assert rows_in(file, "jsonl", "utf-8") is None

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "gbk"])
def test_json_arrays(tmp_path: Path, encoding: str) -> None:
    texts = [*HARD, "[{", "}, {", "\\"]
    if encoding != "latin-1":
        texts.append("表表求和")
    rows = [{"question": text.replace("\u2028", ""), "tests": [{"a": [1, {}]}]} for text in texts]
    file = tmp_path / "a.json"
    for count in (0, 1, len(rows)):
        for indent in (None, 2):
            file.write_text("\n " + json.dumps(rows[:count], ensure_ascii=False, indent=indent), encoding=encoding)
            if encoding == "utf-8-sig":
                file.write_bytes(json.dumps(rows[:count], indent=indent).encode("utf-8-sig"))
            assert rows_in(file, "json", encoding.removesuffix("-sig")) == count
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(rows).encode()))
    assert rows_in(packed, "json", "utf-8") == len(rows)


def test_json_lines_under_the_name_of_an_array_are_counted_as_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"question": "x"}\n' * 9)
    assert rows_in(file, "json", "utf-8") == 9


@pytest.mark.parametrize("text", ['[{"question": "x"}', "[1, 2", "[" * 100_000, '[{"question": "\xff'])
def test_a_broken_array_is_not_counted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text.encode("latin-1"))
    assert rows_in(file, "json", "utf-8") is None


def test_an_array_that_is_too_long_is_left_to_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps([{"question": "x"}] * 10))
    assert rows_in(file, "json", "utf-8") == 10
    monkeypatch.setattr(counting, "MOST_ARRAY", 50)
    assert rows_in(file, "json", "utf-8") is None


def test_what_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"question": "x"}\n' * 100)
    assert rows_in(file, "jsonl", "utf-16") is None and rows_in(file, "json", "utf-16") is None
    monkeypatch.setattr(counting, "MOST", 50)
    assert rows_in(file, "jsonl", "utf-8") is None

"""Keys that occur again in Parquet files, against a plain dictionary; also where a share of the hashes is held."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

from dqdata import repeats
from dqdata.errors import StoreError
from dqdata.repeats import repeated_rows, suspects


def written(folder: Path, parts: list[list[str | None]]) -> list[Path]:
    files = []
    for number, keys in enumerate(parts):
        files.append(folder / f"{number} [a].parquet")
        pl.DataFrame(
            {"key": keys, "other": range(len(keys))}, schema={"key": pl.String, "other": pl.Int64}
        ).write_parquet(files[-1])
    return files


def expected(parts: list[list[str | None]]) -> list[tuple[int, int, str | None, int]]:
    seen: dict[str | None, int] = defaultdict(int)
    found = []
    for number, keys in enumerate(parts):
        for row, key in enumerate(keys):
            if seen[key]:
                found.append((number, row, key, seen[key]))
            seen[key] += 1
    return found


@pytest.mark.parametrize("held", [4_000_000, 50, 7])
def test_repetitions_are_numbered_in_the_order_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(repeats, "HELD", held)
    drawn = random.Random(held)
    keys = [None, "", *(f"k{n}" for n in range(150))]
    parts = [[drawn.choice(keys) for _ in range(size)] for size in (60, 0, 1, 100, 3)]
    assert repeated_rows(written(tmp_path, parts), "key").rows() == expected(parts)


def test_keys_that_occur_once_are_no_suspects_and_a_null_is(tmp_path: Path) -> None:
    once = [[f"k{n}" for n in range(500)], [f"k{n}" for n in range(500, 1000)]]
    assert suspects(written(tmp_path, once), "key").is_empty()
    assert suspects([], "key").is_empty()
    assert suspects(written(tmp_path, [["a", None, "b"]]), "key").rows() == [(0, 1, None)]


def test_a_hash_that_two_keys_share_makes_no_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_hashes", lambda keys: (keys.hash() % 3).to_numpy())
    parts: list[list[str | None]] = [["a", "b", "c"], ["d", "a", "e"], ["a"]]
    files = written(tmp_path, parts)
    assert repeated_rows(files, "key").rows() == [(1, 1, "a", 1), (2, 0, "a", 2)]
    assert suspects(files, "key").height > 3


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    [file] = written(tmp_path, [["a", "b"]])
    whole = file.read_bytes()
    file.write_bytes(b"PAR1" + bytes(len(whole) - 8) + whole[-4:])
    with pytest.raises(StoreError, match="can't read"):
        repeated_rows([file], "key")

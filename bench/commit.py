"""Seconds to commit a million rows in 100 Parquet files, against copying those files and against writing them anew.

python bench/commit.py
python bench/commit.py --rows 200000 --files 20 --repeat 3
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from dqdata.catalog import Store
from dqdata.catalog.commit import check_key
from dqdata.columns import Columns

COLUMNS = Columns({"trace_id": "VARCHAR", "problem_id": "VARCHAR", "reasoning": "VARCHAR", "rv": "DOUBLE"})


def make(folder: Path, rows: int, files: int) -> list[Path]:
    folder.mkdir(parents=True)
    made = []
    with duckdb.connect() as con:
        for number in range(files):
            made.append(folder / f"{number:04}.parquet")
            first, last = rows * number // files, rows * (number + 1) // files
            con.execute(
                f"""copy (select md5(i::varchar) as trace_id, md5((i // 4)::varchar) as problem_id,
                    'so ' || repeat(hash(i)::varchar || ' + 1 ', 12) as reasoning, i % 10 + 0.5::double as rv
                    from range({first}, {last}) t(i)) to '{made[-1]}' (format parquet, compression zstd)"""
            )
    return made


def timed(what: Callable[[int], object], repeat: int) -> float:
    """Median seconds; each turn is given its number."""
    seconds = []
    for turn in range(repeat):
        start = time.perf_counter()
        what(turn)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        outside = make(root / "outside", given.rows, given.files)
        listed = "[" + ", ".join(f"'{file}'" for file in outside) + "]"

        with Store.open(root / "catalogs") as store, duckdb.connect() as con:
            linked = [shutil.copyfile(file, store.work / file.name) for file in outside]

            def commit(files: list[Path], name: str) -> Callable[[int], object]:
                return lambda turn: store.commit(
                    name, rows=files, rejects=[], columns=COLUMNS, fingerprint=f"{name}{turn}", recipe={}, run_id="r"
                )

            def copy(turn: int) -> None:
                (root / f"copy-{turn}").mkdir()
                for file in outside:
                    shutil.copyfile(file, root / f"copy-{turn}" / file.name)

            def rewrite(turn: int) -> None:
                target = root / f"rewritten-{turn}.parquet"
                con.execute(f"copy (from read_parquet({listed})) to '{target}' (format parquet, compression zstd)")

            store.commit("warm", rows=[], rejects=[], columns=COLUMNS, fingerprint="w", recipe={}, run_id="r")
            results = {
                "copying the files": timed(copy, given.repeat),
                "writing the rows anew, zstd, in one file": timed(rewrite, given.repeat),
                "commit of checkpoints (linked)": timed(commit(linked, "linked"), given.repeat),
                "  of which the check for duplicate keys": timed(
                    lambda _: check_key(outside, "trace_id", "x"), given.repeat
                ),
                "commit of other files (copied, synced)": timed(commit(outside, "copied"), given.repeat),
            }
        size = sum(file.stat().st_size for file in outside) / 1e6
    print(f"{given.rows:,} rows, {given.files} files, {size:.0f} MB; median of {given.repeat}")
    base = results["copying the files"]
    for name, seconds in results.items():
        print(f"{name:45} {seconds:7.2f} s {seconds / base:6.1f} x copying")


if __name__ == "__main__":
    main()

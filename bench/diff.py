"""Seconds to compare two versions of a catalog, beside DuckDB's join of all columns on the same files, in one run.

python bench/diff.py
python bench/diff.py --rows 100000 --repeat 1

A hundredth of the rows is added, removed and changed each. The peer counts the rows alone; the report also has changed
columns, shifts, shares, outcomes and examples.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from dqdata.catalog import Store
from dqdata.columns import Columns
from dqdata.history.diff import diff

COLUMNS = Columns(
    {"trace_id": "VARCHAR", "problem_id": "VARCHAR", "reasoning": "VARCHAR", "verdict": "VARCHAR", "rv": "DOUBLE"}
)


def make(file: Path, first: int, last: int, changed: int) -> Path:
    """Rows first..last, of which every `changed`-th has another rv."""
    with duckdb.connect() as con:
        con.execute(
            f"""copy (select md5(i::varchar) as trace_id, md5((i // 4)::varchar) as problem_id,
                'so ' || repeat(hash(i)::varchar || ' + 1 ', 12) as reasoning,
                case when i % 3 = 0 then 'incorrect' else 'correct' end as verdict,
                (i % 10 + if({changed} > 0 and i % greatest({changed}, 1) = 0, 0.5, 0))::double as rv
                from range({first}, {last}) t(i)) to '{file}' (format parquet, compression zstd)"""
        )
    return file


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(what: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Median of wall and of CPU seconds."""
    wall, spent = [], []
    for _ in range(repeat):
        start, before = time.perf_counter(), cpu()
        what()
        wall.append(time.perf_counter() - start)
        spent.append(cpu() - before)
    return statistics.median(wall), statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    part = given.rows // 100
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = [make(root / "a.parquet", 0, given.rows, 0), make(root / "b.parquet", part, given.rows + part, 100)]
        with Store.open(root / "store") as store:
            for number, file in enumerate(files):
                store.commit(
                    "traces",
                    rows=[file],
                    rejects=[],
                    columns=COLUMNS,
                    fingerprint=str(number),
                    recipe={},
                    run_id="bench",
                )
            ours = measured(lambda: diff(store, ("traces", 1), ("traces", 2)), given.repeat)
            found = diff(store, ("traces", 1), ("traces", 2))
        a, b = (f"read_parquet('{file}')" for file in files)
        differs = " or ".join(f"a.{name} is distinct from b.{name}" for name in COLUMNS if name != "trace_id")
        query = (
            f"select count(*) filter (a.trace_id is null), count(*) filter (b.trace_id is null), count(*) filter "
            f"(a.trace_id is not null and b.trace_id is not null and ({differs})) "
            f"from {a} a full join {b} b on a.trace_id = b.trace_id"
        )
        with duckdb.connect() as con:
            theirs = measured(lambda: con.execute(query).fetchall(), given.repeat)
            counted = con.execute(query).fetchall()[0]
    assert tuple(found.counts[:3]) == counted, (found.counts, counted)
    print(f"{given.rows:,} rows a version, {part:,} added, removed and changed each\n")
    print("| | seconds | CPU s |\n|---|---:|---:|")
    print(f"| dqdata diff: counts, columns, shifts, shares, outcomes, examples | {ours[0]:.2f} | {ours[1]:.2f} |")
    print(f"| DuckDB: counts alone, all columns joined | {theirs[0]:.2f} | {theirs[1]:.2f} |")
    print(f"\nratio {ours[0] / theirs[0]:.2f}, of CPU {ours[1] / theirs[1]:.2f}")


if __name__ == "__main__":
    main()

"""Several processes that commit to one store and read it at once: is anything lost, and how long does anyone wait?

    python bench/processes.py --processes 4 --seconds 120

Each process commits versions of a catalog of its own and of one that all share, and reads random versions between. At
the end every commit that was acknowledged is there with its rows and its checksums, the numbers of the shared catalog
have no gap, and no process went without a commit. The table shows the longest commit and the longest read: who waits
for the lock waits within them. Exit code 1 where something is lost.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dqdata.catalog import Store
from dqdata.catalog.upkeep import verify
from dqdata.columns import Columns

COLUMNS = Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})
SHARED = "shared"


def work(root: Path, number: int, seconds: float, rows: int) -> dict[str, Any]:
    """Commits and reads until the time is over. Returns the versions that were acknowledged, by catalog, the seconds of
    each commit and of each read, and what was wrong."""
    drawn = random.Random(number)
    made: dict[str, list[int]] = {SHARED: [], f"own_{number}": []}
    commits: list[float] = []
    reads: list[float] = []
    wrong: list[str] = []
    file = root.parent / f"rows-{number}.parquet"
    pq.write_table(pa.table({"problem_id": [f"p{n}" for n in range(rows)], "question": ["?"] * rows}), file)
    with Store.open(root) as store:
        end = time.monotonic() + seconds
        while not reads or time.monotonic() < end:
            for catalog, versions in made.items():
                mark = f"{number} {catalog} {len(versions)}"
                began = time.monotonic()
                version = store.commit(
                    catalog, rows=[file], rejects=[], columns=COLUMNS, fingerprint=mark, recipe={}, run_id=mark
                )
                commits.append(time.monotonic() - began)
                versions.append(version.version)
            began = time.monotonic()
            one = drawn.choice(store.versions())
            [batch] = store.query(f"select count(*) as n from {one.catalog}@{one.version}")
            reads.append(time.monotonic() - began)
            if batch["n"][0].as_py() != rows:
                wrong.append(f"{one.catalog}@{one.version} has {batch['n'][0]} rows of {rows}")
    return {"made": made, "commits": commits, "reads": reads, "wrong": wrong}


def faults(root: Path, done: list[dict[str, Any]], rows: int) -> list[str]:
    """What is lost, doubled or damaged once all have ended."""
    found = [text for one in done for text in one["wrong"]]
    found += [f"process {number} made no commit" for number, one in enumerate(done) if not one["commits"]]
    acknowledged: dict[str, list[int]] = {}
    for one in done:
        for catalog, versions in one["made"].items():
            acknowledged.setdefault(catalog, []).extend(versions)
    with Store.open(root, read_only=True) as store:
        for catalog, versions in acknowledged.items():
            there = store.versions(catalog)
            if sorted(versions) != [one.version for one in there] or len(there) != there[-1].version:
                found.append(f"{catalog}: {len(versions)} commits were acknowledged, {len(there)} are there")
            found += [f"{catalog}@{one.version} has {one.rows} rows" for one in there if one.rows != rows]
        found += [str(fault) for fault in verify(store).faults]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--work", nargs=2, metavar=("STORE", "NUMBER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        print(json.dumps(work(Path(given.work[0]), int(given.work[1]), given.seconds, given.rows)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "catalogs"
        Store.open(root).close()
        options = ["--seconds", str(given.seconds), "--rows", str(given.rows)]
        running = [
            subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), *options, "--work", str(root), str(number)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(given.processes)
        ]
        said = [process.communicate(timeout=given.seconds + 600)[0] for process in running]
        if any(process.returncode for process in running):
            print("a process failed")
            return 1
        done = [json.loads(text) for text in said]
        wrong = faults(root, done, given.rows)
    print(f"{given.processes} processes for {given.seconds:.0f} s\n")
    print("| process | commits | longest s | median s | reads | longest s |\n|---:|---:|---:|---:|---:|---:|")
    for number, one in enumerate(done):
        commits, reads = sorted(one["commits"]), one["reads"]
        median = commits[len(commits) // 2]
        print(f"| {number} | {len(commits)} | {commits[-1]:.2f} | {median:.2f} | {len(reads)} | {max(reads):.2f} |")
    print("\n" + ("\n".join(wrong) or "nothing is lost: every acknowledged version is there, whole"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

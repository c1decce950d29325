"""A process that commits versions until it is stopped: python writer.py STORE CATALOG SECONDS.

Every version has 1000 rows in 20 files and 3 rejects. Prints the number of each version once its commit has returned.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dqdata.catalog import Store
from dqdata.columns import REJECTS, Columns, arrow_schema

COLUMNS = Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})


def main(root: Path, catalog: str, seconds: float) -> None:
    with Store.open(root) as store:
        files, rejects = _files(store.work)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            mark = str(time.monotonic_ns())
            made = store.commit(
                catalog,
                rows=files,
                rejects=rejects,
                columns=COLUMNS,
                fingerprint=f"{os.getpid()}-{mark}",
                recipe={"by": os.getpid()},
                run_id=mark,
            )
            print(made.version, flush=True)


def _files(work: Path) -> tuple[list[Path], list[Path]]:
    files = []
    for number in range(20):
        files.append(work / f"{os.getpid()}-{number}.parquet")
        rows = [{"problem_id": f"{number}-{row}", "question": "?"} for row in range(50)]
        pq.write_table(pa.Table.from_pylist(rows, arrow_schema(COLUMNS)), files[-1])
    rejects = work / f"{os.getpid()}-rejects.parquet"
    pq.write_table(pa.Table.from_pylist([{"step": "s"}] * 3, arrow_schema(REJECTS)), rejects)
    return files, [rejects]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))

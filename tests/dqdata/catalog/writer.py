"""A process that commits versions until it is stopped: python writer.py STORE CATALOG SECONDS.

Every version has 1000 rows in 20 files and 3 rejects. Prints the number of each version once its commit has returned
and it was read whole. STORE is a folder, or a JSON object with the fields of a place.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dqdata.catalog import Store
from dqdata.columns import REJECTS, Columns, arrow_schema
from dqdata.place import StorePlace

COLUMNS = Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})


def main(place: StorePlace, catalog: str, seconds: float) -> None:
    with Store.open(place) as store:
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
            sql = f"select count(*) as n, count(distinct problem_id) as keys from {catalog}@{made.version}"
            assert store.query(sql).read_all().to_pylist() == [{"n": 1000, "keys": 1000}]
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
    said = sys.argv[1]
    given = json.loads(said) if said.startswith("{") else {"path": said}
    main(StorePlace(**{**given, "path": Path(given["path"])}), sys.argv[2], float(sys.argv[3]))

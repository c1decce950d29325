"""`dq_costs` and `dq_difficulty` over versions of unlike columns, types and sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from servers import both

from dqdata.catalog import Store, upkeep
from dqdata.columns import Columns
from dqdata.ledger import Ledger
from dqdata.place import StorePlace

RATED = {"pass_by": ["s"] * 2, "pass_n": [4, 4], "pass_correct": [1, 4]}
VERSIONS: list[dict[str, list[Any]]] = [
    {"correct": [True, False], **RATED},
    {"extra": [1, 2], **{name: RATED[name] for name in reversed(RATED)}, "correct": ["yes", "no"]},
    {"extra": [["x"], []], "correct": [False, False]},
    {"correct": [True, True], **RATED, "pass_n": [8, 8]},  # will be dropped
    {"correct": [], **{name: [] for name in RATED}},
    {"question": ["a", "b"]},
]
TYPES = {"pass_by": pa.string(), "pass_n": pa.int64(), "pass_correct": pa.int64(), "question": pa.string()}


@both
def test_versions_of_unlike_columns(place: StorePlace, tmp_path: Path) -> None:
    with Store.open(place) as store, Ledger(store.ledger_place):
        store.record_run({"run_id": "r", "cost_usd": 0.0})
        for number, given in enumerate(VERSIONS, 1):
            size = len(next(iter(given.values())))
            columns = {"problem_id": [f"p{n}" for n in range(size)], **given}
            types = {"problem_id": pa.string(), **TYPES}
            types["correct"] = pa.string() if number == 2 else pa.bool_()
            table = pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})
            pq.write_table(table, tmp_path / "rows.parquet")
            kinds = {"string": "VARCHAR", "int64": "BIGINT", "bool": "BOOLEAN", "list<element: string>": "VARCHAR[]"}
            described = {field.name: kinds[str(field.type)] for field in pq.read_schema(tmp_path / "rows.parquet")}
            store.commit(
                "rated", rows=[tmp_path / "rows.parquet"], rejects=[], columns=Columns(described),
                fingerprint=str(number), recipe={}, run_id="r",
            )  # fmt: skip
        upkeep.drop(store, [("rated", 4)])

        def rows(query: str) -> list[tuple[Any, ...]]:
            return [tuple(row.values()) for row in store.query(query).read_all().to_pylist()]

        verified = dict(rows("select version, verified from dq_costs"))
        assert verified == {1: 1, 2: None, 3: 0, 4: None, 5: 0, 6: None}, "null where nothing was verified"
        assert rows("select problem_id, n, correct, version from dq_difficulty order by 1") == [
            ("p0", 4, 1, 2),
            ("p1", 4, 4, 2),
        ]
        upkeep.drop(store, [("rated", one) for one in (1, 2, 3, 5)])
        assert rows("from dq_difficulty") == []
        assert set(rows("select verified from dq_costs")) == {(None,)}

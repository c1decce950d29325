"""Types of `datasets`: from its features to rows, to every kind of file, and back into `datasets`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.catalog.export import Format, write
from dqdata.engine.run import run_pipeline
from dqdata.project.tables import read_project
from dqdata.sources.datasets import HubDataset, HubDatasetParams

datasets = pytest.importorskip("datasets")
Value, Label = datasets.Value, datasets.ClassLabel
ROW: dict[str, tuple[Any, Any, str, Any]] = {
    # column: feature, value, type that rows hold, value that rows hold
    "question": (Value("large_string"), "1 + 1?", "VARCHAR", "1 + 1?"),
    "label": (Label(names=["easy", "hard", 'a"b']), 1, "VARCHAR", "hard"),
    "labels": (datasets.Sequence(Label(names=["x", "y"])), [1, 0, None], "VARCHAR[]", ["y", "x", None]),
    "inside": ({"c": Label(names=["n", "m"]), "v": Value("float16")}, {"c": 1, "v": 0.5}, "STRUCT(c VARCHAR, v FLOAT)",
               {"c": "m", "v": 0.5}),
    "several": ([{"c": Label(names=["p", "q"])}], [{"c": 0}, {"c": None}], "STRUCT(c VARCHAR)[]",
                [{"c": "p"}, {"c": None}]),
    "numbers": (datasets.Sequence(Value("int16")), [1, None], "SMALLINT[]", [1, None]),
    "vector": (datasets.Sequence(Value("float32"), length=2), [1.5, 2.5], "FLOAT[]", [1.5, 2.5]),
    "matrix": (datasets.Array2D((2, 2), "int32"), [[1, 2], [3, 4]], "INTEGER[][]", [[1, 2], [3, 4]]),
    "big": (Value("uint64"), 2**62 + 1, "UBIGINT", 2**62 + 1),
    "exact": (Value("decimal128(38, 3)"), Decimal("12345678901234567890.125"), "DECIMAL(38,3)",
              Decimal("12345678901234567890.125")),
    "day": (Value("date64"), dt.date(1950, 1, 2), "DATE", dt.date(1950, 1, 2)),
    "clock": (Value("time64[us]"), dt.time(23, 59, 59, 999_999), "TIME", dt.time(23, 59, 59, 999_999)),
    "moment": (Value("timestamp[ns, tz=Asia/Tokyo]"), dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
               "TIMESTAMP WITH TIME ZONE", dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    "span": (Value("duration[s]"), dt.timedelta(hours=-3), "VARCHAR", "-03:00:00"),
    "raw": (Value("binary"), b"\0x", "BLOB", b"\0x"),
    "empty": (Value("string"), "", "VARCHAR", ""),
}  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A set of one full row and one of nulls, with a label that is missing (-1)."""
    features = datasets.Features({name: feature for name, (feature, *_) in ROW.items()})
    full = {name: value for name, (_, value, *_) in ROW.items()}
    made = datasets.Dataset.from_list([full, {**dict.fromkeys(ROW), "question": "2?", "label": -1}], features=features)
    made.save_to_disk(str(tmp_path / "saved"))
    return tmp_path


def test_features_become_the_types_of_rows(saved: Path) -> None:
    made = HubDataset(HubDatasetParams(name="saved"), SimpleNamespace(root=saved, store=None))
    assert dict(made.schema()) == {name: kind for name, (*_, kind, _) in ROW.items()}
    full, nulls = [row for batch in made.batches() for row in batch.to_pylist()]
    assert full == {name: value for name, (*_, value) in ROW.items()}
    assert nulls == {**dict.fromkeys(ROW), "question": "2?"}


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "json", "csv"])
def test_an_exported_catalog_is_read_by_the_package(saved: Path, kind: Format) -> None:
    (saved / "pipelines.toml").write_text('[pipelines.p]\nfrom = { source = "datasets", name = "saved" }\nsteps = []\n')
    with Store.open(saved / "store") as store:
        run_pipeline(read_project(saved / "pipelines.toml"), "p", store)
        query = f"select {', '.join(ROW)} from p order by question"
        assert write(store.query(query), saved / f"p.{kind}", kind) == 2
    reader = "json" if kind == "jsonl" else kind
    back = datasets.load_dataset(
        reader, data_files=str(saved / f"p.{kind}"), split="train", cache_dir=str(saved / "cache")
    )
    full, nulls = back
    assert full["label"] == "hard" and nulls["label"] is None and full["question"] == "1 + 1?"
    if kind == "parquet":
        assert {name: value for name, value in full.items() if name != "moment"} == {
            name: value for name, (*_, value) in ROW.items() if name != "moment"
        }
        assert full["moment"].timestamp() == ROW["moment"][3].timestamp()
    elif kind != "csv":
        assert full["big"] == 2**62 + 1 and full["empty"] == "" and nulls["empty"] is None
        for name in ("labels", "inside", "several", "numbers", "vector", "matrix", "span"):
            assert full[name] == ROW[name][3], name

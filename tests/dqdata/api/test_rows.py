"""Rows for other libraries, and what a notebook shows of them and of results."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import dqdata
from dqdata.errors import InputError
from dqdata.notebook import CELL, fields, table
from dqdata.project.tables import Project as Tables

QUESTIONS = ["2 + 2?", "<script>alert(1)</script>", "π ≈ ?", 'line\nbreak & "quotes"']


@pytest.fixture
def catalog(tmp_path: Path) -> dqdata.Catalog:
    rows = pl.DataFrame(
        {
            "question": QUESTIONS,
            "answer": ["4", None, "3.14", "x"],
            "level": [1, 2, 3, None],
            "messages": [[{"role": "user", "content": question}] for question in QUESTIONS],
        }
    )
    rows.write_parquet(tmp_path / "rows.parquet")
    catalogs = dqdata.open_store(tmp_path / "store")
    catalogs.import_files([tmp_path / "rows.parquet"], "sums")
    return catalogs.catalog("sums")


def test_every_library_gets_the_same_rows(catalog: dqdata.Catalog) -> None:
    given = list(catalog)
    assert [row["question"] for row in given] == QUESTIONS
    assert catalog.polars().to_dicts() == given
    assert catalog.arrow().to_pylist() == given
    assert pa.Table.from_batches(list(catalog.batches())).to_pylist() == given
    assert catalog.head(2) == given[:2] and len(catalog) == 4 and bool(catalog)
    assert catalog.columns["messages"].endswith("[]") and catalog.schema.names == list(catalog.columns)


@pytest.mark.needs("pandas")
def test_pandas(catalog: dqdata.Catalog) -> None:
    assert catalog.pandas()["question"].tolist() == QUESTIONS


@pytest.mark.needs("datasets")
def test_datasets_in_memory_and_mapped_from_disk(catalog: dqdata.Catalog, tmp_path: Path) -> None:
    assert catalog.dataset()["question"][:] == QUESTIONS
    mapped = catalog.dataset(tmp_path / "mapped")
    assert mapped["question"][:] == QUESTIONS and mapped.cache_files[0]["filename"].startswith(str(tmp_path))
    assert mapped[1]["messages"] == [{"role": "user", "content": QUESTIONS[1]}]


@pytest.mark.needs("torch")
def test_torch_rows_are_a_dataset_that_workers_share(catalog: dqdata.Catalog) -> None:
    from torch.utils.data import DataLoader, Dataset

    rows = catalog.torch()
    assert isinstance(rows, Dataset) and len(rows) == 4
    assert rows[-1]["question"] == QUESTIONS[-1] and [row["level"] for row in rows] == [1, 2, 3, None]
    with pytest.raises(IndexError):
        rows[4]
    assert pickle.loads(pickle.dumps(rows))[2] == rows[2]
    loader = DataLoader(rows, batch_size=2, num_workers=1, collate_fn=lambda found: [row["question"] for row in found])
    assert [question for batch in loader for question in batch] == QUESTIONS


def test_a_library_that_is_not_installed_is_named(catalog: dqdata.Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pandas", "datasets", "torch"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    for read in (catalog.pandas, catalog.dataset, catalog.torch):
        with pytest.raises(InputError, match="is not installed: pip install"):
            read()


class Text(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_notebook_shows_rows_as_text_and_not_as_markup(catalog: dqdata.Catalog) -> None:
    page = Text(catalog._repr_html_())
    assert QUESTIONS[1] in page.texts and "script" not in page.tags
    assert "sums@1, 4 rows" in page.texts
    assert Text(catalog.rejects._repr_html_()).texts[0] == "sums__rejects@1, 0 rows"


def test_many_rows_and_long_cells_are_cut(tmp_path: Path) -> None:
    pl.DataFrame({"question": [f"{n} " + "x" * 5000 for n in range(50)]}).write_parquet(tmp_path / "rows.parquet")
    catalogs = dqdata.open_store(tmp_path / "store")
    catalogs.import_files([tmp_path / "rows.parquet"], "many")
    page = Text(catalogs.sql("select question from many")._repr_html_())
    assert page.tags.count("tr") == 11 and max(map(len, page.texts)) == CELL
    assert "the first 10 rows" in page.texts


def test_html_of_values() -> None:
    page = Text(fields({"<b>": "<i>", "none": None, "empty": {}, "inner": {"a": 1.23456789}, "list": [{"x": "&"}]}))
    assert page.texts == ["<b>", "<i>", "inner", "a", "1.23457", "list", "x", "&"]
    assert Text(table(["a"], [[["x", 1]], [True], [None]])).texts == ["a", '["x", 1]', "True"]


def test_results_show_in_a_notebook(project: Callable[[str], Tables]) -> None:
    text = (
        '[pipelines.p]\nfrom = { source = "counting", rows = 20 }\nmax_failed_rate = 1.0\nsteps = [ { op = "picky" } ]'
    )
    opened = dqdata.open(project(text).path)
    for shown in (opened.plan("p"), opened.check(), opened.plan_build("p"), opened.run("p"), opened.build("p")):
        assert {"table", "td"} <= set(Text(shown._repr_html_()).tags)
    assert "divisible" in Text(opened.run("p", force=True)._repr_html_()).texts

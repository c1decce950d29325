"""Hugging Face data sets as sources, from local folders; what is said where one can't be had."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dqdata.columns import columns_of
from dqdata.errors import ColumnError, DataError, PluginError
from dqdata.sources.datasets import HubDataset, HubDatasetParams

datasets = pytest.importorskip("datasets")


@pytest.fixture
def source(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    def make(name: str, **params) -> HubDataset:
        return HubDataset(HubDatasetParams(name=name, **params), SimpleNamespace(root=tmp_path, store=None))

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sums"
    made.mkdir()
    for split, start in (("train", 0), ("test", 90)):
        rows = ({"question": f"{n} + 1?", "answer": n + 1, "tags": ["sum"]} for n in range(start, start + 3))
        (made / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def rows(made: HubDataset) -> list[dict]:
    batches = list(made.batches())
    assert all(columns_of(batch.schema) == made.schema() for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.usefixtures("folder")
def test_a_local_folder_of_files(source):
    made = source("sums")
    assert dict(made.schema()) == {"question": "VARCHAR", "answer": "VARCHAR", "tags": "VARCHAR[]"}
    assert rows(made)[0] == {"question": "0 + 1?", "answer": "1", "tags": ["sum"]}
    assert [row["answer"] for row in rows(source("sums", split="test"))] == ["91", "92", "93"]
    assert made.namespace() == "sums"


@pytest.mark.usefixtures("folder")
def test_a_folder_written_by_save_to_disk(source, tmp_path):
    both = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"problem": ["a", "b"], "rv": [1, 2]})})
    both.save_to_disk(str(tmp_path / "dict"))
    both["train"].save_to_disk(str(tmp_path / "one"))
    for name in ("dict", "one"):
        made = source(name, columns={"question": "problem"})
        assert rows(made) == [{"question": "a", "rv": 1}, {"question": "b", "rv": 2}]
        assert made.row_count() == 2
    with pytest.raises(DataError, match=r"data set dict \[dev\]: no such split \(have: train\)"):
        source("dict", split="dev").schema()


def test_the_fingerprint_follows_the_content(source, folder):
    first = source("sums").fingerprint()
    assert source("sums").fingerprint() == first != source("sums", split="test").fingerprint()
    with (folder / "train.jsonl").open("a") as file:
        file.write('{"question": "9 + 1?", "answer": 10, "tags": []}\n')
    assert source("sums").fingerprint() != first
    assert len(rows(source("sums"))) == 4


@pytest.mark.usefixtures("folder")
def test_wrong_names_say_what_there_is(source):
    with pytest.raises(DataError, match=r"[Ss]plit:? .?dev.*train"):
        rows(source("sums", split="dev"))
    with pytest.raises(DataError, match=r"BuilderConfig 'hard' not found. Available: .'default'"):
        source("sums", config="hard").schema()
    with pytest.raises(ColumnError, match="no column 'problem'"):
        source("sums", columns={"question": "problem"}).schema()
    with pytest.raises(DataError, match=r"no folder .*nowhere/at/all.* no name on the hub"):
        source("nowhere/at/all").schema()


def test_broken_files_in_a_folder(source, folder):
    (folder / "train.jsonl").write_text('{"question": "a"}\n{"question"')
    with pytest.raises(DataError, match=r"data set sums \[train\]: .*"):
        rows(source("sums"))


def test_without_a_hub_the_commit_must_be_given(source):
    with pytest.raises(DataError, match=r"owner/name \[train\]: the hub is switched off .* give `revision`"):
        source("owner/name").fingerprint()
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert source("owner/name", revision=commit).fingerprint() != source("owner/other", revision=commit).fingerprint()


def test_without_the_package_the_message_says_what_to_install(source, monkeypatch):
    monkeypatch.delitem(sys.modules, "datasets")
    real = builtins.__import__
    refused = lambda name, *rest: real("no_such_package_" + name if name == "datasets" else name, *rest)  # noqa: E731
    monkeypatch.setattr(builtins, "__import__", refused)
    with pytest.raises(PluginError, match=r"pip install 'dqdata\[hub\]'"):
        source("owner/name").schema()

"""Benchmarks of the hub, through `datasets` itself, from folders laid out and with fields named as they are there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from dqdata_operators.lib.benchmarks.layouts import Benchmark, read_benchmarks

from dqdata.benchmarks import BENCHMARKS
from dqdata.errors import DataError, InputError

RUN: Any = SimpleNamespace()
CARDS = {
    "gsm8k": ("main", "main/test-*"),
    "humaneval": ("openai_humaneval", "openai_humaneval/test-*"),
    "mbpp": ("full", "full/test-*"),
    "gpqa_diamond": ("gpqa_diamond", "gpqa_diamond.csv"),
}
"""Configurations that a set's card names, with the files of the one that is read."""
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gsm8k": ("main/test-00000-of-00001.parquet", {"question": "TEXT", "answer": "So #### 4"}),
    "math500": (
        "test.jsonl",
        {
            "problem": "TEXT",
            "solution": "It is $4$.",
            "answer": "4",
            "subject": "Algebra",
            "level": 2,
            "unique_id": "test/algebra/1.json",
        },
    ),
    "aime24": (
        "data/train-00000-of-00001.parquet",
        {"id": 60, "problem": "TEXT", "solution": "It is 4.", "answer": "004", "url": "u", "year": "2024"},
    ),
    "aime25": ("test.jsonl", {"problem": "TEXT", "answer": "4", "id": "0"}),
    "humaneval": (
        "openai_humaneval/test-00000-of-00001.parquet",
        {
            "task_id": "HumanEval/0",
            "prompt": "TEXT",
            "canonical_solution": "    return 4\n",
            "test": "def check(candidate): ...",
            "entry_point": "four",
        },
    ),
    "mbpp": (
        "full/test-00000-of-00001.parquet",
        {
            "task_id": 11,
            "text": "TEXT",
            "code": "def four(): return 4",
            "test_list": ["assert four() == 4"],
            "test_setup_code": "",
            "challenge_test_list": [],
        },
    ),
    "livecodebench": (
        "test.jsonl",
        {
            "question_title": "Four",
            "question_content": "TEXT",
            "platform": "atcoder",
            "question_id": "abc301_a",
            "contest_id": "abc301",
            "contest_date": "2023-05-13T00:00:00",
            "starter_code": "",
            "difficulty": "easy",
            "public_test_cases": "[]",
            "private_test_cases": "eJw=",
            "metadata": "{}",
        },
    ),
    "gpqa_diamond": (
        "gpqa_diamond.csv",
        {
            "Pre-Revision Question": "old",
            "Question": "TEXT",
            "Correct Answer": "4",
            "Incorrect Answer 1": "1",
            "Incorrect Answer 2": "2",
            "Incorrect Answer 3": "3",
            "Record ID": "rec1",
        },
    ),
}


def write(path: Path, fields: dict[str, Any], texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{name: text if value == "TEXT" else value for name, value in fields.items()} for text in texts]
    frame = pl.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_ndjson(path)


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is empty and nobody is asked; names of the hub are looked for in this folder, as `datasets` does."""
    pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)


def test_every_known_benchmark_is_tried() -> None:
    assert set(LAYOUTS) == set(BENCHMARKS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_known_benchmark_as_it_is_published(name: str, tmp_path: Path) -> None:
    file, fields = LAYOUTS[name]
    folder = tmp_path / BENCHMARKS[name].hub
    texts = [f"What is {n} + {n}?\nSay it in \\boxed{{}}, please: «ü»." for n in range(3)]
    write(folder / file, fields, texts)
    if name == "livecodebench":  # five more releases, and the script that is no longer run
        write(folder / "test2.jsonl", fields, ["Another problem?"])
        (folder / "code_generation_lite.py").write_text("raise RuntimeError('a script of the hub was run')\n")
        texts.append("Another problem?")
    if name in CARDS:
        config, files = CARDS[name]
        split = BENCHMARKS[name].split
        (folder / "README.md").write_text(
            f"---\nconfigs:\n- config_name: {config}\n  data_files:\n  - split: {split}\n    path: {files}\n---\n"
        )
    made = read_benchmarks([Benchmark(name=name)], RUN)
    assert sorted(made.texts) == sorted(texts) and set(made.names) == {name}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_of_the_same_fields_needs_no_column(name: str, tmp_path: Path) -> None:
    _, fields = LAYOUTS[name]
    write(tmp_path / "copy.jsonl", fields, ["What is 2 + 2?"])
    assert read_benchmarks([Benchmark(name=name, path=tmp_path / "copy.jsonl")], RUN).texts == ["What is 2 + 2?"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_offline_without_a_cache(name: str) -> None:
    with pytest.raises(InputError) as failed:
        read_benchmarks([Benchmark(name=name)], RUN)
    said = str(failed.value)
    assert f"benchmark '{name}' ({BENCHMARKS[name].hub} on the hub)" in said
    assert f'{{ name = "{name}", path = "{name}.jsonl", column = "{BENCHMARKS[name].problem}" }}' in said


def test_a_set_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "me" / "mine" / "test.jsonl", {"question": "TEXT", "body": "x"}, ["What is 2 + 2?", "What is 3?"])
    assert len(read_benchmarks([Benchmark(name="mine", hub="me/mine")], RUN).texts) == 2
    assert read_benchmarks([Benchmark(name="mine", hub="me/mine", column="body")], RUN).texts == ["x"]
    with pytest.raises(DataError, match="no column 'bodi'; did you mean 'body'"):
        read_benchmarks([Benchmark(name="mine", hub="me/mine", column="bodi")], RUN)

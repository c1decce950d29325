"""decontaminate: classes told apart, actions, report of both texts, and what is found on public data."""

from __future__ import annotations

import json

import polars as pl
import pytest
from dqdata_operators.decontaminate import Decontaminate, DecontaminateParams
from dqdata_operators.quantities import agreement, numbers
from harness import decided, have

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
ROBE = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"
ROWS = {
    "exact": "  janet's ducks lay 16 eggs per day. She eats three for breakfast every morning, and bakes muffins "
    "for her friends every day with four.  She sells the remainder at the farmers' market daily for $2 per fresh duck "
    "egg. How much in dollars does she make every day at the farmers' market",
    "lexical": "Here is a riddle for the class. " + DUCKS + " Explain each step.",
    "rephrased": "Every day Janet's ducks produce 16 eggs. Three of them are her breakfast, and four go into "
    "muffins that she bakes for friends. What is left she sells at the market for 2 dollars an egg. "
    "What does she earn there daily?",
    "same_template": DUCKS.replace("16", "25").replace("three", "seven").replace("$2", "$5"),
    "none": "A train leaves the station at 9 in the morning and covers 340 miles before noon. What is its speed?",
}


@pytest.fixture
def benchmark(tmp_path):
    path = tmp_path / "bench.jsonl"
    pl.DataFrame({"question": [DUCKS, ROBE]}).write_ndjson(path)
    return path


def run(folder, benchmark, texts, **params):
    frame = pl.DataFrame({"problem_id": list(texts), "question": list(texts.values())})
    given = {"benchmarks": [{"name": "mine", "path": benchmark}], **params}
    return decided(Decontaminate(DecontaminateParams.model_validate(given)), frame, folder)


def test_classes_are_told_apart(benchmark, tmp_path):
    rows, gone = run(tmp_path, benchmark, ROWS)
    assert {key: reason for key, (reason, _) in gone.items()} == {
        kind: f"contaminated_{kind}" for kind in ("exact", "lexical", "rephrased")
    }
    flags = dict(rows.select("problem_id", "contamination").iter_rows())
    assert flags == {"same_template": "same_template", "none": None}


def test_rejects_hold_both_texts(benchmark, tmp_path):
    detail = json.loads(run(tmp_path, benchmark, ROWS)[1]["rephrased"][1])
    assert (detail["benchmark"], detail["benchmark_text"], detail["text"]) == ("mine", DUCKS, ROWS["rephrased"])
    assert detail["score"] > 0 and 0 < detail["measures"]["cosine"] < 1


def test_each_class_has_its_action(benchmark, tmp_path):
    actions = {"exact": "keep", "lexical": "keep", "rephrased": "keep", "same_template": "drop", "doubtful": "keep"}
    rows, gone = run(tmp_path, benchmark, ROWS, actions=actions)
    assert list(gone) == ["same_template"] and "contamination" not in rows.columns


def test_order_and_company_change_nothing(benchmark, tmp_path, monkeypatch):
    first = run(tmp_path, benchmark, ROWS)
    monkeypatch.setattr("dqdata_operators.decontaminate.PIECE", 1)
    (tmp_path / "again").mkdir()
    again = run(tmp_path / "again", benchmark, dict(reversed(ROWS.items())))
    assert first[1] == again[1] and first[0].sort("problem_id").equals(again[0].sort("problem_id"))


def test_ngrams_alone(benchmark, tmp_path):
    gone = run(tmp_path, benchmark, ROWS, neighbours=0, ngram=8)[1]
    assert set(gone) == {"exact", "lexical"}


def test_rows_without_text(benchmark, tmp_path):
    rows, gone = run(tmp_path, benchmark, {"a": None, "b": "", "c": "?"})
    assert len(rows) == 3 and not gone


def test_numbers_however_written():
    text = "Three quarters of 1,200; two dozen at $2.50; 75%, two hundred and five, thirty-five, \\frac{1}{2}"
    assert numbers(text) == {0.75, 1200, 24, 2.5, 205, 35, 0.5}
    assert numbers("twice a week for a third of it") == {2, 0.333333} and numbers("no one knows") == frozenset()
    assert agreement(frozenset(), frozenset()) == 0.5
    assert agreement(frozenset({2.0}), frozenset({2.0})) < agreement(frozenset({2.0, 7.0}), frozenset({2.0, 7.0}))


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        ({"name": "gsm8"}, "did you mean 'gsm8k'"),
        ({"name": "x", "path": "a.jsonl", "hub": "b/c"}, "give one of"),
    ],
)
def test_benchmarks_that_are_refused(benchmark, message):
    with pytest.raises(ValueError, match=message):
        DecontaminateParams.model_validate({"benchmarks": [benchmark]})


def test_column_of_a_benchmark_that_is_missing(benchmark, tmp_path):
    with pytest.raises(Exception, match="has no column 'problem'"):
        run(tmp_path, benchmark, ROWS, benchmarks=[{"name": "mine", "path": benchmark, "column": "problem"}])


def test_public_sets(shared_data, tmp_path):
    """Paraphrases of a benchmark are found; another split of the same source is left alone."""
    sets = {
        "rephrased": pl.read_ndjson(shared_data / "gsm8k_rephrased.jsonl")["train_text"].head(300),
        "traces": pl.read_parquet(shared_data / "mip_gsm8k_reasoning.parquet")["question"].head(300),
        "train": pl.read_parquet(shared_data / "gsm8k_train.parquet")["question"].head(1000),
    }
    texts = {f"{name}{at}": text for name, column in sets.items() for at, text in enumerate(column)}
    files = [{"name": name, "path": shared_data / f"{name}.jsonl"} for name in ("gsm8k_test", "math500")]
    gone = run(tmp_path, None, texts, benchmarks=files)[1]
    found = {name: sum(key.startswith(name) for key in gone) / len(column) for name, column in sets.items()}
    assert found["rephrased"] >= 0.95 and found["traces"] == 1 and found["train"] < 0.01


def test_columns(benchmark):
    operator = Decontaminate(DecontaminateParams.model_validate({"benchmarks": [{"name": "m", "path": benchmark}]}))
    columns = operator.columns(have(pl.DataFrame({"problem_id": ["a"], "question": ["b"]})))
    assert columns["contamination"] == "VARCHAR" and operator.files() == (benchmark,)

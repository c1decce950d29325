"""Exact duplicates: which rows belong together, which of them stays."""

from __future__ import annotations

import json

import polars as pl
import pytest
from dqdata_operators.select.dedup import Dedup, DedupParams
from outcomes import decided, frame_of, have

from dqdata.errors import ColumnError, QueryError
from dqdata.operator import Schema

COLUMNS = {"trace_id": "VARCHAR", "question": "VARCHAR", "reasoning": "VARCHAR", "correct": "BOOLEAN", "rv": "DOUBLE"}


def dedup(folder, rows, **params):
    return decided(Dedup(DedupParams(**({"column": "question"} | params))), frame_of(COLUMNS, rows), folder)


def duplicates_of(folder, texts, **params) -> dict[str, str]:
    """Which row each duplicate repeats."""
    rows = [[f"t{n}", text, None, None, None] for n, text in enumerate(texts)]
    gone = dedup(folder, rows, **params)[1]
    return {key: json.loads(detail)["duplicate_of"] for key, (_, detail) in gone.items()}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a", "b", "c"], {}),
        (["a", "a", "b", "a"], {"t1": "t0", "t3": "t0"}),
        (["What is 2 + 2?", " what  is\n2 + 2? ", "what is 2+2?"], {"t1": "t0"}),
        (["12 3", "1 23", "123"], {}),
        (["café", "cafe\u0301", "cafe"], {"t1": "t0"}),
        (["a\u00a0b", "a b", "a\u3000b", "ab"], {"t1": "t0", "t2": "t0"}),
        (["a\t\tb", "a b", "a\r\n b", "a   b"], {"t1": "t0", "t2": "t0", "t3": "t0"}),
        ([None, None, "", " "], {"t3": "t2"}),
        (["ÄRGER", "ärger"], {"t1": "t0"}),
    ],
)
def test_texts_that_say_the_same(tmp_path, texts, expected):
    assert duplicates_of(tmp_path, texts) == expected


def test_differences_that_count_when_they_should(tmp_path):
    texts = ["Let A be", "let a be", "Let  A be"]
    assert duplicates_of(tmp_path, texts, ignore=["space"]) == {"t2": "t0"}
    assert duplicates_of(tmp_path, texts, ignore=["case"]) == {"t1": "t0"}
    assert duplicates_of(tmp_path, texts, ignore=[]) == {}


def test_the_best_row_of_each_group_stays(tmp_path):
    rows = [
        ["t1", "q", None, False, 1.0],
        ["t2", "q", None, True, 5.0],
        ["t3", "q", None, True, 3.0],
        ["t4", "q", None, None, 0.0],
        ["t5", "other", None, False, 9.0],
    ]
    kept, gone = dedup(tmp_path, rows, keep="correct desc, rv asc")
    assert kept["trace_id"].to_list() == ["t3", "t5"]
    assert gone["t2"] == ("duplicate", '{"duplicate_of":"t3","similarity":1.0}')
    assert len(gone) == 3


def test_of_equals_the_smallest_key_stays_in_whatever_order_they_come(tmp_path):
    rows = [[key, "q", None, True, 1.0] for key in ("t3", "t1", "t2")]
    assert dedup(tmp_path, rows, keep="rv")[0]["trace_id"].to_list() == ["t1"]
    assert dedup(tmp_path, rows[::-1])[0]["trace_id"].to_list() == ["t1"]


def test_several_columns_must_all_agree(tmp_path):
    rows = [
        ["t1", "q", "r", None, None],
        ["t2", "q", "s", None, None],
        ["t3", "q", None, None, None],
        ["t4", "Q", "R", None, None],
        ["t5", "q", None, None, None],
        ["t6", None, None, None, None],
        ["t7", None, None, None, None],
    ]
    _, gone = dedup(tmp_path, rows, column=["question", "reasoning"])
    assert {key: json.loads(detail)["duplicate_of"] for key, (_, detail) in gone.items()} == {"t4": "t1", "t5": "t3"}


def test_columns_that_are_no_text(tmp_path):
    frame = pl.DataFrame({"problem_id": ["a", "b", "c"], "tests": [[1, 2], [1, 2], [1]]})
    assert set(decided(Dedup(DedupParams(column="tests")), frame, tmp_path)[1]) == {"b"}


def test_awkward_names(tmp_path):
    frame = pl.DataFrame({"problem_id": ["a'1", 'b"2'], 'the "text"': ["x", "x"], "row_key": [1, 2], "best": [0, 1]})
    kept, gone = decided(Dedup(DedupParams(column='the "text"', keep="best desc")), frame, tmp_path)
    assert kept["problem_id"].to_list() == ['b"2'] and set(gone) == {"a'1"}


def test_wrong_columns_and_orders_are_found_when_planning():
    columns = have(frame_of(COLUMNS, []))
    with pytest.raises(ColumnError, match="needs column 'qestion'; did you mean 'question'"):
        Dedup(DedupParams(column="qestion")).columns(columns, Schema())
    with pytest.raises(ColumnError, match="keep = 'corect desc' needs column 'corect'"):
        Dedup(DedupParams(column="question", keep="corect desc")).columns(columns, Schema())
    with pytest.raises(QueryError, match="keep = 'rv desc,'"):
        Dedup(DedupParams(column="question", keep="rv desc,")).columns(columns, Schema())
    with pytest.raises(QueryError, match=r"random\(\) gives another result"):
        Dedup(DedupParams(column="question", keep="random()")).columns(columns, Schema())


def test_real_questions_with_their_copies(shared_data, tmp_path):
    questions = pl.read_parquet(shared_data / "gsm8k_train.parquet").select("question").with_row_index("n")
    doubled = pl.concat([questions, questions.with_columns(pl.col("question").str.to_uppercase())])
    frame = doubled.with_row_index("row").select(
        problem_id=pl.format("p{}", pl.col("row").cast(pl.String).str.zfill(6)), question="question"
    )
    kept, gone = decided(Dedup(DedupParams(column="question")), frame, tmp_path)
    assert len(kept) == questions["question"].str.to_lowercase().str.replace_all(r"\s+", " ").n_unique()
    assert len(kept) + len(gone) == len(doubled)

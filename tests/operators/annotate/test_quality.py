"""quality and pii: each flag on rows that have the fault and on rows that don't."""

from __future__ import annotations

import polars as pl
import pytest
from dqdata_operators.annotate._languages import language, share_of_scripts
from dqdata_operators.annotate.pii import Pii, PiiParams, luhn
from dqdata_operators.annotate.quality import FLAGS, Quality, QualityParams
from harness import batched, have

from dqdata.errors import ColumnError

THOUGHT = "There are 16 eggs. She eats three and bakes with four, which leaves nine. Nine eggs at two dollars are 18."
SAID = "She sells nine eggs a day for 2 dollars each. The answer is \\boxed{18}."


def flags(thinking=THOUGHT, said=SAID, **params):
    """Names of the flags that one trace gets."""
    frame = pl.DataFrame({"trace_id": ["t"], "reasoning": [thinking], "response": [said]})
    row = batched(Quality(QualityParams(**params)), frame)[0].to_dicts()[0]
    return {name for name in FLAGS if row[name]}


def test_a_good_trace_has_no_flag():
    assert flags() == set()


@pytest.mark.parametrize(
    ("thinking", "said", "expected"),
    [
        (THOUGHT + " Wait, let me check." * 30, SAID, "looping"),
        (THOUGHT + " " + "again and" * 20, SAID, "looping"),
        (THOUGHT + " 所以这里一共有九个鸡蛋可以卖，每个两美元", SAID, "mixed_language"),
        (THOUGHT, "She sells nine eggs a day for 2 dollars each, so the answer is that she ma", "truncated"),
        (THOUGHT, "The answer is this:\n```python\nprint(1)", "truncated"),
        (THOUGHT, "I'm sorry, but I can't help with that. The answer is not mine to give.", "refusal"),
        (THOUGHT + " As an AI language model I have no eggs.", SAID, "meta_talk"),
        ("", SAID, "no_thinking"),
        (None, SAID, "no_thinking"),
        (THOUGHT, SAID + "<|im_end|>", "template_left"),
        (THOUGHT, "{{ question }} " + SAID, "template_left"),
        (THOUGHT, "She sells nine eggs a day at the market, which earns her some money each day.", "answer_missing"),
        (THOUGHT, "", "answer_missing"),
        (THOUGHT, SAID + " Or else it is \\boxed{20}.", "several_answers"),
    ],
)
def test_each_fault_has_its_flag(thinking, said, expected):
    assert flags(thinking, said) == {expected}


def test_what_is_no_fault():
    assert flags(THOUGHT, SAID + " So again: \\boxed{ 18 }.") == set()
    assert flags(THOUGHT + "\n" + "-" * 60, SAID) == set()
    assert flags(THOUGHT, "42") == set()
    assert flags(THOUGHT + " Let α and β be the angles, π their sum.", SAID) == set()
    assert flags(THOUGHT, "Here is the program.\n\n```python\ndef f(n):\n    return n\n```") == set()


def test_thresholds_are_parameters():
    text = THOUGHT + " So 18." * 4
    assert flags(text) == set() and flags(text, max_run=3) == {"looping"}


def test_flags_without_their_column_are_null():
    frame = pl.DataFrame({"trace_id": ["t"], "response": [SAID], "finish_reason": ["length"]})
    operator = Quality(QualityParams())
    row = batched(operator, frame)[0].to_dicts()[0]
    assert row["no_thinking"] is None and row["truncated"] is True and row["language"] == "en"
    assert list(row) == list(operator.columns(have(frame)))
    with pytest.raises(ColumnError, match="needs column 'reasoning' or 'response'"):
        operator.columns(have(frame.drop("response")))


def test_empty_batch():
    frame = pl.DataFrame(schema={"trace_id": pl.String, "reasoning": pl.String, "response": pl.String})
    assert batched(Quality(QualityParams()), frame)[0].height == 0
    assert batched(Pii(PiiParams()), frame)[0].height == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The number of eggs is nine, so we multiply it.", "en"),
        ("答案是四，因为二加二等于四。", "zh"),
        ("答えは四です。なぜなら二足す二は四だからです。", "ja"),
        ("Ответ равен четырём.", "ru"),
        ("Die Zahl der Eier ist neun und wir rechnen mit zwei.", "de"),
        ("Le nombre des oeufs est de neuf, que nous vendons pour deux.", "fr"),
        ("El precio de los huevos es de dos por día, y las ventas son para la familia.", "es"),
        ("$x = 4$", None),
        ("", None),
    ],
)
def test_languages(text, expected):
    assert language(pl.Series([text])).to_list() == [expected]


def test_scripts():
    assert share_of_scripts(pl.Series(["abc", "", "漢字かな", "ab漢字"])).to_list() == [0, 0, 0, 0.5]


def test_pii():
    texts = {
        "mail": "Write to ann.lee@corp.co.uk please",
        "phone": "Call +1 (212) 555-0142 or 212-555-0142.",
        "key": "export KEY=sk-proj-" + "a1B2" * 8,
        "card": "Pay with 4111 1111 1111 1111 today",
        "none": "mail me@example.org, 4111 1111 1111 1112, 123-456, 3.1415926535, 2024-01-31, 1000000000000",
    }
    frame = pl.DataFrame({"problem_id": list(texts), "question": list(texts.values())})
    rows = batched(Pii(PiiParams()), frame)[0]
    for row in rows.to_dicts():
        assert {kind for kind in ("mail", "phone", "key", "card") if row[f"pii_{kind}"]} == {row["problem_id"]} - {
            "none"
        }
    assert luhn("4111111111111111") and not luhn("4111111111111112")


def test_real_traces(shared_data):
    """Most real traces of strong models are whole, in English, and think."""
    traces = pl.read_parquet(shared_data / "mip_gsm8k_reasoning.parquet").head(300)
    frame = traces.select(trace_id="id", reasoning="thinking", response="response")
    rows = batched(Quality(QualityParams()), frame.with_columns(trace_id=pl.int_range(pl.len()).cast(pl.String)))[0]
    assert rows["language"].eq("en").mean() > 0.99
    for name in ("mixed_language", "refusal", "template_left", "several_answers"):
        assert rows[name].mean() < 0.05, name

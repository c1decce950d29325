"""Rethink, shorten, lengthen, corrupt: what survives a rewrite, what goes back, what is given up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.generate._shape import cjk_share, numbers, same_language, size, steps
from dqdata_operators.generate.corrupt import Corrupt, CorruptParams
from dqdata_operators.generate.lengthen import Lengthen, LengthenParams
from dqdata_operators.generate.rethink import Rethink, RethinkParams
from dqdata_operators.generate.shorten import Shorten, ShortenParams

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Operator, Reject, Schema
from dqdata.testing import OperatorRun, ScriptedTeacher

OLD = "There are 3 bags with 4 apples each.\n\n3 * 4 = 12.\n\nSo the answer is 12."
LONGER = (
    "We have 3 bags.\n\nEach bag holds 4 apples, so we multiply the bags by the apples in each.\n\n"
    "3 * 4 = 12, since 4 + 4 + 4 = 12.\n\nSo the answer is 12."
)
ROW: dict[str, Any] = {
    "problem_id": "p",
    "trace_id": "t",
    "question": "3 bags of 4 apples?",
    "answer": "12",
    "reasoning": OLD,
    "response": "\\boxed{12}",
    "teacher": "first",
    "fit": "easy",
    "tokens": 30,
    "rv": 4.0,
    "extracted": "12",
    "verdict": "correct",
    "verdict_reason": "equal",
    "correct": True,
}


async def rewritten(tmp_path: Path, operator: Operator[Any], answers: Any, row: dict[str, Any] = ROW) -> Any:
    teacher = ScriptedTeacher(answers, model="rewriter")
    outcomes = await operator.process(row, OperatorRun(tmp_path, t=teacher))  # type: ignore[attr-defined]
    return outcomes, teacher


def rethink(**params: Any) -> Rethink:
    return Rethink(RethinkParams(teacher="t", **params))


async def test_an_easy_trace_is_extended_into_a_child(tmp_path: Path) -> None:
    [child], teacher = await rewritten(tmp_path, rethink(), [LONGER])
    assert child["reasoning"] == LONGER and child["response"] == ROW["response"]
    assert child["trace_id"] is None and child["parent_id"] == "t"
    assert (child["rewrite"], child["rewrite_stop"], child["rewrite_attempts"]) == ("extend", "rewritten", 1)
    assert child["rewrite_ratio"] == pytest.approx(size(LONGER) / size(OLD))
    assert child["correct"] is True and child["teacher"] == "rewriter"
    assert child["tokens"] is None and child["rv"] is None and child["fit"] is None
    assert "about 7B" in teacher.requests[0].messages[-1].content


async def test_a_hard_trace_is_simplified(tmp_path: Path) -> None:
    [child], teacher = await rewritten(tmp_path, rethink(), ["3 bags of 4.\n\nThat is 12."], {**ROW, "fit": "hard"})
    assert child["rewrite"] == "simplify"
    assert "too complex" in teacher.requests[0].messages[-1].content


@pytest.mark.parametrize(
    ("change", "stop"),
    [
        ({"fit": "medium"}, "fitting"),
        ({"correct": False, "verdict": "incorrect"}, "not_correct"),
        ({"correct": None, "answer": None}, "not_verified"),
        ({"fit": None}, "not_judged"),
    ],
)
async def test_what_is_left_alone_costs_nothing(tmp_path: Path, change: dict[str, Any], stop: str) -> None:
    row = {**ROW, **change}
    [kept], teacher = await rewritten(tmp_path, rethink(), [], row)
    assert kept["trace_id"] == "t" and kept["reasoning"] == OLD and kept["rewrite_stop"] == stop
    assert not teacher.requests


async def test_a_changed_answer_goes_back_with_the_reason(tmp_path: Path) -> None:
    [child], teacher = await rewritten(tmp_path, rethink(), [LONGER.replace("12", "13"), LONGER])
    assert child["rewrite_attempts"] == 2 and child["rewrite_failures"] == "answer_changed: 13"
    told = teacher.requests[1].messages
    assert told[-2].role == "assistant" and "13" in told[-2].content and "12" in told[-1].content


FLAWED = {
    "answer_changed": LONGER.replace("12", "13"),
    "answer_lost": "We look at the bags first.\n\nThen we look at all of the apples in them, and we multiply them "
    "with each other as people do.",
    "unchanged": OLD,
    "wrong_length": "3 * 4\n\nThe answer is 12.",
    "format_lost": " ".join(LONGER.split())
    + " Each of these steps can be checked again by adding up the apples one by "
    "one, and then the answer is 12 again, as it was before.",
    "language_changed": "三个袋子，每袋四个苹果，所以要把袋子数乘以每袋的苹果数。\n\n3 * 4 = 12。\n\n答案是 12。",
    "refused": "I'm sorry, but I can't help with that.",
    "empty": "",
    "leaked": LONGER.replace("So the", "This agrees with the reference answer, so the"),
}


@pytest.mark.parametrize(("reason", "text"), FLAWED.items())
async def test_given_up_after_the_cap_with_the_reason_and_the_text(tmp_path: Path, reason: str, text: str) -> None:
    [lost], teacher = await rewritten(tmp_path, rethink(attempts=2), [text, text])
    assert isinstance(lost, Reject) and lost.kind == "dropped"
    assert lost.reason == reason
    assert lost.row is not None and lost.row["reasoning"] == text and lost.row["rewrite_attempts"] == 2
    assert len(teacher.requests) == 2


async def test_on_failure_keep_lets_the_old_trace_go_on(tmp_path: Path) -> None:
    kept, lost = (await rewritten(tmp_path, rethink(attempts=1, on_failure="keep"), [OLD]))[0]
    assert kept["trace_id"] == "t" and kept["rewrite_stop"] == "gave_up" and kept["reasoning"] == OLD
    assert isinstance(lost, Reject)


async def test_parents_go_on_beside_their_children(tmp_path: Path) -> None:
    parent, child = (await rewritten(tmp_path, rethink(keep_parents=True), [LONGER]))[0]
    assert parent["trace_id"] == "t" and parent["rewrite_stop"] == "parent" and parent["tokens"] == 30
    assert child["parent_id"] == "t"


async def test_a_kept_response_does_not_vouch_for_new_reasoning(tmp_path: Path) -> None:
    """The response still says 12; the rewritten reasoning reaches 15, and that is what counts."""
    [lost], _ = await rewritten(tmp_path, rethink(attempts=1), [LONGER.replace("answer is 12", "answer is 15")])
    assert isinstance(lost, Reject) and lost.reason == "answer_changed" and "15" in lost.detail


async def test_without_reasoning_the_response_is_rewritten(tmp_path: Path) -> None:
    row = {**ROW, "reasoning": None, "response": OLD}
    [child], _ = await rewritten(tmp_path, rethink(), [LONGER], row)
    assert child["response"] == LONGER and child["reasoning"] is None and child["correct"] is True
    assert child["trace_id"] is None


async def test_rows_that_nobody_verified_are_verified_first(tmp_path: Path) -> None:
    bare = {name: value for name, value in ROW.items() if name not in ("extracted", "verdict", "verdict_reason")}
    row = {**bare, "response": "\\boxed{13}"} | {"correct": None}
    [kept], teacher = await rewritten(tmp_path, rethink(), [], row)
    assert kept["rewrite_stop"] == "not_correct" and kept["verdict"] == "incorrect"
    assert not teacher.requests


async def test_a_verdict_that_came_with_the_row_stands(tmp_path: Path) -> None:
    """Imported rows may say `correct` and nothing else; the columns that are missing are filled."""
    row = {name: value for name, value in ROW.items() if name not in ("extracted", "verdict", "verdict_reason")}
    [kept], _ = await rewritten(tmp_path, rethink(), [], {**row, "correct": False})
    assert kept["rewrite_stop"] == "not_correct" and kept["verdict"] == "correct" and kept["correct"] is False
    [kept], _ = await rewritten(tmp_path, corrupt(), [], {**row, "correct": False})
    assert kept["verdict_reason"] == "equal" and kept["correct"] is False


async def test_shorten_to_a_ratio(tmp_path: Path) -> None:
    row = {**ROW, "reasoning": LONGER}
    operator = Shorten(ShortenParams(teacher="t", ratio=0.5, tolerance=0.3, at_least=10))
    short = "3 bags hold 4 apples each.\n\n3 * 4 = 12.\n\nThe answer is 12."
    [child], teacher = await rewritten(tmp_path, operator, ["The answer is 12.", short], row)
    assert child["rewrite"] == "shorten" and child["rewrite_attempts"] == 2
    assert 0.35 <= child["rewrite_ratio"] <= 0.65
    asked = teacher.requests[0].messages[-1].content
    assert f"has {size(LONGER)} words" in asked and f"about {size(LONGER) * 0.5:.0f}" in asked
    [kept], _ = await rewritten(tmp_path, Shorten(ShortenParams(teacher="t")), [], {**ROW, "reasoning": "12"})
    assert kept["rewrite_stop"] == "short_enough"


async def test_lengthen_never_takes_a_text_that_is_not_longer(tmp_path: Path) -> None:
    operator = Lengthen(LengthenParams(teacher="t", ratio=1.5, tolerance=1.0, attempts=1))
    [lost], _ = await rewritten(tmp_path, operator, [OLD.replace("each", "in")])
    assert isinstance(lost, Reject) and lost.reason == "wrong_length"
    [child], _ = await rewritten(tmp_path, operator, [LONGER])
    assert child["rewrite"] == "lengthen"


@pytest.mark.parametrize("kind", [Rethink, Shorten, Lengthen])
def test_plan(kind: Any) -> None:
    operator = kind(kind.Params(teacher="t", language="zh", keep_parents=True))
    have = Columns(dict.fromkeys(ROW, "VARCHAR") | {"correct": "BOOLEAN"})
    made = operator.columns(have, Schema())
    assert made["parent_id"] == "VARCHAR" and made["rewrite_ratio"] == "DOUBLE" and made["correct"] == "BOOLEAN"
    assert operator.children() == (("verify_math", {}),)
    assert operator.teachers() == ("t",)
    assert operator.files() and all(path.name.endswith(".zh.md") for path in operator.files())
    estimate = operator.estimate(10)
    assert estimate.rows == 20 and estimate.calls["t"].calls == 15
    with pytest.raises(ColumnError, match="answer"):
        operator.columns(have.drop("answer"), Schema())


def test_rethink_needs_a_critique() -> None:
    with pytest.raises(ColumnError, match="fit"):
        rethink().columns(Columns(dict.fromkeys(ROW, "VARCHAR")).drop("fit"), Schema())


def test_a_verifier_must_give_a_verdict() -> None:
    with pytest.raises(ColumnError, match="correct"):
        rethink(verifier="length").columns(
            Columns(
                dict.fromkeys(("trace_id", "fit", "question", "answer"), "VARCHAR")
                | {"reasoning": "VARCHAR", "response": "VARCHAR"}
            ),
            Schema(),
        )


WRONG_TWIN = f"<reasoning>\n{OLD.replace('12', '14')}\n</reasoning>\n<response>\n\\boxed{{14}}\n</response>"


def corrupt(**params: Any) -> Corrupt:
    return Corrupt(CorruptParams(teacher="t", **params))


async def test_corrupt_makes_a_wrong_twin(tmp_path: Path) -> None:
    kept, twin = (await rewritten(tmp_path, corrupt(), [WRONG_TWIN]))[0]
    assert kept["trace_id"] == "t" and kept["corrupted"] is False and kept["reasoning"] == OLD
    assert twin["trace_id"] is None and twin["parent_id"] == "t" and twin["corrupted"] is True
    assert twin["correct"] is False and twin["extracted"] == "14" and "14" in twin["reasoning"]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("still_correct", f"<reasoning>{OLD} Fine.</reasoning><response>\\boxed{{12}}</response>"),
        ("format_lost", OLD.replace("12", "14")),
        ("format_lost", "<response>\\boxed{14}</response>"),
        ("wrong_length", "<reasoning>14</reasoning><response>\\boxed{14}</response>"),
        ("refused", "I'm sorry, but I can't help with that."),
    ],
)
async def test_corrupt_gives_up_and_keeps_the_original(tmp_path: Path, reason: str, text: str) -> None:
    kept, lost = (await rewritten(tmp_path, corrupt(), [text, text]))[0]
    assert kept["trace_id"] == "t" and kept["corrupted"] is False
    assert isinstance(lost, Reject) and lost.reason == reason


async def test_corrupt_leaves_wrong_traces_alone(tmp_path: Path) -> None:
    [kept], teacher = await rewritten(tmp_path, corrupt(), [], {**ROW, "correct": False})
    assert kept["corrupted"] is False and not teacher.requests


async def test_a_row_without_a_question_fails(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="null_in_prompt"):
        await rewritten(tmp_path, corrupt(), [], {**ROW, "question": None})


def test_shape() -> None:
    assert steps(OLD) == 3 and steps("") == 0 and steps("a\n \n\nb") == 2
    assert size("两个苹果 are 2") == 6
    assert cjk_share("12 + 3") == 0.0 and cjk_share("苹果") == 1.0
    assert same_language("3 + 4", "so it is 7") and not same_language("so it is 7", "所以是七")
    assert numbers("1,000 apples and 2.5 pears") == ["1000", "2.5"]

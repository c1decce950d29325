"""agree: equality by the verifier, who counts as agreeing, references, and what a later `generate` finds again."""

from __future__ import annotations

from typing import Any

import pytest
from dqdata_operators.verify.agree import AgreeParams

from dqdata.errors import ColumnError, InputError, TeacherError
from dqdata.teacher import Completion, Usage
from dqdata.testing import ScriptedTeacher, Tried, run_operator


def tried(*answers: Any, answer: str | None = None, **params: Any) -> Tried:
    """One problem, with one teacher for each answer."""
    names = [f"t{n}" for n in range(len(answers))]
    rows = [{"problem_id": "p", "question": "What is it?", "answer": answer}]
    scripts = {name: ScriptedTeacher([said], name) for name, said in zip(names, answers, strict=True)}
    return run_operator("agree", rows, params={"teachers": names, **params}, teachers=scripts)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("So \\boxed{0.5}.", "The answer is $\\frac{1}{2}$.", True),
        ("\\boxed{1,234}", "#### 1234", True),
        ("\\boxed{x^2+2x+1}", "\\boxed{(x+1)^2}", True),
        ("\\boxed{\\{1, 2\\}}", "\\boxed{\\{2, 1\\}}", True),
        ("\\boxed{3}", "I thought 3, but \\boxed{4}", False),
        ("\\boxed{12}", "\\boxed{21}", False),
        ("\\boxed{5}", "I cannot find it.", False),
    ],
)
def test_equality_is_the_verifiers(first: str, second: str, same: bool) -> None:
    made = tried(first, second)
    assert bool(made.rows) == same
    if same:
        [row] = made.rows
        assert (row["agreed"], row["agree_of"], row["answer_source"]) == (2, 2, "agree")
        assert row["answer"] == row["agreed_answer"] and row["agreed_by"] == ["t0", "t1"]
    else:
        assert made.reasons == {"p": "no_agreement"}


def test_the_answer_of_most_counts_and_a_tie_is_none() -> None:
    [row] = tried("\\boxed{8}", "\\boxed{7}", "\\boxed{7.0}", k=2).rows
    assert (row["answer"], row["agreed"], row["agree_of"]) == ("7", 2, 3)
    assert tried("\\boxed{8}", "\\boxed{7}", "\\boxed{7}").reasons == {"p": "no_agreement"}, "all by default"
    tie = tried("\\boxed{8}", "\\boxed{7}", "\\boxed{7}", "\\boxed{8}", k=2)
    assert tie.reasons == {"p": "no_agreement"} and "0 of 4" in tie.rejects[0]["detail"]


def test_cut_refused_and_failed_answers_agree_with_none() -> None:
    cut = Completion("\\boxed{7}", "length", Usage(1, 1))
    refused = TeacherError("too long", kind="row", reason="context_too_long")
    [row] = tried("\\boxed{7}", cut, refused, "#### 7", k=2).rows
    assert (row["agreed"], row["agree_of"]) == (2, 4)
    busy = tried("\\boxed{7}", TeacherError("busy", kind="retryable", reason="busy"))
    assert busy.reasons == {"p": "busy"}, "another run asks again"


def test_a_reference_must_be_reached() -> None:
    [row] = tried("\\boxed{\\frac{3}{2}}", "\\boxed{1.5}", answer="1.50").rows
    assert (row["answer"], row["agreed_reference"], row["answer_source"]) == ("1.50", True, "reference")
    wrong = tried("\\boxed{4}", "\\boxed{4}", answer="5")
    assert wrong.reasons == {"p": "reference_differs"} and "'5'" in wrong.rejects[0]["detail"]
    assert wrong.rejects[0]["row"]["agreed_answer"] == "4"
    [kept] = tried("\\boxed{4}", "\\boxed{4}", answer="5", reference="keep").rows
    assert (kept["answer"], kept["agreed_answer"], kept["agreed_reference"]) == ("5", "4", False)


def test_another_verifier() -> None:
    [row] = tried("The answer is (C).", "\\boxed{C}", verifier="verify_choice").rows
    assert row["agreed"] == 2
    with pytest.raises((ColumnError, InputError), match="makes no column 'correct'"):
        tried("\\boxed{4}", "\\boxed{4}", verifier="length")


def test_generate_asks_the_same() -> None:
    made = tried("\\boxed{4}", "\\boxed{4}", temperature=0.6, max_tokens=99)
    rows = [{"problem_id": "p", "question": "What is it?"}]
    params = {"teacher": "t0", "temperature": 0.6, "max_tokens": 99}
    again = run_operator("generate", rows, params=params, teachers={"t0": ScriptedTeacher(["\\boxed{4}"], "t0")})
    keys = [one.teachers["t0"].key(one.teachers["t0"].requests[0]) for one in (made, again)]
    assert keys[0] == keys[1]


def test_one_model_in_two_tables_does_not_agree_with_itself() -> None:
    drawn = {name: ScriptedTeacher([said], "one") for name, said in (("a", "\\boxed{4}"), ("b", "\\boxed{5}"))}
    rows = [{"problem_id": "p", "question": "What is it?"}]
    made = run_operator("agree", rows, params={"teachers": ["a", "b"]}, teachers=drawn)
    assert made.reasons == {"p": "no_agreement"}
    assert [one.requests[0].sample for one in drawn.values()] == [0, 1]


def test_what_is_refused() -> None:
    for params, says in (
        ({"teachers": ["a"]}, "at least 2"),
        ({"teachers": ["a", "a"]}, "names one teacher twice"),
        ({"teachers": ["a", "b"], "k": 3}, "more than the 2 teachers"),
    ):
        with pytest.raises(ValueError, match=says):
            AgreeParams(**params)
    rows = [{"trace_id": "t", "problem_id": "p", "question": "x"}]
    with pytest.raises(ColumnError, match="these rows are traces"):
        run_operator("agree", rows, params={"teachers": ["a", "b"]}, teachers={"a": [], "b": []})

"""evolve with its check that problems can be solved, and convert_choice with what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dqdata_operators.generate.convert_choice import ConvertChoiceParams
from dqdata_operators.generate.evolve import EvolveParams

from dqdata.errors import ColumnError
from dqdata.teacher import Request
from dqdata.testing import Tried, run_operator

SEED = "Tom has 3 bags with 4 apples in each bag. How many apples has Tom in all?"
HARDER = "Tom has 3 bags with 4 apples in each bag and gives a quarter of all away. How many apples has Tom left?"
VAGUE = "Tom has 3 bags with some apples in each bag and eats a few. How many apples has Tom left now?"
SOLVERS = {"solvers": ["a", "b"], "teacher": "w"}


def solver(**answers: str) -> Any:
    """Answers by a word of the question."""

    def answer(request: Request) -> str:
        return next(f"\\boxed{{{said}}}" for word, said in answers.items() if word in request.messages[-1].content)

    return answer


def evolved(answers: list[str], **params: Any) -> Tried:
    rows = [{"problem_id": "p", "question": SEED, "answer": "12", "pass_rate": 0.9, "domain": "math"}]
    teachers = {"w": answers, "a": solver(quarter="9", some="5"), "b": solver(quarter="9.0", some="7")}
    return run_operator("evolve", rows, params={**SOLVERS, **params}, teachers=teachers)


def test_what_solvers_agree_on_is_the_answer() -> None:
    made = evolved([HARDER, VAGUE, SEED], n=3, keep_seeds=True)
    assert [row["question"] for row in made.rows] == [SEED, HARDER]
    seed, new = made.rows
    assert (seed["answer"], seed["agreed"], seed["seed_id"]) == ("12", None, None)
    assert (new["answer"], new["agreed"], new["answer_source"], new["seed_id"]) == ("9", 2, "agree", "p")
    assert new["problem_id"] not in (None, "p") and new["pass_rate"] is None and new["domain"] == "math"
    reasons = {one["reason"]: one["row"]["question"] for one in made.rejects}
    assert reasons == {"no_agreement": VAGUE, "near_duplicate": SEED}
    assert len(made.teachers["a"].requests) == 2, "what is no new problem isn't solved"
    ways = {request.messages[-1].content for request in made.teachers["w"].requests}
    assert len(ways) == 3


def test_k_of_the_solvers_and_settings_of_theirs() -> None:
    made = evolved([HARDER], solver_tokens=77, solver_temperature=0.3, max_tokens=55)
    sampled = [made.teachers[name].requests[0].sampling for name in ("w", "a")]
    assert [(one.max_tokens, one.temperature) for one in sampled] == [(55, None), (77, 0.3)]
    with pytest.raises(ValueError, match="more than the 2 solvers"):
        EvolveParams(teacher="w", solvers=["a", "b"], k=3)
    with pytest.raises(ValueError, match="at least 2"):
        EvolveParams(teacher="w", solvers=["a"])


def test_costs_of_the_solvers_are_planned() -> None:
    from dqdata_operators.generate.evolve import Evolve

    operator = Evolve(EvolveParams(teacher="w", solvers=["a", "w"], n=3, solver_tokens=100, max_tokens=50))
    planned = operator.estimate(10).calls
    assert {name: one.calls for name, one in planned.items()} == {"w": 60, "a": 30}
    assert planned["a"].output_tokens == 3000 and planned["w"].output_tokens == 30 * 150
    assert operator.teachers() == ("w", "a")


def converted(rows: list[dict[str, Any]], judge: Any, **params: Any) -> Tried:
    named = [{"problem_id": f"p{n}", **row} for n, row in enumerate(rows)]
    return run_operator("convert_choice", named, params={"judge": "j", **params}, teachers={"j": judge})


def opened(question: str, needs: bool = False) -> str:
    return json.dumps({"needs_options": needs, "question": question})


SIX = {"question": "Which of these is 6 times 7?", "choices": ["36", "42", "48"], "answer": "B"}


def test_the_text_of_the_right_option_is_the_answer() -> None:
    rows = [
        SIX,
        {**SIX, "answer": "42"},
        {"question": "Which is the capital of Bolivia?", "choices": ["Lima", "Sucre"], "answer": "(B)"},
        {"question": "What is $\\int x$?", "choices": ["$\\frac{x^2}{2}$", "$x$"], "answer": "A"},
    ]
    written = {"6 times": "What is 6 times 7?", "Bolivia": "Name the capital of Bolivia.", "int": "Find $\\int x$."}

    def judge(request: Request) -> str:
        shown = request.messages[1].content
        return opened(next(text for word, text in written.items() if word in shown))

    made = converted(rows, judge)
    found = [(row["answer"], row["answer_type"], row["seed_id"], row["choices"]) for row in made.rows]
    assert sorted(found) == sorted(
        [
            ("42", "math", "p0", None),
            ("42", "math", "p1", None),
            ("Sucre", "text", "p2", None),
            ("$\\frac{x^2}{2}$", "math", "p3", None),
        ]
    )
    assert all(row["problem_id"] not in ("p0", "p1", "p2", "p3") for row in made.rows)


def test_options_in_the_question_itself() -> None:
    text = "What is 6 times 7?\n\nA) 36\nB) 42\nC) 48"
    made = converted([{"question": text, "answer": "B"}], lambda _: opened("What is 6 times 7?"))
    assert [row["answer"] for row in made.rows] == ["42"]
    shown = made.teachers["j"].requests[0].messages[1].content
    assert "B) 42" in shown.split("<options")[1] and "B) 42" not in shown.split("<options")[0]


@pytest.mark.parametrize(
    ("question", "choices"),
    [
        ("Which of the following is not a prime?", ["2", "3", "4"]),
        ("Which of these best describes a cell?", ["a unit", "a wall"]),
        ("All of these are mammals except", ["dog", "cat", "cod"]),
        ("What is 2 + 2?", ["4", "5", "None of the above"]),
        ("What holds?", ["x > 1", "x < 3", "Both A and B"]),
        ("下列说法错误的是", ["甲", "乙"]),
    ],
)
def test_options_that_are_needed_cost_no_call(question: str, choices: list[str]) -> None:
    made = converted([{"question": question, "choices": choices, "answer": "A"}], [])
    assert made.reasons == {"p0": "needs_options"} and not made.teachers["j"].requests


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (opened("", needs=True), "needs_options"),
        (opened("Which of the following is 6 times 7?"), "options_left"),
        (opened("Is 6 times 7 equal to 36 or 48?"), "options_left"),
        (opened("Is 42 what 6 times 7 is?"), "answer_leaked"),
        (opened("What is 6 times 8?"), "numbers_changed"),
        (opened(""), "no_problem"),
        ('{"question": "What is 6 times 7?"}', "unparseable_judgement"),
    ],
)
def test_what_is_no_open_question(said: str, reason: str) -> None:
    assert converted([SIX], lambda _: said).reasons == {"p0": reason}


def test_references_and_options_that_are_none() -> None:
    rows = [{**SIX, "answer": "E"}, {**SIX, "answer": "A, B"}, {**SIX, "choices": ["42"]}, {**SIX, "answer": None}]
    made = converted(rows, [])
    assert made.reasons == {
        "p0": "no_right_option", "p1": "no_right_option", "p2": "no_options", "p3": "no_right_option",
    }  # fmt: skip
    with pytest.raises(ValueError, match="can't be averaged"):
        ConvertChoiceParams(judge="j", votes=3)
    with pytest.raises(ColumnError, match="these rows are traces"):
        converted([{**SIX, "trace_id": "t"}], [])

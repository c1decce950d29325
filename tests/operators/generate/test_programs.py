"""Problems whose answer is a program: prompts by answer_type, attempts of a student, and rewritten traces that still
end with a program that passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dqdata.teacher import Request
from dqdata.testing import run_operator

THOUGHT = "The word is turned around.\n\nThen it is compared with itself."
MORE = "First the word is turned around with a slice.\n\nThen both are compared, letter by letter: equal words pass."
GOOD = "```python\ndef same(word):\n    return word == word[::-1]\n```"
BAD = GOOD.replace("==", "!=")
ROW: dict[str, Any] = {
    "problem_id": "p",
    "trace_id": "t",
    "question": "Write same(word), whether a word reads alike in both directions.",
    "answer": None,
    "answer_type": "code",
    "tests": "assert same('abba')\nassert not same('ab')",
    "reasoning": THOUGHT,
    "response": GOOD,
    "fit": "easy",
}
ADD = {"question": "What is 2 + 5?", "answer": "7", "answer_type": "math", "tests": None}


def rewritten(op: str, answers: list[str], row: dict[str, Any] = ROW, **params: Any) -> Any:
    left = iter(answers)
    given = {"teacher": "t", "verifier": "verify", **params}
    return run_operator(op, [row], params=given, teachers={"t": lambda _: next(left)})


def test_a_rewritten_trace_ends_with_a_program_that_passes() -> None:
    made = rewritten("rethink", [f"{MORE}\n\n{GOOD}"])
    [child] = made.rows
    assert child["reasoning"].endswith(GOOD) and child["response"] == GOOD
    assert (child["rewrite"], child["rewrite_stop"], child["correct"]) == ("extend", "rewritten", True)
    assert 1.5 < child["rewrite_ratio"] < 2.5, "of the text around the program"
    [request] = made.teachers["t"].requests
    asked = request.messages[-1].content
    assert "end with the whole program" in asked and "<reference" in asked and "word[::-1]" in asked


@pytest.mark.parametrize(
    ("text", "why", "said"),
    [
        (f"{MORE}\n\n{BAD}", "program_fails: failed", "does not pass its tests"),
        (MORE, "no_program", "holds no program"),
        (f"{MORE}\n\n```python\ndef same(word:\n```", "program_fails", "does not pass its tests"),
        (f"{MORE}\n\n```python\ndef other(word):\n    return True\n```", "program_fails", "does not pass its tests"),
        (f"{MORE}\n\n```python\ndef same(word):\n    while True: pass\n```", "program_fails: timeout", "does not pass"),
    ],
)
def test_a_text_without_a_right_program_goes_back(text: str, why: str, said: str) -> None:
    made = rewritten(
        "rethink", [text, f"{MORE}\n\n{GOOD}"], verifier_params={"code": {"seconds": 1, "total_seconds": 1}}
    )
    [child] = made.rows
    assert child["rewrite_attempts"] == 2 and child["rewrite_failures"].startswith(why)
    assert said in made.teachers["t"].requests[1].messages[-1].content
    lost = rewritten("rethink", [text], attempts=1, verifier_params={"code": {"seconds": 1, "total_seconds": 1}})
    assert not lost.rows and lost.rejects[0]["reason"] == why.partition(":")[0]


def test_a_program_that_reads_its_input() -> None:
    row = {
        **ROW,
        "question": "Read a number and print its double.",
        "tests": '[{"input": "4", "output": "8"}]',
        "response": "```python\nprint(2 * int(input()))\n```",
        "fit": "hard",
    }
    made = rewritten("rethink", ["Read it.\n\nDouble it.\n\n```python\nn = int(input())\nprint(n + n)\n```"], row)
    assert made.rows[0]["rewrite"] == "simplify"


def test_traces_without_reasoning_and_tests_alone() -> None:
    """The response is the trace; verify_code needs neither an answer nor its type."""
    plain = {name: value for name, value in ROW.items() if name not in ("answer", "answer_type", "reasoning")}
    row = {**plain, "response": f"{THOUGHT}\n\n{GOOD}"}
    made = rewritten("rethink", [f"{MORE}\n\n{GOOD}"], row, verifier="verify_code")
    assert made.rows[0]["response"].startswith("First the word") and made.rows[0]["correct"] is True
    assert (
        "<reference" not in made.teachers["t"].requests[0].messages[-1].content.split("<trace")[0].split("\n\n", 1)[1]
    )


@pytest.mark.parametrize(("op", "low", "high"), [("shorten", 0.3, 0.7), ("lengthen", 1.4, 2.6)])
def test_lengths_are_those_of_the_text_around_the_program(op: str, low: float, high: float) -> None:
    old, new = (f"{MORE} {MORE}", MORE) if op == "shorten" else (MORE, f"{MORE} {MORE}")
    params = {"ratio": 0.5, "at_least": 5} if op == "shorten" else {"ratio": 2.0}
    made = rewritten(op, [f"{new}\n\n{GOOD}"], {**ROW, "reasoning": old}, **params)
    assert low < made.rows[0]["rewrite_ratio"] < high
    assert (
        f"{round(len(old.split()) * (0.5 if op == 'shorten' else 2))}"
        in made.teachers["t"].requests[0].messages[-1].content
    )


def test_rows_of_mathematics_are_asked_as_before() -> None:
    row = {**ROW, **ADD, "reasoning": "2 and 5.", "response": "\\boxed{7}"}
    made = rewritten("rethink", ["First there are 2.\n\nFive more make 2 + 5 = 7."], row)
    assert made.rows[0]["rewrite_stop"] == "rewritten"
    assert "program" not in made.teachers["t"].requests[0].messages[-1].content


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    file = tmp_path / "code.md"
    file.write_text("{{question}}\n\nGive one ```python block.", encoding="utf-8")
    return str(file)


def solver(request: Request) -> str:
    asked = request.messages[-1].content
    return GOOD if "```python" in asked else "\\boxed{7}"


def test_each_type_has_its_prompt(prompt: str) -> None:
    problems = [{**ROW, "trace_id": None}, {**ROW, **ADD, "problem_id": "q", "trace_id": None}]
    rows = [{name: value for name, value in row.items() if name not in ("trace_id", "fit")} for row in problems]
    made = run_operator("generate", rows, params={"teacher": "t", "prompt_code": prompt}, teachers={"t": solver})
    judged = run_operator("verify", made.rows).rows
    assert [row["verdict"] for row in judged] == ["correct", "correct"]
    rated = run_operator(
        "pass_rate",
        rows,
        params={"student": "t", "n": 4, "prompt_code": prompt, "verifier": "verify"},
        teachers={"t": solver},
    )
    assert [row["pass_rate"] for row in rated.rows] == [1.0, 1.0]
    boxed = run_operator("generate", rows, params={"teacher": "t"}, teachers={"t": lambda _: "\\boxed{7}"})
    asked = boxed.teachers["t"].requests
    assert asked and all("\\boxed" in one.messages[-1].content for one in asked)

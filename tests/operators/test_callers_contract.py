"""What every installed operator that calls a teacher must hold to, run by the engine with scripted teachers.

Each is run over traces with answers that it may or may not understand, with a teacher that refuses, and over no rows:
rows are accounted for, columns are as planned, the size of chunks changes nothing, and no answer ends a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from outcomes import frame_of

from dqdata.columns import MESSAGES, polars_schema
from dqdata.errors import TeacherError
from dqdata.operator import CallOperator
from dqdata.params import Marker, markers
from dqdata.plugins import found, load
from dqdata.teacher import Request
from dqdata.testing import Tried, run_operator

MODELS = ("student_fit",)
"""It reads with a model, which no script can stand for: tests/trainers/test_student_fit.py."""
CALLERS = [
    name
    for name in sorted(found("operators"))
    if issubclass(load("operators", name), CallOperator) and name not in MODELS
]
PARAMS: dict[str, dict[str, Any]] = {
    "agree": {"teachers": ["t", "u"]},
    "evolve": {"teacher": "t", "solvers": ["t", "u"]},
    "generate": {"teacher": "t"},
    "score": {"judge": "t"},
    "write_tests": {"judge": "t", "solvers": ["t"]},
}
"""Of operators that can do without a teacher, or need several; a required one is found by its marker."""
COLUMNS = {
    **dict.fromkeys(("problem_id", "trace_id", "question", "answer", "answer_type", "tests", "domain"), "VARCHAR"),
    **dict.fromkeys(("teacher", "reasoning", "response", "finish_reason", "ledger_key", "verdict"), "VARCHAR"),
    **dict.fromkeys(("output_tokens", "level"), "BIGINT"),
    **dict.fromkeys(("fit", "contamination", "contamination_text"), "VARCHAR"),
    **dict.fromkeys(("rv", "cd", "rv_length"), "DOUBLE"),
    **dict.fromkeys(("response_a", "response_b", "rubric"), "VARCHAR"),
    **dict.fromkeys(("candidates", "good", "bad"), "VARCHAR[]"),
    "correct": "BOOLEAN",
    "messages": MESSAGES,
}
PARENTS = ("parent_id", "parent_ids", "seed_id")
MAKERS = ("add_instructions", "agree", "convert_choice", "evolve", "expand", "refine", "write_rubric", "write_tests")
"""They work on problems, and refuse traces."""
PROBLEM = ["problem_id", "question", "answer", "answer_type", "tests", "domain", "level", "good", "bad"]
ANSWERS = {
    "prose": "Two and two are four, so I add them.\n\n\\boxed{4}",
    "nothing": "",
    "json": '{"verdict": "yes", "score": 3, "rv": 2.5, "reason": "it adds \\"two\\" twice", "question": "1+1?"}',
    "broken": "</think>{[<<<\\boxed{{{ $$ ```python\nprint(",
}


def rows_for(name: str) -> pl.DataFrame:
    """Four traces of three problems, or the problems alone: right, wrong, without reasoning, without a reference."""
    made = []
    for number, (problem, answer, reasoning, said) in enumerate(
        [
            (1, "3", "One and two are three.\n\nI check: 3 - 2 = 1.", "\\boxed{3}"),
            (1, "3", "One and two are four.", "\\boxed{4}"),
            (2, "4", None, "The answer is 4."),
            (5, None, "Five and two are seven.", "7"),
        ]
    ):
        question = f"What is {problem} + 2?"
        chat = {"role": "user", "content": question}
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"problem_id": f"p{problem}", "trace_id": f"t{number}", "question": question, "answer": answer}
        row |= {"answer_type": "math", "domain": "math", "teacher": "m", "finish_reason": "stop", "ledger_key": "k"}
        row |= {
            "reasoning": reasoning,
            "response": said,
            "output_tokens": 9,
            "level": 1,
            "rv": 2.0,
            "cd": 1.0,
            "rv_length": 3.0,
        }
        row |= {"fit": ("medium", "easy", "hard", None)[number]}
        row |= {"contamination": ("doubtful", None, None, None)[number], "contamination_text": "What is 1 + 2?"}
        row |= {"response_a": said, "response_b": "It is 3.", "candidates": [said, "It is 3.", None], "good": [said]}
        row |= {"rubric": '[{"criterion": "States a number.", "weight": 2}]' if number else None, "bad": None}
        row |= {"verdict": "correct" if number != 1 else "incorrect", "correct": number != 1, "messages": [chat]}
        made.append([row[name] for name in COLUMNS])
    frame = frame_of(COLUMNS, made)
    return (
        frame if name not in MAKERS else frame.select(PROBLEM).unique("problem_id", keep="first", maintain_order=True)
    )


def tried(name: str, rows: pl.DataFrame, answer: Callable[[Request], Any], **more: Any) -> Tried:
    fields = load("operators", name).Params.model_fields
    required = [field for field, info in fields.items() if info.is_required() and _asks(info)]
    params = PARAMS.get(name, dict.fromkeys(required, "t"))
    teachers = {"t": answer, "u": answer} if params else {}
    return run_operator(name, rows, params=params, teachers=teachers, **more)


def _asks(info: Any) -> bool:
    return any(isinstance(one, Marker) and one.refers_to in ("teacher", "scorer") for one in markers(info))


def accounted(rows: pl.DataFrame, made: Tried) -> None:
    """Every row that came is kept, rejected, or a parent of a new one; what is there has the planned columns."""
    assert list(made.frame.columns) == list(made.columns)
    assert dict(made.frame.schema) == dict(polars_schema(made.columns))
    key = made.columns.key
    assert made.frame[key].is_unique().all() and made.frame[key].null_count() == 0
    parents = {one for name in PARENTS if name in made.columns for one in _flat(made.frame[name])}
    ended = set(made.frame[key]) | {one["row_key"] for one in made.rejects} | parents
    assert [row for row in rows.to_dicts() if not ended & {row.get("trace_id"), row["problem_id"]}] == []
    assert all(one["reason"] and one["kind"] in ("dropped", "failed") for one in made.rejects)


def _flat(values: pl.Series) -> list[str]:
    return [one for value in values.drop_nulls() for one in ([value] if isinstance(value, str) else value)]


def shown(made: Tried) -> tuple[Any, ...]:
    """What must not change with the size of chunks; how long a call took may."""
    frame = made.frame.drop("seconds", strict=False)
    return (
        sorted(map(repr, frame.to_dicts())),
        sorted((one["row_key"], one["kind"], one["reason"]) for one in made.rejects),
        {name: sorted(one.key(request) for request in one.requests) for name, one in made.teachers.items()},
    )


@pytest.mark.parametrize("name", CALLERS)
def test_rows_are_accounted_for_whatever_a_teacher_answers(name: str) -> None:
    rows = rows_for(name)
    for answer in ANSWERS.values():
        made = tried(name, rows, lambda request, answer=answer: answer)
        accounted(rows, made)
    mixed = list(ANSWERS.values())

    def by_request(request: Request) -> str:
        return mixed[int(request.key("", "", "")[:4], 16) % len(mixed)]

    whole = tried(name, rows, by_request)
    accounted(rows, whole)
    assert shown(whole) == shown(tried(name, rows, by_request, chunk_rows=1)), "each chunk of one row"


@pytest.mark.parametrize("name", CALLERS)
def test_a_refused_request_fails_its_rows_alone(name: str) -> None:
    rows = rows_for(name)

    def refuse(request: Request) -> Any:
        return TeacherError("no", kind="row", reason="bad_request", status=400)

    made = tried(name, rows, refuse)
    accounted(rows, made)
    for one in made.teachers.values():
        if one.requests:
            assert "bad_request" in {reject["reason"] for reject in made.rejects} or made.frame.height == rows.height


@pytest.mark.parametrize("name", CALLERS)
def test_no_rows_make_no_call(name: str) -> None:
    made = tried(name, rows_for(name).head(0), lambda request: AssertionError("a call for no row"))
    assert made.frame.is_empty() and made.rejects == []
    assert all(one.requests == [] for one in made.teachers.values())
    assert list(made.frame.columns) in ([], list(made.columns))

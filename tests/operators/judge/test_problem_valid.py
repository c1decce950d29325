"""problem_valid: three statements about a problem, what follows from them, votes, and what can't be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dqdata.errors import ColumnError
from dqdata.teacher import Request
from dqdata.testing import run_operator

SAID: dict[str, tuple[Any, ...]] = {
    "What is 17 * 3?": (True, "one", False),
    "How old is Ann?": (False, "none", False),
    "Read the table above. What is its sum?": (False, "one", False),
    "Give a prime above 10.": (True, "several", False),
    "Find x with x = x + 1.": (True, "none", False),
    "Prove that 2 is the only even prime.": (True, "one", True),
}


def judge(request: Request) -> str:
    text = request.messages[1].content
    found = next(value for question, value in SAID.items() if question in text)
    return json.dumps(dict(zip(("complete", "answers", "proof"), found, strict=True)))


def test_what_makes_a_problem_valid() -> None:
    rows = [{"problem_id": str(n), "question": question, "answer": None} for n, question in enumerate(SAID)]
    tried = run_operator("problem_valid", rows, params={"judge": "j"}, teachers={"j": judge})
    assert not tried.rejects, "a flaw is a column, which a filter reads"
    found = {row["question"]: (row["problem_valid"], row["problem_flaw"]) for row in tried.rows}
    assert list(found.values()) == [
        (True, None),
        (False, "incomplete"),
        (False, "incomplete"),
        (False, "several"),
        (False, "none"),
        (False, "proof"),
    ]
    assert {row["problem_by"] for row in tried.rows} == {"scripted-1"}


def test_the_reference_is_shown_where_there_is_one() -> None:
    question = next(iter(SAID))
    rows = [{"question": question, "answer": answer} for answer in ("51", None, "")]
    asked = run_operator("problem_valid", rows, params={"judge": "j"}, teachers={"j": judge}).teachers["j"].requests
    assert ["<reference" in request.messages[1].content for request in asked] == [True, False]


def test_votes_and_their_ties_lean_to_the_flaw() -> None:
    votes = [(True, "one", False), (True, "one", True), (True, "several", False), (True, "none", True)]
    drawn = iter(json.dumps(dict(zip(("complete", "answers", "proof"), one, strict=True))) for one in votes)
    rows = [{"question": "What is 2 + 2?"}]
    params = {"judge": "j", "votes": 4}
    [row] = run_operator("problem_valid", rows, params=params, teachers={"j": lambda _: next(drawn)}).rows
    assert (row["problem_answers"], row["problem_proof"], row["problem_valid"]) == ("one", True, False)
    assert row["problem_agreement"] == 0.5
    with pytest.raises(ColumnError, match="'question'"):
        run_operator("problem_valid", [{"text": "What?"}], params=params, teachers={"j": []})


@pytest.mark.parametrize(
    "answer",
    ['{"complete": "yes", "answers": "one", "proof": false}', '{"complete": true, "answers": "two", "proof": false}',
     '{"complete": true, "proof": false}', "It is valid."],
)  # fmt: skip
def test_what_is_no_judgement_fails_the_row(answer: str) -> None:
    tried = run_operator("problem_valid", [{"question": "x?"}], params={"judge": "j"}, teachers={"j": lambda _: answer})
    assert tried.reasons == {"0": "unparseable_judgement"} and len(tried.teachers["j"].requests) == 2

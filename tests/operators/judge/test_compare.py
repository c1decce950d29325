"""compare and gen_select: both orders, ties, verdicts beside those of a verifier, reasons as training rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from dqdata.errors import ColumnError
from dqdata.teacher import Completion, Request, Usage
from dqdata.testing import run_operator

QUESTION = "What is 2 + 2?"


def pair(a: str, b: str, **more: Any) -> dict[str, Any]:
    return {"question": QUESTION, "answer": "4", "response_a": a, "response_b": b, **more}


def shown(request: Request) -> tuple[str, str]:
    """The two answers in the order that the judge sees them."""
    text = request.messages[1].content
    found = [re.search(rf"<{place} \w+>\n(.*?)\n</{place}", text, re.DOTALL) for place in ("first", "second")]
    assert found[0] and found[1]
    return found[0][1], found[1][1]


def likes_four(request: Request) -> str:
    """Prefers the answer with a 4, and the first where both or neither has one."""
    first, second = shown(request)
    if "unreadable" in first + second:
        return "The first."
    if "equal" in first + second:
        return '{"winner": "tie"}'
    return json.dumps({"winner": "second" if "4" in second and "4" not in first else "first"})


def test_both_orders_and_ties() -> None:
    rows = [
        pair("It is 4.", "It is 5.", correct_a=True, correct_b=False),
        pair("It is 5.", "It is 4.", correct_a=True, correct_b=False),
        pair("It is 5.", "It is 6.", correct_a=False, correct_b=False),
        pair("It is 4, equal.", "It is 5.", correct_a=True, correct_b=False),
        pair("It is 4.", "It is 7.", correct_a=None, correct_b=False),
        pair("unreadable", "It is 4.", correct_a=True, correct_b=False),
        pair("", "It is 4.", correct_a=False, correct_b=True),
    ]
    tried = run_operator("compare", rows, params={"judge": "j"}, teachers={"j": likes_four})
    found = {row["problem_id"]: row for row in tried.rows}
    columns = ("winner", "winner_first", "winner_swapped", "winner_verified")
    assert {key: tuple(row[name] for name in columns) for key, row in found.items()} == {
        "0": ("a", "a", "a", True),
        "1": ("b", "b", "b", False),
        "2": ("tie", "a", "b", None),
        "3": ("tie", "tie", "tie", False),
        "4": ("a", "a", "a", None),
    }
    assert tried.reasons == {"5": "unparseable_judgement", "6": "null_in_prompt"}
    assert found["0"]["winner_by"] == "scripted-1" and found["0"]["winner_agreement"] == 1.0


def test_pairs_are_chats_and_ties_are_dropped() -> None:
    rows = [pair("It is 4.", "It is 5."), pair("It is 5.", "It is 4."), pair("It is 5.", "It is 6.")]
    tried = run_operator("compare", rows, params={"judge": "j", "pairs": True}, teachers={"j": likes_four})
    assert tried.reasons == {"2": "tie"} and len(tried.rows) == 2
    for row in tried.rows:
        assert row["prompt"][0]["content"] == QUESTION
        assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("It is 4.", "It is 5.")
    assert "winner_verified" not in tried.columns


def test_votes_are_drawn_for_each_order() -> None:
    """Three votes an order; a plan expects both orders."""
    params = {"judge": "j", "votes": 3, "temperature": 1.0}
    tried = run_operator("compare", [pair("It is 4.", "It is 5.")], params=params, teachers={"j": likes_four})
    assert len(tried.teachers["j"].requests) == 6
    assert {shown(one) for one in tried.teachers["j"].requests} == {("It is 4.", "It is 5."), ("It is 5.", "It is 4.")}
    from dqdata_operators.judge.compare import Compare, CompareParams

    operator = Compare(CompareParams(**params))
    assert (operator.estimate(10).calls["j"].calls, operator.at_most(10).calls["j"].calls) == (60, 120)


def chooses(request: Request) -> str | Completion:
    """Chooses the candidate with a 4, by the number that it is shown under."""
    text = request.messages[-1].content
    if "cut" in text:
        return Completion("The first candidate", "length", Usage(5, 3))
    if "silent" in text:
        return "Candidate 1 is best."
    if "beyond" in text:
        return "Judgment: 7"
    number = next(n for n, said in re.findall(r"Candidate (\d+):\n(.*)", text) if "4" in said)
    return Completion(f"Candidate {number} adds right.\n\n**Judgment: {number}**", "stop", Usage(5, 9), reasoning="Hm.")


def test_the_best_candidate_and_its_reasons() -> None:
    texts = ["It is 5.", "It is 4.", "It is 6.", None, " "]
    rows = [
        {"problem_id": f"p{n}", "question": QUESTION, "candidates": texts, "corrects": [False, True, False, None, None]}
        for n in range(12)
    ]
    tried = run_operator("gen_select", rows, params={"teacher": "t"}, teachers={"t": chooses})
    places = Counter()
    for row in tried.rows:
        assert (row["selected"], row["selected_response"], row["selected_correct"]) == (2, "It is 4.", True)
        user, assistant = row["messages"]
        assert assistant["content"] == row["selection"] and assistant["reasoning_content"] == "Hm."
        number = re.search(r"Judgment: (\d)", row["selection"])
        assert number and f"Candidate {number[1]}:\nIt is 4." in user["content"] and "3 candidate" in user["content"]
        places[number[1]] += 1
    assert len(tried.rows) == 12 and len(places) == 3, "no place is preferred"
    again = run_operator("gen_select", rows, params={"teacher": "t", "seed": 9}, teachers={"t": chooses})
    assert [row["selection"] for row in again.rows] != [row["selection"] for row in tried.rows]


def test_what_cannot_be_chosen_is_a_reject() -> None:
    cases = {
        "cut": ["cut", "It is 4."], "silent": ["silent", "4"], "beyond": ["beyond", "4"], "one": ["It is 4."],
        "none": [], "null": None,
    }  # fmt: skip
    rows = [{"problem_id": name, "question": QUESTION, "candidates": texts} for name, texts in cases.items()]
    rows.append({"problem_id": "some", "question": QUESTION, "candidates": ["It is 5", "It is 4."]})
    tried = run_operator("gen_select", rows, params={"teacher": "t"}, teachers={"t": chooses})
    assert tried.reasons == {
        "cut": "truncated", "silent": "unparseable_judgement", "beyond": "unparseable_judgement",
        "one": "few_candidates", "none": "few_candidates", "null": "few_candidates",
    }  # fmt: skip
    [kept] = tried.rows
    assert kept["selected"] == 2 and "selected_correct" not in tried.columns
    differ = [{"question": QUESTION, "candidates": ["4", "5"], "corrects": [True]}]
    assert run_operator("gen_select", differ, params={"teacher": "t"}, teachers={"t": chooses}).reasons == {
        "0": "verdicts_differ"
    }


def test_columns_that_are_missing_or_of_another_type() -> None:
    with pytest.raises(ColumnError, match="response_b"):
        run_operator("compare", [{"question": "?", "response_a": "4"}], params={"judge": "j"}, teachers={"j": []})
    with pytest.raises(ColumnError, match=r"'candidates' as VARCHAR\[\]"):
        run_operator("gen_select", [{"question": "?", "candidates": "4"}], params={"teacher": "t"}, teachers={"t": []})
    with pytest.raises(ColumnError, match=r"not BOOLEAN\[\]"):
        rows = [{"question": "?", "candidates": ["4"], "corrects": ["yes"]}]
        run_operator("gen_select", rows, params={"teacher": "t"}, teachers={"t": []})

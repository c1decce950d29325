"""generate with several efforts: what each request says, tools, costs, and the shortest correct choice."""

from __future__ import annotations

from typing import Any

import pytest
from dqdata_operators.generate._parameters import GenerateParams
from dqdata_operators.generate.generate import Generate

from dqdata.teacher import Request
from dqdata.testing import run_operator

ROWS = [{"problem_id": "p", "question": "What is 17 * 3?", "answer": "51"}]


def solver(request: Request) -> str:
    effort = request.sampling.extra["reasoning_effort"]
    return {"low": "\\boxed{41}", "medium": "It is \\boxed{51}.", "high": "So, 17 * 3 is 51.\n\n\\boxed{51}"}[effort]


def test_each_effort_is_asked_with_its_settings() -> None:
    efforts = [
        {"effort": "low", "max_tokens": 100},
        {"effort": "high", "max_tokens": 900, "temperature": 0.2, "extra": {"top_k": 5}},
        {"effort": "high", "tools": ["python"]},
    ]
    params = {"teacher": "t", "n": 2, "temperature": 0.7, "extra": {"min_p": 0.1}, "efforts": efforts}
    made = run_operator("generate", ROWS, params=params, teachers={"t": solver})
    found = [(row["effort"], row["tools"] is not None, row["tool_calls"]) for row in made.rows]
    wanted: list[tuple[Any, ...]] = [("low", False, None), ("high", False, None), ("high", True, 0)]
    assert sorted(found, key=str) == sorted(2 * wanted, key=str)
    asked = {}
    for request in made.teachers["t"].requests:
        sampling, extra = request.sampling, request.sampling.extra
        way = (extra["reasoning_effort"], bool(request.tools))
        asked[way] = (sampling.max_tokens, sampling.temperature, extra.get("top_k"), extra["min_p"])
    assert asked == {
        ("low", False): (100, 0.7, None, 0.1),
        ("high", False): (900, 0.2, 5, 0.1),
        ("high", True): (None, 0.7, None, 0.1),
    }
    assert len({row["trace_id"] for row in made.rows}) == 6


def test_the_template_states_the_effort() -> None:
    extra = {"chat_template_kwargs": {"date": "2026"}}
    params = {"teacher": "t", "effort_in": "template", "efforts": [{"effort": "medium", "extra": extra}]}
    made = run_operator("generate", ROWS, params=params, teachers={"t": lambda _: "\\boxed{51}"})
    [request] = made.teachers["t"].requests
    assert request.sampling.extra == {"chat_template_kwargs": {"reasoning_effort": "medium", "date": "2026"}}
    both = {**params, "extra": {"top_k": 3, "chat_template_kwargs": {"enable_thinking": True, "date": "2020"}}}
    [request] = (
        run_operator("generate", ROWS, params=both, teachers={"t": lambda _: "\\boxed{51}"}).teachers["t"].requests
    )
    assert request.sampling.extra == {
        "top_k": 3,
        "chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": "medium", "date": "2026"},
    }, "what the step says of the template is kept"
    plain = run_operator("generate", ROWS, params={"teacher": "t"}, teachers={"t": lambda _: "\\boxed{51}"})
    assert "effort" not in plain.columns and plain.teachers["t"].requests[0].sampling.extra == {}


def test_a_rejected_answer_has_its_effort() -> None:
    params = {"teacher": "t", "efforts": [{"effort": "low"}, {"effort": "high"}]}
    answer = {"low": "", "high": "\\boxed{51}"}
    made = run_operator(
        "generate", ROWS, params=params, teachers={"t": lambda one: answer[one.sampling.extra["reasoning_effort"]]}
    )
    assert [row["effort"] for row in made.rows] == ["high"]
    assert [(one["reason"], one["row"]["effort"]) for one in made.rejects] == [("empty", "low")]


def test_the_shortest_correct_choice() -> None:
    params = {"teacher": "t", "efforts": [{"effort": name} for name in ("low", "medium", "high")]}
    rows = run_operator("generate", ROWS, params=params, teachers={"t": solver}).rows
    judged = run_operator("verify_math", rows).rows
    chosen = run_operator("select", judged, params={"where": "correct", "by": "output_tokens asc"})
    assert [row["effort"] for row in chosen.rows] == ["medium"]
    assert sorted(chosen.reasons.values()) == ["not_eligible", "not_selected"]


def test_costs_are_those_of_all_efforts() -> None:
    efforts: list[Any] = [
        {"effort": "low", "max_tokens": 10},
        {"effort": "high", "max_tokens": 100, "tools": ["python"]},
    ]
    operator = Generate(GenerateParams(teacher="t", n=2, efforts=efforts))
    expected, worst = operator.estimate(5), operator.at_most(5)
    assert expected.rows == 20 and expected.calls["t"].calls == 10 + 3 * 10
    assert expected.calls["t"].output_tokens == 10 * 10 + 3 * 10 * 100
    assert worst.calls["t"].calls == 10 + 10 * 10 and worst.calls["t"].output_tokens == 10 * 10 + 10 * 10 * 100


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"efforts": [{"effort": "low"}, {"effort": "low"}]}, "one effort twice"),
        ({"efforts": [{"effort": ""}]}, "at least 1 character"),
        ({"efforts": [{"effort": "low", "temperature": 0}], "n": 2}, "pays for 2 equal answers"),
        ({"efforts": [{"effort": "low", "tools": ["python"]}], "top_logprobs": 3}, "`top_logprobs` are of one answer"),
        ({"efforts": [{"effort": "low", "budget": 3}]}, "budget"),
    ],
)
def test_what_is_refused(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GenerateParams(teacher="t", **params)


def test_bounds_of_tools_belong_to_the_efforts_with_tools() -> None:
    efforts: list[Any] = [{"effort": "low", "tools": []}, {"effort": "high"}]
    params = GenerateParams(teacher="t", tools=["python"], tool_calls=3, efforts=efforts)
    assert [one.tools for _, one in params.ways] == [(), ("python",)] and params.ways[1][1].tool_calls == 3
    with_tools: list[Any] = [{"effort": "low"}, {"effort": "low", "tools": ["python"]}]
    assert GenerateParams(teacher="t", tool_calls=3, efforts=with_tools).ways[1][1].tool_calls == 3
    with pytest.raises(ValueError, match="mean something only with `tools`"):
        GenerateParams(teacher="t", tool_calls=3, efforts=efforts[1:])

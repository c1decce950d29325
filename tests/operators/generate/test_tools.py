"""Tool-integrated reasoning: a scripted endpoint calls Python, reads what it says, and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.generate._parameters import GenerateParams
from dqdata_operators.generate._tools import PYTHON
from dqdata_operators.generate.generate import Generate
from pydantic import ValidationError

from dqdata.chats import bare, check_chat
from dqdata.cli import main
from dqdata.columns import MESSAGES, Columns
from dqdata.operator import Reject, Schema
from dqdata.teacher import Completion, Usage
from dqdata.testing import OperatorRun, ScriptedTeacher

ROW = {"problem_id": "p1", "question": "What is 6 * 7?", "answer": "42"}


def called(code: Any, *more: Any, name: str = "python") -> Completion:
    codes = (code, *more)
    calls = tuple(
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": json.dumps({"code": one})}}
        for place, one in enumerate(codes)
    )
    return Completion("", "tool_calls", Usage(10, 5), reasoning="I run it.", tool_calls=calls)


def said(text: str) -> Completion:
    return Completion(text, "stop", Usage(20, 7), reasoning="It says so.")


async def outcome(folder: Path, *answers: Completion, **params: Any) -> Any:
    folder.mkdir(exist_ok=True)
    teacher = ScriptedTeacher(list(answers))
    operator = Generate(GenerateParams(**({"teacher": "t", "tools": ["python"]} | params)))
    [found] = await operator.process(ROW, OperatorRun(folder, t=teacher))
    return found, teacher


async def test_a_session_keeps_its_state_and_the_whole_chat_is_kept(tmp_path: Path) -> None:
    found, teacher = await outcome(tmp_path, called("x = 6 * 7"), called("print(x)", "x + 1"), said("\\boxed{42}"))
    turns = [bare(turn) for turn in found["messages"]]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "assistant", "tool", "tool", "assistant"]
    assert [turn["content"] for turn in turns if turn["role"] == "tool"] == ["(no output)", "42\n", "43\n"]
    assert turns[1]["tool_calls"][0]["function"]["arguments"] == '{"code": "x = 6 * 7"}'
    assert (found["response"], found["tool_calls"], found["tools"]) == ("\\boxed{42}", 3, PYTHON)
    assert (found["input_tokens"], found["output_tokens"]) == (40, 17)
    assert "```output\n42\n```" in found["reasoning"] and found["reasoning"].endswith("It says so.")
    sent = teacher.requests[-1]
    assert sent.tools == PYTHON and sent.messages[2].more["tool_call_id"] == "c0"
    have = Columns({"problem_id": "VARCHAR", "question": "VARCHAR", "answer": "VARCHAR"})
    planned = Generate(GenerateParams(teacher="t", tools=["python"])).columns(have, Schema())
    assert set(planned) == set(found) and planned["messages"] == MESSAGES


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (called("1 / 0"), "ZeroDivisionError: division by zero"),
        (called("while True: pass"), "over its limit of time"),
        (called("1", name="search"), "there is no tool 'search'"),
        (called(None), "'code' must be text"),
        (Completion('<tool_call>\n{"name": "python", "arguments": {"code": "6*7"}}\n</tool_call>', "stop", Usage(1, 1)),
         "42"),
    ],
)  # fmt: skip
async def test_what_a_call_gets_wrong_is_said_to_the_teacher(tmp_path: Path, answer: Completion, text: str) -> None:
    found, _ = await outcome(tmp_path, answer, said("42"), call_seconds=1.0)
    assert text in found["messages"][2]["content"] and found["response"] == "42"


@pytest.mark.parametrize("said_by_the_model", ['{"code": "print(1)', "[1]", "print(1)", '"x"', "null"])
async def test_arguments_that_are_no_object_are_answered_and_leave_a_chat_that_can_be_learnt(
    tmp_path: Path, said_by_the_model: str
) -> None:
    function = {"name": "python", "arguments": said_by_the_model}
    wrong = Completion(
        "", "tool_calls", Usage(1, 1), tool_calls=({"id": "c", "type": "function", "function": function},)
    )
    found, teacher = await outcome(tmp_path, wrong, called("6 * 7"), said("\\boxed{42}"))
    check_chat(found["messages"])
    assert [turn["content"] for turn in found["messages"] if turn["role"] == "tool"] == [
        "Error: the arguments are no JSON object.\n", "42\n",
    ]  # fmt: skip
    for kept in (found["messages"][1]["tool_calls"], teacher.requests[1].messages[1].more["tool_calls"]):
        assert json.loads(kept[0]["function"]["arguments"]) == {"code": said_by_the_model}


async def test_limits_of_a_trace(tmp_path: Path) -> None:
    found, _ = await outcome(tmp_path, called("1"), called("2"), called("3"), said("42"), tool_calls=2)
    results = [turn["content"] for turn in found["messages"] if turn["role"] == "tool"]
    assert results[:2] == ["1\n", "2\n"] and "limit of 2 calls" in results[2]
    found, teacher = await outcome(tmp_path / "b", *[called("1")] * 9, tool_calls=2)
    assert isinstance(found, Reject) and found.reason == "tool_calls" and len(teacher.requests) == 4
    with pytest.raises(ValidationError, match="only with `tools`"):
        GenerateParams(teacher="t", tool_calls=3)


PROJECT = """
[teachers.t]
provider = "openai"
base_url = "{url}"
model = "m"

[pipelines.tir]
from = "problems.jsonl"
into = "tir"
steps = [{{ op = "generate", teacher = "t", tools = ["python"], n = 2 }}, {{ op = "verify_math" }}]
"""


def test_traces_of_an_endpoint_are_verified_stored_and_exported(
    tmp_path: Path, loopback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return {"role": "assistant", "content": f"\\boxed{{{last['content'].strip()}}}", "reasoning_content": "so"}
        assert body["tools"][0]["function"]["name"] == "python"
        function = {"name": "python", "arguments": json.dumps({"code": "print(6 * 7)"})}
        return {"role": "assistant", "content": None, "reasoning_content": "run",
                "tool_calls": [{"id": "c", "type": "function", "function": function}]}  # fmt: skip

    loopback.answer = answer
    (tmp_path / "problems.jsonl").write_text(json.dumps({"question": "What is 6 * 7?", "answer": "42"}) + "\n")
    project = tmp_path / "pipelines.toml"
    project.write_text(PROJECT.format(url=loopback.url))
    assert main(["run", "tir", "-p", str(project), "-q"]) == 0
    first = len(loopback.asked)
    assert first == 4
    assert main(["export", "tir", "--to", "trl", "-o", str(tmp_path / "out"), "-p", str(project)]) == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and rows[0]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {
        "code": "print(6 * 7)"
    }
    capsys.readouterr()
    assert main(["sql", "select correct, tool_calls from tir", "--json", "-p", str(project)]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [{"correct": True, "tool_calls": 1}] * 2
    assert main(["ledger", "verify", "-p", str(project)]) == 0
    assert len(loopback.asked) == first

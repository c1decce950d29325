"""Chats and traces of other tools: the layout is found, printed, corrected, and lands in the vocabulary's columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dqdata.api.catalogs import open_store
from dqdata.chats import bare, calls_apart, read_chat, read_tools
from dqdata.cli import main
from dqdata.errors import DataError
from dqdata.sources.layouts import layout_of

USER = {"role": "user", "content": "2+2?"}


def written(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    file = folder / name
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def imported(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl", **more: Any) -> list[dict[str, Any]]:
    file = written(folder, rows, name)
    catalogs = open_store(folder / "cat")
    mapped = catalogs.layout([file], **more)
    assert mapped is not None
    catalogs.import_files([file], "made", layout=mapped.layout.name, **{k: v for k, v in more.items() if k != "layout"})
    found = [row for batch in catalogs.sql("from made").arrow().to_batches() for row in batch.to_pylist()]
    return [{**row, "messages": [bare(one) for one in row["messages"]], "layout": mapped.layout.name} for row in found]


def said(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["layout"], row["question"], row["reasoning"], row["response"]


MARKED = "<|begin_of_thought|>\n\ntwo and two\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n4\n<|end_of_solution|>"
THINKS = "<think>\ntwo and two\n</think>\n\n4"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [USER, {"role": "assistant", "content": THINKS}]}, "openai"),
        ({"messages": [USER, {"role": "assistant", "content": "4", "reasoning": "two and two"}], "n": 1}, "openai"),
        ({"conversation": [USER, {"content": "4", "thinking": "two and two", "role": "assistant"}]}, "openai"),
        ({"prompt": "2+2?", "completion": THINKS}, "openai"),
        ({"prompt": [USER], "completion": [{"role": "assistant", "content": THINKS}]}, "openai"),
        ({"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": THINKS}]}, "sharegpt"),
        ({"system": "s", "conversations": [{"from": "user", "value": "2+2?"}, {"from": "assistant", "value": THINKS}]},
         "sharegpt"),
        ({"instruction": "2+2?", "input": "", "output": THINKS}, "alpaca"),
        ({"instruction": "2+2?", "output": THINKS, "system": "s"}, "alpaca"),
        ({"problem": "2+2?", "deepseek_reasoning": "two and two", "deepseek_solution": "4", "domain": "math"},
         "openthoughts"),
        ({"system": "s", "conversations": [{"from": "user", "value": "2+2?"}, {"from": "assistant", "value": MARKED}]},
         "openthoughts"),
        ({"problem": "2+2?", "answer": "4", "generations": [THINKS]}, "openr1"),
    ],
)  # fmt: skip
def test_the_layout_is_found_and_its_rows_are_question_reasoning_response_and_chat(
    tmp_path: Path, row: dict[str, Any], expected: str, name: str
) -> None:
    [made] = imported(tmp_path, [row], name)
    assert said(made) == (expected, "2+2?", "two and two", "4")
    assert made["messages"][-1] == {"role": "assistant", "content": "4", "reasoning_content": "two and two"}
    assert made["messages"][-2] == USER
    assert [one["content"] for one in made["messages"] if one["role"] == "system"] == (["s"] if "system" in row else [])


def test_generations_of_a_problem_are_traces_with_their_own_facts(tmp_path: Path) -> None:
    row = {
        "problem": "2+2?", "answer": "4", "uuid": "u1", "generations": [THINKS, "<think>\nhm", "5"],
        "correctness_math_verify": [True, False, False], "is_reasoning_complete": [True, False, True],
    }  # fmt: skip
    made = imported(tmp_path, [row])
    assert {(one["reasoning"], one["response"], one["correctness_math_verify"]) for one in made} == {
        ("two and two", "4", True), ("hm", "", False), (None, "5", False),
    }  # fmt: skip
    assert len({one["problem_id"] for one in made}) == 1 and len({one["trace_id"] for one in made}) == 3
    assert {one["uuid"] for one in made} == {"u1"}


def test_verifiers_branches_are_chats_and_unsampled_turns_are_not_learnt(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "name": "python", "arguments": '{"code": "1"}'}
    nodes = [
        {"message": USER},
        {"parent": 0, "message": {"role": "assistant", "content": "made up"}},
        {"parent": 1, "message": {"role": "user", "content": "again"}},
        {"parent": 2, "sampled": True, "message": {"role": "assistant", "content": None, "tool_calls": [call]}},
        {"parent": 3, "message": {"role": "tool", "tool_call_id": "c", "content": "1"}},
        {"parent": 4, "sampled": True, "message": {"role": "assistant", "content": "4", "reasoning_content": "hm"}},
        {"parent": 2, "sampled": True, "message": {"role": "assistant", "content": "5"}},
    ]
    trace = {
        "version": 1, "id": "x", "nodes": nodes, "tools": [{"name": "python", "parameters": {}}],
        "task": {"type": "T", "data": {"prompt": "2+2?", "answer": "4"}}, "rewards": {"r": {"score": 0.5, "weight": 2}},
        "agent": {"config": {"model": "m"}}, "stop_condition": "done",
    }  # fmt: skip
    first, second = imported(tmp_path, [{"task": {}, "traces": [trace]}])
    if first["response"] == "5":
        first, second = second, first
    assert said(first) == ("verifiers", "2+2?", "hm", "4") and second["response"] == "5"
    assert [one.get("train") for one in first["messages"]] == [None, False, None, None, None, None]
    assert (first["answer"], first["reward"], first["teacher"], first["stop_condition"]) == ("4", 1.0, "m", "done")
    assert read_tools(first["tools"])[0]["function"]["name"] == "python"
    assert first["messages"][3]["tool_calls"][0]["function"] == {"name": "python", "arguments": '{"code": "1"}'}
    [plain, _] = imported(tmp_path, [trace])
    assert plain["layout"] == "verifiers"


def test_what_is_not_understood_is_listed_and_the_mapping_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = [USER, {"role": "assistant", "content": [{"type": "text", "text": "4"}, {"type": "audio", "url": "x"}],
                   "logits": [1]}]  # fmt: skip
    file = written(tmp_path, [{"messages": chat, "level": 3}])
    options = ["--into", "x", "--store", str(tmp_path / "cat"), "-q"]
    assert main(["import", str(file), *options, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["layout"]
    assert told["layout"] == "openai" and told["kept"] == ["level"] and told["made"]["response"] == "messages"
    assert set(told["not_understood"]) == {"content part 'audio'", "logits"}
    assert not (tmp_path / "cat").exists()
    assert main(["import", str(file), *options]) == 0
    out = capsys.readouterr().out
    assert "layout openai" in out and "not understood in messages, left out" in out and "x@1: 1 rows" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_corrections_name_the_layout_and_the_columns(tmp_path: Path) -> None:
    chat = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]
    file = written(tmp_path, [{"talk": json.dumps(chat), "rank": 2}])
    options = ["--into", "x", "--store", str(tmp_path / "cat"), "-q"]
    mapping = ["--map", "conversations=talk", "--map", "level=rank"]
    assert main(["import", str(file), *options, *mapping]) == 0
    [row] = open_store(tmp_path / "cat").sql("select question, response, level from x").arrow().to_pylist()
    assert row == {"question": "2+2?", "response": "4", "level": 2}
    assert main(["import", str(file), "--into", "y", *options[2:], "--layout", "sharegpt", *mapping[:2]]) == 0


def test_rows_of_dqdata_and_rows_asked_for_stay_as_they_are(tmp_path: Path) -> None:
    chat = [USER, {"role": "assistant", "content": THINKS}]
    own = written(tmp_path, [{"trace_id": "t", "question": "2+2?", "messages": chat}], "own.jsonl")
    assert open_store(tmp_path / "cat").layout([own]) is None
    file = written(tmp_path, [{"question": "2+2?", "messages": chat}])
    assert main(["import", str(file), "--into", "x", "--layout", "rows", "--store", str(tmp_path / "cat"), "-q"]) == 0
    [row] = open_store(tmp_path / "cat").sql("from x").arrow().to_pylist()
    assert "response" not in row and row["messages"][1]["content"] == THINKS


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": [{"content": "x"}]}, "row 2: turn 0: no role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "row 2: turn 0: role 'wizard' is not one of a chat"),
        ({"messages": "hello"}, "row 2: a chat is a list of messages, not the text 'hello'"),
        ({"instruction": "x", "output": "y"}, "row 2: there is no chat in it, but an instruction"),
        (
            {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}]},
            "a tool call without",
        ),
    ],
)
def test_a_row_that_is_no_chat_is_named(
    tmp_path: Path, row: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, [{"messages": [USER, {"role": "assistant", "content": "4"}]}, row])
    assert main(["import", str(file), "--into", "x", "--store", str(tmp_path / "cat"), "-q"]) != 0
    assert message in " ".join(capsys.readouterr().err.split())


def test_rows_without_a_chat_are_counted_and_late_keys_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    chat = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]
    late = [chat[0], {**chat[1], "mood": "glad"}]
    rows = [{"items": chat, "n": n} for n in range(200)]
    file = written(tmp_path, [*rows, {"items": [], "n": 200}, {"items": None, "n": 201}, {"items": late, "n": 202}])
    assert main(["import", str(file), "--into", "x", "--store", str(tmp_path / "cat"), "-q"]) == 0
    out = capsys.readouterr().out
    assert "layout sharegpt" in out and "x@1: 201 rows" in out and "2 null_question" in out
    assert "rows.jsonl: after row 200, not understood and left out: mood" in caplog.text


def read_as(row: dict[str, Any]) -> tuple[str, list[dict[str, Any]], list[str]]:
    """(layout, rows that it makes of the row, what was not understood)."""
    found, unknown = layout_of(set(row), [row]), dict[str, None]()
    assert found is not None
    made = list(found.read(row, unknown))
    for one in made:
        one["messages"] = [bare(message) for message in one["messages"] or ()]
    return found.name, made, list(unknown)


@pytest.mark.parametrize(
    "row",
    [
        {"items": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "votes": [{"by": "x"}]},
        {"conversations": [{"speaker": "Human", "text": "q"}, {"speaker": "ChatGPT", "text": "a"}]},
        {"log": json.dumps([{"role": "user", "content": "q"}, {"role": "model", "content": "a"}])},
        {"instruction": "q", "response": "a", "category": "open_qa"},
    ],
)
def test_chats_are_found_under_other_names(row: dict[str, Any]) -> None:
    _, [made], unknown = read_as(row)
    assert (made["question"], made["response"], unknown) == ("q", "a", [])
    assert made["messages"] == [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def test_what_stands_beside_a_chat_is_part_of_it() -> None:
    """System messages in parts, what an instruction of Dolly is about, problems that nobody answered, plain rewards."""
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    system = [{"type": "text", "text": "Be brief."}]
    _, [made], _ = read_as({"system": system, "messages": chat})
    assert made["messages"][0] == {"role": "system", "content": "Be brief."} and len(made["messages"]) == 3
    for empty in ("", " ", [], None):
        assert read_as({"system": empty, "messages": chat})[1][0]["messages"] == chat
    kept = [{"role": "developer", "content": "d"}, *chat]
    assert [one["content"] for one in read_as({"system": "s", "messages": kept})[1][0]["messages"]] == ["d", "q", "a"]
    _, [made], _ = read_as({"instruction": "Sum up.", "context": "Long.", "response": "r"})
    assert made["question"] == "Sum up.\n\nLong."
    for generations in ([], None):
        _, [made], _ = read_as({"problem": "p", "generations": generations, "uuid": "u"})
        assert (made["question"], made["response"]) == ("p", None)
    nodes = [{"message": USER}, {"parent": 0, "message": {"role": "assistant", "content": "4"}}]
    rewards = {"a": {"score": 1, "weight": None}, "b": 0.5, "c": None, "d": {"score": None}}
    _, [made], _ = read_as({"task": None, "nodes": nodes, "rewards": rewards})
    assert (made["response"], made["reward"]) == ("4", 1.5)
    _, [made], _ = read_as({"task": {"data": {"answer": 4}}, "nodes": [], "rewards": {}})
    assert (made["question"], made["answer"], made["reward"]) == (None, "4", None)


@pytest.mark.parametrize(("flag", "learnt"), [
    (True, True), (False, False), (1, True), (0, False), (0.0, False), (0.5, True), (10, True), ("0.5", True),
    ("false", False), ("False", False), ("0", False), ("0.0", False), ("no", False), ("true", True), ("1", True),
])  # fmt: skip
def test_a_loss_over_a_turn_is_a_flag_a_weight_or_its_text(flag: object, learnt: bool) -> None:
    chat = read_chat([{**USER, "weight": flag}, {"role": "assistant", "content": "4", "loss": flag}])
    assert chat.messages == [USER, {"role": "assistant", "content": "4", "train": learnt}]
    assert chat.unknown == (("a loss over turns of the user",) if learnt else ())


CALL = {"name": "f", "arguments": {"a": 1}}
SHAPE = [{"id": None, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
TAGGED = f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"


def test_calls_and_answers_between_tags_have_keys_of_their_own() -> None:
    """As Hermes writes them, with two calls and two answers in a turn; other text stays as it is."""
    said = [
        {"from": "human", "value": "q"},
        {"from": "gpt", "value": f"<think>hm</think>\nI look.\n{TAGGED}\n{TAGGED}"},
        {"from": "tool", "value": "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>"},
        {"from": "gpt", "value": "done"},
    ]
    _, [made], unknown = read_as({"conversations": said})
    call = {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [*SHAPE, *SHAPE]}
    answers = [{"role": "tool", "content": one} for one in ("1", "2")]
    assert made["messages"][1:4] == [call, *answers] and not unknown
    for text in (f"{TAGGED} and more", "<tool_call>no JSON</tool_call>", f"{TAGGED} or {TAGGED}", "a </tool_call>"):
        assert calls_apart({"role": "assistant", "content": text}) == [{"role": "assistant", "content": text}]
        assert calls_apart({"role": "user", "content": TAGGED}) == [{"role": "user", "content": TAGGED}]


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": CALL}]}],
        [{"role": "assistant", "content": None, "tool_calls": [{**CALL, "arguments": '{"a": 1}'}]}],
        [{"role": "assistant", "content": None, "tool_calls": json.dumps([CALL])}],
        [{"role": "assistant", "content": None, "function_call": CALL}],
        [{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {"a": 1}}]}],
        [{"from": "function_call", "value": json.dumps(CALL)}],
        [{"from": "function_call", "value": json.dumps([CALL])}],
        [{"from": "function_call", "value": f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"}],
        [{"role": "tool_call", "content": json.dumps(CALL)}],
        [{"role": "assistant", "content": None, "toolCalls": [CALL]}],
    ],
)
def test_calls_are_read_in_every_usual_form(turns: list[dict[str, Any]]) -> None:
    [message] = read_chat(turns).messages
    assert message["role"] == "assistant" and message["tool_calls"] == SHAPE and not message["content"]


def test_thinking_before_a_call_stays_with_it() -> None:
    turns = [
        {"role": "assistant", "content": "<think>hm</think>"},
        {"role": "tool_call", "content": json.dumps(CALL)},
        {"role": "tool_call", "content": json.dumps(CALL)},
    ]
    [message] = read_chat(turns).messages
    assert len(message["tool_calls"]) == 2 and message["content"] == "<think>hm</think>"
    [message] = read_chat([{"from": "function_call", "value": f"<think>hm</think>\n\n{json.dumps(CALL)}"}]).messages
    assert message["reasoning_content"] == "hm" and message["tool_calls"] == SHAPE


def test_results_of_anthropic_are_turns_of_the_tool() -> None:
    turn = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"text": "42"}]}]}
    assert read_chat([turn]).messages == [{"role": "tool", "content": "42", "tool_call_id": "c"}]


@pytest.mark.parametrize("value", ["[", '{"a": 1}', [1], [{"description": "x"}]])
def test_tools_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(DataError, match="`tools`"):
        read_tools(value)

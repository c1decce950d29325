"""Chats without a list of messages: calls beside a query (xLAM), one text (Glaive), texts (UltraChat), a session."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dqdata.api.catalogs import open_store
from dqdata.chats import bare
from dqdata.cli import main
from dqdata.errors import DataError
from dqdata.sources.chat_files import ChatFiles, ChatFilesParams
from dqdata.sources.glaive import chat_of_text
from dqdata.sources.sessions import sessions
from dqdata.sources.turns import turns_of
from dqdata.sources.xlam import definitions_of

Imported = Callable[..., tuple[str, list[dict[str, Any]], list[str]]]


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Imported:
    """imported(rows, *more files, ending): layout, rows and what was not understood, by the command line."""

    def run(*files: list[dict[str, Any]], ending: str = "jsonl") -> tuple[str, list[dict[str, Any]], list[str]]:
        paths = [tmp_path / f"{number}.{ending}" for number in range(len(files))]
        for path, rows in zip(paths, files, strict=True):
            if ending == "parquet":
                import pyarrow as pa
                import pyarrow.parquet as pq

                pq.write_table(pa.Table.from_pylist(rows), path)
            else:
                path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        options = ["--into", "made", "--store", str(tmp_path / "cat"), "-q", "--json"]
        assert main(["import", *map(str, paths), *options]) == 0
        layout = json.loads(capsys.readouterr().out)["layout"] or {"layout": "rows", "not_understood": []}
        made = [
            row for batch in open_store(tmp_path / "cat").sql("from made").arrow().to_batches()
            for row in batch.to_pylist()
        ]  # fmt: skip
        for row in made:
            row["messages"] = [bare(one) for one in row.get("messages") or ()]
        return layout["layout"], made, layout["not_understood"]

    return run


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": None, "type": "function", "function": {"name": name, "arguments": arguments}}


ASKED = [{"name": "w", "arguments": {"city": "Rome"}}, {"name": "v", "arguments": {"n": 2, "deep": {"a": None}}}]
TOOLS = [{"name": "w", "description": "d", "parameters": {"city": {"type": "str"}, "n": {"type": "int, optional"}}}]


@pytest.mark.parametrize(
    ("answers", "tools", "ending"),
    [(json.dumps(ASKED), json.dumps(TOOLS), "jsonl"), (ASKED, TOOLS, "jsonl"), (ASKED, TOOLS, "parquet")],
)
def test_answers_that_are_calls_are_a_turn_that_calls(
    answers: Any, tools: Any, ending: str, imported: Imported
) -> None:
    """The keys that Parquet gives to all objects of a column are no arguments where they are null."""
    rows = [{"id": 1, "query": "Weather?", "answers": answers, "tools": tools}]
    layout, [made], unknown = imported(rows, ending=ending)
    deep = '{"n": 2, "deep": {}}' if ending == "parquet" else '{"n": 2, "deep": {"a": null}}'
    calls = [call("w", '{"city": "Rome"}'), call("v", deep)]
    ask, turn = made["messages"]
    assert (layout, ask, unknown, made["id"]) == ("xlam", user("Weather?"), [], 1)
    assert [{**one, "function": {**one["function"], "arguments": json.loads(one["function"]["arguments"])}}
            for one in turn["tool_calls"]] == [{**one, "function": {**one["function"],
            "arguments": json.loads(one["function"]["arguments"])}} for one in calls]  # fmt: skip
    properties = {"city": {"type": "string"}, "n": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["city"]}
    assert json.loads(made["tools"])[0]["function"]["parameters"] == schema


def test_types_of_python_become_those_of_json_schema_and_schemas_stay() -> None:
    given = {"a": {"type": "List[int]"}, "b": {"type": "Union[int, str]", "description": "d"}, "c": {"type": "number"},
             "d": {"type": "bool", "default": False}, "e": {}}  # fmt: skip
    [made] = definitions_of([{"name": "f", "parameters": given}])
    assert made["parameters"] == {
        "type": "object", "required": ["a", "b", "c", "e"], "properties": {
            "a": {"type": "array"}, "b": {"description": "d (Union[int, str])"}, "c": {"type": "number"},
            "d": {"type": "boolean", "default": False}, "e": {},
        },
    }  # fmt: skip
    assert definitions_of([made]) == [made] and definitions_of("text") == "text" and definitions_of(None) is None


DEFINED = {"name": "convert", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}
ACCESS = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
SYSTEM = f"{ACCESS}{json.dumps(DEFINED, indent=4)}\n\n{json.dumps({'name': 'now', 'parameters': {}})}\n"
QUOTED = """{"name": "convert", "arguments": '{"a": 5, "s": "it\\'s"}'}"""
GLAIVE = (
    f"USER: Convert: now\n\n\nASSISTANT: Sure. <functioncall> {QUOTED} <|endoftext|>\n\n\nFUNCTION RESPONSE: 4\n\n\n"
    "ASSISTANT: It is 4.\nNote: so. <|endoftext|>\n\n\n"
)


@pytest.mark.parametrize("row", [{"system": SYSTEM, "chat": GLAIVE}, {"sample": f"{SYSTEM}\n\n{GLAIVE}"}])
def test_a_chat_in_one_text_is_turns_calls_and_tools(row: dict[str, Any], imported: Imported) -> None:
    layout, [made], unknown = imported([row])
    calls = [call("convert", '{"a": 5, "s": "it\'s"}')]
    assert (layout, unknown, made["response"]) == ("glaive", [], "It is 4.\nNote: so.")
    assert made["messages"] == [
        user("Convert: now"), {**said("Sure."), "tool_calls": calls},
        {"role": "tool", "content": "4", "name": "convert"}, said("It is 4.\nNote: so."),
    ]  # fmt: skip
    assert [one["function"]["name"] for one in json.loads(made["tools"])] == ["convert", "now"]


@pytest.mark.parametrize("broken", ["{'a", '{"name": "f", "arguments": [1]}', '{"arguments": {}}', '{"name": "f"} and'])
def test_a_call_that_can_not_be_read_stays_in_the_text_and_is_named(broken: str) -> None:
    chat, _ = chat_of_text(f"USER: q\n\n\nASSISTANT: <functioncall> {broken} <|endoftext|>")
    assert chat.messages == [user("q"), said(f"<functioncall> {broken}")]
    assert "<functioncall> that can't be read" in chat.unknown[0]


@pytest.mark.parametrize("system", ["Be brief.", "Answer as {name}.", 'Use {"a": 1}.', "Use these:\n{broken"])
def test_a_system_turn_without_definitions_stays(system: str) -> None:
    chat, tools = chat_of_text(f"SYSTEM: {system}\n\nUSER: q\n\nASSISTANT: a")
    assert chat.messages[0] == {"role": "system", "content": system} and tools == []


@pytest.mark.parametrize(
    ("row", "system"),
    [
        ({"id": "1", "data": ["q", "a", "r", "b"]}, ""),
        ({"conversations": ["q", "a", "r", "b"], "source": "x"}, ""),
        ({"conversation": [{"human": "q", "assistant": "a"}, {"human": "r", "assistant": "b"}]}, ""),
        ({"conversation": [{"system": "s", "input": "q", "output": "a"}, {"input": "r", "output": "b"}]}, "s"),
        ({"dialog": ["q", "a", "r", "b"], "system": "s"}, "s"),
    ],
)
def test_texts_and_pairs_are_question_and_answer_in_turn(row: dict[str, Any], system: str, imported: Imported) -> None:
    layout, [made], unknown = imported([row], ending="parquet" if system else "jsonl")
    before = [{"role": "system", "content": system}] if system else []
    assert (layout, unknown) == ("ultrachat", [])
    assert made["messages"] == [*before, user("q"), said("a"), user("r"), said("b")]


def test_lists_that_may_be_anything_stay_as_they_are(imported: Imported) -> None:
    """Questions of a benchmark, data with a label, answers that are no calls, a chat that is one text."""
    for row in (
        {"question_id": 1, "turns": ["q1", "q2"]}, {"id": 1, "data": ["a", "b"], "label": "x"},
        {"query": "q", "answers": ["a"], "tools": "none"}, {"chat": "Hello there.", "sample": "SYSTEM: x"},
    ):  # fmt: skip
        assert imported([row])[0] == "rows"
    assert (
        turns_of([{"human": "q"}]) is None
        and turns_of("q") is None
        and turns_of([{"human": 1, "assistant": 2}]) is None
    )


def line(**message: Any) -> dict[str, Any]:
    return {"type": "message", "message": message}


SESSION = [
    {"type": "session", "harness": "pi", "id": "s1", "name": "first"},
    line(role="user", content="hi", timestamp="2026-01-01T00:00:00Z"),
    {"type": "model_change", "modelId": "m"},
    line(role="assistant", content=[{"type": "thinking", "thinking": "hm"},
         {"type": "toolCall", "id": "c", "name": "ls", "arguments": {"p": ".", "q": None}}], model="m"),
    line(role="toolResult", toolCallId="c", toolName="ls", content=[{"type": "text", "text": "a.txt"}]),
    line(role="assistant", content="one file", reasoningContent="seen", model="m"),
]  # fmt: skip


def test_lines_of_a_session_are_one_chat(imported: Imported) -> None:
    second = [{"type": "session", "harness": "x", "id": "s2"}, line(role="user", content="q")]
    layout, made, unknown = imported([*SESSION, *second], [{**SESSION[0], "id": "s3"}, *SESSION[1:2]])
    assert layout == "sessions" and unknown == ["a line of type 'model_change'"]
    first, *rest = sorted(made, key=lambda row: str(row["id"]))
    assert [(row["id"], row["harness"], row["question"]) for row in rest] == [("s2", "x", "q"), ("s3", "pi", "hi")]
    assert (first["name"], first["teacher"], first["reasoning"], first["response"]) == (
        "first",
        "m",
        "seen",
        "one file",
    )
    assert first["messages"] == [
        user("hi"),
        {"role": "assistant", "content": "", "reasoning_content": "hm",
         "tool_calls": [{**call("ls", '{"p": ".", "q": null}'), "id": "c"}]},
        {"role": "tool", "content": "a.txt", "tool_call_id": "c", "name": "ls"},
        {**said("one file"), "reasoning_content": "seen"},
    ]  # fmt: skip


def test_a_message_before_the_first_session_is_refused_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1 comes before the first line whose type is 'session'"):
        list(sessions(iter([(1, SESSION[1])])))
    file = tmp_path / "x.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in SESSION[1:]))
    source = ChatFiles(ChatFilesParams(path=str(file), layout="sessions"), SimpleNamespace(root=tmp_path))
    with pytest.raises(DataError, match=r"x\.jsonl row 1 comes before"):
        list(source.batches())

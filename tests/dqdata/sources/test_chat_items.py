"""Chats of other vendors as messages: OpenAI's Responses, harmony's channels, Gemini's parts, answers in columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dqdata.chats import bare, read_chat
from dqdata.sources.layouts import layout_of

USER = {"role": "user", "content": "2+2?"}
TURN = {"role": "assistant", "content": "4", "reasoning_content": "easy"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CALLS = {"role": "assistant", "content": None, "reasoning_content": "look", "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "1", "tool_call_id": "c"}


def read_as(row: dict[str, Any]) -> tuple[str | None, list[dict[str, Any]], list[str]]:
    """(layout, messages of the one row that it makes, what was not understood)."""
    found, unknown = layout_of(set(row), [row]), dict[str, None]()
    if found is None:
        return None, [], []
    [made] = found.read(row, unknown)
    return found.name, [bare(message) for message in made["messages"]], list(unknown)


REASONING = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "look"}]}
FUNCTION_CALL = {"type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": '{"a": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "1"}
ANSWER = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4"}]}
EASY = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "easy"}], "summary": []}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([REASONING, FUNCTION_CALL, OUTPUT, EASY, ANSWER], [CALLS, RESULT, TURN]),
        # columns of Parquet: each item has all keys
        ([{**dict.fromkeys((*FUNCTION_CALL, *ANSWER, "summary")), **item} for item in (EASY, ANSWER)], [TURN]),
        ([REASONING, FUNCTION_CALL, {**FUNCTION_CALL, "call_id": "d"}, OUTPUT],
         [{**CALLS, "tool_calls": [CALL, {**CALL, "id": "d"}]}, RESULT]),
        ([EASY, ANSWER, FUNCTION_CALL, OUTPUT], [{**TURN, "tool_calls": [CALL]}, RESULT]),
        ([EASY, ANSWER, REASONING, FUNCTION_CALL], [TURN, CALLS]),
        ([EASY, REASONING, ANSWER], [{**TURN, "reasoning_content": "easy\n\nlook"}]),
        ([{"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "1+1"}],
         [{"role": "assistant", "content": None,
           "tool_calls": [{**CALL, "function": {"name": "f", "arguments": '{"input": "1+1"}'}}]}]),
        ([{"role": "assistant", "channel": "analysis", "content": "easy"},
          {"role": "assistant", "channel": "final", "content": "4"}], [TURN]),
        ([{"role": "assistant", "channel": "analysis", "content": "easy"}, {"role": "assistant", "content": "4"}],
         [TURN]),
        ([{"role": "assistant", "channel": "analysis", "content": "look"},
          {"role": "assistant", "channel": "commentary", "recipient": "functions.f", "content": '{"a": 1}'},
          {"role": "tool", "channel": "commentary", "recipient": "assistant", "name": "functions.f", "content": "1"},
          {"role": "assistant", "channel": "final", "content": "4"}],
         [{**CALLS, "tool_calls": [{**CALL, "id": None}]}, {"role": "tool", "content": "1", "name": "f"},
          {"role": "assistant", "content": "4"}]),
        ([{"role": "model", "parts": [{"text": "easy", "thought": True}, {"text": "4"}]}], [TURN]),
        ([{"role": "model", "parts": [{"text": "look", "thought": True},
                                      {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}]},
          {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"v": 1}}}]}],
         [{**CALLS, "content": ""}, {**RESULT, "content": '{"v": 1}', "name": "f"}]),
    ],
)  # fmt: skip
def test_items_of_a_turn_are_one_message(given: list[Any], expected: list[Any]) -> None:
    chat = read_chat([USER, *given])
    assert chat.messages == [USER, *expected] and chat.unknown == ()


def test_what_no_message_holds_is_listed() -> None:
    hidden = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    chat = read_chat([USER, hidden, ANSWER, {"role": "model", "parts": [{"inlineData": {"data": "x"}}, {"text": "4"}]}])
    assert chat.messages == [USER, *2 * [{"role": "assistant", "content": "4"}]]
    assert set(chat.unknown) == {"encrypted_content", "content part 'inlineData'"}


SYSTEM = {"role": "system", "content": "s"}
SPOKEN = {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    ("row", "layout", "messages"),
    [
        ({"input": [USER], "output": "<think>easy</think>4"}, "openai", [USER, TURN]),
        ({"input": "2+2?", "output": [EASY, ANSWER]}, "openai", [USER, TURN]),
        ({"input": json.dumps({"messages": [USER]}), "output": json.dumps(TURN)}, "openai", [USER, TURN]),
        ({"prompt": "2+2?", "completion": "4", "reasoning": "easy", "system_prompt": "s"}, "openai",
         [SYSTEM, USER, TURN]),
        ({"contents": [{"role": "user", "parts": [{"text": "2+2?"}]}, {"role": "model", "parts": [{"text": "4"}]}],
          "systemInstruction": {"parts": [{"text": "s"}]}}, "openai", [SYSTEM, USER, SPOKEN]),
        ({"talk": {"messages": [USER, SPOKEN]}}, "openai", [USER, SPOKEN]),
        ({"instruction": "2+2?", "input": "", "thinking": "easy", "output": "4"}, "alpaca", [USER, TURN]),
        ({"instruction": "2+2?", "reasoning": "other", "output": "<think>easy</think>4"}, "alpaca", [USER, TURN]),
        ({"query": "2+2?", "response": "4", "system": "s", "history": [["1+1?", "2"]]}, "alpaca",
         [SYSTEM, {**USER, "content": "1+1?"}, {**SPOKEN, "content": "2"}, USER, SPOKEN]),
        ({"instruction": "Add.", "query": "2+2?", "output": "4"}, "alpaca",
         [{**USER, "content": "Add.\n\n2+2?"}, SPOKEN]),
    ],
)  # fmt: skip
def test_answers_in_columns_of_their_own(row: dict[str, Any], layout: str, messages: list[Any]) -> None:
    assert read_as(row) == (layout, messages, [])


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, 2]", "[]", '[{"name": "x"}]'])
def test_json_in_a_question_or_an_answer_is_its_text(text: str) -> None:
    for names in (("prompt", "completion"), ("input", "output"), ("instruction", "output")):
        _, messages, _ = read_as(dict(zip(names, (text, text), strict=True)))
        assert [message["content"] for message in messages] == [text, text]


def test_a_mode_of_thinking_is_no_thinking() -> None:
    row = {"input": [USER], "output": "<think>easy</think>4", "reasoning": "on"}
    assert read_as(row) == ("openai", [USER, TURN], ["reasoning 'on'"])
    assert read_as({**row, "output": "4", "reasoning": "off"}) == ("openai", [USER, SPOKEN], ["reasoning 'off'"])


def test_of_two_chats_that_are_compared_none_is_the_chat() -> None:
    for one, other in (("conversation_a", "conversation_b"), ("preferred_output", "non_preferred_output")):
        assert read_as({"winner": "a", one: [USER, SPOKEN], other: [USER, TURN]}) == (None, [], [])

"""Chat rows for training."""

from __future__ import annotations

import pytest
from dqdata_operators.format.to_messages import ToMessages, ToMessagesParams
from outcomes import batched, frame_of, have
from pydantic import ValidationError

from dqdata.chats import bare
from dqdata.columns import MESSAGES
from dqdata.errors import ColumnError
from dqdata.operator import Schema

COLUMNS = {
    "trace_id": "VARCHAR",
    "question": "VARCHAR",
    "reasoning": "VARCHAR",
    "response": "VARCHAR",
    "level": "BIGINT",
}


def chats(rows, **params) -> dict[str, list[tuple[str, str]]]:
    operator = ToMessages(ToMessagesParams(**params))
    frame = frame_of(COLUMNS, rows)
    kept, _ = batched(operator, frame)
    assert have(kept)["messages"] == MESSAGES == operator.columns(have(frame), Schema())["messages"]
    return {row["trace_id"]: [(m["role"], m["content"]) for m in row["messages"]] for row in kept.to_dicts()}


def chat(reasoning, response="It is 4.", **params) -> list[tuple[str, str]]:
    return chats([["t", "2 + 2?", reasoning, response, 1]], **params)["t"]


def test_reasoning_goes_between_tags():
    assert chat("2 and 2\n") == [("user", "2 + 2?"), ("assistant", "<think>\n2 and 2\n</think>\n\nIt is 4.")]
    assert chat("r", tags=["[{", "}]"])[1][1] == "[{\nr\n}]\n\nIt is 4."


@pytest.mark.parametrize("reasoning", [None, "", " \n"])
def test_no_reasoning_leaves_the_response_alone(reasoning):
    assert chat(reasoning)[1][1] == "It is 4."


def test_without_thinking_and_with_empty_thinking():
    assert chat("r", thinking="none")[1][1] == "It is 4."
    assert chat("r", thinking="empty")[1][1] == "<think>\n\n</think>\n\nIt is 4."


def test_a_system_turn_and_a_user_turn_of_ones_own():
    made = chat(None, system="Be {brief}.", user="Level {{level}}: {{question}} {{{{x}}}} {{reasoning?}}")
    assert made[:2] == [("system", "Be {brief}."), ("user", "Level 1: 2 + 2? {{x}} ")]


def test_rows_without_a_question_or_a_response_are_dropped():
    rows = [
        ["t1", "q", "r", "a", 1],
        ["t2", None, "r", "a", 1],
        ["t3", " ", "r", "a", 1],
        ["t4", "q", "r", None, 1],
        ["t5", "q", "r", "", 1],
    ]
    kept, dropped = batched(ToMessages(ToMessagesParams()), frame_of(COLUMNS, rows))
    assert kept["trace_id"].to_list() == ["t1"]
    assert dropped == {"t2": "no_question", "t3": "no_question", "t4": "no_response", "t5": "no_response"}


def test_other_columns_of_reasoning_and_response():
    made = chats([["t", "q", "r", "a", 1]], reasoning="question", response="reasoning")["t"]
    assert made[1][1] == "<think>\nq\n</think>\n\nr"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"user": "{{qestion}}"}, "needs column 'qestion'; did you mean 'question'"),
        ({"response": "answer"}, "needs column 'answer'"),
        ({"response": "level"}, "needs column 'level' as VARCHAR, but it is BIGINT"),
        ({"reasoning": "thinking"}, "needs column 'thinking'"),
    ],
)
def test_wrong_columns_are_found_when_planning(params, said):
    with pytest.raises(ColumnError) as caught:
        ToMessages(ToMessagesParams(**params)).columns(have(frame_of(COLUMNS, [])), Schema())
    assert said in str(caught.value)


def test_reasoning_is_not_needed_where_it_is_not_read():
    have_columns = have(frame_of(COLUMNS, [])).drop("reasoning")
    assert "messages" in ToMessages(ToMessagesParams(thinking="none")).columns(have_columns, Schema())


def test_nested_columns_cannot_be_put_into_a_turn():
    columns = have(frame_of(COLUMNS, [])).add(options="VARCHAR[]", messages=MESSAGES, price="DECIMAL(9,2)")
    for name in ("options", "messages"):
        with pytest.raises(ColumnError, match="not plain text"):
            ToMessages(ToMessagesParams(user=f"{{{{{name}}}}}")).columns(columns, Schema())
    assert ToMessages(ToMessagesParams(user="{{price}}")).columns(columns, Schema())


def test_a_user_turn_that_is_the_same_in_every_row():
    with pytest.raises(ValidationError, match="puts in no column"):
        ToMessagesParams(user="{question}")


def test_thinking_goes_into_its_own_field_where_that_is_asked_for() -> None:
    frame = frame_of(
        COLUMNS, [("t1", "q?", "two and two", "4", 1), ("t2", "r?", "", "5", 1), ("t3", "s?", None, "6", 1)]
    )
    operator = ToMessages(ToMessagesParams(thinking="field", system="think"))
    kept, _ = batched(operator, frame)
    assert have(kept)["messages"] == MESSAGES
    assert [[bare(turn) for turn in chat][-1] for chat in kept["messages"].to_list()] == [
        {"role": "assistant", "content": "4", "reasoning_content": "two and two"},
        {"role": "assistant", "content": "5"},
        {"role": "assistant", "content": "6"},
    ]
    assert [[turn["role"] for turn in chat] for chat in kept["messages"].to_list()] == [
        ["system", "user", "assistant"]
    ] * 3

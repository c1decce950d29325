"""One row of a catalog as what a trainer of any library learns from it.

    >>> example_of({"question": "2+2?", "reasoning": "Two and two.", "response": "4"}, "sft").messages[-1]
    {'role': 'assistant', 'content': '4', 'reasoning_content': 'Two and two.'}

kind       rows need                                            an example holds
sft        messages, or question and response                   messages, whole
preference prompt, chosen and rejected                          messages up to the turn, and both turns
prompt     prompt, question or messages; answer where verified  messages up to the turn, and the answer
unpaired   what sft needs, and correct                          messages, whole, and the label
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from dqdata.chats import Message, bare, check_chat, read_chat, read_tools, separated
from dqdata.columns import KEYS, is_chat
from dqdata.errors import ColumnError, DataError

Kind: TypeAlias = Literal["sft", "preference", "prompt", "unpaired"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SPLIT = "split"
USED = ("messages", "prompt", "chosen", "rejected", "question", "reasoning", "response", "tools", SPLIT)


@dataclass(frozen=True)
class Example:
    """name: the row in messages of errors. messages: bare keys, thinking in `reasoning_content`. extra: the other
    columns of the row."""

    name: str
    kind: Kind
    messages: list[Message]
    tools: list[dict[str, Any]] = field(default_factory=list)
    chosen: list[Message] = field(default_factory=list)
    rejected: list[Message] = field(default_factory=list)
    label: bool | None = None
    answer: str | None = None
    split: str = "train"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def turn(self) -> int:
        """Number of messages before the last turn of the assistant."""
        return max(place for place, message in enumerate(self.messages) if message["role"] == "assistant")


def kind_of(columns: Mapping[str, str], wanted: Kind | None = None) -> Kind:
    """What the rows are for, or `wanted` where they have the columns for it. Raises ColumnError."""
    chats = "messages" in columns and is_chat(columns["messages"])
    plain = "question" in columns and "response" in columns
    has = {
        "preference": all(name in columns and is_chat(columns[name]) for name in ("prompt", "chosen", "rejected")),
        "sft": chats or plain,
        "unpaired": (chats or plain) and "correct" in columns,
        "prompt": chats or "question" in columns or is_chat(columns.get("prompt", "")),
    }
    if wanted is not None:
        if not has[wanted]:
            raise ColumnError(
                f"--kind {wanted} needs {_NEEDS[wanted]} (have: {', '.join(columns)})", code="missing-column"
            )
        return wanted
    found: tuple[Kind, ...] = ("preference", "sft", "prompt")
    for kind in found:
        if has[kind]:
            return kind
    raise ColumnError(
        "nothing to train on: `messages`, or question and response, or prompt, chosen and rejected, or a question "
        f"(have: {', '.join(columns)})",
        code="missing-column",
    )


_NEEDS: Mapping[Kind, str] = {
    "preference": "the chats prompt, chosen and rejected",
    "sft": "the chat `messages`, or question and response",
    "unpaired": "the chat `messages`, or question and response, and `correct`",
    "prompt": "a question, or the chat `prompt` or `messages`",
}


def example_of(row: Mapping[str, Any], kind: Kind, number: int = 0) -> Example:
    """The example that a row is. Raises DataError that names the row."""
    key = next((name for name in KEYS if row.get(name) is not None), None)
    name = f"{key} {row[key]}" if key else f"row {number + 1}"
    try:
        return _example(row, kind, name)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _example(row: Mapping[str, Any], kind: Kind, name: str) -> Example:
    tools = read_tools(row.get("tools"))
    answer = row.get("answer")
    given: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "tools": tools,
        "answer": None if answer is None else str(answer),
        "split": str(row.get(SPLIT) or "train"),
        "extra": {column: value for column, value in row.items() if column not in USED},
    }
    if kind == "preference":
        prompt, chosen, rejected = (_chat(row.get(part), part) for part in ("prompt", "chosen", "rejected"))
        check_chat([*prompt, *chosen])
        check_chat([*prompt, *rejected])
        return Example(messages=prompt, chosen=chosen, rejected=rejected, **given)
    if kind == "prompt":
        return Example(messages=_prompt(row), **given)
    messages = _chat(row["messages"], "messages") if row.get("messages") is not None else _asked_and_said(row)
    check_chat(messages)
    if not any(message["role"] == "assistant" for message in messages):
        raise DataError("the chat has no assistant turn to learn from")
    label = row.get("correct")
    if kind == "unpaired":
        if label is None:
            raise DataError("`correct` is null: leave out what nobody could verify")
        return Example(messages=messages, label=bool(label), **given)
    return Example(messages=messages, **given)


def _chat(value: Any, column: str) -> list[Message]:
    if not value:
        raise DataError(f"`{column}` is empty")
    return [bare(separated(message)) for message in read_chat(value).messages]


def _asked_and_said(row: Mapping[str, Any]) -> list[Message]:
    question, response, reasoning = (str(row.get(name) or "").strip() for name in ("question", "response", "reasoning"))
    if not question or not response:
        raise DataError(f"no {'question' if not question else 'response'}; leave such rows out")
    said: Message = {"role": "assistant", "content": response}
    return [{"role": "user", "content": question}, said | ({"reasoning_content": reasoning} if reasoning else {})]


def _prompt(row: Mapping[str, Any]) -> list[Message]:
    """The chat up to the student's turn."""
    if isinstance(row.get("prompt"), Sequence) and not isinstance(row["prompt"], str) and row["prompt"]:
        return _chat(row["prompt"], "prompt")
    if row.get("messages"):
        messages = _chat(row["messages"], "messages")
        first = next((place for place, one in enumerate(messages) if one["role"] == "assistant"), len(messages))
        return messages[:first]
    question = str(row.get("question") or "").strip()
    if not question:
        raise DataError("no question; leave such rows out")
    return [{"role": "user", "content": question}]

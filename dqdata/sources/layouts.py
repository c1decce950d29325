"""Layouts in which others keep chats and traces, and how their rows become columns of the vocabulary.

    >>> layout_of({"conversations"}, [{"conversations": [{"from": "human", "value": "2+2?"}]}]).name
    'sharegpt'

A layout reads a row into one row or several: a problem with four generations gives four traces. Columns that it does
not read stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dqdata.chats import ROLE, TEXT, Chat, Message, read_chat
from dqdata.columns import MESSAGES
from dqdata.errors import DataError, nearest
from dqdata.json_text import json_text
from dqdata.sources.chat_rows import Row, chat_in, chat_row, text_of, value_of
from dqdata.sources.glaive import TEXTS, chat_of_text, is_glaive
from dqdata.sources.sessions import is_session, sessions
from dqdata.sources.traces import chats_of
from dqdata.sources.turns import turns_of
from dqdata.sources.xlam import calls_of, definitions_of
from dqdata.thinking import split

Name: TypeAlias = Literal["openai", "sharegpt", "alpaca", "openthoughts", "openr1", "verifiers", "xlam", "glaive",
                          "sessions", "ultrachat"]  # fmt: skip
Numbered: TypeAlias = Iterator[tuple[int, Row]]
"""Rows of files with their numbers, from 1."""

CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
"""Columns that hold chats. Where there is none of these, another one whose values are chats does."""
NESTED = (*CHATS, "tools", "functions", "generations", "history", "nodes", "task", "traces", "prompt", "completion",
          "input", "output", "agent", "rewards", "metrics", "calls", "timing", "errors", "env", "info",
          "message", "answers")  # fmt: skip
"""Columns that are read as JSON text from JSON files: what is in them has another shape in every row."""
MADE: Mapping[str, str] = {
    "question": "VARCHAR", "reasoning": "VARCHAR", "response": "VARCHAR", "messages": MESSAGES, "tools": "VARCHAR",
}  # fmt: skip
_LISTS = (*(name for name in CHATS if name != "turns"), "data")
"""Columns that hold chats as lists of texts; `turns` are the questions of a benchmark there."""
_NO_CHATS = frozenset(NESTED) - frozenset(CHATS) | {"chosen", "rejected", "responses"}
_SYSTEM = ("system", "system_prompt", "systemInstruction", "system_instruction")
_THOUGHT_IN = ("reasoning_content", "reasoning", "thinking", "thought")
_MODES = ("on", "off", "true", "false", "yes", "no", "low", "medium", "high", "")
"""What a column of thinking holds where it says how much the model was to think, not what it thought."""
_PER_GENERATION: Mapping[str, str] = {
    "correctness_math_verify": "BOOLEAN", "correctness_llama": "BOOLEAN", "is_reasoning_complete": "BOOLEAN",
    "finish_reasons": "VARCHAR",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """matches: whether rows with these columns have the layout. uses: columns that it reads. makes: columns of its rows
    and their types. read: the rows of a row; keys that are not understood go into the set. gather: makes one row of
    several, where a chat is written over several."""

    name: Name
    about: str
    matches: Callable[[Collection[str], Sequence[Row]], bool]
    uses: Callable[[Collection[str], Sequence[Row]], tuple[str, ...]]
    makes: Mapping[str, str]
    read: Callable[[Row, dict[str, None]], Iterator[Row]]
    gather: Callable[[Numbered], Numbered] = iter


def layout_of(columns: Collection[str], rows: Sequence[Row]) -> Layout | None:
    """The layout of a file with these columns, whose first rows are `rows`; None where they are the rows' own. A file
    that has dqdata's keys, or question and response, is taken as it is."""
    if {"trace_id", "problem_id", "pair_id"} & set(columns) or {"question", "response"} <= set(columns):
        return None
    return next((layout for layout in LAYOUTS if layout.matches(columns, rows)), None)


def layout_named(name: str) -> Layout:
    """Raises DataError for an unknown one."""
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    names = [layout.name for layout in LAYOUTS]
    raise DataError(f"no layout {name!r}{nearest(name, names)} (there are: {', '.join(names)}, rows)")


def chat_columns(columns: Collection[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns that hold chats, by their names or else by what the rows have in them: of several under other names,
    such as the two chats of a comparison, none is the chat."""
    named = tuple(name for name in CHATS if name in columns)
    found = named or tuple(name for name in columns if name not in _NO_CHATS and _holds_chats(rows, name))
    return found if named or len(found) == 1 else ()


def _holds_chats(rows: Sequence[Row], name: str) -> bool:
    first = (_first(rows, (name,)) or [None])[0]
    texts = (*TEXT, "parts")
    return isinstance(first, Mapping) and any(key in first for key in ROLE) and any(key in first for key in texts)


def _openai(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    have = [name for name, value in row.items() if value is not None]
    messages = value_of(row, *chat_columns(have, (row,)))
    if messages is None and row.get("instruction") is not None:
        raise DataError("there is no chat in it, but an instruction: import rows of another layout from their own file")
    if messages is None and (asked := _turns(row, ("prompt", "input"), "user")):
        said = _turns(row, ("completion", "output"), "assistant")
        messages = [*asked, *_thought(row, said, unknown)]
    yield chat_row(chat_in(messages, value_of(row, *_SYSTEM)), value_of(row, "tools", "functions"), unknown)


def _turns(row: Row, names: Sequence[str], role: str) -> list[Any]:
    """The turns in the first of these columns: messages, or a text (JSON among it) that is one turn of this role."""
    value = value_of(row, *names)
    if isinstance(value, Mapping) and ("role" in value or isinstance(value.get("messages"), list)):
        value = value.get("messages") or [value]
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, Mapping) and {"role", "type"} & set(one) for one in value)
    ):
        return value
    text = text_of(row, *names)
    return [] if text is None else [{"role": role, "content": text}]


def _thought(row: Row, said: list[Any], unknown: dict[str, None]) -> list[Any]:
    """The turns of an answer, with thinking that has a column of its own in the last one that has none."""
    thinking = text_of(row, *_THOUGHT_IN)
    if thinking is None:
        return said
    if thinking.strip().lower() in _MODES:
        name = next(name for name in _THOUGHT_IN if row.get(name) is not None)
        unknown[f"{name} {thinking!r}"] = None
        return said
    return [*said[:-1], *({**one, "reasoning_content": thinking} if _is_plain(one) else one for one in said[-1:])]


def _is_plain(turn: Any) -> bool:
    """Whether a turn is text alone, without thinking in a key or between tags."""
    text = turn.get("content")
    return isinstance(text, str) and not any(turn.get(name) for name in _THOUGHT_IN) and split(text)[0] is None


def _chat_uses(columns: Collection[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """Columns of a chat and what stands beside it, or else of a question and its answer."""
    if chats := chat_columns(columns, rows):
        return (*(name for name in chats if name not in CHATS), *CHATS, *_SYSTEM, "tools", "functions")
    return ("prompt", "completion", "input", "output", *_THOUGHT_IN, *_SYSTEM, "tools", "functions")


def _asked(row: Row) -> list[str]:
    """The columns of an instruction and of what it is about: `context` where Dolly wrote the rows; ms-swift has `query`
    alone, and LLaMA-Factory's `query` goes with an instruction."""
    if row.get("instruction") is None:
        return ["query"]
    about = next((name for name in ("input", "query", "context") if row.get(name) is not None), "input")
    return ["instruction", about]


def _alpaca(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    messages: list[Any] = []
    for pair in value_of(row, "history") or ():
        messages += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    asked = "\n\n".join(part for name in _asked(row) if (part := (text_of(row, name) or "").strip()))
    messages.append({"role": "user", "content": asked})
    if (said := text_of(row, "output", "response")) is not None:
        messages += _thought(row, [{"role": "assistant", "content": said}], unknown)
    made = chat_row(chat_in(messages, value_of(row, *_SYSTEM)), None, unknown)
    yield {**made, "question": asked}


def _xlam(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    asked: Message = {"role": "user", "content": text_of(row, "query")}
    said = [{"role": "assistant", "content": None, "tool_calls": calls}] if (calls := value_of(row, "answers")) else []
    yield chat_row(read_chat([asked, *said]), definitions_of(value_of(row, "tools")), unknown)


def _glaive(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    chat, tools = chat_of_text("\n\n".join(part for name in TEXTS if (part := text_of(row, name))))
    yield chat_row(chat, tools, unknown)


def _session(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    unknown.update(dict.fromkeys(row["events"]))
    messages = [{name: value for name, value in one.items() if name != "model"} for one in row["messages"]]
    models = [one["model"] for one in row["messages"] if one.get("model")]
    yield {**chat_row(read_chat(messages), None, unknown), "teacher": models[-1] if models else None}


def _ultrachat(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    turns = turns_of(value_of(row, *_LISTS))
    yield chat_row(chat_in(turns, value_of(row, *_SYSTEM)), value_of(row, "tools", "functions"), unknown)


def _openthoughts(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    if row.get("deepseek_reasoning") is not None:
        said = {"role": "assistant", "content": row.get("deepseek_solution"),
                "reasoning_content": row["deepseek_reasoning"]}  # fmt: skip
        yield chat_row(read_chat([{"role": "user", "content": text_of(row, "problem")}, said]), None, unknown)
        return
    yield from _openai(row, unknown)


def _openr1(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    question = text_of(row, "problem", "question")
    generations = value_of(row, "generations") or ()
    if not generations:
        yield chat_row(Chat([{"role": "user", "content": question}]), None, unknown)
    for place, text in enumerate(generations):
        reasoning, response = split(str(text))
        said: Message = {"role": "assistant", "content": response}
        if reasoning is not None:
            said["reasoning_content"] = reasoning
        made = chat_row(Chat([{"role": "user", "content": question}, said]), None, unknown)
        for name in _PER_GENERATION:
            values = value_of(row, name)
            if isinstance(values, list) and len(values) == len(generations):
                made[name] = values[place]
        yield made


def _verifiers(row: Row, unknown: dict[str, None]) -> Iterator[Row]:
    values = {name: value_of(row, name) for name in row}
    for trace in values["traces"] if isinstance(values.get("traces"), list) else [values]:
        data = (trace.get("task") or {}).get("data") or {}
        rewards = [reward for one in (trace.get("rewards") or {}).values() if (reward := _reward(one)) is not None]
        for chat, tools in list(chats_of(trace)) or [(Chat([]), None)]:
            yield {
                **chat_row(chat, tools, unknown),
                "answer": text_of(data, "answer"),
                "reward": sum(rewards) if rewards else None,
                "teacher": ((trace.get("agent") or {}).get("config") or {}).get("model"),
                "stop_condition": trace.get("stop_condition"),
            }


def _reward(given: Any) -> float | None:
    """A reward times its weight, which is 1 where none is said; a number alone is one too."""
    if isinstance(given, int | float):
        return float(given)
    if not isinstance(given, Mapping) or given.get("score") is None:
        return None
    weight = given.get("weight")
    return float(given["score"]) * (1.0 if weight is None else float(weight))


def _first(rows: Sequence[Row], names: Sequence[str]) -> Any:
    """The first chat in these columns."""
    for row in rows:
        value = value_of(row, *names)
        value = value.get("messages") if isinstance(value, Mapping) else value
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return value
    return None


def _is_chat(columns: Collection[str], rows: Sequence[Row], *keys: str) -> bool:
    chat = _first(rows, chat_columns(columns, rows))
    return chat is not None and any(key in one for one in chat if isinstance(one, Mapping) for key in keys)


def _is_openthoughts(columns: Collection[str], rows: Sequence[Row]) -> bool:
    if "deepseek_reasoning" in columns and "problem" in columns:
        return True
    chat = _first(rows, CHATS)
    return chat is not None and "<|begin_of_thought|>" in json_text(chat)


def _is_answered(columns: Collection[str]) -> bool:
    """Whether the columns are those of a question and its answer, each a text or messages."""
    have = set(columns)
    return {"prompt", "completion"} <= have or ({"input", "output"} <= have and not {"instruction", "query"} & have)


def _is_ultrachat(columns: Collection[str], rows: Sequence[Row]) -> bool:
    """`data` alone says little: it is a chat where nothing but an id is beside it."""
    names = [name for name in _LISTS if name in columns and (name != "data" or set(columns) <= {"id", "data"})]
    return any(turns_of(value_of(row, name)) for name in names for row in rows)


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "verifiers",
        "traces.jsonl of verifiers: a chat per branch of each trace",
        lambda columns, rows: {"nodes", "task"} <= set(columns) or {"traces", "task"} <= set(columns),
        lambda columns, rows: (
            "version", "id", "verifiers", "task", "agent", "tools", "nodes", "calls", "rewards", "metrics", "info",
            "env", "errors", "timing", "traces", "ok", "is_completed", "is_timeout", "stop_condition",
        ),
        {**MADE, "answer": "VARCHAR", "reward": "DOUBLE", "teacher": "VARCHAR", "stop_condition": "VARCHAR"},
        _verifiers,
    ),
    Layout(
        "openr1",
        "OpenR1: a problem with its generations, each of which is a trace",
        lambda columns, rows: "generations" in columns and bool({"problem", "question"} & set(columns)),
        lambda columns, rows: ("problem", "question", "generations", "messages", *_PER_GENERATION),
        {**MADE, **_PER_GENERATION},
        _openr1,
    ),
    Layout(
        "openthoughts",
        "OpenThoughts: conversations with thinking between marks, or its metadata",
        _is_openthoughts,
        lambda columns, rows: (
            *_chat_uses(columns, rows), "problem", "deepseek_reasoning", "deepseek_solution",
        ),
        MADE,
        _openthoughts,
    ),
    Layout(
        "sharegpt",
        "ShareGPT: conversations of {from, value}",
        lambda columns, rows: _is_chat(columns, rows, "from", "speaker"),
        _chat_uses,
        MADE,
        _openai,
    ),
    Layout(
        "openai",
        "OpenAI messages: {role, content, ...}, or prompt and completion",
        lambda columns, rows: _is_chat(columns, rows, "role") or _is_answered(columns),
        _chat_uses,
        MADE,
        _openai,
    ),
    Layout(
        "xlam",
        "xLAM: a query, and answers that are calls of tools",
        lambda columns, rows: {"query", "answers", "tools"} <= set(columns)
        and any(calls_of(value_of(row, "answers")) for row in rows),
        lambda columns, rows: ("query", "answers", "tools"),
        MADE,
        _xlam,
    ),
    Layout(
        "glaive",
        "Glaive: a chat as one text, calls after <functioncall>",
        is_glaive,
        lambda columns, rows: TEXTS,
        MADE,
        _glaive,
    ),
    Layout(
        "sessions",
        "Session traces of the Hub: a line for each message",
        is_session,
        lambda columns, rows: ("type", "message"),
        {**MADE, "teacher": "VARCHAR"},
        _session,
        sessions,
    ),
    Layout(
        "ultrachat",
        "UltraChat: a list of texts, or of pairs, in turn question and answer",
        _is_ultrachat,
        lambda columns, rows: (*_LISTS, *_SYSTEM, "tools", "functions"),
        MADE,
        _ultrachat,
    ),
    Layout(
        "alpaca",
        "Alpaca: instruction, input, output",
        lambda columns, rows: bool(
            {"instruction", "query"} & set(columns) and {"output", "response"} & set(columns)
        ),
        lambda columns, rows: (
            "instruction", "query", "input", "context", "output", "response", *_THOUGHT_IN, *_SYSTEM, "history",
        ),
        MADE,
        _alpaca,
    ),
)  # fmt: skip

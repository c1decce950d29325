"""The chat column: what a message holds, and how chats that others wrote are read into it.

    >>> read_chat([{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "<think>easy</think>4"}]).messages[1]
    {'role': 'assistant', 'content': '4', 'reasoning_content': 'easy', ...}

A message is {role, content, reasoning_content, tool_calls, tool_call_id, name, train}. tool_calls is a list of
{id, type, function: {name, arguments}} with the arguments as JSON text. `train` says whether the loss covers a turn of
the assistant; null means yes. A column of {role, content} alone, or of any part of these keys in any order, is a chat
too. The definitions of tools are beside it, in the column `tools`: JSON text of a list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from dqdata.chat_items import as_messages
from dqdata.errors import DataError
from dqdata.json_text import json_text
from dqdata.thinking import TAGS, pieces, split

Message: TypeAlias = dict[str, Any]

KEYS = ("role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name", "train")
"""The keys of a message, in the order of the column."""

ROLES: Mapping[str, str] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "bard": "assistant", "bing": "assistant", "ai": "assistant", "tool": "tool", "observation": "tool",
    "tool_response": "tool", "function_response": "tool", "ipython": "tool", "environment": "tool",
    "tool_result": "tool", "toolresult": "tool",
    "function_call": "function_call", "tool_call": "function_call", "function": "function",
}  # fmt: skip
"""What the words for roles mean. A `function_call` is a turn of the assistant whose text is the call; `function` is
one of these where another turn of the tool follows or its text is a call, else the tool's answer."""

_THINKING = ("reasoning_content", "reasoning", "thinking", "reasoningContent", "thought")
TEXT = ("content", "value", "text")
ROLE = ("role", "from", "speaker")
_CALLS = ("tool_calls", "toolCalls")
_IDS = ("tool_call_id", "toolCallId")
_TRAIN = ("train", "loss", "trainable", "training", "weight")
_CALL_MARKS = ("<tool_call>", "</tool_call>")
_ANSWER_MARKS = ("<tool_response>", "</tool_response>")


@dataclass(frozen=True)
class Chat:
    """messages: with the keys that say something. unknown: names of keys, roles and parts that were not understood."""

    messages: list[Message]
    unknown: tuple[str, ...] = ()


def read_chat(value: Any) -> Chat:
    """A chat from messages as OpenAI, ShareGPT, Anthropic, Gemini, ms-swift, axolotl, vLLM and this column write them:
    any keys in any order. Raises DataError for what is no list of messages, and by turn for an unreadable call."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DataError(f"a chat is a list of messages, not the text {value[:60]!r}") from None
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if value is None:
        raise DataError("there is no chat, which is a list of messages")
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise DataError(f"a chat is a list of messages, not {type(value).__name__}")
    unknown: dict[str, None] = {}
    messages: list[Message] = []
    for turn, given in enumerate(as_messages(value)):
        if not isinstance(given, Mapping):
            raise DataError(f"turn {turn} is no message but {type(given).__name__}")
        try:
            _take(given, messages, unknown)
        except DataError as error:
            raise DataError(f"turn {turn}: {error}") from None
    return Chat(messages, tuple(unknown))


def _take(given: Mapping[str, Any], messages: list[Message], unknown: dict[str, None]) -> None:
    rest = {name: value for name, value in given.items() if value is not None}
    word = _first(rest, ROLE)
    role = ROLES.get(str(word).strip().lower()) if word is not None else None
    if role is None:
        raise DataError("no role (one of role, from)" if word is None else f"role {word!r} is not one of a chat")
    text, thinking, calls, results = _content(_first(rest, TEXT), unknown)
    thought = _first(rest, _THINKING)
    if thought is not None:
        thinking = _content(thought, unknown)[0] if isinstance(thought, list) else str(thought)
    calls += [_call(one) for one in _listed(_first(rest, _CALLS))]
    if isinstance(given.get("function_call"), Mapping):
        calls.append(_call(rest.pop("function_call")))
    spoken = role == "function_call" or (role == "function" and _is_call(text))
    if spoken:
        thinking, text, written = _call_turn(text or "", thinking)
        calls, role = calls + written, "assistant"
    role = "tool" if role == "function" else role
    message: Message = {"role": role, "content": text}
    if thinking is not None and role == "assistant":
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = calls
    for name, keys in (("tool_call_id", _IDS), ("name", ("name", "toolName"))):
        if (found := _first(rest, keys)) is not None:
            message[name] = str(found)
    if (train := _first(rest, _TRAIN)) is not None:
        if role == "assistant":
            message["train"] = _is_true(train)
        elif _is_true(train):
            unknown[f"a loss over turns of the {role}"] = None
    messages += results  # Anthropic puts the results of tools into a turn of the user
    last = messages[-1] if messages else {}
    if spoken and last.get("role") == "assistant" and not text and thinking is None:
        last["tool_calls"] = [*last.get("tool_calls", ()), *calls]  # a turn of its own for each part of a turn
    elif not results or text:
        messages.append(message)
    unknown.update(
        dict.fromkeys(name for name in rest if name not in ("type", "id", "timestamp", "status", "function_call"))
    )


def _is_true(value: Any) -> bool:
    """Whether a turn is learnt, by a flag, a weight, or the text of either."""
    return str(value).strip().lower() not in ("false", "no", "off", "none", "") and str(value).strip("0. ") != ""


def _first(rest: dict[str, Any], names: Sequence[str]) -> Any:
    """The value of the first of these keys that there is; all of them leave `rest`."""
    found = [rest.pop(name) for name in names if name in rest]
    return found[0] if found else None


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        value = _json(value, "tool_calls")
    return list(value) if isinstance(value, Sequence) else [] if value is None else [value]


def _content(value: Any, unknown: dict[str, None]) -> tuple[str | None, str | None, list[Any], list[Message]]:
    """(text, thinking, calls, results of tools) of a message's content, a text or a list of parts."""
    if value is None or isinstance(value, str):
        return value, None, [], []
    if not isinstance(value, Sequence):
        return json_text(value), None, [], []
    text: list[str] = []
    thinking: list[str] = []
    calls: list[Any] = []
    results: list[Message] = []
    for part in value:
        if isinstance(part, str):
            text.append(part)
            continue
        kind = str(part.get("type") or "text") if isinstance(part, Mapping) else "?"
        if kind in ("thinking", "reasoning"):
            thinking.append(_plain(part.get("thinking") or part.get("text") or part.get("summary")))
        elif kind in ("text", "input_text", "output_text"):
            text.append(_plain(part.get("text") or part.get("content")))
        elif kind in ("tool_use", "toolCall", "tool_call"):
            calls.append(_call(part))
        elif kind == "tool_result":
            output = _plain(part.get("content"))
            answer = {
                "role": "tool",
                "content": output,
                "tool_call_id": part.get("tool_use_id"),
                "name": part.get("name"),
            }
            results.append({name: said for name, said in answer.items() if said is not None})
        else:
            unknown[f"content part {kind!r}"] = None
    return "".join(text), "".join(thinking) if thinking else None, calls, results


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "".join(_plain(one.get("text") if isinstance(one, Mapping) else one) for one in value)
    return "" if value is None else json_text(value)


def _call(given: Any) -> dict[str, Any]:
    """{id, type, function: {name, arguments}} of a call in any usual form, its arguments as JSON text."""
    if isinstance(given, str):
        given = _json(given, "a tool call")
    inner = given.get("function") if isinstance(given, Mapping) else None
    inner = inner if isinstance(inner, Mapping) else given
    if not isinstance(inner, Mapping) or not (name := inner.get("name") or given.get("name")):
        raise DataError(f"a tool call without a name: {str(given)[:80]!r}")
    said: Any = next(
        (inner[key] for key in ("arguments", "parameters", "input", "args") if inner.get(key) is not None), {}
    )
    said = (said if said.strip() else "{}") if isinstance(said, str) else json_text(said)
    call_id = given.get("id") or given.get("call_id")
    return {
        "id": None if call_id is None else str(call_id),
        "type": "function",
        "function": {"name": str(name), "arguments": said},
    }


def _is_call(text: str | None) -> bool:
    try:
        return bool(text) and all(isinstance(one, Mapping) and "name" in one for one in _calls_in(str(text)))
    except DataError:
        return False


def _call_turn(text: str, thinking: str | None) -> tuple[str | None, str | None, list[Any]]:
    """(thinking, text, calls) of a turn that is a call, with thinking and words before it where there are any."""
    if text.lstrip().lower().startswith(TAGS[0]):
        thought, text = split(text)
        thinking = thinking or thought
    before = text.partition(_CALL_MARKS[0])[0].strip() if _CALL_MARKS[0] in text else ""
    return thinking, before or None, [_call(one) for block in _calls_in(text) for one in _listed(block)]


def calls_apart(message: Mapping[str, Any]) -> list[Message]:
    """The message with calls and answers of tools that its text holds between tags, as Hermes writes them, in keys of
    their own; a message for each answer. As it is where there is other text after them, or they can't be read.

    >>> calls_apart({"role": "tool", "content": "<tool_response>4</tool_response>"})
    [{'role': 'tool', 'content': '4'}]
    """
    text = message.get("content")
    opening, closing = _CALL_MARKS if message.get("role") == "assistant" else _ANSWER_MARKS
    if message.get("role") not in ("assistant", "tool") or not isinstance(text, str) or opening not in text:
        return [dict(message)]
    if message.get("tool_calls") or text.lstrip().lower().startswith(TAGS[0]):
        return [dict(message)]
    first, *blocks = text.split(opening)
    if any(rest.strip() for _, _, rest in (block.partition(closing) for block in blocks)):
        return [dict(message)]
    inside = [block.partition(closing)[0].strip() for block in blocks]
    if message["role"] == "tool":
        return [dict(message)] if first.strip() else [{**message, "content": said} for said in inside]
    said, calls = calls_in_text(text)
    return [{**message, "content": said or None, "tool_calls": calls} if calls else dict(message)]


def calls_in_text(text: str) -> tuple[str, list[dict[str, Any]]]:
    """(text, calls) of an answer whose calls are in <tool_call> blocks of JSON, as some endpoints leave them. No
    calls where a block can't be read."""
    if _CALL_MARKS[0] not in text:
        return text, []
    try:
        _, before, calls = _call_turn(text, None)
    except DataError:
        return text, []
    return before or "", calls


def _calls_in(text: str) -> list[Any]:
    """The calls that a text consists of: JSON, a list of them, or <tool_call> blocks."""
    if _CALL_MARKS[0] in text:
        blocks = [part.partition(_CALL_MARKS[1])[0] for part in text.split(_CALL_MARKS[0])[1:]]
        return [_json(block, "a tool call") for block in blocks]
    return _listed(_json(text, "a tool call"))


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{what} is no JSON: {text[:80]!r}") from None


def separated(message: Mapping[str, Any]) -> Message:
    """The message with thinking in tags at the head of its content moved to `reasoning_content`."""
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, str) or message.get("reasoning_content"):
        return dict(message)
    if not content.lstrip().lower().startswith(TAGS[0]) or len([p for p in pieces(content) if p.thinking]) != 1:
        return dict(message)
    thought, said = split(content)
    return {**message, "content": said, "reasoning_content": thought or ""}


def whole(message: Mapping[str, Any]) -> Message:
    """All keys of the column, null where the message has none."""
    return {name: message.get(name) for name in KEYS}


def bare(message: Mapping[str, Any]) -> Message:
    """The keys that say something."""
    return {name: value for name, value in message.items() if value is not None and value != []}


def check_chat(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raises DataError, by turn, for a message without a role or text, for a call that is no JSON, and for `train` on
    a turn that the assistant didn't write. A turn that calls tools needs no content."""
    for turn, message in enumerate(messages):
        role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
        if role is None:
            raise DataError(f"turn {turn} has no role")
        if content is None and not calls and not (role == "assistant" and message.get("reasoning_content")):
            raise DataError(f"turn {turn}, of the {role}, is null; leave such rows out")
        if role == "assistant" and not str(content or "").strip() and not calls:
            raise DataError(f"turn {turn}, of the assistant, is empty; leave such rows out")
        if message.get("train") and role != "assistant":
            raise DataError(f"turn {turn}, of the {role}, has train = true: only turns of the assistant are learnt")
        for call in calls or ():
            arguments_of(call, turn)


def arguments_of(call: Mapping[str, Any], turn: int | None = None) -> dict[str, Any]:
    """The arguments of a call as values. Raises DataError where they are no JSON object."""
    function = call.get("function") or call
    said = function.get("arguments")
    try:
        value = json.loads(said) if isinstance(said, str) else said
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, Mapping) or not function.get("name"):
        where = "" if turn is None else f"turn {turn}: "
        raise DataError(f"{where}the arguments of tool call {function.get('name')!r} are no JSON object: {said!r:.80}")
    return dict(value)


def read_tools(value: Any) -> list[dict[str, Any]]:
    """Definitions of tools as a list of {type, function}, from JSON text or values, with or without the wrapper.
    Raises DataError."""
    if value is None or value == "":
        return []
    value = _json(value, "`tools`") if isinstance(value, str) else value
    value = [value] if isinstance(value, Mapping) else value
    tools = []
    for one in value:
        one = _json(one, "`tools`") if isinstance(one, str) else one
        inner = one.get("function") if isinstance(one, Mapping) else None
        inner = inner if isinstance(inner, Mapping) else one
        if not isinstance(inner, Mapping) or not inner.get("name"):
            raise DataError(f"`tools`: a tool without a name: {str(one)[:80]!r}")
        if "input_schema" in inner:  # Anthropic's word
            inner = {**{k: v for k, v in inner.items() if k != "input_schema"}, "parameters": inner["input_schema"]}
        tools.append({"type": "function", "function": {name: said for name, said in inner.items() if said is not None}})
    return tools

"""The loop of a trace that calls tools: a teacher writes, Python runs in the sandbox, the teacher reads and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dqdata.chats import Message as ChatMessage
from dqdata.chats import arguments_of, calls_in_text, whole
from dqdata.errors import DataError
from dqdata.operator import Run
from dqdata.sandbox import Limits, Session
from dqdata.teacher import Completion, Message, ToolMessage, Usage

PYTHON = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "python",
                "description": "Runs Python code in a session without network. What one call defines, later calls see. "
                "Returns what the code prints, the value of its last expression, and the traceback of an error.",
                "parameters": {
                    "type": "object",
                    "properties": {"code": {"type": "string", "description": "The code to run."}},
                    "required": ["code"],
                },
            },
        }
    ],
    ensure_ascii=False,
)
"""The definition of the tool, as requests and the column `tools` have it."""
NOTHING = "(no output)"


@dataclass(frozen=True)
class Traced:
    """answer: the last one, its usage the sum over all. messages: the whole chat, in the form of the column. reasoning:
    all that was thought, with calls and results in between. calls: how many tools were called."""

    answer: Completion
    messages: list[ChatMessage]
    reasoning: str | None
    calls: int


@dataclass(frozen=True)
class Bounds:
    """calls: of a trace. call_seconds: of one call. seconds: of all calls of a trace."""

    calls: int
    call_seconds: float
    seconds: float


async def traced(
    ask: Callable[[tuple[Message, ...]], Any], messages: Sequence[Message], run: Run, bounds: Bounds
) -> Traced:
    """Asks until an answer calls no tool, or the bounds are used up and it still does. Raises TeacherError."""
    limits = Limits(wall=bounds.call_seconds, cpu=bounds.call_seconds, output=64 << 10)
    session = Session(run.sandbox, limits, calls=bounds.calls, seconds=bounds.seconds)
    chat: list[Message] = list(messages)
    turns: list[ChatMessage] = [{"role": one.role, "content": one.content} for one in messages]
    thoughts: list[str] = []
    usage, made = Usage(0, 0), 0
    while True:
        answer = _with_calls(await ask(tuple(chat)))
        usage = _sum(usage, answer.usage)
        if answer.reasoning:
            thoughts.append(answer.reasoning.strip())
        turn: ChatMessage = {"role": "assistant", "content": answer.response, "reasoning_content": answer.reasoning}
        written = [
            {**call, "id": call.get("id") or f"call_{made + place}"} for place, call in enumerate(answer.tool_calls)
        ]
        calls = [_readable(call) for call in written]
        if not calls or made > bounds.calls:
            turns.append(turn | ({"tool_calls": calls} if calls else {}))
            said = replace(answer, usage=usage)
            return Traced(said, [whole(one) for one in turns], "\n\n".join(thoughts) or None, made)
        if answer.response.strip():
            thoughts.append(answer.response.strip())
        turns.append({**turn, "tool_calls": calls})
        chat.append(
            ToolMessage("assistant", answer.response, {**turn, "role": None, "content": None, "tool_calls": calls})
        )
        for call in written:
            made += 1
            code, text = await _result(call, session)
            thoughts.append(f"```python\n{code}\n```\n\n```output\n{text.rstrip()}\n```")
            turns.append(
                {"role": "tool", "content": text, "tool_call_id": call["id"], "name": call["function"]["name"]}
            )
            chat.append(ToolMessage("tool", text, {"tool_call_id": call["id"]}))


def _readable(call: dict[str, Any]) -> dict[str, Any]:
    """The call as the chat keeps it. Arguments that are no JSON object are the text of `code`: no template writes them
    otherwise, and endpoints refuse a chat that holds them."""
    try:
        arguments_of(call)
    except DataError:
        function = call["function"]
        kept = json.dumps({"code": function["arguments"]}, ensure_ascii=False)
        return {**call, "function": {**function, "arguments": kept}}
    return call


async def _result(call: dict[str, Any], session: Session) -> tuple[str, str]:
    """(code, what the tool says) of a call. What a model gets wrong is said to it, and fails nothing."""
    function = call["function"]
    if function["name"] != "python":
        return function["arguments"], f"Error: there is no tool {function['name']!r}; the tool is 'python'.\n"
    try:
        code = arguments_of(call).get("code")
    except DataError:
        return function["arguments"], "Error: the arguments are no JSON object.\n"
    if not isinstance(code, str):
        return function["arguments"], "Error: the argument 'code' must be text.\n"
    output = await session.run(code)
    return code, output.text or NOTHING


def _with_calls(answer: Completion) -> Completion:
    """The answer with calls that an endpoint left in its text."""
    if answer.tool_calls:
        return answer
    text, calls = calls_in_text(answer.response)
    return replace(answer, response=text, tool_calls=tuple(calls)) if calls else answer


def _sum(first: Usage, second: Usage) -> Usage:
    return Usage(
        first.input + second.input,
        first.output + second.output,
        first.cached + second.cached,
        first.estimated or second.estimated,
    )

"""Renders chats with the student's template: text, the assistant's part of it, and whether all of it is there.

    >>> rendered = render(tokenizer, [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])
    >>> rendered.text[slice(*rendered.spans[0])]
    '4<|im_end|>'

The assistant's part is found by rendering the chat up to its turn with the generation prompt: what follows is what the
model will have to write, end of turn included. So the mask needs no `{% generation %}` markers in the template, and
training and inference see the same prompt.

Templates differ in where they look for thinking and calls: the forms of a message that a template may understand are
tried in a fixed order (`shapes`), and the first one is taken in which nothing of a trained turn is lost.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from dqdata.chats import check_chat, read_tools
from dqdata.errors import DataError, InputError
from dqdata.models.shapes import lost, shaped, shapes

Messages = Sequence[Mapping[str, Any]]
Turns: TypeAlias = Literal["auto", "whole", "each"]
IGNORED = -100
"""Label of a token that no loss is computed on."""


class Span(NamedTuple):
    """Characters of the text that the assistant wrote in a turn."""

    start: int
    end: int
    turn: int


@dataclass(frozen=True)
class Rendered:
    """text: the whole chat. spans: (start, end) in characters of what the assistant wrote. stale: trained turns that
    the template renders another way once a later turn follows, which therefore aren't in `spans`. closed: whether the
    template wrote the end of the last turn as a token of its own."""

    text: str
    spans: tuple[tuple[int, int], ...]
    stale: int
    turns: tuple[int, ...] = ()
    stale_turns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """A chat in tokens; labels are IGNORED where the assistant didn't write."""

    input_ids: list[int]
    labels: list[int]
    stale: int


def check_messages(messages: Messages) -> None:
    """Raises DataError for a turn that a template would write as "None", and for an assistant turn without a word: an
    answer that is null is no answer. A turn that calls tools needs no content."""
    check_chat(messages)


def render(tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None = None, tools: Any = None) -> Rendered:
    """The whole chat, in the form that loses least. Raises DataError for a chat without an assistant turn to learn
    from, or one that begins with it."""
    turns = _trained(messages)
    return _best(tokenizer, messages, turns, kwargs, tools)[0]


def tokenize(tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None = None, tools: Any = None) -> Tokens:
    """Tokens and labels of a chat in one row. Raises InputError where the template loses reasoning, response or a tool
    call, or doesn't close the turn with the tokenizer's end-of-sequence token: a model trained on that never stops.
    Raises DataError for a turn that is null. Turns that the template renders another way once a later one follows
    aren't trained on; `tokenize_turns` makes rows of them."""
    return tokenize_turns(tokenizer, messages, kwargs, tools, "whole")[0]


def tokenize_turns(
    tokenizer: Any,
    messages: Messages,
    kwargs: Mapping[str, Any] | None = None,
    tools: Any = None,
    turns: Turns = "auto",
) -> list[Tokens]:
    """The training rows of a chat. "whole": one row. "each": one row per turn of the assistant, which ends with it.
    "auto": one row, and a row each for those turns that the template renders another way once a later turn follows,
    such as thinking that is dropped from past turns. Raises InputError, DataError as `tokenize` does."""
    check_messages(messages)
    trained = _trained(messages)
    if turns == "each":
        return [_tokens(tokenizer, messages[: turn + 1], (turn,), kwargs, tools)[0] for turn in trained]
    first, rendered = _tokens(tokenizer, messages, trained, kwargs, tools)
    if turns == "whole" or not rendered.stale_turns:
        return [first]
    rows = [_tokens(tokenizer, messages[: t + 1], (t,), kwargs, tools)[0] for t in rendered.stale_turns]
    return [*rows, Tokens(first.input_ids, first.labels, 0)] if rendered.spans else rows


def prompt_ids(
    tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None = None, tools: Any = None
) -> list[int]:
    """Tokens of a chat up to where the assistant starts to write."""
    definitions = read_tools(tools) or None
    error: Exception | None = None
    for shape in shapes(tokenizer, messages):
        try:
            given = shaped(messages, shape)
            text = _text(tokenizer, given, kwargs, definitions, add_generation_prompt=True)
        except Exception as cause:  # whatever a template raises for a form that it doesn't know
            error = cause
            continue
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    raise _refused(error)


def _trained(messages: Messages) -> tuple[int, ...]:
    """Turns under the loss. Raises DataError where there is none, or nothing comes before the first."""
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    if not turns:
        raise DataError("the chat has no assistant turn to learn from")
    if turns[0] == 0:
        raise DataError("the chat begins with the assistant: it needs a user or system turn first")
    trained = tuple(turn for turn in turns if messages[turn].get("train") is not False)
    if not trained:
        raise DataError("every assistant turn has train = false: nothing is left to learn from")
    return trained


def _tokens(
    tokenizer: Any, messages: Messages, turns: Sequence[int], kwargs: Mapping[str, Any] | None, tools: Any
) -> tuple[Tokens, Rendered]:
    rendered, problem = _best(tokenizer, messages, turns, kwargs, tools)
    if problem:
        raise InputError(problem)
    encoded = tokenizer(rendered.text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
    labels = [IGNORED] * len(ids)
    for start, end in rendered.spans:
        for index, (first, last) in enumerate(offsets):
            if start <= first < end and last <= end:
                labels[index] = ids[index]
    _check_tokens(tokenizer, messages, rendered, labels, offsets)
    return Tokens(ids, labels, rendered.stale), rendered


def _best(
    tokenizer: Any, messages: Messages, turns: Sequence[int], kwargs: Mapping[str, Any] | None, tools: Any
) -> tuple[Rendered, str]:
    """The rendering of the first form without a loss, or of the one with the fewest, and what that one loses."""
    definitions = read_tools(tools) or None
    found: list[tuple[int, Rendered, str]] = []
    error: Exception | None = None
    for shape in shapes(tokenizer, messages):
        try:
            rendered = _rendered(tokenizer, shaped(messages, shape), turns, kwargs, definitions)
        except Exception as cause:  # whatever a template raises for a form that it doesn't know
            error = error or cause
            continue
        problems = lost(messages, rendered, shape)
        if not problems:
            return rendered, ""
        found.append((len(problems), rendered, problems[0]))
    if not found:
        raise _refused(error)
    _, rendered, problem = min(found, key=lambda one: one[0])
    return rendered, problem


def _refused(error: Exception | None) -> InputError:
    """What the first form met: the template's own words, or what is wrong with its rendering."""
    if isinstance(error, InputError):
        return error
    return InputError(
        f"the chat template refuses the chat ({type(error).__name__}: {' '.join(str(error).split())[:200]}); set "
        "`chat_template` to a Jinja file that can write it"
    )


def _text(tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None, tools: Any, **more: Any) -> str:
    given = {"tools": tools} if tools else {}
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, **given, **(kwargs or {}), **more))


def _rendered(
    tokenizer: Any, messages: Messages, turns: Sequence[int], kwargs: Mapping[str, Any] | None, tools: Any
) -> Rendered:
    full, spans, stale = _text(tokenizer, messages, kwargs, tools), [], []
    for turn in turns:
        last = turn == len(messages) - 1
        through = full if last else _text(tokenizer, messages[: turn + 1], kwargs, tools)
        if not full.startswith(through):
            stale.append(turn)
            continue
        start = _start(tokenizer, messages, turn, through, kwargs, tools)
        if start is None:
            if last:  # what came before it is rendered another way once this turn follows
                given = [_without_thinking(one) for one in messages[:turn]]
                start = _start(tokenizer, [*given, messages[turn]], turn, through, kwargs, tools)
            if start is None:
                if last:
                    raise InputError(
                        f"the chat template renders the turns before turn {turn} differently once that turn follows: "
                        "what the student reads when it writes the turn isn't what it would be trained on. Set "
                        "`chat_template` to a Jinja file that renders a turn the same way wherever it is"
                    )
                stale.append(turn)
                continue
        end = through.rfind(tokenizer.eos_token, start)
        spans.append(Span(start, len(through) if end < 0 else end + len(tokenizer.eos_token), turn))
    return Rendered(
        full,
        tuple((span.start, span.end) for span in spans),
        len(stale),
        tuple(span.turn for span in spans),
        tuple(stale),
    )


def _start(
    tokenizer: Any, messages: Messages, turn: int, through: str, kwargs: Mapping[str, Any] | None, tools: Any
) -> int | None:
    """Where the assistant begins to write; None where the text before isn't the prompt that inference sees."""
    before = _text(tokenizer, messages[:turn], kwargs, tools, add_generation_prompt=True)
    start = len(os.path.commonprefix([before, through]))  # noqa: RUF071  (characters are meant)
    if start == len(before):
        return start
    plain = _text(tokenizer, messages[:turn], kwargs, tools)
    needed = os.path.commonprefix([before, plain])  # noqa: RUF071  (characters are meant)
    return start if start >= len(needed.rstrip()) else None


def _without_thinking(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in message.items() if name not in ("reasoning_content", "thinking")}


def _check_tokens(
    tokenizer: Any, messages: Messages, chat: Rendered, labels: Sequence[int], offsets: Sequence[tuple[int, int]]
) -> None:
    """Every trained turn must end with a token that ends it: the end-of-sequence token, or for a turn that calls a tool
    and goes on, another special one."""
    special = set(tokenizer.all_special_ids) | {
        number for number, token in getattr(tokenizer, "added_tokens_decoder", {}).items() if token.special
    }
    for turn, (_, end) in zip(chat.turns, chat.spans, strict=True):
        inside = [label for label, (first, last) in zip(labels, offsets, strict=True) if first < end >= last > first]
        ending = inside[-1] if inside else IGNORED
        allowed = special if messages[turn].get("tool_calls") else {tokenizer.eos_token_id}
        if ending not in allowed:
            raise InputError(
                f"the chat template doesn't end the assistant's turn with the end-of-sequence token "
                f"{tokenizer.eos_token!r} but with {chat.text[max(0, end - 24) : end]!r}: the student would never "
                "stop. Set args.eos_token to the token that ends a turn, or `chat_template` to a file that writes it"
            )

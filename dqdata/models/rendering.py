"""Renders chats with the student's template: text, the assistant's part of it, and whether the thinking is kept.

    >>> rendered = render(tokenizer, [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])
    >>> rendered.text[slice(*rendered.spans[0])]
    '4<|im_end|>'

The assistant's part is found by rendering the chat up to its turn with the generation prompt: what follows is what the
model will have to write, end of turn included. So the mask needs no `{% generation %}` markers in the template, and
training and inference see the same prompt.
"""

from __future__ import annotations

import os.path
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dqdata.errors import DataError, InputError
from dqdata.thinking import ANY_TAG, pieces

Messages = Sequence[Mapping[str, Any]]
IGNORED = -100
"""Label of a token that no loss is computed on."""


@dataclass(frozen=True)
class Rendered:
    """text: the whole chat. spans: (start, end) in characters of what the assistant wrote. stale: assistant turns
    that the template renders another way once a later turn follows, which therefore aren't trained on."""

    text: str
    spans: tuple[tuple[int, int], ...]
    stale: int


@dataclass(frozen=True)
class Tokens:
    """A chat in tokens; labels are IGNORED where the assistant didn't write."""

    input_ids: list[int]
    labels: list[int]
    stale: int


def check_messages(messages: Messages) -> None:
    """Raises DataError for a turn that a template would write as "None", and for an assistant turn without a word: an
    answer that is null is no answer. A turn that calls tools needs no content."""
    for turn, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role is None:
            raise DataError(f"turn {turn} has no role")
        if content is None and not message.get("tool_calls"):
            raise DataError(f"turn {turn}, of the {role}, is null; leave such rows out")
        if role == "assistant" and not str(content or "").strip() and not message.get("tool_calls"):
            raise DataError(f"turn {turn}, of the assistant, is empty; leave such rows out")


def render(tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None = None) -> Rendered:
    """Raises DataError for a chat without an assistant turn, or one that begins with it."""

    def text_of(part: Messages, **more: Any) -> str:
        return str(tokenizer.apply_chat_template(list(part), tokenize=False, **(kwargs or {}), **more))

    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    if not turns:
        raise DataError("the chat has no assistant turn to learn from")
    if turns[0] == 0:
        raise DataError("the chat begins with the assistant: it needs a user or system turn first")

    full, spans, stale = text_of(messages), [], 0
    for turn in turns:
        through = full if turn == len(messages) - 1 else text_of(messages[: turn + 1])
        if not full.startswith(through):
            stale += 1
            continue
        before = text_of(messages[:turn], add_generation_prompt=True)
        start = len(os.path.commonprefix([before, through]))  # noqa: RUF071  (characters are meant)
        end = through.rfind(tokenizer.eos_token, start)
        spans.append((start, len(through) if end < 0 else end + len(tokenizer.eos_token)))
    return Rendered(full, tuple(spans), stale)


def tokenize(tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None = None) -> Tokens:
    """Tokens and labels of a chat. Raises InputError where the template loses reasoning or response, or doesn't close
    the turn with the tokenizer's end-of-sequence token: a model trained on that never stops. Raises DataError for a
    turn that is null."""
    check_messages(messages)
    rendered = render(tokenizer, messages, kwargs)
    encoded = tokenizer(rendered.text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
    labels = [IGNORED] * len(ids)
    for start, end in rendered.spans:
        for index, (first, last) in enumerate(offsets):
            if start <= first < end and last <= end:
                labels[index] = ids[index]
    _check_round_trip(tokenizer, messages, rendered, ids, labels)
    return Tokens(ids, labels, rendered.stale)


def prompt_ids(tokenizer: Any, messages: Messages, kwargs: Mapping[str, Any] | None = None) -> list[int]:
    """Tokens of a chat up to where the assistant starts to write."""
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True, **(kwargs or {}))
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _check_round_trip(tokenizer: Any, messages: Messages, chat: Rendered, ids: list[int], labels: list[int]) -> None:
    """The last turn's thinking and response must be among the trained tokens, and EOS must end them."""
    trained = [label for label in labels if label != IGNORED]
    learnt = _squeezed(tokenizer.decode(trained, skip_special_tokens=False))
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    found = [(piece.thinking, _squeezed(piece.text)) for piece in pieces(str(messages[last]["content"] or ""))]
    if any(thinking and text not in learnt for thinking, text in found):
        raise InputError(
            "the chat template loses the reasoning (the text between <think> and </think>): the student would never "
            "learn to think. Set `chat_template` to a Jinja file that writes the assistant's content whole"
        )
    if any(text not in learnt for _, text in found):
        raise InputError(
            "the assistant's response isn't among the tokens that are trained on: the chat template changes it. Set "
            "`chat_template` to a Jinja file that writes the assistant's content whole"
        )
    if tokenizer.eos_token_id not in trained[-1:]:
        raise InputError(
            f"the chat template doesn't end the assistant's turn with the end-of-sequence token "
            f"{tokenizer.eos_token!r} but with {chat.text[-24:]!r}: the student would never stop. Set "
            "args.eos_token to the token that ends a turn, or `chat_template` to a file that writes it"
        )


def _squeezed(text: str) -> str:
    """The text without spaces and think tags, whose places a template may change."""
    return "".join(unicodedata.normalize("NFKC", re.sub(ANY_TAG, "", text)).split())

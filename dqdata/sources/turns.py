"""Chats as lists without roles: texts that are question and answer in turn (UltraChat), or pairs of both (Firefly).

>>> turns_of(["2+2?", "4"])
[{'role': 'user', 'content': '2+2?'}, {'role': 'assistant', 'content': '4'}]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqdata.chats import Message

_PAIRS = (("human", "assistant"), ("user", "assistant"), ("input", "output"), ("question", "answer"),
          ("prompt", "response"))  # fmt: skip


def turns_of(value: Any) -> list[Message] | None:
    """The messages of such a list, empty of an empty one; None for anything else."""
    if not isinstance(value, list):
        return None
    if all(isinstance(one, str) for one in value):
        return [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(value)]
    made: list[Message] = []
    for one in value:
        said = {name: text for name, text in one.items() if text is not None} if isinstance(one, Mapping) else {}
        keys = next((pair for pair in _PAIRS if set(pair) <= set(said) <= {*pair, "system"}), None)
        if keys is None or not all(isinstance(text, str) for text in said.values()):
            return None
        if said.get("system") and not made:
            made.append({"role": "system", "content": said["system"]})
        made += [{"role": "user", "content": said[keys[0]]}, {"role": "assistant", "content": said[keys[1]]}]
    return made

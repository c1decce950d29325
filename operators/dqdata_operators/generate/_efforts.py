"""Settings of one effort of thinking: what `efforts` of `generate` says beside its own parameters.

>>> EffortTable(effort="high", max_tokens=32768).extra_of("request")
{'reasoning_effort': 'high'}
>>> EffortTable(effort="high").extra_of("template")
{'chat_template_kwargs': {'reasoning_effort': 'high'}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from dqdata.operator import Params

EffortIn = Literal["request", "template"]


class EffortTable(Params):
    """One way to ask: how much to think, and with which tools."""

    effort: str = Field(min_length=1)
    """low, medium, high, or what else the model knows; goes into the column `effort`."""
    tools: tuple[Literal["python"], ...] | None = None
    """Tools of this effort; those of the step where not given."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest answer of this effort; that of the step where not given."""
    temperature: float | None = Field(None, ge=0)
    """Temperature of this effort; that of the step where not given."""
    extra: Mapping[str, Any] = {}
    """Goes into the request body as it is, after the step's own."""

    def extra_of(self, place: EffortIn) -> dict[str, Any]:
        """The keys of the request body that state the effort; `extra` takes precedence."""
        said: dict[str, Any] = {"reasoning_effort": self.effort}
        return merged({"chat_template_kwargs": said} if place == "template" else said, self.extra)

    def changes(self) -> dict[str, Any]:
        """Parameters of `generate` that this effort replaces."""
        given = {"tools": self.tools, "max_tokens": self.max_tokens, "temperature": self.temperature}
        return {name: value for name, value in given.items() if value is not None}


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of both, at every depth; where both have a value that is no table, the second's.

    >>> merged({"chat": {"thinking": True}, "top_k": 5}, {"chat": {"effort": "low"}})
    {'chat': {'thinking': True, 'effort': 'low'}, 'top_k': 5}
    """
    both = {**first, **second}
    for name in first.keys() & second.keys():
        if isinstance(first[name], Mapping) and isinstance(second[name], Mapping):
            both[name] = merged(first[name], second[name])
    return both

"""Parameters of every operator that requests a text, and the request they give.

    { op = "corrupt", teacher = "v3", language = "zh", temperature = 0.7, max_tokens = 4096, draw = "second" }

>>> params = AskParams(temperature=0.7, draw="second")
>>> params.request((Message("user", "Hello"),), "corrupt").draw
'corrupt:second'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from dqdata.operator import Params
from dqdata.teacher import Message, Request, Sampling


class AskParams(Params):
    """How a teacher is asked, whoever it is."""

    language: str = "en"
    """Of the built-in prompt: en or zh. A problem or trace keeps its own."""
    temperature: float | None = Field(None, ge=0)
    """The endpoint's own where not given."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Share of the likeliest tokens that are drawn from; the endpoint's own where not given."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest answer, thinking included; a budget needs it, or the teacher's `context_tokens`."""
    extra: Mapping[str, Any] = {}
    """Goes into the request body as it is."""
    draw: str = ""
    """Another word draws fresh texts, never those of an earlier step."""

    def request(self, messages: tuple[Message, ...], operator: str, sample: int = 0) -> Request:
        """Sample `sample` of a series that belongs to this operator and `draw` alone."""
        sampling = Sampling(self.max_tokens, self.temperature, self.top_p, extra=self.extra)
        return Request(messages, sampling, f"{operator}:{self.draw}" if self.draw else operator, sample)

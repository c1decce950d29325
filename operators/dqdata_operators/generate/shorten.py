"""Rewrites traces to a fraction of their length with the same answer and language.

    { op = "shorten", teacher = "v3", ratio = 0.4 }

    reasoning (500 words)  ->  reasoning (210 words), rewrite_ratio 0.42

Length is counted in words, or in characters for scripts without blanks. A text is taken where it lies within
`tolerance` of the ratio; anything outside goes back to the rewriter with its length. Traces shorter than `at_least`
words are left as they are, with the stop reason short_enough.
"""

from __future__ import annotations

from functools import cached_property

from pydantic import Field

from dqdata.operator import Row
from dqdata_operators.generate._rewriting import OneRewriteParams, RewriteOperator, Task
from dqdata_operators.generate._shape import size
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt


class ShortenParams(OneRewriteParams):
    ratio: float = Field(0.5, gt=0, lt=1)
    """Size of the new text over that of the old."""
    tolerance: float = Field(0.4, gt=0, le=1)
    """Distance from the ratio, as a share of it, at which a text is still taken."""
    at_least: int = Field(40, ge=0)
    """Words below which a trace isn't worth shortening."""


class Shorten(RewriteOperator[ShortenParams]):
    """Shortens traces to a target ratio, with the answer verified again."""

    name = "shorten"
    Params = ShortenParams

    @cached_property
    def whole(self) -> Task:
        ratio, slack = self.params.ratio, self.params.tolerance
        prompt = load_prompt("shorten", self.params.language, self.params.prompt)
        return Task("shorten", prompt, ratio * (1 - slack), min(ratio * (1 + slack), 1.0), ratio)

    def prompts(self) -> tuple[Prompt, ...]:
        return (self.whole.prompt,)

    def task(self, row: Row) -> Task | str:
        text = str(row.get("reasoning") or row.get("response") or "")
        return "short_enough" if size(text) < self.params.at_least else self.whole

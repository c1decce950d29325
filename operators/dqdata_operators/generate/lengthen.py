"""Rewrites traces to a multiple of their length with the same answer and language.

    { op = "lengthen", teacher = "v3", ratio = 2.0 }

    reasoning (60 words)  ->  reasoning (131 words), rewrite_ratio 2.18

Length is counted in words, or in characters for scripts without blanks. A text is taken where it lies within
`tolerance` of the ratio, and never where it isn't longer; repetition counts as a flaw, not as length.
"""

from __future__ import annotations

from functools import cached_property

from pydantic import Field

from dqdata.operator import Row
from dqdata_operators.generate._rewriting import OneRewriteParams, RewriteOperator, Task
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt


class LengthenParams(OneRewriteParams):
    ratio: float = Field(2.0, gt=1, le=20)
    """Size of the new text over that of the old."""
    tolerance: float = Field(0.4, gt=0, le=1)
    """Distance from the ratio, as a share of it, at which a text is still taken."""


class Lengthen(RewriteOperator[LengthenParams]):
    """Lengthens traces to a target ratio, with the answer verified again."""

    name = "lengthen"
    Params = LengthenParams

    @cached_property
    def whole(self) -> Task:
        ratio, slack = self.params.ratio, self.params.tolerance
        prompt = load_prompt("lengthen", self.params.language, self.params.prompt)
        return Task("lengthen", prompt, max(ratio * (1 - slack), 1.01), ratio * (1 + slack), ratio)

    def prompts(self) -> tuple[Prompt, ...]:
        return (self.whole.prompt,)

    def task(self, row: Row) -> Task | str:
        return self.whole

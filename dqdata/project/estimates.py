"""Estimates the rows and calls of the steps of a plan, as expected and at worst.

    lengths = Lengths.of(source)
    steps = estimated(steps, 1000, lengths, project.root)
    steps[0].expected.calls["r1"].calls, steps[0].most.calls["r1"].output_tokens

Texts that a step writes are as long as its answers: what reads them later is estimated with that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import boundary
from dqdata.operator import CallEstimate, Estimate, Operator
from dqdata.project.instances import children
from dqdata.project.sampling import Lengths

if TYPE_CHECKING:
    from dqdata.project.plan import Step

TRACE = ("reasoning", "response")
"""Columns that the text of an answer becomes."""


@dataclass(frozen=True)
class Estimator:
    """Estimates one step over any number of rows. mean, longest: tokens of the texts that the step meets, by column."""

    operator: Operator[Any]
    children: tuple[Operator[Any], ...]
    mean: Mapping[str, float]
    longest: Mapping[str, float]

    def expected(self, rows: float) -> Estimate:
        return self._over(rows, self.mean, most=False)

    def most(self, rows: float) -> Estimate:
        return self._over(rows, self.longest, most=True)

    def _over(self, rows: float, tokens: Mapping[str, float], *, most: bool) -> Estimate:
        """With the calls of operators that it binds, each of which sees every row that comes in or out."""
        with boundary("operator", self.operator.name):
            made = _one(self.operator, rows, tokens, most)
            for child in self.children:
                calls = _one(child, max(rows, made.rows), tokens, most).calls
                made = Estimate(made.rows, added(made.calls, {k: v for k, v in calls.items() if k not in made.calls}))
        return made


def estimated(steps: Sequence[Step], rows: float | None, lengths: Lengths, root: Path) -> tuple[Step, ...]:
    """The steps with their estimates over the rows that enter the first; without numbers where those are unknown."""
    mean, longest = dict(lengths.mean), dict(lengths.longest)
    made: list[Step] = []
    least = most = rows
    for step in steps:
        estimator = Estimator(step.operator, tuple(children(step.operator, step.spec, root)), dict(mean), dict(longest))
        expected = None if least is None else estimator.expected(least)
        worst = None if most is None else estimator.most(most)
        made.append(replace(step, estimator=estimator, estimate=expected, most=worst))
        least, most = (None if one is None else one.rows for one in (expected, worst))
        if written := [name for name in TRACE if name in step.after and name not in step.before]:
            for tokens, one in ((mean, estimator.expected(1)), (longest, estimator.most(1))):
                tokens |= dict.fromkeys(written, 0.0)
                tokens[written[-1]] = max((_per_call(calls) for calls in one.calls.values()), default=0.0)
    return tuple(made)


def added(one: Mapping[str, CallEstimate], other: Mapping[str, CallEstimate]) -> dict[str, CallEstimate]:
    """Sums by teacher."""
    total = dict(one)
    for name, more in other.items():
        have = total.get(name, CallEstimate(0, 0, 0))
        total[name] = CallEstimate(
            have.calls + more.calls, have.input_tokens + more.input_tokens, have.output_tokens + more.output_tokens
        )
    return total


def _one(operator: Operator[Any], rows: float, tokens: Mapping[str, float], most: bool) -> Estimate:
    operator.expect(tokens)
    return operator.at_most(rows) if most else operator.estimate(rows)


def _per_call(calls: CallEstimate) -> float:
    """Tokens of one answer. What nothing bounds is left out: what reads it knows its own typical length."""
    each = calls.output_tokens / calls.calls if calls.calls else 0.0
    return each if math.isfinite(each) else 0.0

"""Intervals and tests computed another way than dqdata.statistics does: by search and by enumeration."""

from __future__ import annotations

import itertools
import statistics


def score_interval(counts: list[int], samples: int) -> tuple[float, float]:
    """The shares p at which (mean - p)^2 is z^2 p(1 - p) / n, found on a grid and refined; n: by the design effect."""
    shares = [count / samples for count in counts]
    mean, n = statistics.mean(shares), float(len(counts))
    if (spread := statistics.variance(shares)) > 0:
        n = min(max(n, mean * (1 - mean) * len(counts) / spread), len(counts) * samples)
    z = statistics.NormalDist().inv_cdf(0.975)

    def edge(inside: float, outside: float) -> float:
        for _ in range(60):
            p = (inside + outside) / 2
            inside, outside = (p, outside) if (mean - p) ** 2 <= z * z * p * (1 - p) / n else (inside, p)
        return inside

    near = [mean + (0.5 - mean) * 1e-9, mean]
    return (0.0 if mean == 0 else edge(near[1], 0.0)), (1.0 if mean == 1 else edge(near[1], 1.0))


def flips(ours: list[int], theirs: list[int]) -> float:
    """Every assignment of signs, one by one."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    sums = [
        abs(sum(sign * one for sign, one in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(total >= abs(sum(differences)) for total in sums) / len(sums)

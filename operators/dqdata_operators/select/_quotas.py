"""How many rows each cell of a mixture gives, from shares and supplies.

    >>> take({"easy": 100, "hard": 10}, {"easy": 0.5, "hard": 0.5})        # as many as the shares allow
    {'easy': 10, 'hard': 10}
    >>> take({"easy": 100, "hard": 10}, {"easy": 0.5, "hard": 0.5}, 40)    # 20 each, and `hard` has 10
    {'easy': 20, 'hard': 10}

What a cell can't supply no other cell makes up for: that would change the mixture silently. No row is taken twice.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import floor
from typing import TypeVar

Cell = TypeVar("Cell", bound=Hashable)


def take(supply: Mapping[Cell, int], shares: Mapping[Cell, float], total: int | None = None) -> dict[Cell, int]:
    """Rows to take of each cell. Without a total, the largest one at which every cell with a share gives it in full."""
    if total is None:
        whole = sum(shares.values())
        needed = [supply.get(cell, 0) * whole / share for cell, share in shares.items() if share > 0]
        total = floor(min(needed, default=0) + 1e-9)
    wanted = quotas(shares, total)
    return {cell: min(wanted[cell], supply.get(cell, 0)) for cell in shares}


def quotas(shares: Mapping[Cell, float], total: int) -> dict[Cell, int]:
    """Whole numbers in these proportions that add up to the total: largest remainders first, then in order."""
    whole = sum(shares.values())
    exact = {cell: total * share / whole for cell, share in shares.items()}
    given = {cell: floor(value + 1e-9) for cell, value in exact.items()}
    places = {cell: place for place, cell in enumerate(shares)}
    rest = sorted((cell for cell in shares if shares[cell] > 0), key=lambda c: (given[c] - exact[c], places[c]))
    for cell in rest[: total - sum(given.values())]:
        given[cell] += 1
    return given

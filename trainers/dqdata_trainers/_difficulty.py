"""Which prompts are worth sampling: neither solved every time nor never, by a column of the data.

    difficulty = { column = "pass_rate", min = 0.1, max = 0.9 }
    difficulty = { column = "level", max = 3 }

A group of completions that all earn the same teaches nothing, and a prompt that the student always or never solves
gives such groups. Rows whose column is null are left out: nobody knows how hard they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

from dqdata.columns import NUMBERS, Columns
from dqdata.errors import ColumnError, InputError
from dqdata.operator import Params

if TYPE_CHECKING:
    from datasets import Dataset


class Difficulty(Params):
    column: str = "pass_rate"
    min: float | None = None
    """Rows below it are left out; false for no bound."""
    max: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Difficulty:
        if self.min is None and self.max is None:
            raise ValueError("`difficulty` needs `min` or `max`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`difficulty`: min = {self.min:g} is above max = {self.max:g}")
        return self

    def needs(self, have: Columns) -> None:
        """Raises ColumnError where the column is missing or holds no numbers."""
        try:
            have.require(self.column, *NUMBERS)
        except ColumnError as error:
            raise ColumnError(
                f"difficulty: {error}; the operator `pass_rate` makes one, or take `difficulty` out"
            ) from error

    def within(self, rows: Dataset, split: str, values: str) -> tuple[Dataset, tuple[str, ...]]:
        """The rows inside the bounds, in their order, and a note on those that are not. values: column of `rows` with
        the values of `column`. Raises InputError where no row is left."""
        kept: list[int] = []
        below = above = unknown = 0
        for index, value in enumerate(rows.with_format("arrow")[values].to_pylist()):
            if value is None:
                unknown += 1
            elif self.min is not None and value < self.min:
                below += 1
            elif self.max is not None and value > self.max:
                above += 1
            else:
                kept.append(index)
        if len(kept) == len(rows):
            return rows, ()
        parts = [
            *([f"{below} with {self.column} below {self.min:g}"] if below and self.min is not None else []),
            *([f"{above} above {self.max:g}"] if above and self.max is not None else []),
            *([f"{unknown} without one"] if unknown else []),
        ]
        note = f"{split}: difficulty leaves out {len(rows) - len(kept)} of {len(rows)} rows: {', '.join(parts)}"
        if not kept:
            raise InputError(f"{note}: no row is left. Widen `min` and `max`")
        return rows.select(kept), (note,)

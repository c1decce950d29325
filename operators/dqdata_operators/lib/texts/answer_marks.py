"""Which reference answers are the same, by their writing."""

from __future__ import annotations

import numpy as np
import polars as pl

from dqdata_operators.lib.texts.shingles import U64
from dqdata_operators.lib.texts.signature import canonical


def answer_marks(answers: pl.Series) -> U64:
    """A hash of each answer, 0 where there is none: texts with two answers are two problems."""
    plain = canonical(answers.cast(pl.String)).str.to_lowercase()
    numbers = (
        plain.str.strip_chars(" .()").str.replace(r"^(-?\d+)\.0+$", "${1}").str.replace(r"^(-?\d*\.\d+?)0+$", "${1}")
    )
    bare = numbers.str.replace_all(r"[\s()]+", "").str.strip_chars(".")
    made = np.asarray(bare.hash(seed=0).to_numpy(), dtype=np.uint64) | np.uint64(1)
    made[(answers.is_null() | (bare == "")).to_numpy()] = 0
    return made

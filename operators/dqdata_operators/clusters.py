"""Groups out of pairs: which rows hang together when pairs of them are alike.

    >>> components(5, np.array([0, 3]), np.array([1, 1])).tolist()
    [0, 0, 2, 0, 4]

Labels are the smallest member of each group, so neither the order of the pairs nor of the rows in them matters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


def components(size: int, left: I64, right: I64, labels: I64 | None = None) -> I64:
    """Label of each of `size` items under these pairs and, if given, earlier labels.

    The smaller label is hooked on to both ends, then paths are halved, until nothing changes: O(log size) rounds.
    """
    parent: I64 = np.arange(size, dtype=np.int64) if labels is None else labels.copy()
    while True:
        a, b = parent[left], parent[right]
        open_ = a != b
        if not open_.any():
            return parent
        left, right, a, b = left[open_], right[open_], a[open_], b[open_]
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
        while True:
            shorter = parent[parent]
            if np.array_equal(shorter, parent):
                break
            parent = shorter

"""Whether two texts have the same content words but one: "a pump fills a tank" and "a pump empties a tank".

    >>> rows, words = np.zeros(2, np.int64), [content("pump"), content("fills")]
    >>> left = word_sums(rows, np.array(words, np.uint64), 1)
    >>> right = word_sums(rows, np.array([content("pump"), content("empties")], np.uint64), 1)
    >>> one_word_differs(left, right).tolist()
    [True]

Two problems of one kind often differ so; a text said in other words has more than one other word. Inflections, units
and words of one meaning of contrasts.py are one word. Names, the words in capitals, count for nothing, except where
the language writes its nouns so: where more than NOUNS of a text's words have capitals.

A text's words are summed in BUCKETS of four bits, so that another word changes one or two of them: of pairs that differ
in two words, one in fifty is taken for a pair that differs in one.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from dqdata_operators.lib.texts.contrasts import FAMILIES
from dqdata_operators.lib.texts.function_words import FUNCTION_WORDS
from dqdata_operators.lib.texts.shingles import I64, U64

BUCKETS = 32
PACKED = BUCKETS // 16
SUMS = PACKED + 1
"""Numbers of a text: its buckets, sixteen in a number, and how many words it has."""
STEM = 4
"""Letters by which inflections agree."""
NOUNS = 0.3
_CAPITAL = np.uint64(1)
_MEANINGS = {word: meaning[0] for family in FAMILIES for meaning in family for word in meaning}


def content(word: str) -> int:
    """Hash of a content word, odd if it has a capital; 0 of others."""
    lower = word.lower()
    if lower in FUNCTION_WORDS or (len(lower) < 2 and lower < "\u2e80"):
        return 0
    stem = _MEANINGS.get(lower, lower)[:STEM]
    made = int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "little")
    return (made & ~1 or 2) | int(word[0] != lower[0])


def word_sums(rows: I64, contents: U64, count: int) -> U64:
    """Of `count` texts, shape (texts, SUMS). `rows`: the text of each token, ascending."""
    words = contents != 0
    rows, contents = rows[words], contents[words]
    capital = (contents & _CAPITAL).astype(np.float64)
    totals = np.bincount(rows, minlength=count)
    shares = np.bincount(rows, weights=capital, minlength=count) / np.maximum(totals, 1)
    counted = (capital == 0) | (shares[rows] > NOUNS)
    rows, contents = rows[counted], contents[counted]
    buckets = ((contents >> np.uint64(1)) % np.uint64(BUCKETS)).astype(np.int64)
    values = 1.0 + ((contents >> np.uint64(8)) % np.uint64(15)).astype(np.float64)
    sums = np.bincount(rows * BUCKETS + buckets, weights=values, minlength=count * BUCKETS).astype(np.uint64)
    nibbles = (sums % np.uint64(16)).reshape(count, PACKED, 16)
    packed = (nibbles << (np.arange(16, dtype=np.uint64) * np.uint64(4))).sum(axis=2, dtype=np.uint64)
    return np.column_stack([packed, np.bincount(rows, minlength=count).astype(np.uint64)])


def one_word_differs(left: U64, right: U64) -> npt.NDArray[np.bool_]:
    """Shapes (pairs, SUMS), one of them may have one row."""
    changed = left[:, :PACKED] ^ right[:, :PACKED]
    spread = (changed | (changed >> np.uint64(1)) | (changed >> np.uint64(2)) | (changed >> np.uint64(3))) & _ONES
    times = np.bitwise_count(spread).sum(axis=1)
    found: npt.NDArray[np.bool_] = (left[:, -1] == right[:, -1]) & (times >= 1) & (times <= 2)
    return found


_ONES = np.uint64(0x1111111111111111)

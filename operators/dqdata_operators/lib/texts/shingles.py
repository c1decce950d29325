"""Texts as sets of hashed word n-grams, thousands of rows at a time without a Python loop over words.

    >>> made = shingles(pl.Series(["What is 2 + 2?", "what is 2+2"]), n=1)
    >>> made.row(0).tolist() == made.row(1).tolist()
    True

A word is a run of letters and digits; in scripts without blanks, a character. Signs that change what a formula says
(+ - * / = < > ^ % ( ) [ ] | ! and their relatives in Unicode) are words too; other punctuation and case say nothing.

The hash of a word is a polynomial over its bytes modulo 2^64, taken as the difference of two running sums: the cost is
a few passes over the bytes, whatever the number of words.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]

CHUNK_BYTES = 1 << 18
"""Text hashed at a time: the powers and running sums of a chunk take 24 bytes a byte."""

SIGNS = b"+-*/=<>^%()[]|!&~@#"
NO_BLANKS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
SILENT = r"[\p{P}\p{Z}\p{C}\p{So}\p{Sk}&&[^\x00-\x7F]]"
UNICODE_SIGN = r"[\p{Sm}&&[^\x00-\x7F]]"
WORD = r"[a-z0-9[^\x00-\x7F]]+|[-+*/=<>^%()\[\]|!&~@#]"
"""A word as an expression over what `plain` leaves: the same cut as that of the byte table."""
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))


@dataclass(frozen=True)
class Shingles:
    """Sets of 32-bit hashes of many rows: those of row i are `hashes[starts[i]:starts[i + 1]]`, sorted and distinct."""

    hashes: U32
    starts: I64

    def row(self, number: int) -> U32:
        return self.hashes[self.starts[number] : self.starts[number + 1]]


def shingles(texts: pl.Series, n: int, *, flat: bool = False) -> Shingles:
    """Distinct word n-grams of each text; a text of fewer words is one n-gram, and one without words has none. flat:
    see `plain`."""
    hashes: list[U32] = []
    sizes: list[I64] = []
    for part in _parts(plain(texts, flat=flat)):
        words, bounds = word_hashes(part)
        made, counts = _grams(words, bounds, n)
        hashes.append(made)
        sizes.append(counts)
    starts = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.concatenate(sizes) if sizes else [], out=starts[1:])
    return Shingles(np.concatenate(hashes) if hashes else np.empty(0, np.uint32), starts)


def plain(texts: pl.Series, *, flat: bool = False) -> pl.Series:
    """Small letters, one Unicode form, blanks where words end: what is hashed. What is raised, lowered, circled or a
    fraction stays apart from the digits beside it: `2³` reads `2 ^3`, unless `flat`, where it reads `23`."""
    texts = texts.cast(pl.String).fill_null("").str.to_lowercase()
    special = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    if not len(special):
        return texts
    found = texts.gather(special)
    changed = (
        (found if flat else _apart(found))
        .str.normalize("NFKC")
        .str.replace_all(SILENT, " ")
        .str.replace_all(f"{NO_BLANKS}|{UNICODE_SIGN}", " ${0} ")
    )
    return texts.scatter(special, changed)


def _apart(texts: pl.Series) -> pl.Series:
    for signs, around in _marks():
        texts = texts.str.replace_all(f"[{signs}]+", around)
    return texts


@functools.cache
def _marks() -> list[tuple[str, str]]:
    """Characters that NFKC would make plain digits and letters, as the inside of a class, and what to write."""
    kinds = {"<super>": " ^${0} ", "<sub>": " ~${0} ", "<fraction>": " ${0} ", "<circle>": " (${0}) "}
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for sign in map(chr, range(0x80, 0x20000)):
        kind = unicodedata.decomposition(sign).partition(" ")[0]
        if kind in found:
            found[kind].append(sign)
    return [("".join(signs), kinds[kind]) for kind, signs in found.items()]


def word_hashes(texts: pl.Series) -> tuple[U64, I64]:
    """(hash of every word, where each text begins in it and the last ends). Texts as `plain` leaves them."""
    ended = texts + "\n"
    array = ended.to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(texts) + 1]
    data = np.frombuffer(array.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    kinds, values = _tables()
    kind = kinds[data]
    inside = kind == 1
    sign = kind == 2
    begins = sign.copy()
    begins[0] |= inside[0]
    begins[1:] |= inside[1:] & ~inside[:-1]
    ends = sign
    ends[:-1] |= inside[:-1] & ~inside[1:]
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)

    powers, inverses = _powers(max(len(data), CHUNK_BYTES))
    sums = np.cumsum(values[data] * powers[: len(data)])
    hashes = (sums[last] - sums[first] + values[data[first]] * powers[first]) * inverses[first]
    return mixed(hashes), np.searchsorted(first, offsets - offsets[0])


def split_words(texts: pl.Series) -> list[str]:
    """The words themselves, text after text, in the order in which `word_hashes` counts them."""
    return texts.str.extract_all(WORD).explode(empty_as_null=False).drop_nulls().to_list()


def mixed(values: U64) -> U64:
    """Finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit of the output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _grams(words: U64, bounds: I64, n: int) -> tuple[U32, I64]:
    """(distinct hashes, row by row and sorted; how many each row has)."""
    counts = np.diff(bounds)
    rows = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    if n > 1 and len(words):
        ends = np.repeat(bounds[1:], counts)
        at = np.arange(len(words))
        sums = np.zeros(len(words), np.uint64)
        for step in range(min(n, len(words))):
            weight = np.uint64(pow(int(BASE), step + 1, 1 << 64))
            sums[: len(words) - step] += (
                np.where(at[: len(words) - step] + step < ends[: len(words) - step], words[step:], 0) * weight
            )
        whole = at + n <= ends
        whole |= np.concatenate([[True], rows[1:] != rows[:-1]])
        words, rows = mixed(sums[whole]), rows[whole]
    keys = (rows << np.uint64(32)) | (words >> np.uint64(32))
    keys.sort()
    if len(keys):
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    made = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(counts))
    return keys.astype(np.uint32), made


def _parts(texts: pl.Series) -> list[pl.Series]:
    """Slices of about CHUNK_BYTES; a longer text is alone."""
    if not len(texts):
        return []
    sums = texts.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    cuts = np.flatnonzero(np.diff(sums // CHUNK_BYTES)) + 1
    edges = [0, *cuts.tolist(), len(texts)]
    return [texts[start:end] for start, end in itertools.pairwise(edges) if end > start]


@functools.cache
def _tables() -> tuple[npt.NDArray[np.uint8], U64]:
    """Of each byte: what it is (0 between words, 1 in a word, 2 a word of its own), and its 64-bit value."""
    kinds = np.zeros(256, np.uint8)
    kinds[128:] = 1
    for low, high in ("09", "az", "AZ"):
        kinds[ord(low) : ord(high) + 1] = 1
    kinds[list(SIGNS)] = 2
    return kinds, mixed(np.arange(1, 257, dtype=np.uint64) * BASE)


@functools.lru_cache(maxsize=2)
def _powers(size: int) -> tuple[U64, U64]:
    """BASE^0 .. BASE^(size-1) modulo 2^64, and their inverses."""
    up, down = np.full(size, BASE), np.full(size, INVERSE)
    up[0] = down[0] = 1
    return np.cumprod(up), np.cumprod(down)

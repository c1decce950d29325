"""Finds the benchmark problems that a row must be compared with, and the strongest match.

    search = Search(["Tom has 3 apples ..."], ngram=13, model=embedder("wordllama", run))
    for pair in search.worst(pl.Series(["Tom owns 3 apples ...", "A train leaves ..."])):
        pair.row, pair.kind, pair.score                       # 0, "rephrased", 4.2

Candidates are the nearest problems by embedding and those that share an n-gram. A row's candidates, their measures and
its verdict follow from the row and the benchmarks alone, bit for bit: products of whole blocks only say where to look,
and what counts is computed for each pair anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata_operators.lib.benchmarks.evidence import KINDS, Candidates, Doubt, Evidence, Pair, Prepared
from dqdata_operators.lib.benchmarks.tasks import MATHS, Tasks
from dqdata_operators.lib.texts.shingles import I64, plain, shingles
from dqdata_operators.lib.texts.signature import canonical
from dqdata_operators.lib.texts.token_sets import F64

if TYPE_CHECKING:
    from dqdata_operators.lib.vectors import F32
from dqdata_operators.lib.vectors.embedding import Embedder

PIECE = 2048
"""Rows compared at a time, or fewer where there are so many problems that memory would not suffice."""
GROUP = 64
"""Problems of which first only the nearest is looked at."""
SLACK = 1e-4
"""Products of blocks are single precision: what comes this near a bound is computed anew."""
MATCHES = 1 << 21
"""n-gram matches counted at a time."""
COSINES = 1 << 13
"""Pairs whose vectors are gathered at a time."""
CENTRING = 20
"""Problems without an embedding that are counted in the mean: that of a few problems would be these themselves."""
FORMULA = 7
"""Words and signs in a row, numbers being one, that make a problem with formulas worth a comparison."""
SIGNS = r"[\d\p{L})] ?[+*/=^<>] ?[\d\p{L}(]"
SHARING = 32
"""Problems that a row is compared with because of shared n-grams, at most: those it shares the largest part of."""


class Search:
    """The benchmarks' problems, ready to be found by n-grams and by embedding."""

    def __init__(
        self,
        problems: Sequence[str],
        *,
        ngram: int = 13,
        ignore_digits: bool = False,
        neighbours: int = 8,
        min_cosine: float = 0.4,
        model: Embedder | None = None,
        doubt: Doubt = Doubt(),  # noqa: B008
        memory: int = 1 << 30,
    ) -> None:
        texts = pl.Series("text", problems, dtype=pl.String)
        self._ngram, self._ignore_digits = ngram, ignore_digits
        self._neighbours, self._min_cosine = min(neighbours, len(texts)), min_cosine
        self.piece = max(16, min(PIECE, memory // (32 * len(texts))))
        self.problems = list(problems)
        self._evidence = Evidence(problems, doubt)
        texts = self._evidence.tasks.texts
        self._grams = Index(self._for_grams(texts), np.arange(len(texts)), ngram, len(texts))
        maths = np.flatnonzero([field == "maths" for field in self._evidence.fields])
        self._formulas = Index(formulas(texts.gather(maths)), maths, FORMULA, len(texts)) if len(maths) else None
        self._embedder = model if neighbours else None
        if self._embedder is not None:
            self._vectors = self._embedder.embed(texts)
            self._exact = self._vectors.astype(np.float64)
            self._mean = self._exact.sum(axis=0) / (len(texts) + CENTRING)
            self._lengths = _lengths(self._exact - self._mean)

    def worst(self, texts: pl.Series) -> Iterator[Pair]:
        """Of each row where something was found the worst: by class, then by score, then the first problem."""
        for start in range(0, len(texts), self.piece):
            part = Tasks.of(texts[start : start + self.piece])
            found: dict[int, tuple[tuple[int, float, int], Pair]] = {}
            for pair in self._evidence.compare(Prepared(part), self._candidates(part.texts)):
                rank = (KINDS.index(pair.kind), -pair.score, pair.problem)
                if pair.row not in found or rank < found[pair.row][0]:
                    found[pair.row] = (rank, pair)
            for row in sorted(found):
                yield found[row][1]._replace(row=start + row)

    def pairs(self, texts: pl.Series, problems: I64, *, every: bool = False) -> Iterator[Pair]:
        """Each text with the one problem at this place, with all measures; those for which something speaks, or
        every one."""
        part, rows = Tasks.of(texts), np.arange(len(texts))
        made = self._pairs(rows, problems, self._embedder.embed(part.texts) if self._embedder is not None else None)
        shared_rows, shared_problems, overlaps = self._grams.sharing(self._for_grams(part.texts))
        count = len(self.problems)
        at = dict(zip((shared_rows * count + shared_problems).tolist(), overlaps.tolist(), strict=True))
        made.overlaps[:] = [at.get(key, 0.0) for key in (rows * count + problems).tolist()]
        compare = self._evidence.measured if every else self._evidence.compare
        yield from compare(Prepared(part), made)

    def measured(self, texts: pl.Series) -> Iterator[Pair]:
        """Every row with every problem that it would be compared with, and all measures: what weights are fitted to."""
        for start in range(0, len(texts), self.piece):
            part = Tasks.of(texts[start : start + self.piece])
            for pair in self._evidence.measured(Prepared(part), self._candidates(part.texts)):
                yield pair._replace(row=start + pair.row)

    def _candidates(self, texts: pl.Series) -> Candidates:
        """By row, then by problem; each pair once."""
        vectors = self._embedder.embed(texts) if self._embedder is not None else None
        near_rows, near_problems, cosines = self._nearest(vectors)
        rows, problems, overlaps = self._grams.sharing(self._for_grams(texts))
        count = len(self.problems)
        keys = np.union1d(near_rows * count + near_problems, rows * count + problems)
        if self._formulas is not None:
            with_signs = texts.str.contains(f"{MATHS}|{SIGNS}").arg_true()
            at, others, _ = self._formulas.sharing(formulas(texts.gather(with_signs)))
            keys = np.union1d(keys, with_signs.to_numpy()[at].astype(np.int64) * count + others)
        made = self._pairs(keys // count, keys % count, vectors)
        made.cosines[np.searchsorted(keys, near_rows * count + near_problems)] = cosines
        made.overlaps[np.searchsorted(keys, rows * count + problems)] = overlaps
        return made

    def _pairs(self, rows: I64, problems: I64, vectors: F32 | None) -> Candidates:
        """With centred cosines; other measures are yet to be found."""
        centred = np.zeros(len(rows))
        if vectors is not None:
            left = vectors.astype(np.float64) - self._mean
            lengths = _lengths(left)[rows] * self._lengths[problems]
            centred = (
                _products(left, rows, self._exact, problems) - np.einsum("ij,j->i", left, self._mean)[rows]
            ) / lengths
        return Candidates(rows, problems, np.full(len(rows), self._min_cosine), centred, np.zeros(len(rows)))

    def _nearest(self, vectors: F32 | None) -> tuple[I64, I64, F64]:
        """(row, problem, cosine) of each row's nearest problems by embedding."""
        if vectors is None:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        rows, problems = self._perhaps_near(vectors)
        cosines = _products(vectors.astype(np.float64), rows, self._exact, problems)
        enough = cosines >= self._min_cosine
        return _largest(rows[enough], problems[enough], cosines[enough], self._neighbours)

    def _perhaps_near(self, vectors: F32) -> tuple[I64, I64]:
        """Pairs among which the nearest of each row are.

        The largest similarities of groups of problems bound the n-th largest of all from below.
        """
        similar = vectors @ self._vectors.T
        groups = similar.shape[1] // GROUP
        tops = similar
        if groups > self._neighbours:
            tops = similar[:, : groups * GROUP].reshape(len(similar), groups, GROUP).max(axis=2)
        bound = np.partition(tops, tops.shape[1] - self._neighbours, axis=1)[:, -self._neighbours]
        near: npt.NDArray[np.bool_] = similar >= np.maximum(bound, self._min_cosine)[:, None] - SLACK
        places = np.flatnonzero(near)
        return places // similar.shape[1], places % similar.shape[1]

    def _for_grams(self, texts: pl.Series) -> pl.Series:
        return plain(texts).str.replace_all(r"\d+", " ") if self._ignore_digits else texts


class Index:
    """Which problems share word n-grams with a text."""

    def __init__(self, texts: pl.Series, problems: I64, n: int, count: int) -> None:
        """`problems`: place of each text among `count` problems."""
        grams = shingles(texts, n)
        owners = np.repeat(problems, np.diff(grams.starts))
        order = np.argsort(grams.hashes, kind="stable")
        self._n, self._hashes, self._owners = n, grams.hashes[order], owners[order]
        self._sizes = np.zeros(count, np.int64)
        self._sizes[problems] = np.diff(grams.starts)

    def sharing(self, texts: pl.Series) -> tuple[I64, I64, F64]:
        """(row, problem, share of the problem's n-grams that the row has)."""
        grams = shingles(texts, self._n)
        low = np.searchsorted(self._hashes, grams.hashes, side="left")
        met = np.flatnonzero(low < len(self._hashes))
        met = met[self._hashes[low[met]] == grams.hashes[met]]
        rows = np.searchsorted(grams.starts, met, side="right") - 1
        low = low[met]
        counts = np.searchsorted(self._hashes, grams.hashes[met], side="right") - low
        made: list[tuple[I64, I64, F64]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        for part in _whole_rows(rows, counts):
            ends = np.cumsum(counts[part])
            places = np.arange(ends[-1]) + np.repeat(low[part] - (ends - counts[part]), counts[part])
            keys = np.repeat(rows[part], counts[part]) * len(self._sizes) + self._owners[places]
            pairs, times = np.unique(keys, return_counts=True)
            problems = pairs % len(self._sizes)
            made.append(_largest(pairs // len(self._sizes), problems, times / self._sizes[problems], SHARING))
        rows, problems, shares = (np.concatenate(column) for column in zip(*made, strict=True))
        return rows, problems, shares


def formulas(texts: pl.Series) -> pl.Series:
    """Texts with every number the same and one spelling of each sign."""
    return canonical(texts).str.replace_all(r"\d+(?:\.\d+)?", " 0 ").str.replace_all(r"0[\s()]*/[\s()]*0", "0")


def _lengths(vectors: F64) -> F64:
    return np.asarray(np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-9), np.float64)


def _products(left: F64, rows: I64, right: F64, others: I64) -> F64:
    """Scalar product of each pair of rows, the same wherever the pair is."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), COSINES):
        part = slice(start, start + COSINES)
        np.einsum("ij,ij->i", left[rows[part]], right[others[part]], out=found[part])
    return found


def _largest(rows: I64, problems: I64, values: F64, count: int) -> tuple[I64, I64, F64]:
    """The `count` pairs of each row with the largest values, of equals those with the first problems."""
    order = np.lexsort((problems, -values, rows))
    rows = rows[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = order[rank < count]
    return rows[rank < count], problems[kept], values[kept]


def _whole_rows(rows: I64, counts: I64) -> Iterator[slice]:
    """Slices of about MATCHES matches that part no row. `rows` are sorted."""
    if not len(rows):
        return
    ends = np.append(np.flatnonzero(np.diff(rows)) + 1, len(rows))
    pages = np.cumsum(counts)[ends - 1] // MATCHES
    cuts = ends[:-1][np.diff(pages) > 0]
    for start, end in itertools.pairwise([0, *cuts.tolist(), len(rows)]):
        yield slice(start, end)

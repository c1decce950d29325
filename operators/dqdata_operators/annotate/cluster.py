"""Groups rows by topic and marks the representatives of each group.

    { op = "cluster", column = "question", clusters = 50 }

    question                              | topic | topic_similarity | representative
    A train covers 120 km in 2 hours ...  |     0 |             0.81 | true
    Two cars leave the same town ...      |     0 |             0.74 | false
    Find all primes p such that ...       |     1 |             0.79 | true

Spherical k-means over embeddings (Dhillon, Modha 2001), begun from rows far from each other. Topics are numbered by
size. Rows are taken in the order of their keys' hashes: the order in which they come changes nothing.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Decisions, EmbeddingName, Estimate, Params, Run, Schema, Table, TableOperator
from dqdata_operators.lib.near import semantic
from dqdata_operators.lib.near.clusters import I64
from dqdata_operators.lib.vectors import F32
from dqdata_operators.lib.vectors.embedding import embedder, embedding_calls, packages_of

LEARNT_ROWS = 50_000
"""Rows that centres are learnt from; all are then assigned."""
ROUNDS = 25
BLOCK = 16_384


class ClusterParams(Params):
    column: str = "question"
    """Column with the text that is grouped."""
    clusters: int = Field(20, ge=1, le=10_000)
    """Topics at most; fewer where there are fewer different texts."""
    representatives: int = Field(3, ge=0)
    """Rows of each topic, the nearest to its centre, that are marked."""
    embedding: EmbeddingName = "wordllama"
    """wordllama, minilm, use-multilingual, model2vec:NAME, sentence-transformers:NAME or teacher:NAME."""
    into: str = "topic"
    """Column for the number of the topic."""


class Cluster(TableOperator[ClusterParams]):
    """Groups rows by topic through embeddings and marks the most typical rows of each."""

    name = "cluster"
    version = 2
    Params = ClusterParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.column, "VARCHAR")
        return have.add(
            **{self.params.into: "BIGINT", f"{self.params.into}_similarity": "DOUBLE", "representative": "BOOLEAN"}
        )

    def requires(self) -> tuple[str, ...]:
        return packages_of(self.params.embedding)

    def estimate(self, rows: float) -> Estimate:
        return Estimate(rows, embedding_calls(self, (self.params.column,), rows))

    def process(self, table: Table, run: Run) -> Decisions:
        texts = (batch[self.params.column] for batch in table.batches([self.params.column]))
        vectors = semantic.vectors(texts, table.rows, embedder(self.params.embedding, run), run.scratch)
        keys = pl.concat(
            [pl.Series(table.key, [], dtype=pl.String), *(b[table.key] for b in table.batches([table.key]))]
        )
        order = np.lexsort((np.arange(len(keys)), keys.hash(seed=1).to_numpy()))
        centres = learn(
            np.asarray(vectors[np.sort(order[:LEARNT_ROWS])])[_ranks(order[:LEARNT_ROWS])], self.params.clusters
        )
        topics, similar = assign(vectors, centres)
        sizes = np.bincount(topics, minlength=max(len(centres), 1))
        number = np.empty(len(sizes), np.int64)
        number[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
        into = self.params.into
        frame = pl.DataFrame({table.key: keys, into: number[topics], f"{into}_similarity": similar})
        rank = pl.struct(-pl.col(f"{into}_similarity"), table.key).rank("ordinal").over(into)
        added = frame.with_columns(representative=rank <= self.params.representatives)
        nobody = pl.DataFrame(schema={table.key: pl.String, "reason": pl.String, "detail": pl.String})
        return Decisions(nobody, added)


def learn(vectors: F32, count: int) -> F32:
    """Unit centres, at most `count`."""
    if not len(vectors):
        return np.zeros((0, vectors.shape[1]), np.float32)
    centres = [vectors[0]]
    nearest = vectors @ centres[0]
    while len(centres) < min(count, len(vectors)):
        farthest = int(np.argmin(nearest))
        if nearest[farthest] > 1 - 1e-6:
            break
        centres.append(vectors[farthest])
        nearest = np.maximum(nearest, vectors @ centres[-1])
    made: F32 = np.stack(centres)
    before: I64 | None = None
    for _ in range(ROUNDS):
        topics, _ = assign(vectors, made)
        if before is not None and np.array_equal(topics, before):
            break
        sums = np.zeros(made.shape)
        np.add.at(sums, topics, vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        made = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), made).astype(np.float32)
        before = topics
    return made


def assign(vectors: F32, centres: F32) -> tuple[I64, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """(nearest centre of each row, similarity with it rounded to 4 digits)."""
    topics, similar = np.zeros(len(vectors), np.int64), np.zeros(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        products = np.round((np.asarray(vectors[start : start + BLOCK]) @ centres.T).astype(np.float64), 4)
        topics[start : start + BLOCK] = products.argmax(axis=1)
        similar[start : start + BLOCK] = products.max(axis=1)
    return topics, similar


def _ranks(order: I64) -> I64:
    """The rank of each entry of `order`: reads from disk go upwards."""
    ranks = np.empty(len(order), np.int64)
    ranks[np.argsort(order)] = np.arange(len(order))
    return ranks

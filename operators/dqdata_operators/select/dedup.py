"""Drops duplicates and near duplicates.

    { op = "dedup", column = "question", keep = "correct desc, rv asc" }

    trace_id | question           | correct
    t1       | What is 2 + 2?     | false     dropped: duplicate, {"duplicate_of": "t2", "similarity": 1.0}
    t2       | what is  2 + 2?    | true      stays
    t3       | What is 2 + 3?     | true      stays

A method says which rows belong together: `exact` (exact.py: the normalised text is the same), `minhash`
(minhash.py: most word n-grams are) or `semantic` (semantic.py: the embeddings are near). The best row of
each group by `keep` stays, and of equals the one with the smallest key: the order in which rows arrive says nothing of
the data.

With `link = "chain"` groups are closed: of three rows where the first is like the second and the second like the third,
one stays. The similarity in a reject's detail is that with the row that stayed, so it can lie below the threshold. With
`link = "star"` a row is dropped only if it is itself like the row that is kept.

Near duplicates must also agree in what `distinguish` names (signature.py): "3x + 5 = 20" and "3x - 5 = 20" are two
problems, however alike they look, and so are two rows with different answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError, QueryError
from dqdata.expressions import check_ranking
from dqdata.files import parquet_file
from dqdata.operator import Decisions, EmbeddingName, Estimate, Params, Run, Schema, SqlExpression, Table, TableOperator
from dqdata.sql import PARQUET, literal, quoted
from dqdata_operators.lib.near import exact
from dqdata_operators.lib.near.clusters import I64, U64

if TYPE_CHECKING:
    import duckdb

    from dqdata_operators.lib.near.near import Near

THRESHOLDS = {"exact": 1.0, "minhash": 0.8, "semantic": 0.95}
"""Default thresholds; a cosine of 0.95 is about as near as a Jaccard similarity of 0.8."""

Distinction = Literal["numbers", "operators", "negations", "contrasts", "words", "answers"]
DISTINCTIONS: tuple[Distinction, ...] = ("numbers", "operators", "negations", "contrasts", "words", "answers")

REJECTS = 100_000
"""Duplicates whose similarity is computed at a time."""


class DedupParams(Params):
    column: str | tuple[str, ...]
    """Text to compare; of several columns all must agree, or are compared as one text."""
    method: Literal["exact", "minhash", "semantic"] = "exact"
    """exact: the normalised text is the same. minhash: most word n-grams are. semantic: the embeddings are near."""
    threshold: float | None = Field(None, gt=0, le=1)
    """Least similarity of duplicates: Jaccard of word n-grams (0.8) or cosine of embeddings (0.95)."""
    keep: SqlExpression | None = None
    """ORDER BY list: the first of each group by it stays; nulls come last."""
    ignore: tuple[Literal["case", "space"], ...] = ("case", "space")
    """exact: differences that don't count. Unicode forms of one character never do."""
    ngram: int = Field(3, ge=1, le=32)
    """minhash: words that make one element of a text's set."""
    num_perm: int = Field(128, ge=16, le=1024)
    """minhash: length of a signature. More finds more of the pairs just above the threshold."""
    embedding: EmbeddingName = "wordllama"
    """semantic: wordllama, minilm, use-multilingual, model2vec:NAME, sentence-transformers:NAME or teacher:NAME."""
    distinguish: tuple[Distinction, ...] = DISTINCTIONS
    """minhash, semantic: what near duplicates must agree in. numbers, with what they count; operators: also relations,
    brackets and variables; negations; contrasts: words such as area and perimeter, more and fewer; words: not all words
    but one ("fills", "empties"); answers, where both rows have one. [] merges all texts that are alike."""
    answer_column: str = "answer"
    """Column with the reference answer, for `distinguish`; a table without it has none to differ in."""
    link: Literal["chain", "star"] = "chain"
    """Whether rows are dropped that are like the kept row only through others (chain), or only rows like it (star)."""
    search: Literal["auto", "exact", "hashed"] = "auto"
    """semantic: every pair, or candidates by random hyperplanes, which miss up to one pair in 200 at the threshold."""
    cluster_column: str | None = None
    """Adds a column with the smallest key of the row's group, or its own."""

    @model_validator(mode="after")
    def _consistent(self) -> DedupParams:
        if not self.names:
            raise ValueError("`column` names no column")
        if self.method == "exact" and self.threshold not in (None, 1.0):
            raise ValueError("method = 'exact' has no `threshold`; set method = 'minhash' or 'semantic'")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column


class Dedup(TableOperator[DedupParams]):
    """Drops duplicates by normalised text, word n-grams or embeddings, and keeps the best row of each group."""

    name = "dedup"
    version = 5
    Params = DedupParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in self.params.names:
            have.require(name)
        if self.params.keep is not None:
            check_ranking(self.params.keep, have, "keep")
        if self.params.cluster_column is None:
            return have
        if self.params.cluster_column in have:
            raise ColumnError(f"cluster_column = {self.params.cluster_column!r}: there is such a column already")
        return have.add(**{self.params.cluster_column: "VARCHAR"})

    def requires(self) -> tuple[str, ...]:
        from dqdata_operators.lib.vectors.embedding import packages_of

        return packages_of(self.params.embedding) if self.params.method == "semantic" else ()

    def estimate(self, rows: float) -> Estimate:
        from dqdata_operators.lib.vectors.embedding import embedding_calls

        calls = embedding_calls(self, self.params.names, rows) if self.params.method == "semantic" else {}
        return Estimate(rows, calls)

    def process(self, table: Table, run: Run) -> Decisions:
        import duckdb

        near = self._grouped(table, run)
        pairs = run.scratch / "pairs.parquet"
        with table.connect() as con:
            if near is None:
                exact.group(con, table.key, self.params.names, self.params.ignore)
            else:
                files = literal(str(run.scratch / "groups-*.parquet"))
                con.execute(f"create temp table groups as from read_parquet({files})")
            try:
                if near is not None and self.params.distinguish:
                    _cut_apart(con, table.key, self.params.keep, near, self._answers(table))
                if near is not None and self.params.link == "star":
                    _cut_into_stars(con, table.key, self.params.keep, near, self._threshold)
                _pair_with_best(con, table.key, self.params.keep, str(pairs), with_places=near is not None)
            except duckdb.ConversionException as error:
                raise QueryError(f"dedup keep = {self.params.keep!r}: {error}") from error
            rejects = list(_write_rejects(pairs, near, table.key, run.scratch))
            added = None
            if self.params.cluster_column is not None:
                added = run.scratch / "clusters.parquet"
                _write_clusters(con, table.key, self.params.cluster_column, str(added))
        return Decisions(pl.scan_parquet(rejects), None if added is None else pl.scan_parquet(added))

    @property
    def _threshold(self) -> float:
        return self.params.threshold or THRESHOLDS[self.params.method]

    def _answers(self, table: Table) -> str | None:
        """Column with answers to tell rows apart by."""
        name = self.params.answer_column
        return name if "answers" in self.params.distinguish and name in table.columns else None

    def _grouped(self, table: Table, run: Run) -> Near | None:
        """Groups by a method that isn't SQL, written to scratch; None for the one that is."""
        if self.params.method == "exact":
            return None
        from dqdata_operators.lib.near.near import Meaning, Words, near_groups, write_groups
        from dqdata_operators.lib.texts.signature import ASPECTS
        from dqdata_operators.lib.vectors.embedding import embedder

        params, threshold = self.params, self._threshold
        aspects = tuple(aspect for aspect in ASPECTS if aspect in params.distinguish)
        method = (
            Words(threshold, params.num_perm, params.ngram, aspects)
            if params.method == "minhash"
            else Meaning(threshold, embedder(params.embedding, run), aspects, params.search)
        )
        near = near_groups(table, params.names, method, run.scratch, run.memory_limit, run.spread)
        list(write_groups(table, near.labels, run.scratch))
        return near


def same_problem(table: Table, run: Run, *, threshold: float, same_numbers: bool) -> pl.LazyFrame:
    """Service of the core's leak checks: the key of each row and `cluster`, the smallest key of its group. Rows are
    grouped by the Jaccard similarity of their questions' word 3-grams; same_numbers: as strictly as `dedup` does it,
    so that exercises of one template are different problems."""
    strictness = {} if same_numbers else {"distinguish": ()}
    params = DedupParams(
        column="question", method="minhash", threshold=threshold, cluster_column="cluster", **strictness
    )
    added = Dedup(params).process(table, run).added
    assert added is not None
    return added.lazy()


def _pair_with_best(
    con: duckdb.DuckDBPyConnection, key: str, keep: str | None, target: str, *, with_places: bool
) -> None:
    """Writes dq_key and the key of the best row of its group, of every row of a group but the best.

    Reads the temporary table `groups` (dq_key, dq_group and, with places, dq_place), which a method has made and which
    holds only rows that have company.
    """
    order, key = _order(key, keep), quoted(key)
    places = ", dq_place, first_value(dq_place) over best_first as dq_best_place" if with_places else ""
    con.execute(
        f"""
        copy (
            select * from (
                select groups.dq_key, first_value(groups.dq_key) over best_first as dq_best{places}
                from groups join rows on groups.dq_key = rows.{key}
                window best_first as (partition by groups.dq_group order by {order})
            ) where dq_key <> dq_best
        ) to {literal(target)} {PARQUET}
        """
    )


def _cut_apart(con: duckdb.DuckDBPyConnection, key: str, keep: str | None, near: Near, answers: str | None) -> None:
    """Cuts groups in the table `groups` whose rows conflict, so that no two rows of a group do.

    From the best row to the worst, each joins the first part of its group in which it conflicts with nobody.
    """
    from dqdata_operators.lib.texts.answer_marks import answer_marks
    from dqdata_operators.lib.texts.signature import conflicting

    found = con.execute("select dq_group, dq_place from groups order by dq_group, dq_place").fetchnumpy()
    several = near.traits is not None and conflicting(near.traits, found["dq_place"], found["dq_group"])
    open_ = np.unique(found["dq_group"] if answers is not None else found["dq_group"][several])
    if not len(open_):
        return
    con.register("open_groups", pl.DataFrame({"dq_group": open_}))
    answer = "null" if answers is None else f"rows.{quoted(answers)}"
    frame = con.execute(
        f"select groups.*, {answer}::varchar as dq_answer from groups join rows on dq_key = rows.{quoted(key)} "
        f"where dq_group in (from open_groups) order by dq_group, {_order(key, keep)}"
    ).pl()
    con.unregister("open_groups")
    groups, places, marks = frame["dq_group"].to_numpy(), frame["dq_place"].to_numpy(), answer_marks(frame["dq_answer"])
    labels = np.empty(len(groups), np.int64)
    edges = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1], [True]]))
    for start, end in itertools.pairwise(edges.tolist()):
        parts: list[list[int]] = []
        for row in range(start, end):
            joined = next((mine for mine in parts if not _conflict(row, mine, marks, places, near.traits)), None)
            if joined is None:
                parts.append(joined := [])
            joined.append(row)
            labels[row] = places[joined[0]]
    cut = frame.select("dq_key", "dq_place", dq_group=pl.Series(labels)).filter(pl.len().over("dq_group") > 1)
    con.register("cut", cut)
    con.register("open_groups", pl.DataFrame({"dq_group": open_}))
    con.execute(
        "create or replace temp table groups as select dq_key, dq_group, dq_place from cut union all by name "
        "select dq_key, dq_group, dq_place from groups where dq_group not in (from open_groups)"
    )
    con.unregister("cut")
    con.unregister("open_groups")


def _conflict(row: int, others: list[int], answers: U64, places: I64, traits: U64 | None) -> bool:
    """Whether this row has another answer than one of the others, or conflicts with one of them."""
    from dqdata_operators.lib.texts.signature import conflicts

    theirs = answers[others]
    if answers[row] and ((theirs != 0) & (theirs != answers[row])).any():
        return True
    return traits is not None and bool(conflicts(traits[places[[row]]], traits[places[others]]).any())


def _cut_into_stars(con: duckdb.DuckDBPyConnection, key: str, keep: str | None, near: Near, threshold: float) -> None:
    """Puts smaller groups into the table `groups`, in each of which all rows are like the best one."""
    from dqdata_operators.lib.near.clusters import stars

    ordered = con.execute(
        f"select dq_place, dq_group from groups join rows on dq_key = rows.{quoted(key)} "
        f"order by dq_group, {_order(key, keep)}"
    ).fetchnumpy()
    places = ordered["dq_place"]
    centres = stars(places, ordered["dq_group"], lambda left, right: near.similarity(left, right) >= threshold)
    cut = pl.DataFrame({"dq_place": places, "dq_star": centres})
    con.register("stars", cut)
    con.execute(
        "create or replace temp table groups as "
        "select dq_key, dq_star as dq_group, groups.dq_place from groups join stars using (dq_place)"
    )
    con.unregister("stars")


def _order(key: str, keep: str | None) -> str:
    """From the best row to the worst, for ORDER BY over `rows`."""
    return f"{keep}\n, rows.{quoted(key)}" if keep else f"rows.{quoted(key)}"


def _write_rejects(pairs: Path, near: Near | None, key: str, folder: Path) -> Iterator[Path]:
    """Files with key, reason and detail of the rows that go; at least one."""
    nobody = pl.DataFrame(schema={key: pl.String, "reason": pl.String, "detail": pl.String})
    nobody.write_parquet(folder / "duplicates-none.parquet")
    yield folder / "duplicates-none.parquet"
    for number, batch in enumerate(parquet_file(pairs).iter_batches(REJECTS)):
        frame = pl.DataFrame(batch)
        found = np.ones(frame.height)
        if near is not None:
            found = near.similarity(frame["dq_place"].to_numpy(), frame["dq_best_place"].to_numpy())
        similar = frame.with_columns(similarity=pl.Series(np.round(found, 4), dtype=pl.Float64))
        target = folder / f"duplicates-{number:06}.parquet"
        similar.select(
            pl.col("dq_key").alias(key),
            reason=pl.lit("duplicate"),
            detail=pl.struct(duplicate_of="dq_best", similarity="similarity").struct.json_encode(),
        ).write_parquet(target)
        yield target


def _write_clusters(con: duckdb.DuckDBPyConnection, key: str, column: str, target: str) -> None:
    """Key and cluster id of every row."""
    con.execute(
        f"""
        copy (
            select rows.{quoted(key)}, coalesce(dq_cluster, rows.{quoted(key)}) as {quoted(column)}
            from rows left join (
                select dq_key, min(dq_key) over (partition by dq_group) as dq_cluster from groups
            ) on dq_key = rows.{quoted(key)}
        ) to {literal(target)} {PARQUET}
        """
    )

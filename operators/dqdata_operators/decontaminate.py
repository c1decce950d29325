"""Finds rows that hold a benchmark's problem: word for word, in other words, or with other numbers.

    { op = "decontaminate", benchmarks = [{ name = "gsm8k", path = "gsm8k_test.jsonl" }] }

    question                                                     | class
    Janet's ducks lay 16 eggs per day. She eats three for ...    | exact          goes
    Each day Janet's ducks produce 16 eggs. Three are eaten ...  | rephrased      goes
    Anna's ducks lay 25 eggs per day. She eats five for ...      | same_template  stays, contamination = "same_template"

A reject's detail holds the class, the benchmark, both texts and the measures. Every row is compared with the problems
that share an n-gram with it and with its nearest neighbours by embedding; evidence.py says how a pair is judged. What
is left in doubt (`doubtful`) can be marked too, for a judge to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import InputError
from dqdata.ids import canonical
from dqdata.operator import Decisions, Params, Run, Table, TableOperator
from dqdata_operators.benchmarks import Benchmark, Problems, read_benchmarks
from dqdata_operators.evidence import KINDS, Evidence, Prepared, Verdict, problem_part
from dqdata_operators.shingles import plain, shingles

if TYPE_CHECKING:
    from dqdata_operators.embedding import Embedder

PIECE = 2048
"""Rows compared at a time."""

Action = Literal["drop", "flag", "keep"]


class Actions(Params):
    """What becomes of each class: drop; flag (stays, with its class in the column); keep (as if not found)."""

    exact: Action = "drop"
    lexical: Action = "drop"
    rephrased: Action = "drop"
    same_template: Action = "flag"
    doubtful: Action = "keep"


class DecontaminateParams(Params):
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1)
    column: str = "question"
    actions: Actions = Actions()
    flag_column: str = "contamination"
    ngram: int = Field(13, ge=4, le=64)
    """Words in a row that make an overlap: 8, 10, 13 and 32 are in use."""
    ignore_digits: bool = False
    """n-grams of words alone: finds templates and problems with other numbers."""
    neighbours: int = Field(8, ge=0, le=100)
    """Nearest problems by embedding that a row is compared with; 0 leaves embeddings out."""
    min_cosine: float = Field(0.4, ge=0, le=1)
    embedding: str = "wordllama"
    """wordllama, minilm, model2vec:NAME, sentence-transformers:NAME or URL#MODEL."""
    strictness: float = Field(0.0, ge=-5, le=5)
    """Log odds from which a pair counts as rephrased: higher drops less."""


class Decontaminate(TableOperator[DecontaminateParams]):
    """Drops rows that hold a benchmark's problem, exact or rephrased, and flags those of the same template."""

    name = "decontaminate"
    Params = DecontaminateParams

    def columns(self, have: Columns) -> Columns:
        have.require(self.params.column, "VARCHAR")
        return have.add(**{self.params.flag_column: "VARCHAR"}) if self._flags else have

    @property
    def _flags(self) -> bool:
        return "flag" in self.params.actions.model_dump().values()

    def process(self, table: Table, run: Run) -> Decisions:
        try:
            import rapidfuzz  # noqa: F401
        except ImportError:
            raise InputError("decontaminate needs its packages: pip install 'dqdata[curation]'") from None
        problems = read_benchmarks(self.params.benchmarks, run)
        search = Search(problems, self.params)
        dropped, flagged = run.scratch / "contaminated", run.scratch / "flagged"
        dropped.mkdir(exist_ok=True)
        flagged.mkdir(exist_ok=True)
        number = 0
        for batch in table.batches([table.key, self.params.column]):
            for start in range(0, batch.height, PIECE):
                part = batch[start : start + PIECE]
                self._decide(part, search, table.key, dropped, flagged, number)
                number += 1
        nothing = {table.key: pl.String, "reason": pl.String, "detail": pl.String}
        pl.DataFrame(schema=nothing).write_parquet(dropped / "none.parquet")
        pl.DataFrame(schema={table.key: pl.String, self.params.flag_column: pl.String}).write_parquet(
            flagged / "none.parquet"
        )
        return Decisions(
            pl.scan_parquet(dropped / "*.parquet"), pl.scan_parquet(flagged / "*.parquet") if self._flags else None
        )

    def _decide(self, part: pl.DataFrame, search: Search, key: str, dropped: Path, flagged: Path, number: int) -> None:
        actions: Mapping[str, Action] = self.params.actions.model_dump()
        keys = part[key].to_list()
        flags: list[str | None] = [None] * part.height
        gone: list[tuple[str, str, str]] = []
        for row, hit in search.hits(part[self.params.column]):
            action = actions[hit.kind]
            if action == "flag":
                flags[row] = hit.kind
            elif action == "drop":
                detail = hit.detail(part[self.params.column][row] or "", search.problems)
                gone.append((keys[row], f"contaminated_{hit.kind}", detail))
        if gone:
            frame = pl.DataFrame(gone, schema=[key, "reason", "detail"], orient="row")
            frame.write_parquet(dropped / f"{number:07}.parquet")
        if self._flags:
            lost = {one[0] for one in gone}
            stays = [at for at, name in enumerate(keys) if name not in lost]
            pl.DataFrame(
                {key: [keys[at] for at in stays], self.params.flag_column: [flags[at] for at in stays]},
                schema={key: pl.String, self.params.flag_column: pl.String},
            ).write_parquet(flagged / f"{number:07}.parquet")


@dataclass(frozen=True)
class Hit:
    kind: str
    problem: int
    verdict: Verdict

    def detail(self, text: str, problems: Problems) -> str:
        return canonical(
            {
                "class": self.kind,
                "benchmark": problems.names[self.problem],
                "benchmark_text": problems.texts[self.problem],
                "text": text,
                "score": round(self.verdict.score, 3),
                "measures": {name: round(value, 3) for name, value in self.verdict.measures.items()},
            }
        )


class Search:
    """The benchmarks' problems, ready to be found by n-grams and by embedding."""

    def __init__(self, problems: Problems, params: DecontaminateParams) -> None:
        self.problems, self.params = problems, params
        texts = pl.Series("text", problems.texts, dtype=pl.String)
        self._evidence = Evidence(problems.texts)
        grams = shingles(self._for_grams(texts), params.ngram)
        owners = np.repeat(np.arange(len(texts)), np.diff(grams.starts))
        order = np.argsort(grams.hashes, kind="stable")
        self._hashes, self._owners, self._sizes = grams.hashes[order], owners[order], np.diff(grams.starts)
        self._embedder: Embedder | None = None
        if params.neighbours:
            from dqdata_operators.embedding import embedder

            self._embedder = embedder(params.embedding)
            self._vectors = self._embedder.embed(texts)

    def hits(self, texts: pl.Series) -> Iterator[tuple[int, Hit]]:
        """(row, the worst that was found of it) of each row where something was found."""
        texts = problem_part(texts)
        candidates: dict[int, dict[int, tuple[float, float]]] = {}
        for row, problem, cosine in self._nearest(texts):
            candidates.setdefault(row, {})[problem] = (cosine, 0.0)
        for row, problem, overlap in self._overlaps(texts):
            known = candidates.setdefault(row, {})
            cosine = known.get(problem, (self.params.min_cosine, 0.0))[0]
            known[problem] = (cosine, overlap)
        for row in sorted(candidates):
            hit = self._worst(texts[row], candidates[row])
            if hit is not None:
                yield row, hit

    def _worst(self, text: str, candidates: Mapping[int, tuple[float, float]]) -> Hit | None:
        """By class, then by score, then the first problem: the same whatever else is in the table."""
        prepared = Prepared.of(text)
        found: list[tuple[int, float, int, Hit]] = []
        for problem, (cosine, overlap) in candidates.items():
            verdict = self._evidence.compare(
                prepared, problem, cosine=cosine, overlap=overlap, strictness=self.params.strictness
            )
            if verdict.kind is not None:
                rank = KINDS.index(verdict.kind)
                found.append((rank, -verdict.score, problem, Hit(verdict.kind, problem, verdict)))
        return min(found, key=lambda one: one[:3])[3] if found else None

    def _nearest(self, texts: pl.Series) -> Iterator[tuple[int, int, float]]:
        if self._embedder is None:
            return
        similar = self._embedder.embed(texts) @ self._vectors.T
        count = min(self.params.neighbours, similar.shape[1])
        nearest: npt.NDArray[np.int64] = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        cosines = np.take_along_axis(similar, nearest, axis=1)
        for row, place in zip(*np.nonzero(cosines >= self.params.min_cosine), strict=True):
            yield int(row), int(nearest[row, place]), float(cosines[row, place])

    def _overlaps(self, texts: pl.Series) -> Iterator[tuple[int, int, float]]:
        """(row, problem, share of the problem's n-grams that the row has)."""
        grams = shingles(self._for_grams(texts), self.params.ngram)
        low = np.searchsorted(self._hashes, grams.hashes, side="left")
        high = np.searchsorted(self._hashes, grams.hashes, side="right")
        met = np.flatnonzero(high > low)
        rows = np.searchsorted(grams.starts, met, side="right") - 1
        shared: dict[tuple[int, int], int] = {}
        for place, row in zip(met.tolist(), rows.tolist(), strict=True):
            for problem in self._owners[low[place] : high[place]].tolist():
                shared[row, problem] = shared.get((row, problem), 0) + 1
        for (row, problem), count in shared.items():
            yield row, problem, count / int(self._sizes[problem])

    def _for_grams(self, texts: pl.Series) -> pl.Series:
        return plain(texts).str.replace_all(r"\d+", " ") if self.params.ignore_digits else texts

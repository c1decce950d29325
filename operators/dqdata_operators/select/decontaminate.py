"""Finds rows that hold a benchmark's problem: word for word, in other words, or with other numbers.

    { op = "decontaminate", benchmarks = [{ name = "gsm8k", path = "gsm8k_test.jsonl" }] }

    question                                                     | class
    Janet's ducks lay 16 eggs per day. She eats three for ...    | exact          dropped
    Each day Janet's ducks produce 16 eggs. Three are eaten ...  | rephrased      dropped
    Anna's ducks lay 25 eggs per day. She eats five for ...      | same_template  stays, contamination = "same_template"

A reject's detail holds the class, the benchmark, both texts and the measures; a flagged row holds them in columns, so
that a judge can look at both (judge_contamination.py). Every row is compared with the problems that share an n-gram
with it and with its nearest neighbours by embedding: benchmark_search.py; evidence.py says how a pair is judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl
from pydantic import Field, field_validator

from dqdata.columns import Columns, polars_schema
from dqdata.errors import InputError
from dqdata.ids import canonical
from dqdata.operator import Decisions, EmbeddingName, Estimate, Params, Run, Schema, Table, TableOperator
from dqdata_operators.lib.benchmarks.evidence import Doubt, Pair
from dqdata_operators.lib.benchmarks.layouts import Benchmark, Problems, read_benchmarks
from dqdata_operators.lib.benchmarks.search import Search

NOTHING = (None,) * 4
"""Flags of a row that has none."""

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
    """What no row may hold: `{ name = "gsm8k" }`, with `path`, `catalog` or `hub` for one that isn't known by name."""
    column: str = "question"
    """Column with the text that is compared."""
    actions: Actions = Actions()
    """What becomes of each class: drop; flag (stays, with the class in `flag_column`); keep (as if not found)."""
    flag_column: str = "contamination"
    """Column for the class of a flagged row; three more begin with its name."""
    ngram: int = Field(13, ge=4, le=64)
    """Words in a row that make an overlap: 8, 10, 13 and 32 are in use."""
    ignore_digits: bool = False
    """n-grams of words alone: finds templates and problems with other numbers."""
    neighbours: int = Field(8, ge=0, le=100)
    """Nearest problems by embedding that a row is compared with; 0 leaves embeddings out."""
    min_cosine: float = Field(0.4, ge=0, le=1)
    """Similarity of embeddings below which a neighbour isn't looked at."""
    embedding: EmbeddingName = "wordllama"
    """wordllama, minilm, use-multilingual, model2vec:NAME, sentence-transformers:NAME or teacher:NAME."""
    doubt: tuple[float, float] = (-3.0, 0.0)
    """Log odds between which a pair is doubtful; from the second on it is the same problem, below the first nothing.
    -3 is a chance of 5%, 0 of 50%, 2.2 of 90%."""

    @field_validator("doubt")
    @classmethod
    def _in_order(cls, doubt: tuple[float, float]) -> tuple[float, float]:
        if doubt[0] > doubt[1]:
            raise ValueError(f"doubt = {list(doubt)} must rise: the log odds where doubt begins and where it ends")
        return doubt


class Decontaminate(TableOperator[DecontaminateParams]):
    """Drops rows that hold a benchmark's problem, exact or rephrased, and flags those of the same template."""

    name = "decontaminate"
    version = 7
    Params = DecontaminateParams
    compares = True

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.column, "VARCHAR")
        return have.add(**self._added) if self._added else have

    @property
    def _added(self) -> dict[str, str]:
        """Columns of flagged rows; none where nothing is flagged."""
        if "flag" not in self.params.actions.model_dump().values():
            return {}
        name = self.params.flag_column
        return {name: "VARCHAR", f"{name}_benchmark": "VARCHAR", f"{name}_text": "VARCHAR", f"{name}_score": "DOUBLE"}

    def requires(self) -> tuple[str, ...]:
        from dqdata_operators.lib.vectors.embedding import packages_of

        return ("rapidfuzz", "wordllama", *(packages_of(self.params.embedding) if self.params.neighbours else ()))

    def estimate(self, rows: float) -> Estimate:
        """Of an embedding by a teacher the problems of the benchmarks are not counted."""
        from dqdata_operators.lib.vectors.embedding import embedding_calls

        return Estimate(rows, embedding_calls(self, (self.params.column,), rows) if self.params.neighbours else {})

    def process(self, table: Table, run: Run) -> Decisions:
        try:
            import rapidfuzz  # noqa: F401
        except ImportError:
            raise InputError(
                "decontaminate needs its packages: pip install 'dqdata[curation]'", code="missing-extra"
            ) from None
        from dqdata_operators.lib.vectors.embedding import embedder

        problems = read_benchmarks(self.params.benchmarks, run)
        search = Search(
            problems.texts,
            ngram=self.params.ngram,
            ignore_digits=self.params.ignore_digits,
            neighbours=self.params.neighbours,
            min_cosine=self.params.min_cosine,
            model=embedder(self.params.embedding, run) if self.params.neighbours else None,
            doubt=Doubt(*self.params.doubt),
            memory=run.memory_limit,
        )
        dropped, flagged = run.scratch / "contaminated", run.scratch / "flagged"
        dropped.mkdir(exist_ok=True)
        flagged.mkdir(exist_ok=True)
        nobody = pl.DataFrame(schema={table.key: pl.String, self.params.column: pl.String})
        for number, batch in enumerate(itertools.chain([nobody], table.batches(nobody.columns))):
            pairs = list(search.worst(batch[self.params.column]))
            gone, stays = self._decided(batch, table.key, pairs, problems)
            gone.write_parquet(dropped / f"{number:07}.parquet")
            stays.write_parquet(flagged / f"{number:07}.parquet")
        return Decisions(
            pl.scan_parquet(dropped / "*.parquet"), pl.scan_parquet(flagged / "*.parquet") if self._added else None
        )

    def _decided(
        self, batch: pl.DataFrame, key: str, pairs: Sequence[Pair], problems: Problems
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(key, reason and detail of the rows that go; key and flags of those that stay)."""
        actions: Mapping[str, Action] = self.params.actions.model_dump()
        keys, texts = batch[key].to_list(), batch[self.params.column].to_list()
        gone: list[tuple[str, str, str]] = []
        flags: dict[int, tuple[str, str, str, float]] = {}
        for pair in pairs:
            action = actions[pair.kind]
            if action == "drop":
                detail = _detail(pair, texts[pair.row], problems)
                gone.append((keys[pair.row], f"contaminated_{pair.kind}", detail))
            elif action == "flag":
                benchmark, text = problems.names[pair.problem], problems.texts[pair.problem]
                flags[pair.row] = (pair.kind, benchmark, text, round(pair.score, 3))
        lost = {one[0] for one in gone}
        added = self._added
        stays = [(name, *flags.get(at, NOTHING)) for at, name in enumerate(keys) if name not in lost] if added else []
        return (
            pl.DataFrame(gone, schema=dict.fromkeys((key, "reason", "detail"), pl.String), orient="row"),
            pl.DataFrame(stays, schema=polars_schema({key: "VARCHAR", **added}), orient="row"),
        )


def _detail(pair: Pair, text: str, problems: Problems) -> str:
    return canonical(
        {
            "class": pair.kind,
            "benchmark": problems.names[pair.problem],
            "benchmark_text": problems.texts[pair.problem],
            "text": text,
            "score": round(pair.score, 3),
            "measures": {name: round(value, 3) for name, value in pair.measures.items()},
        }
    )

"""Generates arithmetic and word problems with integer answers, deterministic for a seed.

    from = { source = "problems", rows = 300, levels = [1, 2], split = "train" }

    question                 answer  answer_type  domain  level  source
    What is 7 + 5?           12      math         math        1  problems/arithmetic
    Mei has 34 shells. ...   51      math         math        2  problems/word

The splits "train" and "heldout" share no question, whatever the seeds: what is computed, without its wording, decides
by hash which one it belongs to. More rows begin with the same rows, so answers bought for 300 serve for 3,000.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dqdata.columns import Columns, arrow_schema
from dqdata.errors import DataError
from dqdata.ids import canonical, digest
from dqdata.params import Params
from dqdata.source import Source
from dqdata.sources.arithmetic import Problem, exercise
from dqdata.sources.stories import story

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""Goes up when a seed would give other problems."""
COLUMNS = Columns(
    {
        "question": "VARCHAR",
        "answer": "VARCHAR",
        "answer_type": "VARCHAR",
        "domain": "VARCHAR",
        "level": "BIGINT",
        "source": "VARCHAR",
    }
)
MAKERS = {"arithmetic": exercise, "word": story}
HELDOUT_ONE_IN = 5
NEW_CORE_TRIES, NEW_QUESTION_TRIES = 50, 400
BATCH_ROWS = 5000


class ProblemsParams(Params):
    rows: int = Field(300, ge=1)
    """Problems to make; more begin with the same ones."""
    seed: int = 0
    """Another one gives other problems."""
    kinds: tuple[Literal["arithmetic", "word"], ...] = Field(("arithmetic", "word"), min_length=1)
    """Sums as formulas, stories, or both in turn."""
    levels: tuple[Literal[1, 2, 3, 4, 5], ...] = Field((1, 2, 3, 4, 5), min_length=1)
    """1: single digits, one step. 2: two digits, one step. 3: times tables; stories of two steps. 4: two operations, or
    two steps with larger numbers. 5: three of either."""
    split: Literal["train", "heldout"] = "train"
    """The two share no computation, whatever their seeds."""


class Problems(Source[ProblemsParams]):
    """Arithmetic and word problems made for dqdata, at five levels, with a seed."""

    kind = "problems"
    Params = ProblemsParams

    def schema(self) -> Columns:
        return COLUMNS

    def fingerprint(self) -> str:
        return digest("problems", str(VERSION), canonical(self.params.model_dump()))

    def license(self) -> str:
        return "apache-2.0"

    def row_count(self) -> int:
        return self.params.rows

    def sample(self, rows: int) -> list[dict[str, Any]]:
        return [row for batch in itertools.islice(self.batches(), 1) for row in batch.slice(0, rows).to_pylist()]

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = arrow_schema(COLUMNS)
        rows: list[dict[str, str | int]] = []
        for level, kind, problem in self._problems():
            rows.append(
                {
                    "question": problem.question,
                    "answer": str(problem.answer),
                    "answer_type": "math",
                    "domain": "math",
                    "level": level,
                    "source": f"problems/{kind}",
                }
            )
            if len(rows) == BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema)

    def _problems(self) -> Iterator[tuple[int, str, Problem]]:
        """Levels and kinds in turn; one that has no new question left is passed over."""
        turns = [_Turn(level, kind, self.params) for level in self.params.levels for kind in self.params.kinds]
        made = 0
        while made < self.params.rows:
            if not turns:
                raise DataError(
                    f"levels {list(self.params.levels)} of {', '.join(self.params.kinds)} hold only about {made} "
                    f"different questions for split {self.params.split!r}, not {self.params.rows}; ask for fewer rows, "
                    "or more levels"
                )
            for turn in list(turns):
                if made == self.params.rows:
                    break
                problem = turn.next()
                if problem is None:
                    turns.remove(turn)
                    continue
                yield turn.level, turn.kind, problem
                made += 1


class _Turn:
    """The endless exercises of one level and kind, each question once; new sums before new wordings of old ones."""

    def __init__(self, level: int, kind: str, params: ProblemsParams) -> None:
        self.level, self.kind = level, kind
        self._split = params.split
        self._rng = random.Random(f"problems {VERSION} {params.seed} {params.split} {kind} {level}")
        self._questions: set[str] = set()
        self._cores: set[str] = set()
        self._cores_left = True

    def next(self) -> Problem | None:
        for attempt in range(NEW_QUESTION_TRIES):
            problem = MAKERS[self.kind](self.level, self._rng)
            if split_of(problem.core) != self._split or problem.question in self._questions:
                continue
            if self._cores_left and problem.core in self._cores:
                self._cores_left = attempt < NEW_CORE_TRIES
                continue
            self._questions.add(problem.question)
            self._cores.add(problem.core)
            return problem
        return None


def split_of(core: str) -> Literal["train", "heldout"]:
    """The one split that a computation belongs to."""
    return "heldout" if int(digest("split", core)[:8], 16) % HELDOUT_ONE_IN == 0 else "train"

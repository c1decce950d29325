"""Procedural problems of the reasoning-gym package: any of its tasks that come with a reference answer.

    from = { source = "gym", tasks = ["leg_counting", "fraction_simplification"], size = 200, seed = 7 }
    from = { source = "gym", tasks = "basic_arithmetic", size = 50, config = { basic_arithmetic = { max_terms = 3 } } }

`size` is the number of rows in all; tasks take turns. A question that came already is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dqdata.columns import Columns, arrow_schema
from dqdata.errors import DataError, PluginError, nearest
from dqdata.ids import canonical, digest
from dqdata.params import Params
from dqdata.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = Columns(dict.fromkeys(("question", "answer", "answer_type", "domain", "source"), "VARCHAR"))
MATHS = ("algebra", "arithmetic", "geometry")
NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?%?")
MISSES = 1000
"""Repeated questions in a row after which a task has no new ones."""
BATCH_ROWS = 1000


class GymParams(Params):
    tasks: str | tuple[str, ...]
    """Name of a task of reasoning-gym, or several that take turns."""
    size: int = Field(100, ge=1)
    """Rows in all."""
    seed: int = 0
    """Another one gives other problems."""
    config: Mapping[str, Mapping[str, Any]] = {}
    """Settings of a task by its name, as reasoning-gym has them."""


class Gym(Source[GymParams]):
    """Procedural problems of reasoning-gym, with a seed."""

    kind = "gym"
    Params = GymParams

    @property
    def tasks(self) -> tuple[str, ...]:
        return (self.params.tasks,) if isinstance(self.params.tasks, str) else self.params.tasks

    def schema(self) -> Columns:
        for name in self.params.config:
            if name not in self.tasks:
                raise DataError(f"config of task {name!r}, which isn't among tasks{nearest(name, self.tasks)}")
        for name in self.tasks:
            next(self._items(name))
        return COLUMNS

    def fingerprint(self) -> str:
        _factory()
        return digest("gym", version("reasoning-gym"), canonical(self.params.model_dump()))

    def license(self) -> str:
        return "apache-2.0"

    def row_count(self) -> int:
        return self.params.size

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = arrow_schema(COLUMNS)
        turns = {name: self._items(name) for name in self.tasks}
        rows: list[dict[str, str]] = []
        for place in range(self.params.size):
            name = self.tasks[place % len(self.tasks)]
            item = next(turns[name], None)
            if item is None:
                raise DataError(
                    f"task {name!r} has no more than {place // len(self.tasks)} different questions with this config; "
                    "lower `size`, or let its config vary more"
                )
            rows.append(item)
            if len(rows) == BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema)

    def _items(self, task: str) -> Iterator[dict[str, str]]:
        """Different questions of a task. Raises DataError for a task or config that doesn't exist."""
        create, known = _factory()
        if task not in known:
            raise DataError(f"reasoning-gym has no task {task!r}{nearest(task, known)} (it has {len(known)})")
        try:
            made = create(
                task, seed=self.params.seed, size=self.params.size + MISSES, **self.params.config.get(task, {})
            )
        except (TypeError, ValueError, AssertionError) as error:
            raise DataError(f"task {task!r} of reasoning-gym refuses its config: {error}") from error
        area = known[task][0].__module__.split(".")[1]
        seen: set[str] = set()
        misses = place = 0
        while misses < MISSES:
            item = made[place]
            place += 1
            if item["answer"] is None:
                raise DataError(
                    f"task {task!r} has no reference answers, only a scorer of its own; choose another task"
                )
            if item["question"] in seen:
                misses += 1
                continue
            misses = 0
            seen.add(item["question"])
            answer = str(item["answer"])
            yield {
                "question": item["question"],
                "answer": answer,
                "answer_type": "math" if NUMBER.fullmatch(answer.strip()) else "text",
                "domain": "math" if area in MATHS else area,
                "source": f"reasoning_gym/{task}",
            }


def _factory() -> tuple[Any, Mapping[str, Any]]:
    """What makes a task's items, and all tasks by name. Raises PluginError where the package is missing."""
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError as error:
        raise PluginError(
            f"source 'gym' needs a package: pip install 'dqdata[gym]' ({error})", code="missing-extra"
        ) from error
    return create_dataset, DATASETS

"""Problems of a public benchmark, from the hub or a local file in the published layout; none are shipped.

    from = { source = "benchmark", name = "gsm8k" }
    from = { source = "benchmark", name = "math500", path = "math500.jsonl" }
    from = { source = "benchmark", name = "livecodebench", release = 4, since = "2024-08-01", until = "2025-02-01" }

Rows have `question`, `answer` or `tests`, `answer_type` and the benchmark's own columns, such as `level`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dqdata.benchmarks import Benchmark, find
from dqdata.columns import Columns, arrow_schema
from dqdata.errors import DataError, ProjectError
from dqdata.ids import canonical, digest
from dqdata.params import Params
from dqdata.source import Source
from dqdata.sources.datasets import HubDataset, HubDatasetParams
from dqdata.sources.files import Files, FilesParams

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""Goes up when the same records would give other rows."""
MAX_ROW_MB = 256
"""LiveCodeBench has tests of tens of megabytes."""
DATED = "released"


class BenchmarkParams(Params):
    name: str
    """gsm8k, math500, aime24, aime25, gpqa_diamond, humaneval, mbpp or livecodebench."""
    path: str | tuple[str, ...] | None = None
    """A local copy: a file, a glob, or a list of them, relative to pipelines.toml. By default it is read from the hub.
    """
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    columns: Mapping[str, str] = {}
    """Published name = name in a local copy, where they differ."""
    seed: int = 0
    """Of the order in which the options of a multiple-choice benchmark stand."""
    release: int | None = Field(None, ge=1)
    """Of LiveCodeBench on the hub: 1 to 6; each adds problems to the one before. The newest by default."""
    since: date | None = None
    """Of LiveCodeBench: only problems of contests on or after this day."""
    until: date | None = None
    """Of LiveCodeBench: only problems of contests before this day."""


class BenchmarkProblems(Source[BenchmarkParams]):
    """Problems of a public benchmark in one set of columns, whatever its published fields are called."""

    kind = "benchmark"
    Params = BenchmarkParams

    def schema(self) -> Columns:
        self._check()
        return self._benchmark.all_columns

    def fingerprint(self) -> str:
        how = self.params.model_dump(mode="json", exclude={"path", "revision"})
        return digest("benchmark", str(VERSION), canonical(how), self._published.fingerprint())

    def license(self) -> str:
        return self._benchmark.license

    def row_count(self) -> int | None:
        return None if self._window else self._published.row_count()

    def sample(self, rows: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for batch in self.batches() if self.params.path is not None else ():
            found += batch.slice(0, rows - len(found)).to_pylist()
            if len(found) == rows:
                break
        return found

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = arrow_schema(self.schema())
        before = 0
        for batch in self._published.batches():
            rows = []
            for number, record in enumerate(batch.to_pylist(), before + 1):
                row = self._benchmark.row(record, self.params.seed, f"{self._where} row {number}")
                if not self._window or self._within(row[DATED], number):
                    rows.append(row)
            before += batch.num_rows
            yield pa.RecordBatch.from_pylist(rows, schema)

    @cached_property
    def _benchmark(self) -> Benchmark:
        return find(self.params.name, "source 'benchmark'")

    @cached_property
    def _published(self) -> Source[Any]:
        """The records as they were published."""
        benchmark, given = self._benchmark, self.params
        if given.path is not None:
            return Files(FilesParams(path=given.path, columns=given.columns, max_row_mb=MAX_ROW_MB), self.context)
        if benchmark.files:
            return self._downloaded()
        asked = HubDatasetParams(
            name=benchmark.hub, config=benchmark.config, split=benchmark.split, revision=given.revision
        )
        return HubDataset(asked, self.context)

    def _downloaded(self) -> Files:
        """Files of the hub, in its cache."""
        wanted = self._benchmark.files[: self.params.release]
        try:
            from huggingface_hub import hf_hub_download

            paths = [
                hf_hub_download(self._benchmark.hub, file, repo_type="dataset", revision=self.params.revision)
                for file in wanted
            ]
        except Exception as error:
            raise DataError(
                f"{self._where}: the hub does not give it ({type(error).__name__}: {str(error).splitlines()[0]}); "
                f'without the hub, download {", ".join(wanted)} and set path = ["{wanted[0]}", ...]'
            ) from error
        return Files(FilesParams(path=tuple(paths), max_row_mb=MAX_ROW_MB), self.context)

    @property
    def _where(self) -> str:
        return f"benchmark {self.params.name}"

    @property
    def _window(self) -> bool:
        return self.params.since is not None or self.params.until is not None

    def _within(self, released: str | None, number: int) -> bool:
        try:
            day = date.fromisoformat(released or "")
        except ValueError:
            raise DataError(
                f"{self._where} row {number}: contest_date is {released!r}, no day; leave out since and until"
            ) from None
        return (self.params.since or day) <= day < (self.params.until or date.max)

    def _check(self) -> None:
        """Raises ProjectError for parameters that this benchmark has no use for."""
        params, where = self.params, f"source 'benchmark' {self.params.name!r}"
        if self._window and DATED not in self._benchmark.columns:
            raise ProjectError(where, "since and until are for livecodebench, whose problems have a day")
        if params.release is not None and not self._benchmark.files:
            raise ProjectError(where, "release is for livecodebench")
        if params.release is not None and params.release > len(self._benchmark.files):
            raise ProjectError(where, f"release goes from 1 to {len(self._benchmark.files)}, got {params.release}")
        if params.path is not None and (params.revision or params.release):
            raise ProjectError(where, "revision and release are of the hub; a local copy has neither")

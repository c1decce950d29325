"""What an executor is given and gives back: plain values that any process may receive.

    result = await executor.run(ChunkTask(job, chunk))       # the chunk's checkpoint is in job.target now

A task names everything by absolute paths and values: the planned steps, the rows of a checkpoint file, the folder of
the checkpoint to write. Ledger, limits and budget are not in it: an executor reaches their owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dqdata.calls.counters import Counters
from dqdata.engine.chunks import Slice
from dqdata.project.plan import Segment
from dqdata.project.tables import Project


@dataclass(frozen=True)
class Labels:
    """What calls are stored under in the ledger."""

    run_id: str
    pipeline: str


@dataclass(frozen=True)
class Job:
    """What the chunks of one segment have in common. target: folder of the checkpoints. memory: bytes of rows that the
    run may hold. unpaid_rows_fail: where a budget ends, rows fail and the run goes on. replay: answers come from the
    ledger alone."""

    project: Project
    segment: Segment
    target: Path
    labels: Labels
    seed: int = 0
    memory: int = 2 << 30
    unpaid_rows_fail: bool = False
    replay: bool = False


@dataclass(frozen=True)
class ChunkTask:
    """One chunk of rows to take through the steps of a segment."""

    job: Job
    chunk: Slice


@dataclass(frozen=True)
class ChunkResult:
    """A chunk whose checkpoint is written. rows: how many came in, less those whose progress was reported meanwhile.
    outcomes: rows that came out, dropped and failed ones included: where a row gives several, more than came in.
    failed: number and an example of each reason of failed rows. partial: another run may save some of them. counters:
    what teachers did for this chunk, where the calls were not made by the process that runs the pipeline."""

    number: int
    rows: int
    outcomes: int
    failed: Mapping[str, tuple[int, str]]
    partial: bool
    counters: Mapping[str, Counters]


class Executor(Protocol):
    """Decides where chunks are processed, and how many at once."""

    async def admit(self, task: ChunkTask) -> None:
        """Waits until the task may begin."""
        ...

    async def run(self, task: ChunkTask) -> ChunkResult:
        """Processes an admitted chunk and writes its checkpoint. Raises RunError, always resumable."""
        ...

    async def aclose(self) -> None: ...

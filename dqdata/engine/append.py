"""`mode = "append"`: rows that passed the same steps before are taken as they came out then.

    run = Appending(Past.load(store.place.appended / "traces"))
    run.slices(segment, files, before, target, memory, 256)     # target has chunks of the last run; these are left
    keep(store.place.appended / "traces", plan, source, run.done)     # for the next run

What is kept of the last run, for each segment of steps that take rows one by one: the checkpoints of its chunks, and a
128-bit hash of each row that entered them. A chunk is taken over when its rows enter the segment again: with the same
values, in the same order, and with nothing between them. All other rows are processed. Chunks and slices follow one
another in the order of the rows, so the rows that leave the segment are those of a run that processes everything, in
the same order. Table steps see all rows, old and new.

    append/NAME/current                 the name of the folder below, written last
    append/NAME/ID/state.json           what the steps were
    append/NAME/ID/source.npy           hashes of the rows of the source
    append/NAME/ID/0/                   checkpoints of the first segment, hashes of its rows, sizes of its chunks
"""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.database import connect
from dqdata.engine.chunks import Folder, Slice, failed_rows, row_count, slices
from dqdata.engine.ingest import ingest
from dqdata.engine.memory import database_bytes
from dqdata.files import linked, make_folder, whole_file
from dqdata.ids import digest
from dqdata.sql import read_parquet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dqdata.project.plan import Plan, Segment

    Hashes = npt.NDArray[np.uint64]

CURRENT, STATE, LAYOUT, INPUTS, SOURCE = "current", "state.json", "layout.json", "inputs.npy", "source.npy"
DAMAGED = (OSError, ValueError, KeyError, EOFError)
"""What reading a file raises that was lost or damaged."""


@dataclass(frozen=True)
class Past:
    """What the last run in append mode left. path: None where there was none. fingerprint: of its recipe. steps: (id,
    fingerprint) of its steps. keys: of its segments of per-row steps."""

    path: Path | None = None
    fingerprint: str = ""
    steps: Sequence[tuple[str, str]] = ()
    keys: Sequence[str] = ()

    @classmethod
    def load(cls, folder: Path) -> Past:
        """Of a catalog's folder. One that is missing or damaged is the same as no earlier run."""
        try:
            path = folder / (folder / CURRENT).read_text(encoding="utf-8")
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
            return cls(path, state["fingerprint"], [(one[0], one[1]) for one in state["steps"]], state["keys"])
        except (*DAMAGED, IndexError):
            return cls()

    def changed(self, plan: Plan) -> str:
        """The first step that is not as it was, in words; "" where all are, or where there was no run."""
        now = [(step.spec.id, step.fingerprint) for step in plan.steps]
        if self.path is None or now == list(self.steps):
            return ""
        for number, (was, (name, identity)) in enumerate(zip(self.steps, now, strict=False), 1):
            if was[0] != name:
                return f"step {number} was {was[0]} and is {name}"
            if was[1] != identity:
                return (
                    f"step {number} ({name}) has changed" if number > 1 else f"step 1 ({name}), seed or source changed"
                )
        if len(now) > len(self.steps):
            return f"step {len(self.steps) + 1} ({now[len(self.steps)][0]}) is new"
        return f"step {len(now) + 1} ({self.steps[len(now)][0]}) was removed"

    def segment(self, segment: Segment) -> Path | None:
        """The folder of a segment whose steps are the same; None where there is none."""
        key = segment_key(segment)
        if self.path is None or key not in self.keys:
            return None
        return self.path / str(self.keys.index(key))

    def new_rows(self, source: Hashes) -> list[int] | None:
        """Positions of the rows of a source that the last run did not have; None where that is not known."""
        import polars as pl

        try:
            was = _read(self.path / SOURCE) if self.path is not None else None
        except DAMAGED:
            return None
        if was is None:
            return None
        names = ["low", "high"]
        now = pl.DataFrame(source, schema=names).with_row_index("row")
        return now.join(pl.DataFrame(was, schema=names), on=names, how="anti").get_column("row").sort().to_list()


def new_rows(past: Past, plan: Plan) -> list[int] | None:
    """Positions of the rows of the source that the next run processes: those that the last run did not have. None where
    that is not known: no earlier run, other steps, or rows that ingest rejects. Reads the whole source."""
    if past.path is None or past.changed(plan):
        return None
    with tempfile.TemporaryDirectory(prefix="dqdata-plan-") as temporary:
        came, memory = Folder(Path(temporary) / "source"), plan.pipeline.memory
        ingest(plan.source, plan.columns, plan.source.namespace(), came, plan.id_scheme, None, memory)
        facts, hashes = came.facts(), row_hashes(came.rows(), came, memory)
        if facts is None or facts["rows_in"] != len(hashes):
            return None
        return past.new_rows(hashes)


@dataclass
class Appending:
    """A run in append mode. taken, processed: rows that entered segments of per-row steps, by the ids of the steps."""

    past: Past
    taken: dict[str, int] = field(default_factory=dict)
    processed: dict[str, int] = field(default_factory=dict)
    done: list[tuple[Segment, Folder]] = field(default_factory=list)

    def slices(
        self, segment: Segment, files: Sequence[Path], before: Folder, target: Folder, memory: int, chunk_rows: int
    ) -> list[Slice]:
        """What is left to process of a segment, once the target has what the last run made. before: the folder that
        the files are in."""
        if not (target.path / INPUTS).exists() and (before.path / INPUTS).exists():
            _place(before.path, INPUTS, target.path / INPUTS)
        hashes = row_hashes(files, target, memory)
        left, taken = lay_out(self.past.segment(segment), files, target, hashes, chunk_rows)
        self.add(segment, target, taken, len(hashes))
        return left

    def add(self, segment: Segment, target: Folder, taken: int | None = None, rows: int | None = None) -> None:
        """Notes a segment; without numbers, one that an earlier attempt of this run finished."""
        if taken is None or rows is None:
            found = json.loads((target.path / LAYOUT).read_text(encoding="utf-8"))
            taken, rows = found["taken"], sum(size for _, size in found["sizes"])
        name = " > ".join(step.spec.id for step in segment.steps)
        self.taken[name], self.processed[name] = taken, rows - taken
        self.done.append((segment, target))


def segment_key(segment: Segment) -> str:
    """Names what the steps of a segment, and all before them, make of a row."""
    return digest(segment.fingerprint, *(step.spec.id for step in segment.steps))


def row_hashes(files: Sequence[Path], folder: Folder, memory: int) -> Hashes:
    """Two 64-bit numbers a row, of the MD5 of its values as JSON, in the order of the rows. Shape (rows, 2). They are
    kept in the folder, and read from it where they are there."""
    import numpy as np

    noted = folder.path / INPUTS
    if noted.exists():
        return _read(noted)
    made: Hashes = np.empty((0, 2), np.uint64)
    if files:
        sql = (
            "select md5_number_lower(dq_text) as low, md5_number_upper(dq_text) as high from "
            f"(select to_json(dq_row)::varchar as dq_text from {read_parquet(files)} dq_row)"
        )
        spill = folder.path / ".spill"
        make_folder(spill)
        with connect(files=files, spill=spill, memory=database_bytes(memory)) as con:
            found = con.execute(sql).fetchnumpy()
        made = np.column_stack([found["low"], found["high"]]).astype(np.uint64, copy=False)
        shutil.rmtree(spill, ignore_errors=True)
    with whole_file(noted) as unfinished, unfinished.open("wb") as out:
        np.save(out, made)
    return made


def _read(path: Path) -> Hashes:
    import numpy as np

    found: Hashes = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def lay_out(
    kept: Path | None, files: Sequence[Path], target: Folder, hashes: Hashes, chunk_rows: int
) -> tuple[list[Slice], int]:
    """Puts chunks of the last run into the target as its checkpoints; returns the slices that are left to process, and
    how many rows were taken over. A second call for the same target, after a kill, returns the same."""
    noted = target.path / LAYOUT
    if not noted.exists():
        try:
            _lay_out(kept, files, target, hashes, chunk_rows)
        except FileNotFoundError:  # `dqdata gc` has removed what was kept
            _lay_out(None, files, target, hashes, chunk_rows)
    found = json.loads(noted.read_text(encoding="utf-8"))
    return [Slice(n, Path(file), start, rows) for n, file, start, rows in found["slices"]], found["taken"]


def _lay_out(kept: Path | None, files: Sequence[Path], target: Folder, hashes: Hashes, chunk_rows: int) -> None:
    for stale in [*target.rows(), *target.rejects()]:
        stale.unlink()
    left: list[Slice] = []
    sizes: list[tuple[int, int]] = []
    at = taken = 0

    def process(end: int) -> None:
        for one in _between(files, at, end, chunk_rows):
            left.append(replace(one, number=len(sizes)))
            sizes.append((len(sizes), one.rows))

    for start, rows, chunk in _blocks(kept, hashes) if kept is not None else ():
        assert kept is not None
        process(start)
        for kind in ("rejects", "rows"):
            _place(kept, f"{kind}-{chunk:06}.parquet", target.path / f"{kind}-{len(sizes):06}.parquet")
        sizes.append((len(sizes), rows))
        at, taken = start + rows, taken + rows
    process(len(hashes))
    if not sizes:
        left = list(slices(files[:1], chunk_rows))  # no row at all: one empty chunk, for its columns
    with whole_file(target.path / LAYOUT) as unfinished:
        listed = [(one.number, str(one.file), one.start, one.rows) for one in left]
        unfinished.write_text(json.dumps({"slices": listed, "sizes": sizes, "taken": taken}), encoding="utf-8")


def _blocks(kept: Path, hashes: Hashes) -> list[tuple[int, int, int]]:
    """(first row, rows, chunk) of each kept chunk that is there again, in the order of the rows."""
    import numpy as np

    try:
        old = _read(kept / INPUTS)
        sizes = json.loads((kept / LAYOUT).read_text(encoding="utf-8"))["sizes"]
    except DAMAGED:
        return []
    order = np.argsort(hashes[:, 0], kind="stable")
    ordered = hashes[order, 0]
    blocks = []
    first = 0
    for chunk, rows in sizes:
        block = old[first : first + rows]
        first += rows
        if not rows or len(block) < rows or not _there(kept, chunk):
            continue
        place = int(np.searchsorted(ordered, block[0, 0]))
        while place < len(ordered) and ordered[place] == block[0, 0]:
            at = int(order[place])
            if np.array_equal(hashes[at : at + rows], block):
                blocks.append((at, rows, chunk))
                break
            place += 1
    return sorted(blocks)


def _there(kept: Path, chunk: int) -> bool:
    return all((kept / f"{kind}-{chunk:06}.parquet").exists() for kind in ("rejects", "rows"))


def _between(files: Sequence[Path], start: int, end: int, chunk_rows: int) -> Iterator[Slice]:
    """Slices of rows [start, end) of all files; none spans two files."""
    begin = 0
    for file in files:
        if begin >= end:
            return
        rows = row_count([file])
        last = min(end - begin, rows)
        for at in range(max(start - begin, 0), last, chunk_rows):
            yield Slice(0, file, at, min(chunk_rows, last - at))
        begin += rows


def keep(folder: Path, plan: Plan, source: Folder, made: Sequence[tuple[Segment, Folder]]) -> None:
    """Keeps what the next run can take over, in place of what the last one left. Chunks with failed rows are left out,
    so that these are tried again. A process that is killed leaves what was kept before."""
    name = uuid.uuid4().hex
    path = folder / name
    make_folder(path)
    if (source.path / INPUTS).exists():
        _place(source.path, INPUTS, path / SOURCE)
    for number, (_, done) in enumerate(made):
        target = path / str(number)
        make_folder(target)
        for file in (INPUTS, LAYOUT):
            _place(done.path, file, target / file)
        for rejects in done.rejects():
            rows = rejects.with_name(rejects.name.replace("rejects-", "rows-"))
            if rows.exists() and not failed_rows(rejects):
                for file in (rejects.name, rows.name):
                    _place(done.path, file, target / file)
    state = {
        "fingerprint": plan.fingerprint,
        "steps": [(step.spec.id, step.fingerprint) for step in plan.steps],
        "keys": [segment_key(segment) for segment, _ in made],
    }
    with whole_file(path / STATE) as unfinished:
        unfinished.write_text(json.dumps(state), encoding="utf-8")
    with whole_file(folder / CURRENT) as unfinished:
        unfinished.write_text(name, encoding="utf-8")
    for other in folder.iterdir():
        if other.is_dir() and other.name != name:
            shutil.rmtree(other, ignore_errors=True)


def _place(folder: Path, name: str, target: Path) -> None:
    """The file under another name; nobody writes to it again, so a hard link does where there are any."""
    if not linked(folder / name, target):
        shutil.copyfile(folder / name, target)

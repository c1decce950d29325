"""What people say of rows: collected line by line, on disk before it is acknowledged, and committed as versions.

    log = MarkLog(store_folder)
    log.add(RowMark("traces@3", "trace_id", "5d1c", "bad", ("units",), "wrong unit", "ann", datetime.now(UTC)))
    log.commit()        # a version of the catalog traces_marks, which joins traces by its key

A row of NAME_marks is a marked row of NAME, with the newest mark and those of everyone. A process that is killed loses
no mark that `add` returned for: lines wait in row_marks.jsonl until they are in a version, and a commit that was cut
off between the two finds the version that it made, by its fingerprint.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dqdata.catalog import Store
from dqdata.catalog.records import Version
from dqdata.columns import KEYS, Columns, arrow_schema
from dqdata.errors import InputError, QueryError
from dqdata.files import lock, make_file, make_folder, whole_file
from dqdata.history.rows import dicts
from dqdata.ids import digest
from dqdata.place import StorePlace, place_of

VALUES = ("good", "bad", "")
"""What a row can be marked as; "" for tags or a note alone, and with neither for no mark any more."""

SUFFIX = "_marks"
NOTE, TAGS, NAME = 10_000, 20, 60
"""Characters of a note, tags of a mark, characters of a tag and of a name."""

_ONE = "STRUCT(who VARCHAR, mark VARCHAR, tags VARCHAR[], note VARCHAR, marked_at TIMESTAMP WITH TIME ZONE)"


@dataclass(frozen=True)
class RowMark:
    """What one person says of one row. version: `traces@3`, where the row was seen. key: the column that names the row,
    with the value id. id_: of the mark itself."""

    version: str
    key: str
    id: str
    mark: str
    tags: Sequence[str]
    note: str
    who: str
    at: datetime
    id_: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        if self.mark not in VALUES:
            raise InputError(f"a row is marked as good or bad, not {self.mark!r}", code="invalid-value")
        if self.key not in KEYS or not self.id:
            raise InputError("this row has no id that a mark could name", code="invalid-value")
        if len(self.note) > NOTE or len(self.tags) > TAGS or any(len(one) > NAME for one in (*self.tags, self.who)):
            raise InputError(
                f"a note may have {NOTE:,} characters, a mark {TAGS} tags, a tag and a name {NAME} characters",
                code="invalid-value",
            )

    @property
    def catalog(self) -> str:
        return self.version.partition("@")[0]

    @property
    def empty(self) -> bool:
        return not (self.mark or self.tags or self.note)


class MarkLog:
    """The marks of a store that are in no version yet. Several processes may write."""

    def __init__(self, store: Path | StorePlace) -> None:
        self.place = place_of(store)
        self.file = self.place.path / "row_marks.jsonl"

    def add(self, mark: RowMark) -> None:
        """Notes a mark; it is on disk when this returns. Raises OSError."""
        line = json.dumps({**asdict(mark), "at": mark.at.isoformat()}, ensure_ascii=False) + "\n"
        with lock(self.file):
            make_file(self.file)
            handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
            try:
                size = os.fstat(handle).st_size
                torn = size and os.pread(handle, 1, size - 1) != b"\n"  # a process was killed while it wrote
                os.write(handle, (("\n" if torn else "") + line).encode("utf-8", "replace"))
                os.fsync(handle)
            finally:
                os.close(handle)

    def pending(self) -> list[RowMark]:
        """The marks that wait, oldest first. A line that was cut off was never acknowledged and is left out."""
        found = []
        text = self.file.read_text(encoding="utf-8", errors="replace") if self.file.is_file() else ""
        for line in text.split("\n"):
            try:
                given = json.loads(line)
                found.append(RowMark(**{**given, "at": datetime.fromisoformat(given["at"])}))
            except (ValueError, TypeError, KeyError):
                continue
        return found

    def commit(self) -> list[Version]:
        """Puts the waiting marks into versions, one of each catalog NAME_marks. Raises StoreError where the store can't
        be written; then they go on waiting."""
        with lock(self.file):
            waiting = self.pending()
            if not waiting:
                return []
            catalogs = dict.fromkeys(one.catalog for one in waiting)
            with Store.open(self.place) as store:
                made = [_commit(store, name, [one for one in waiting if one.catalog == name]) for name in catalogs]
            with whole_file(self.file) as empty:
                empty.touch(mode=self.file.stat().st_mode & 0o777)
            return made


def columns_of(key: str) -> Columns:
    """Columns of NAME_marks. marked_in: the version in which the row was seen. mark, tags, note, who, marked_at: of the
    newest mark. good, bad: how many people marked it so. marks: the newest of each."""
    return Columns(
        {
            key: "VARCHAR",
            "marked_in": "VARCHAR",
            "mark": "VARCHAR",
            "tags": "VARCHAR[]",
            "note": "VARCHAR",
            "who": "VARCHAR",
            "marked_at": "TIMESTAMP WITH TIME ZONE",
            "good": "BIGINT",
            "bad": "BIGINT",
            "marks": f"{_ONE}[]",
        }
    )


def marks_of(store: Store, catalog: str, key: str, row_id: str | None = None) -> dict[str, dict[str, Any]]:
    """The rows of the newest version of NAME_marks by id, or the one of `row_id`; none where there is no such catalog,
    or one with another key."""
    from dqdata.sql import literal, quoted

    name = f"{catalog}{SUFFIX}"
    version = store.latest(name)
    if version is None or key not in store.schema(name, version):
        return {}
    where = f" where {quoted(key)} = {literal(row_id)}" if row_id is not None else ""
    return {str(row[key]): row for row in dicts(store, f"select * from {name}@{version}{where}")}


def _commit(store: Store, catalog: str, marks: Sequence[RowMark]) -> Version:
    import pyarrow as pa
    import pyarrow.parquet as pq

    keys = {one.key for one in marks}
    if len(keys) > 1:
        raise QueryError(f"rows of {catalog} are marked by {' and '.join(sorted(keys))}: its versions have other keys")
    key = keys.pop()
    rows = _merged(marks_of(store, catalog, key), key, marks)
    columns = columns_of(key)
    mark = digest(*sorted(one.id_ for one in marks))
    folder = store.work / f"{catalog}{SUFFIX}"
    make_folder(folder)
    file = folder / f"{mark}.parquet"
    try:
        with whole_file(file) as unfinished:
            pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(columns)), unfinished)
        return store.commit(
            f"{catalog}{SUFFIX}",
            rows=[file],
            rejects=[],
            columns=columns,
            fingerprint=digest("row-marks", catalog, mark),
            recipe={
                "source": {"kind": "marks", "params": {"marks": len(marks)}},
                "inputs": list(dict.fromkeys(one.version for one in marks)),
            },
            run_id=f"marks-{mark[:12]}",
            message=f"{len(marks)} marks by {', '.join(sorted({one.who or 'nobody' for one in marks}))}",
        )
    finally:
        file.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _merged(rows: dict[str, dict[str, Any]], key: str, marks: Sequence[RowMark]) -> list[dict[str, Any]]:
    """The rows of NAME_marks with these marks; the newest of each person holds."""
    by_row: dict[str, dict[str, dict[str, Any]]] = {
        row_id: {one["who"]: one for one in row["marks"]} for row_id, row in rows.items()
    }
    seen = {row_id: row["marked_in"] for row_id, row in rows.items()}
    for one in sorted(marks, key=lambda mark: mark.at):
        of_row = by_row.setdefault(one.id, {})
        before = of_row.get(one.who)
        if before is not None and before["marked_at"].astimezone(UTC) > one.at:
            continue
        of_row.pop(one.who, None)
        if not one.empty:
            mark = {"who": one.who, "mark": one.mark or None, "tags": list(one.tags), "note": one.note or None}
            of_row[one.who] = {**mark, "marked_at": one.at}
            seen[one.id] = one.version
    return [
        {
            key: row_id,
            "marked_in": seen[row_id],
            **max(of_row.values(), key=lambda mark: mark["marked_at"]),
            "good": sum(mark["mark"] == "good" for mark in of_row.values()),
            "bad": sum(mark["mark"] == "bad" for mark in of_row.values()),
            "marks": sorted(of_row.values(), key=lambda mark: (mark["marked_at"], mark["who"])),
        }
        for row_id, of_row in sorted(by_row.items())
        if of_row
    ]

"""Recorded answers: rebuilds a dataset without a key, from a ledger or from a catalog of traces.

    [teachers.r1]                       # the table that said provider = "openai" when the answers were paid for
    provider = "replay"
    ledger = "recorded/ledger.sqlite"   # or catalog = "slow_thinking@3"
    of = "openai"
    model = "deepseek-reasoner"

It takes the place of the recorded teacher with its identity, so ids, fingerprints and rows come out the same.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from dqdata.errors import DataError, TeacherError
from dqdata.params import LocalPath, NameOrPath
from dqdata.place import ledger_at
from dqdata.refs import catalog_ref
from dqdata.teacher import Completion, Limits, Price, Request, Teacher, Usage
from dqdata.teachers import chat

if TYPE_CHECKING:
    from dqdata.ledger import Ledger


class ReplayParams(chat.ReadingParams):
    model: str = Field(min_length=1)
    """The recorded model, as `dqdata ledger size` shows it."""
    of: str = "openai"
    """Provider of the recorded teacher."""
    revision: str = ""
    """Its revision, as `dqdata ledger size` shows it."""
    ledger: NameOrPath | None = None
    """A ledger file, or the `postgres:` of one."""
    catalog: str | None = None
    """A catalog such as `slow_thinking@3`. Its traces and rejects hold the answers that became rows; those of judges
    and rewritten traces are read from the ledger of its store."""
    store: LocalPath = Path("catalogs")
    """Folder of the catalogs."""

    @field_validator("ledger", mode="before")
    @classmethod
    def _path_or_text(cls, ledger: Any) -> Any:
        return str(ledger) if isinstance(ledger, Path) else ledger

    @model_validator(mode="after")
    def _one_record(self) -> ReplayParams:
        if (self.ledger is None) == (self.catalog is None):
            raise ValueError("give either `ledger` or `catalog`: where the answers were recorded")
        return self


class Replay(Teacher[ReplayParams]):
    """Gives recorded answers; sends no request."""

    provider = "replay"
    Params = ReplayParams
    free = True
    usual_limits = {"concurrency": 64, "max_attempts": 1}  # noqa: RUF012 - read only

    def __init__(self, params: ReplayParams) -> None:
        super().__init__(params)
        setattr(self, "provider", params.of)  # noqa: B010 - a class variable, but here it belongs to the record
        self._record: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def limits(self, given: Limits) -> Limits:
        """A recorded answer was paid for: asking it again costs nothing."""
        return super().limits(given).model_copy(update={"price": Price()})

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    async def start(self) -> None:
        from dqdata.ledger import Ledger

        if self.params.ledger is not None:
            self._record = Ledger(ledger_at(self.params.ledger), read_only=True)
            if foreign := self._foreign(self._record):
                raise DataError(f"ledger {self.params.ledger} {foreign}")
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="dqdata-replay-")
            index = Path(self._folder.name) / "answers.sqlite"
            await asyncio.to_thread(_index, self.params, index)
            self._record = _Traces(index, _ledger_of(self.params))

    async def complete(self, request: Request) -> Completion:
        if self._record is None:
            await self.start()
        found: Completion | None = self._record.get(self.key(request))
        if found is None:
            raise TeacherError(
                f"no recorded answer of {self.params.model} in {self.params.ledger or self.params.catalog} to sample "
                f"{request.sample} of {request.messages[-1].content[:80]!r}: the prompt, the sampling parameters or "
                f"the revision differ from what was recorded, or it was never answered{self._lacking}",
                kind="row",
                reason="not_recorded",
            )
        return self.present(found)

    @property
    def _lacking(self) -> str:
        if not isinstance(self._record, _Traces):
            return ""
        if self._record.ledger is None:
            return "; no ledger is beside the catalog, so answers of judges and rewritten traces are lost"
        foreign = self._foreign(self._record.ledger)
        return f"; the ledger beside the catalog {foreign}" if foreign else ""

    def _foreign(self, ledger: Ledger) -> str:
        """Whose calls a ledger has, where it has none of this teacher; else empty."""
        who = (self.params.of, self.params.model, self.params.revision)
        known = ledger.rows("select distinct provider, model, revision from calls order by 1, 2, 3", ())
        if who in known:
            return ""
        have = "; ".join(" ".join(part or "''" for part in one) for one in known) or "none"
        return f"holds no call of provider {who[0]}, model {who[1]}, revision {who[2] or repr('')}; it has: {have}"

    async def close(self) -> None:
        if self._record is not None:
            self._record.close()
            self._record = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class _Traces:
    """Answers of a catalog, in a file of their own: a point look-up in Parquet would read all of it. ledger: has the
    answers that are no rows, such as judgements; None where the store came without one."""

    def __init__(self, index: Path, ledger: Ledger | None) -> None:
        self._con, self.ledger = sqlite3.connect(index), ledger

    def get(self, key: str) -> Completion | None:
        if self.ledger is not None and (stored := self.ledger.get(key)) is not None:
            return stored
        row = self._con.execute("select row from answers where ledger_key = ?", (key,)).fetchone()
        if row is None:
            return None
        trace = json.loads(row[0])
        usage = Usage(trace.get("input_tokens") or 0, trace.get("output_tokens") or 0)
        return Completion(
            response=trace["response"],
            finish_reason=trace.get("finish_reason") or "unknown",
            usage=usage,
            reasoning=trace.get("reasoning"),
            model=trace.get("teacher") or "",
            ledger_key=key,
        )

    def close(self) -> None:
        self._con.close()
        if self.ledger is not None:
            self.ledger.close()


_ANSWER = ("ledger_key", "response", "reasoning", "finish_reason", "input_tokens", "output_tokens", "teacher")


def _ledger_of(params: ReplayParams) -> Ledger | None:
    """The ledger of the store that the catalog is in."""
    from dqdata.catalog import Store
    from dqdata.ledger import Ledger
    from dqdata.ledger.choice import has_ledger

    with Store.open(params.store, read_only=True) as store:
        place = store.ledger_place
    return Ledger(place, read_only=True) if has_ledger(place) else None


def _index(params: ReplayParams, index: Path) -> None:
    """Writes every answer of the catalog and of its rejects under its ledger key."""
    from dqdata.catalog import Store

    ref = catalog_ref(str(params.catalog))
    if ref is None:
        raise DataError(f"catalog = {params.catalog!r}: give a name, or NAME@VERSION")
    name = ref.name
    with Store.open(params.store, read_only=True) as store, closing(sqlite3.connect(index)) as con:
        if store.latest(name) is None:
            raise DataError(f"no catalog {name!r} in {params.store}")
        version = store.resolve(ref)
        have = store.schema(name, version)
        if missing := [column for column in ("ledger_key", "response") if column not in have]:
            raise DataError(f"catalog {params.catalog} has no column {missing[0]!r}, so it holds no recorded answers")
        columns = ", ".join(column for column in _ANSWER if column in have)
        con.execute("create table answers (ledger_key text primary key, row text not null)")
        for batch in store.query(f'select {columns} from "{name}@{version}" where ledger_key is not null'):
            _insert(con, [{"finish_reason": "stop", **row} for row in batch.to_pylist()])
        for batch in store.query(f'select "row" from "{name}__rejects@{version}" where "row" is not null'):
            rows = [json.loads(row["row"]) for row in batch.to_pylist()]
            _insert(con, [row for row in rows if row.get("ledger_key") and row.get("response") is not None])
        con.commit()


def _insert(con: sqlite3.Connection, rows: list[dict[str, Any]]) -> None:
    con.executemany(
        "insert into answers values (?, ?) on conflict do nothing",
        ((row["ledger_key"], json.dumps({name: row.get(name) for name in _ANSWER})) for row in rows),
    )

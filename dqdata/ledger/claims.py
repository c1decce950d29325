"""Look-ups in a ledger that many machines share, and which of them asks: a thread that batches both.

    if await claims.claim(key):        # nobody else asks for this answer now
        ...                            # the call; its answer is stored
        claims.release(key)

A claim is a row of `claims` that its process renews. When the process is gone nobody does, and after LEASE seconds
another one asks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dqdata.errors import StoreError
from dqdata.ledger.answers import ANSWER
from dqdata.ledger.database import KEYS, Connection, Row

if TYPE_CHECKING:
    from dqdata.ledger.postgres import PostgresSession

log = logging.getLogger("dqdata.ledger")

LEASE = 20.0
"""Seconds after which a claim ends that is not renewed."""
POLL = 0.25
"""Seconds between two looks at a claim of another process."""
MOST = 2_000
NOTED_EVERY = 15.0

_TAKE = f"""
insert into claims select key, ?, clock_timestamp() + cast(? as double precision) * interval '1 second'
from {KEYS} as keys (key) order by key
on conflict (ledger_key) do update set holder = excluded.holder, until = excluded.until
"""
_FREE = "where claims.until < clock_timestamp() returning ledger_key"
_RENEW = """
update claims set until = clock_timestamp() + cast(? as double precision) * interval '1 second' where holder = ?
"""


@dataclass(eq=False, slots=True)
class _Said:
    """what: hold, release."""

    what: str
    key: str


@dataclass(eq=False, slots=True)
class _Asked:
    """what: find, claim."""

    what: str
    key: str
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Claims:
    """Of one process. Its session is its thread's alone."""

    def __init__(self, session: PostgresSession) -> None:
        self._session, self._holder = session, uuid.uuid4().hex
        self._queue: queue.SimpleQueue[_Asked | _Said | None] = queue.SimpleQueue()
        self._held: set[str] = set()
        self._waiting: list[_Asked] = []
        self._renewed = self._noted = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="ledger-claims", daemon=True)
        self._thread.start()

    async def find(self, key: str) -> Row | None:
        """The columns `ANSWER` of the answer under this key. Raises StoreError."""
        found: Row | None = await self._ask("find", key).future
        return found

    async def claim(self, key: str) -> bool:
        """Whether this process asks for the answer now: waits while another one does. False where it is there. Raises
        StoreError. A caller that is cancelled gives the claim back."""
        asked = self._ask("claim", key)
        try:
            return bool(await asked.future)
        except asyncio.CancelledError:
            if not asked.future.cancelled() and asked.future.exception() is None and asked.future.result():
                self.release(key)
            raise

    def hold(self, key: str) -> None:
        self._queue.put(_Said("hold", key))

    def release(self, key: str) -> None:
        self._queue.put(_Said("release", key))

    def close(self) -> None:
        """Gives up what is still claimed."""
        self._queue.put(None)
        self._session.stop_waiting()
        self._thread.join()
        self._session.close()

    def _ask(self, what: str, key: str) -> _Asked:
        loop = asyncio.get_running_loop()
        asked = _Asked(what, key, loop, loop.create_future())
        self._queue.put(asked)
        return asked

    def _work(self) -> None:
        last = False
        while not last:
            group, last = self._next()
            finds = [one for one in group if isinstance(one, _Asked) and one.what == "find"]
            claims = [one for one in group if isinstance(one, _Asked) and one.what == "claim"]
            claims = [one for one in (*self._waiting, *claims) if not one.future.done()]
            self._waiting = []
            try:
                self._find(finds)
                self._release([one.key for one in group if one.what == "release"] + [*(self._held if last else ())])
                self._hold([one.key for one in group if one.what == "hold"])
                self._claim(claims)
                self._renew()
            except Exception as error:
                failed = (
                    error if isinstance(error, StoreError) else StoreError(f"the ledger could not be read: {error}")
                )
                for one in (*finds, *claims):
                    self._tell(one, failed)
        for one in self._waiting:
            self._tell(one, StoreError("the ledger was closed"))

    def _next(self) -> tuple[list[_Asked | _Said], bool]:
        """What was asked meanwhile; whether it was the last."""
        group: list[_Asked | _Said] = []
        timeout = POLL if self._waiting else LEASE / 4 if self._held else None
        try:
            one = self._queue.get(timeout=timeout)
            while one is not None:
                group.append(one)
                if len(group) == MOST:
                    return group, False
                one = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _find(self, asked: Sequence[_Asked]) -> None:
        if not asked:
            return
        keys = json.dumps([one.key for one in asked])
        found = {
            row[0]: row[1:]
            for row in self._session.rows(f"select ledger_key, {ANSWER} from calls where ledger_key in {KEYS}", [keys])
        }
        for one in asked:
            self._tell(one, found.get(one.key))

    def _claim(self, asked: Sequence[_Asked]) -> None:
        """One claim for each key: the others of this process that want it wait as those of other machines do."""
        keys = dict.fromkeys(one.key for one in asked if one.key not in self._held)

        def work(con: Connection) -> tuple[set[str], set[str]]:
            listed = json.dumps(list(keys))
            taken = con.execute(f"{_TAKE} {_FREE}", [self._holder, LEASE, listed]).fetchall() if keys else []
            wanted = json.dumps(list({one.key for one in asked}))
            there = con.execute(f"select ledger_key from calls where ledger_key in {KEYS}", [wanted]).fetchall()
            return {key for (key,) in taken}, {key for (key,) in there}

        if not asked:
            return
        mine, there = self._session.transact(work)
        self._held |= mine
        self._release(sorted(mine & there))
        for one in asked:
            if one.key in there:
                self._tell(one, False)
            elif one.key in mine:
                mine.discard(one.key)
                self._tell(one, True)
            else:
                self._waiting.append(one)
        if self._waiting and time.monotonic() - self._noted >= NOTED_EVERY:
            self._noted = time.monotonic()
            log.info("waiting for %d answers that other processes asked for", len(self._waiting))

    def _hold(self, keys: Sequence[str]) -> None:
        if keys:
            self._session.transact(lambda con: con.execute(_TAKE, [self._holder, LEASE, json.dumps(keys)]))
            self._held.update(keys)

    def _release(self, keys: Sequence[str]) -> None:
        mine = [key for key in keys if key in self._held]
        if not mine:
            return
        sql = f"delete from claims where holder = ? and ledger_key in {KEYS}"
        self._session.transact(lambda con: con.execute(sql, [self._holder, json.dumps(mine)]))
        self._held.difference_update(mine)

    def _renew(self) -> None:
        if self._held and time.monotonic() - self._renewed >= LEASE / 4:
            self._renewed = time.monotonic()
            self._session.transact(lambda con: con.execute(_RENEW, [LEASE, self._holder]))

    def _tell(self, one: _Asked, value: Any) -> None:
        if not one.loop.is_closed():
            one.loop.call_soon_threadsafe(self._resolve, one, value)

    def _resolve(self, one: _Asked, value: Any) -> None:
        if one.future.done():
            if one.what == "claim" and value is True:
                self.release(one.key)  # who wanted it was cancelled
        elif isinstance(value, StoreError):
            one.future.set_exception(StoreError(*value.args))
        else:
            one.future.set_result(value)

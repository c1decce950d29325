"""Which batches were handed to an endpoint, so that a later run collects them and doesn't pay for them again.

batches = Batches(ledger, provider, endpoint, model)
await batches.save(OpenBatch(plan_id, batch_id, keys), "submitted")
await batches.open()
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from dqdata.ledger import Ledger


@dataclass(frozen=True)
class OpenBatch:
    """A batch that isn't collected. batch_id is None where the run died before the endpoint's answer was seen."""

    plan_id: str
    batch_id: str | None
    ledger_keys: tuple[str, ...]


class Batches:
    """The batches of one teacher in a ledger."""

    def __init__(self, ledger: Ledger, provider: str, endpoint: str, model: str) -> None:
        self._ledger, self._who = ledger, (provider, endpoint, model)

    async def open(self) -> list[OpenBatch]:
        """Batches planned or submitted of which some call isn't answered yet; the others are marked as collected."""
        rows = self._ledger.rows(
            "select plan_id, batch_id, ledger_keys from batches where provider = ? and endpoint = ? and model = ? "
            "and status in ('planned', 'submitted') order by created_at",
            self._who,
        )
        found = [OpenBatch(plan, batch, tuple(json.loads(keys))) for plan, batch, keys in rows]
        waiting = []
        for batch in found:
            if self._ledger.count_present(batch.ledger_keys) < len(batch.ledger_keys):
                waiting.append(batch)
            else:
                await self.save(batch, "collected")
        return waiting

    async def save(self, batch: OpenBatch, status: str) -> None:
        """On disk on return."""
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        row = (batch.plan_id, batch.batch_id, *self._who, json.dumps(batch.ledger_keys), status, at)

        def write(con: sqlite3.Connection) -> None:
            con.execute(
                "insert into batches values (?, ?, ?, ?, ?, ?, ?, ?) "
                "on conflict (plan_id) do update set batch_id = excluded.batch_id, status = excluded.status",
                row,
            )

        await self._ledger.write(write)

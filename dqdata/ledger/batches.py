"""Records which batches were submitted to an endpoint, so that a later run collects them instead of paying again.

batches = Batches(ledger, provider, endpoint, model)
await batches.save(OpenBatch(plan_id, batch_id, keys), "submitted")
await batches.open()
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from dqdata.ledger import Ledger
from dqdata.ledger.database import KEYS, Connection

REFUSED = f"""
select count(distinct ledger_key) from failures
where kind = 'row' and ledger_key in {KEYS} and created_at > ?
and ledger_key not in (select ledger_key from calls)
"""


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
        """Batches planned or submitted of which some call is neither answered nor refused for good since then; the
        others are marked as collected."""
        rows = self._ledger.rows(
            "select plan_id, batch_id, ledger_keys, created_at from batches "
            "where provider = ? and endpoint = ? and model = ? and status in ('planned', 'submitted') "
            "order by created_at",
            self._who,
        )
        waiting = []
        for plan, batch_id, keys, since in rows:
            batch = OpenBatch(plan, batch_id, tuple(json.loads(keys)))
            over = self._ledger.count_present(batch.ledger_keys) + self._refused(batch.ledger_keys, since)
            if over < len(batch.ledger_keys):
                waiting.append(batch)
            else:
                await self.save(batch, "collected")
        return waiting

    def _refused(self, keys: tuple[str, ...], since: str) -> int:
        """How many of the calls were refused for good after that time, and not answered."""
        return int(self._ledger.rows(REFUSED, (json.dumps(keys), since))[0][0])

    async def save(self, batch: OpenBatch, status: str) -> None:
        """On disk on return."""
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        row = (batch.plan_id, batch.batch_id, *self._who, json.dumps(batch.ledger_keys), status, at)

        def write(con: Connection) -> None:
            con.execute(
                "insert into batches values (?, ?, ?, ?, ?, ?, ?, ?) "
                "on conflict (plan_id) do update set batch_id = excluded.batch_id, status = excluded.status",
                row,
            )

        await self._ledger.write(write)

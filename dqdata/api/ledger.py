"""The record of all calls to teachers: size, upkeep, export and merge.

ledger = dqdata.open("pipelines.toml").ledger
ledger.size().calls
ledger.merge("../colleague/catalogs/ledger.sqlite")          # their answers, paid once
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.errors import InputError
from dqdata.place import LedgerPlace, StorePlace, ledger_at

if TYPE_CHECKING:
    from dqdata.ledger.maintenance import Pruned, Size
    from dqdata.ledger.transfer import Merged


class CallLedger:
    """The ledger of a store, or one by itself. Each method sees what was recorded when it was called; SQL reads the
    ledger of a store as `ledger.calls`."""

    def __init__(self, of: StorePlace | LedgerPlace | str) -> None:
        """of: where a store is, or a file, or the `postgres:` of a ledger."""
        self._of = of if isinstance(of, StorePlace) else ledger_at(of)

    @property
    def place(self) -> LedgerPlace:
        """The file, or the database; it appears with the first call."""
        return self._of.ledger if isinstance(self._of, StorePlace) else self._of

    def size(self) -> Size:
        """How many calls there are, of which models, their tokens and cost. Raises StoreError where no ledger is."""
        from dqdata.ledger import maintenance

        return maintenance.size(self._opened())

    def prune(self, *, older_than: str | None = None, run_id: str | None = None, dry_run: bool = False) -> Pruned:
        """Forgets calls and failures older than an age (`12h`, `30d`, `6w`) or a date (`2026-01-31`), or what a run
        asked first, or both. Asking them again costs again. dry_run: only counts. Raises InputError where neither is
        given."""
        from dqdata.ledger import maintenance

        if older_than is None and run_id is None:
            raise InputError("prune what? give older_than or run_id")
        before = maintenance.moment(older_than) if older_than is not None else None
        return maintenance.prune(self._opened(), before=before, run_id=run_id, dry=dry_run)

    def verify(self) -> list[str]:
        """What is wrong with the file, one line each; empty where it is sound. Of each call its key is computed again
        from what was asked."""
        from dqdata.ledger import maintenance

        return list(maintenance.verify(self._opened()))

    def export(self, target: Path | str, *, failures: bool = False) -> int:
        """Writes every call, with its request, to a Parquet, JSONL or CSV file, and returns how many. failures:
        failed attempts instead. Raises DataError for another ending."""
        from dqdata.catalog.export import format_of, write
        from dqdata.ledger import maintenance

        with maintenance.exported(self._opened(), failures=failures) as rows:
            return write(rows, Path(target), format_of(Path(target)))

    def merge(self, other: LedgerPlace | str) -> Merged:
        """Takes over what another ledger, a file or `postgres:`, holds and this one does not; a store and its ledger
        are made where there are none. Where both have an answer, the one here stays."""
        from dqdata.ledger.transfer import merge

        return merge(self._opened(make=True), ledger_at(other))

    def _opened(self, *, make: bool = False) -> LedgerPlace:
        """The ledger of a store that can be opened. Raises StoreError for one that is not there, unless `make`."""
        if isinstance(self._of, StorePlace):
            from dqdata.catalog import Store

            with Store.open(self._of, read_only=not make):
                pass
        return self.place

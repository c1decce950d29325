"""Reports over the catalogs of a store: how far a judge is to be trusted, what accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.place import StorePlace

if TYPE_CHECKING:
    from dqdata.reports.calibration import Calibration
    from dqdata.reports.efficiency import Efficiency
    from dqdata.reports.strategy import Strategies


class Reports:
    """The part of a store's API that compares rows; `Catalogs` is the whole of it."""

    place: StorePlace

    def efficiency(
        self,
        evaluation: str,
        *,
        models: Sequence[str] = (),
        against: str | None = None,
        by: Sequence[str] = (),
    ) -> Efficiency:
        """What the accuracy of models on an evaluation costs in tokens and seconds, from the answers that `eval` kept.
        by: columns of the answers whose values are shown apart. Raises QueryError for what was not measured."""
        from dqdata.catalog import Store
        from dqdata.reports.efficiency import efficiency

        with Store.open(self.place, read_only=True) as store:
            return efficiency(store, evaluation, models, against, by)

    def strategy(
        self,
        evaluation: str,
        *,
        models: Sequence[str] = (),
        by: str | None = None,
        at: tuple[float, float] | None = None,
        margin: float = 1.0,
        short_tokens: int = 1000,
        traces: str | None = None,
        unanswerable: str | None = None,
        abstained: str | None = None,
    ) -> Strategies:
        """Which mode of thinking models chose, and whether it was the right one. See
        `dqdata.reports.strategy.strategy`."""
        from dqdata.catalog import Store
        from dqdata.reports.strategy import strategy

        with Store.open(self.place, read_only=True) as store:
            return strategy(
                store,
                evaluation,
                models=models,
                by=by,
                at=at,
                margin=margin,
                short_tokens=short_tokens,
                traces=traces,
                unanswerable=unanswerable,
                abstained=abstained,
            )

    def calibrate(
        self,
        rows: str,
        *,
        label: str,
        judge: str = "judge_verdict",
        labels: str | None = None,
        key: str | None = None,
        on: str | None = None,
        against: str | None = None,
    ) -> Calibration:
        """Compares a judge's verdicts with labels. rows, on, against: catalogs or queries; labels: one of these, or a
        file. See `dqdata.reports.calibration.calibrate`."""
        from dqdata.catalog import Store
        from dqdata.reports.calibration import calibrate, label_file

        if labels is not None and Path(labels).suffix and Path(labels).is_file():
            labels = label_file(labels)
        with Store.open(self.place, read_only=True) as store:
            return calibrate(store, rows, label=label, judge=judge, labels=labels, key=key, on=on, against=against)

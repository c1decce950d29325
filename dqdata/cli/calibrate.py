"""`dqdata calibrate ROWS --label COLUMN`: a judge's verdicts against labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.reports.calibration import Calibration, Rate


@click.command()
@click.argument("rows")
@click.option("--label", required=True, help="Column with what is right: true, false, correct, incorrect, yes, no.")
@click.option("--judge", default="judge_verdict", show_default=True, help="Column with the judge's verdict.")
@click.option("--labels", help="Catalog, query or file (.jsonl, .csv, .parquet) that has the labels.")
@click.option("--key", help="Column by which labels and versions are matched; by default the key of the rows.")
@click.option(
    "--on", "on", metavar="ROWS", help="Catalog or query without labels whose share of right rows is corrected."
)
@click.option("--against", metavar="ROWS", help="The same rows as another judge, or version of it, judged them.")
@project_option
@store_option
@json_option
def command(
    rows: str,
    label: str,
    judge: str,
    labels: str | None,
    key: str | None,
    on: str | None,
    against: str | None,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Compare a judge's verdicts with labels: its rates of error, kappa, the corrected share, drift.

    ROWS is a catalog (NAME, NAME@3) or a query."""
    found = open_catalogs(project, store).calibrate(
        rows, label=label, judge=judge, labels=labels, key=key, on=on, against=against
    )
    if as_json:
        print_json(found.as_json())
    else:
        say("\n".join(_lines(found)))


def _lines(found: Calibration) -> Iterator[str]:
    yield f"{found.of}: {found.judge} against {found.label}, {found.rows:,} rows (95% intervals)"
    yield f"  accepts right rows  {_rate(found.true_positive_rate)}"
    yield f"  accepts wrong rows  {_rate(found.false_positive_rate)}"
    yield f"  agrees with labels  {_rate(found.right)}"
    kappa = found.agreement
    yield f"  kappa               {kappa.kappa:6.3f}  [{kappa.low:.3f}, {kappa.high:.3f}]"
    if found.undecided:
        yield f"  {found.undecided:,} labelled rows without a verdict are left out"
    if made := found.corrected:
        yield f"{made.of}: the judge accepts {_rate(made.judged).strip()}"
        yield f"  right, corrected    {made.share:6.1%}  [{made.low:.1%}, {made.high:.1%}]  (Rogan and Gladen)"
    if drift := found.drift:
        yield f"against {drift.against}, {drift.rows:,} rows that both judged"
        both = drift.agreement
        yield f"  kappa of the two    {both.kappa:6.3f}  [{both.low:.3f}, {both.high:.3f}]"
        yield f"  agrees with labels  {_rate(drift.right_before)}  before"
        yield f"  p = {drift.p_value:.3g} that both are right equally often"
    yield from (f"note: {note}" for note in found.notes)


def _rate(rate: Rate) -> str:
    if rate.share is None:
        return "     -  (no rows)"
    return f"{rate.share:6.1%}  [{rate.low:.1%}, {rate.high:.1%}]  {rate.count:,} of {rate.total:,}"

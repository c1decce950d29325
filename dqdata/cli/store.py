"""`dqdata store`: a whole store, wherever it is.

$ dqdata store copy catalogs cloud.toml
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import json_option, print_json
from dqdata.cli.help import WholeHelp
from dqdata.cli.lines import echo

if TYPE_CHECKING:
    from dqdata.place import StorePlace


@click.group(cls=WholeHelp)
def command() -> None:
    """Copy a whole store between a folder, Postgres and S3."""


@command.command()
@click.argument("source", metavar="FROM", type=click.Path(exists=True, path_type=Path))
@click.argument("target", metavar="TO", type=click.Path(path_type=Path))
@json_option
def copy(source: Path, target: Path, as_json: bool) -> None:
    """Copy all versions, records, tags, marks, models and the ledger from FROM to TO.

    Each is a folder of catalogs, or a TOML file whose [store] names the place. The source stays as it is, checksums are
    compared, and TO must be empty; a copy that was killed goes on when the same command is run again.
    """
    from dqdata.catalog.copy import copy as copied

    done = copied(_place(source), _place(target))
    if as_json:
        print_json(asdict(done))
        return
    echo(
        f"{done.versions:,} versions in {done.files:,} files, {done.bytes / 1e6:,.1f} MB, {done.others:,} other files, "
        f"{done.calls:,} answers; the checksums are equal"
    )
    if done.profiles:
        echo(f"and the stores of the profiles {', '.join(done.profiles)}")


def _place(path: Path) -> StorePlace:
    from dqdata.place import StorePlace
    from dqdata.project.tables import read_project

    return read_project(path).store if path.suffix == ".toml" else StorePlace(path)

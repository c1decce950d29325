"""Writes a version into a folder as a data set of the Hub: Parquet files, README.md, croissant.json.

    made = build(store, "traces", 3, Path("out"))
    made.rows           # {"train": 900, "test": 100}

The folder appears whole or not at all, and only when `datasets` reads the same number of rows of each split from it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.columns import KEYS, Columns
from dqdata.errors import PluginError, RunError
from dqdata.exchange.example import SPLIT
from dqdata.exchange.splits import split_names
from dqdata.files import new_folder, refuse_taken
from dqdata.history.dataset import Dataset, describe
from dqdata.history.origins import reached
from dqdata.history.rows import dicts
from dqdata.publish.card import card, limits, personal, shareable
from dqdata.publish.croissant import croissant
from dqdata.publish.keys import refuse_keys
from dqdata.publish.shards import SHARD_BYTES, patterns, write_shards
from dqdata.publish.terms import Terms, terms
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store

CARD, METADATA = "README.md", "croissant.json"


@dataclass(frozen=True)
class Published:
    """A data set that was written. rows: by split. licenses: of the whole, none where they are not known. warnings:
    what was accepted. notes: what was not looked at. url, commit: on the Hub, empty for a folder."""

    name: str
    folder: str
    rows: Mapping[str, int]
    files: tuple[str, ...]
    licenses: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    url: str = ""
    commit: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "folder": self.folder,
            "rows": dict(self.rows),
            "files": list(self.files),
            "licenses": list(self.licenses),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "url": self.url,
            "commit": self.commit,
        }


def build(
    store: Store,
    catalog: str,
    version: int,
    folder: Path,
    *,
    license: str | None = None,
    accept_licenses: bool = False,
    title: str = "",
    repository: str = "",
    url: str = "",
    shard_bytes: int = SHARD_BYTES,
) -> Published:
    """Raises InputError for licences that are missing or in conflict, DataError for rows with keys, for names of splits
    that can't be told apart and for a folder that holds something, PluginError where `datasets` is not installed, and
    StoreError where the disk fails. title: of the card. repository, url: of the data set on the Hub."""
    refuse_taken(folder)
    agreed = terms(store, catalog, version, license, accept=accept_licenses)
    columns = store.schema(catalog, version)
    splits = split_names(_splits(store, f"{catalog}@{version}", columns))
    refuse_keys(store, f"{catalog}@{version}", columns)
    _package()
    with new_folder(folder) as unfinished:
        named = title or catalog
        made = _write(
            store, catalog, version, unfinished, splits, agreed, named, repository or folder.name, url, shard_bytes
        )
        notes = _validated(unfinished / METADATA)
        _loads(unfinished, made)
    files = tuple(sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()))
    return Published(f"{catalog}@{version}", str(folder), made, files, agreed.ids, agreed.warnings, notes)


def _write(
    store: Store,
    catalog: str,
    version: int,
    folder: Path,
    splits: Mapping[str, str],
    agreed: Terms,
    title: str,
    repository: str,
    url: str,
    shard_bytes: int,
) -> dict[str, int]:
    columns = store.schema(catalog, version)
    files: dict[str, list[Path]] = {}
    rows: dict[str, int] = {}
    order = f" order by {quoted(columns.key)}" if columns.key in columns else ""
    for split, name in splits.items():
        where = f"{_split_of(columns)} = {literal(split)}"
        reader = store.query(f"select * from {catalog}@{version} where {where}{order}", repeatable=True)
        schema = reader.schema
        files[name] = write_shards(reader, folder / "data", name, shard_bytes)
        rows[name] = _rows_of(files[name])
    made = _ancestors(store, catalog, version)
    sources = ", ".join(dict.fromkeys(str(shareable(one.source)) for one in agreed.origins))
    page = card(made, agreed, rows, patterns(files), title=title, repository=repository)
    (folder / CARD).write_text(page, encoding="utf-8")
    newest = made[-1]
    steps = ", ".join(str(step["op"]) for step in newest.steps) or "none"
    text = croissant(
        folder,
        files,
        schema,
        name=title,
        about=f"{sum(rows.values()):,} rows, version {version} of the catalog {catalog}; steps: {steps}.",
        made=newest.version.created_at,
        version=f"{version}.0.0",
        licenses=agreed.ids,
        url=url or repository,
        keys=KEYS,
        responsible={
            "dataCollection": f"Rows of {sources}, processed by the steps {steps}; the card has their parameters.",
            "dataLimitations": limits(made, agreed),
            "personalSensitiveInformation": personal(newest),
        },
    )
    (folder / METADATA).write_text(text, encoding="utf-8")
    return rows


def _ancestors(store: Store, catalog: str, version: int) -> list[Dataset]:
    """The versions that rows of this one come from and that are readable, the oldest first, this one last."""
    published = describe(store, catalog, version, examples=0)
    known = {f"{one.catalog}@{one.version}": one for one in store.versions()}
    nodes = {node.name: node for node in published.tree.walk("up")}
    names = [name for name, compared in reached(known, published.name).items() if not compared]
    ancestors = sorted(
        (known[name] for name in names if name in known and name != published.name), key=lambda one: one.snapshot_id
    )
    brief = [
        describe(store, one.catalog, one.version, examples=0, within=nodes[f"{one.catalog}@{one.version}"])
        for one in ancestors
    ]
    return [*brief, published]


def _splits(store: Store, version: str, columns: Columns) -> list[str]:
    found = dicts(store, f"select distinct {_split_of(columns)} as s from {version} order by s")
    return [str(row["s"]) for row in found] or ["train"]


def _split_of(columns: Columns) -> str:
    return f"coalesce({quoted(SPLIT)}::varchar, 'train')" if SPLIT in columns else "'train'"


def _rows_of(files: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in files)


def _package() -> Any:
    """`datasets`, without its progress bars."""
    try:
        import datasets
    except ImportError as error:
        raise PluginError(
            f"a data set is read back before it is published: pip install 'dqdata[publish]' ({error})",
            code="missing-extra",
        ) from error
    datasets.disable_progress_bars()
    return datasets


def _loads(folder: Path, rows: Mapping[str, int]) -> None:
    """Raises RunError where `datasets` does not read these rows from the folder."""
    datasets = _package()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".load-") as cache:
        try:
            loaded = datasets.load_dataset(str(folder), cache_dir=cache)
            found = {str(split): len(part) for split, part in loaded.items()}
        except Exception as error:
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            raise RunError(f"`datasets` can't read what was written: {error}{cause}; nothing was published") from error
    if found != dict(rows):
        raise RunError(
            f"`datasets` reads {found} rows of what was written, and {dict(rows)} were; nothing was published"
        )


def _validated(file: Path) -> tuple[str, ...]:
    """Notes on the check of the metadata by `mlcroissant`. Raises RunError where it finds an error."""
    try:
        import mlcroissant
    except ImportError:
        return (f"{METADATA} was not validated: pip install 'dqdata[publish]' has mlcroissant",)
    try:
        issues = mlcroissant.Dataset(jsonld=str(file)).metadata.issues
    except mlcroissant.ValidationError as error:
        raise RunError(f"mlcroissant refuses the metadata: {error}; nothing was published") from error
    return tuple(f"{METADATA}: {warning}" for warning in sorted(issues.warnings))

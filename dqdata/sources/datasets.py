"""Rows of a Hugging Face data set: a name on the hub, or a local folder that `datasets` can load.

    from = "hf:openai/gsm8k"
    from = { source = "datasets", name = "openai/gsm8k", config = "main", columns = { solution = "answer" } }

A hub name is pinned to the commit it has when planning, which is the fingerprint; of a local folder it is the content
of its files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.arrow_types import mapped_list, mapped_struct, stored_batch
from dqdata.columns import VOCABULARY, Columns, arrow_schema, columns_of
from dqdata.errors import DataError, InputError, PluginError
from dqdata.files import file_hash
from dqdata.ids import canonical, digest
from dqdata.licenses import OTHER, checked
from dqdata.params import Params
from dqdata.source import Source
from dqdata.sources.record import new_names

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2000
SAMPLE_ROWS = 200
"""Rows that tell the columns of a data set which doesn't declare them."""


class HubDatasetParams(Params):
    name: str
    """On the hub, or a folder relative to pipelines.toml."""
    config: str | None = None
    """Subset of the data set; its default one where not given."""
    split: str = "train"
    """As the data set names it, such as train or test."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    columns: Mapping[str, str] = {}
    """New name = name in the data set."""


class HubDataset(Source[HubDatasetParams]):
    """Rows of a Hugging Face data set, from the hub or a local folder."""

    kind = "datasets"
    Params = HubDatasetParams

    _card: Mapping[str, Any] = {}
    """Metadata of its page on the hub, where that was asked."""

    def schema(self) -> Columns:
        return self._schema

    def fingerprint(self) -> str:
        how = canonical(self.params.model_dump(include={"config", "split", "columns"}))
        if self._folder is None:
            return digest("datasets", self.params.name, self._commit, how)
        files = sorted(file for file in self._folder.rglob("*") if file.is_file() and ".cache" not in file.parts)
        return digest(
            "datasets", how, *(f"{file.relative_to(self._folder)} {file_hash(file, 'blake2b')}" for file in files)
        )

    def license(self) -> str:
        """What the card says, where it names one licence."""
        if self._folder is None:
            _ = self._commit
            return _card_license(self._card)
        readme = self._folder / "README.md"
        return _card_license(card_of(readme.read_text(encoding="utf-8", errors="replace"))) if readme.is_file() else ""

    def row_count(self) -> int | None:
        if self._is_saved:
            return len(self._saved())
        splits = self._builder().info.splits
        return splits[self.params.split].num_examples if splits and self.params.split in splits else None

    def namespace(self) -> str:
        return self.params.name.rstrip("/").rpartition("/")[2]

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        wanted = arrow_schema(self._schema)
        old_names = list(self._names)
        first = 1
        for table in self._loaded().with_format("arrow").iter(BATCH_ROWS):
            try:
                for batch in table.select(old_names).rename_columns(wanted.names).to_batches():
                    yield from pa.Table.from_batches([self._held(batch)]).cast(wanted).to_batches()
            except (pa.ArrowException, KeyError) as error:
                raise DataError(f"{self._where} rows {first} to {first + table.num_rows - 1}: {error}") from error
            first += table.num_rows

    def _held(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with names of classes in place of their numbers, and every column in a type that rows hold."""
        import pyarrow as pa

        features = {new: self._features[old] for old, new in self._names.items()}
        columns = [_with_names(batch.column(name), features[name]) for name in batch.schema.names]
        return stored_batch(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))

    @property
    def _where(self) -> str:
        return f"data set {self.params.name} [{self.params.split}]"

    @cached_property
    def _folder(self) -> Path | None:
        path = self.context.root / Path(self.params.name).expanduser()
        if path.is_dir():
            return path
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", self.params.name):
            raise DataError(
                f"no folder {path}, and {self.params.name!r} is no name on the hub, such as owner/name",
                code="missing-file",
            )
        return None

    @property
    def _is_saved(self) -> bool:
        """Whether the folder was written by `save_to_disk`."""
        folder = self._folder
        return folder is not None and any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))

    @cached_property
    def _commit(self) -> str:
        """Commit of the hub's data set as of now."""
        if re.fullmatch(r"[0-9a-f]{40}", self.params.revision or ""):
            return str(self.params.revision)
        datasets = _package()
        from huggingface_hub import HfApi

        if datasets.config.HF_HUB_OFFLINE:
            raise DataError(
                f"{self._where}: the hub is switched off (HF_HUB_OFFLINE), so give `revision` as a whole commit"
            )
        try:
            info = HfApi().dataset_info(self.params.name, revision=self.params.revision, timeout=30)
            self._card = {key: info.card_data.get(key) for key in ("license", "license_name") if info.card_data}
            return str(info.sha)
        except Exception as error:
            raise DataError(
                f"{self._where}: the hub doesn't give it ({type(error).__name__}: {str(error).splitlines()[0]}); check "
                "the name, the connection, and for a gated set HF_TOKEN"
            ) from error

    @property
    def _request(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"path": str(self._folder or self.params.name), "name": self.params.config}
        return asked if self._folder else {**asked, "revision": self._commit}

    def _builder(self) -> Any:
        with _explained(self._where):
            return _package().load_dataset_builder(**self._request)

    def _saved(self) -> Any:
        with _explained(self._where):
            made = _package().load_from_disk(str(self._folder))
        if not isinstance(made, dict):
            return made
        if self.params.split not in made:
            raise DataError(f"{self._where}: no such split (have: {', '.join(made)})")
        return made[self.params.split]

    def _loaded(self) -> Any:
        if self._is_saved:
            return self._saved()
        with _explained(self._where):
            return _package().load_dataset(**self._request, split=self.params.split)

    @cached_property
    def _features(self) -> Any:
        """Declared features, or those of the first rows."""
        if self._is_saved:
            return self._saved().features
        declared = self._builder().info.features
        if declared is not None:
            return declared
        datasets = _package()
        with _explained(self._where):
            rows = datasets.load_dataset(**self._request, split=self.params.split, streaming=True)
            return datasets.Dataset.from_list(list(rows.take(SAMPLE_ROWS))).features

    @cached_property
    def _names(self) -> dict[str, str]:
        return new_names(list(self._features), self.params.columns, self._where)

    @cached_property
    def _schema(self) -> Columns:
        """Plain values in columns of dqdata's vocabulary are text where it says so."""
        import pyarrow as pa

        types = self._features.arrow_schema
        empty = pa.schema([(name, types.field(old).type) for old, name in self._names.items()])
        held = self._held(_no_rows(empty))
        fields: list[tuple[str, pa.DataType]] = []
        for new in self._names.values():
            kind = held.schema.field(new).type
            known = VOCABULARY.get(new)
            as_text = known is not None and known.type == "VARCHAR" and not pa.types.is_nested(kind)
            fields.append((new, pa.string() if as_text or pa.types.is_null(kind) else kind))
        return columns_of(pa.schema(fields))


def card_of(readme: str) -> Mapping[str, Any]:
    """Metadata of a card: the YAML between its first lines of dashes, nothing where it has none that can be read."""
    import yaml

    found = re.match(r"---\s*\n(.*?)\n---\s*\n", readme, re.DOTALL)
    try:
        read = yaml.safe_load(found.group(1)) if found else None
    except yaml.YAMLError:
        return {}
    return read if isinstance(read, Mapping) else {}


def _card_license(card: Mapping[str, Any]) -> str:
    named = card.get("license")
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if not isinstance(named, str):
        return ""
    own = card.get("license_name")
    try:
        return checked(f"{OTHER}:{own}" if named == OTHER and own else named)
    except InputError:
        return ""


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _with_names(array: pa.Array, feature: Any) -> pa.Array:
    """The values with each ClassLabel in them as the name of its class; null for the -1 of a label that is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if hasattr(feature, "int2str"):
        names = pa.array(feature.names, pa.string())
        return names.take(pc.if_else(pc.less(array, 0), pa.scalar(None, array.type), array))
    if isinstance(feature, Mapping) and _has_classes(feature) and pa.types.is_struct(array.type):
        return mapped_struct(array, lambda name, values: _with_names(values, feature[name]))
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    if inner is not None and _has_classes(inner):
        return mapped_list(array, lambda values: _with_names(values, inner))
    return array


def _has_classes(feature: Any) -> bool:
    if isinstance(feature, Mapping):
        return any(map(_has_classes, feature.values()))
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return hasattr(feature, "int2str") or (inner is not None and _has_classes(inner))


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Errors of the package, which are of many kinds, as DataError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise DataError(f"{where}: {str(error) or type(error).__name__}{cause}") from error


def _package() -> Any:
    """The package, without its progress bars. Raises PluginError where it is missing."""
    try:
        import datasets
    except ImportError as error:
        raise PluginError(
            f"source 'datasets' needs a package: pip install 'dqdata[hub]' ({error})", code="missing-extra"
        ) from error
    if "HF_DATASETS_DISABLE_PROGRESS_BARS" not in os.environ:
        datasets.disable_progress_bars()
    return datasets

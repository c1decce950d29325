"""What leaves a store: rows in the formats of other tools, published data sets, models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import InputError
from dqdata.refs import as_query, catalog_ref

if TYPE_CHECKING:
    from dqdata.exchange.example import Kind
    from dqdata.exchange.export import Exported
    from dqdata.place import StorePlace
    from dqdata.publish.folder import Published
    from dqdata.training.export import Exported as ExportedModel


class Exports:
    """The part of a store's API that writes for others; `Catalogs` is the whole of it."""

    place: StorePlace

    def export_to(self, what: str, to: str, folder: Path | str, *, kind: Kind | None = None) -> Exported:
        """Writes a catalog (`NAME`, `NAME@3`) or the rows of a query into a new folder, in the format of another tool.

        to: llama-factory, ms-swift, verl, trl, verifiers, openrlhf, axolotl; jsonl, parquet, csv, hf hold the rows as
        they are. kind: sft, preference, prompt or unpaired, where the rows could be for several. Raises DataError, by
        row, for what the format cannot hold.
        """
        from dqdata.catalog import Store
        from dqdata.exchange.export import export

        ref = catalog_ref(what)
        with Store.open(self.place, read_only=True) as store:
            return export(store, as_query(what), ref.name if ref else "rows", to, Path(folder), kind)

    def publish(
        self,
        version: str,
        target: str | Path,
        *,
        license: str | None = None,
        accept_licenses: bool = False,
        title: str = "",
        private: bool = False,
    ) -> Published:
        """Writes a version (`NAME@3`, or `NAME` for the newest) as a data set with card, licence and Croissant metadata
        into a new folder, or uploads it to the Hub: `hf:OWNER/NAME`.

        license: of the whole, by default what the licences of its sources allow. accept_licenses: publishes although
        one is missing or two are in conflict, with a warning in the card. private: of a repository that is new. Raises
        InputError for licences, DataError for rows with keys of services, RunError where the Hub does not take it.
        """
        from dqdata.api.versions import one_version
        from dqdata.catalog import Store
        from dqdata.publish import hub
        from dqdata.publish.folder import build

        how: dict[str, Any] = {"license": license, "accept_licenses": accept_licenses, "title": title}
        with Store.open(self.place, read_only=True) as store:
            catalog, number = one_version(store, version)
            if isinstance(target, str) and target.startswith(hub.PREFIX):
                name = target.removeprefix(hub.PREFIX)
                return hub.publish(store, catalog, number, name, private=private, **how)
            if private:
                raise InputError("private is for a repository of the Hub, hf:OWNER/NAME")
            return build(store, catalog, number, Path(target), **how)

    def export_model(self, name: str, target: Path | str) -> ExportedModel:
        """Writes a model trained here, `trained:NAME@2`, to a folder that vLLM and transformers serve, or to one .gguf
        file. Raises InputError for an unknown model and StoreError where the target cannot be written."""
        from dqdata.catalog import Store
        from dqdata.training.export import export_model

        with Store.open(self.place, read_only=True) as store:
            return export_model(store, name, Path(target))

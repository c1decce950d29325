"""Models of a project behind an endpoint."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dqdata.aio import outside_loop

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.place import StorePlace
    from dqdata.project.tables import Project as Tables
    from dqdata.training.deploy import Checked, Deployed, Serving


class Deployments:
    """The part of a project's API that serves models; `Project` is the whole of it."""

    tables: Tables
    place: StorePlace

    @abstractmethod
    def _writable(self, *, there: bool = False) -> Store: ...

    def deploy(self, name: str, target: Path | str | None = None, serving: Serving | None = None) -> Deployed:
        """Writes a folder that serves a model trained here: its files, a vLLM command, a compose file and a PAI-EAS
        service. target: by default the model's name. Raises InputError for a model or folder that cannot be used."""
        from dqdata.catalog import Store
        from dqdata.training.deploy import Serving, deploy

        folder = Path(target) if target is not None else Path(name.removeprefix("trained:").replace("@", "-"))
        with Store.open(self.place, read_only=True) as store:
            return deploy(store, name, folder, serving or Serving())

    @outside_loop
    def check_deployment(
        self,
        name: str,
        url: str,
        *,
        served: str = "",
        key: str = "",
        limit: int | None = None,
        out: TextIO | None = None,
    ) -> Checked:
        """Asks an endpoint the held-out questions of a model's training, and compares with the recorded accuracy.

        served: the model's name at the endpoint, by default the one that `deploy` gives. key: of the endpoint. limit:
        only so many questions. Raises InputError for a model that was trained without `evaluate`."""
        from dqdata.training.deploy import check_endpoint

        with self._writable() as store:
            return check_endpoint(self.tables, store, name, url, served=served, key=key, limit=limit, out=out)

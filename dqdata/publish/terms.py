"""The licence under which a version can be published, from those of everything that its rows come from.

terms(store, "traces", 3).ids        # ("cc-by-4.0",)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqdata.errors import InputError
from dqdata.history.origins import Origin, named, origins
from dqdata.licenses import checked, combined

if TYPE_CHECKING:
    from dqdata.catalog import Store


@dataclass(frozen=True)
class Terms:
    """ids: licences of the whole, several where each part keeps its own; none where nobody knows. warnings: what is
    wrong with the mix and was accepted, in sentences."""

    ids: tuple[str, ...]
    origins: tuple[Origin, ...]
    warnings: tuple[str, ...] = ()


def terms(store: Store, catalog: str, version: int, wanted: str | None = None, *, accept: bool = False) -> Terms:
    """Follows the version to its sources. wanted: the licence that somebody chose for the whole. accept: a missing
    licence or a conflict is a warning. Raises InputError otherwise, with the versions, their rows and what to do."""
    chosen = checked(wanted) if wanted is not None else ""
    found = origins(store, catalog, version)
    sources = [one for one in found if not one.compared]
    unstated = [one for one in sources if not one.license]
    missing = [f"no licence is stated of {named(one)}" for one in unstated]
    whole = combined([one.license for one in sources if one.license], chosen)
    conflicts = [
        f"{one.reason} ({_all([at for at in sources if at.license in one.licenses])})" for one in whole.conflicts
    ]
    name = f"{catalog}@{version}"
    if not accept and missing:
        hint = "; ".join(f"`dqdata tag {one.version} --license NAME`" for one in unstated)
        raise InputError(
            f"{name} can't be published: {'; '.join(missing)}. State the licence of the source: {hint}; or publish "
            "anyway with --accept-licenses, which writes the lack into the card",
            code="unstated-license",
        )
    if not accept and conflicts:
        raise InputError(
            f"{name} can't be published: {'; '.join(conflicts)}. Leave out the rows of one of them, or choose another "
            "--license; if a person has looked at the terms, --accept-licenses publishes it with a warning in the card",
            code="license-conflict",
        )
    ids = () if unstated and not chosen else whole.ids
    return Terms(ids, tuple(found), (*missing, *conflicts))


def _all(sources: Sequence[Origin]) -> str:
    return "; ".join(f"{one.license}: {named(one)}" for one in sources)

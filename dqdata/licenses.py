"""Licences of data by the names that the Hub and SPDX give them, and whether rows under several may be published.

>>> checked("CC-BY-4.0")
'cc-by-4.0'
>>> combined(["mit", "cc-by-sa-4.0"]).ids
('cc-by-sa-4.0',)
>>> [str(one) for one in combined(["cc-by-sa-4.0", "cc-by-nc-4.0"]).conflicts]
['cc-by-sa-4.0 asks for itself on everything made from it, and cc-by-nc-4.0 forbids commercial use, which it does not']

The rules read four terms of each licence: share alike, no commercial use, no derivatives, and terms of its own that
nobody can judge by a name. They find mixes that cannot be right; they are no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from dqdata.errors import InputError, nearest

OTHER = "other"
"""On the Hub, a licence that is not on its list; `license_name` says which."""


class License(NamedTuple):
    """name: of the Hub. alike: the family that everything made from it must have, empty where there is none. credit:
    whether its holders must be named."""

    name: str
    url: str
    alike: str = ""
    commercial: bool = True
    derivatives: bool = True
    credit: bool = True
    own_terms: bool = False


def _creative(kind: str, version: str) -> License:
    return License(
        f"cc-{kind}-{version}",
        f"https://creativecommons.org/licenses/{kind}/{version}/",
        f"cc-{kind}" if kind.endswith("sa") else "",
        "nc" not in kind,
        "nd" not in kind,
    )


def _spdx(name: str, spdx: str, alike: str = "", *, credit: bool = True) -> License:
    return License(name, f"https://spdx.org/licenses/{spdx}.html", alike, credit=credit)


def _own(name: str, url: str = "") -> License:
    return License(name, url, own_terms=True)


_ALL = (
    *(_creative(kind, version) for kind in ("by", "by-sa", "by-nd") for version in ("2.0", "2.5", "3.0", "4.0")),
    *(_creative(kind, version) for kind in ("by-nc", "by-nc-sa", "by-nc-nd") for version in ("2.0", "3.0", "4.0")),
    License("cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", credit=False),
    _spdx("apache-2.0", "Apache-2.0"),
    _spdx("mit", "MIT"),
    _spdx("bsd", "BSD-2-Clause"),
    _spdx("bsd-2-clause", "BSD-2-Clause"),
    _spdx("bsd-3-clause", "BSD-3-Clause"),
    _spdx("isc", "ISC"),
    _spdx("zlib", "Zlib"),
    _spdx("ms-pl", "MS-PL"),
    _spdx("artistic-2.0", "Artistic-2.0"),
    _spdx("afl-3.0", "AFL-3.0"),
    _spdx("ecl-2.0", "ECL-2.0"),
    _spdx("wtfpl", "WTFPL", credit=False),
    _spdx("unlicense", "Unlicense", credit=False),
    _spdx("pddl", "PDDL-1.0", credit=False),
    _spdx("odc-by", "ODC-By-1.0"),
    _spdx("odbl", "ODbL-1.0", "odbl"),
    _spdx("cdla-permissive-1.0", "CDLA-Permissive-1.0"),
    _spdx("cdla-permissive-2.0", "CDLA-Permissive-2.0"),
    _spdx("cdla-sharing-1.0", "CDLA-Sharing-1.0", "cdla-sharing"),
    _spdx("c-uda", "C-UDA-1.0"),
    _spdx("gpl-2.0", "GPL-2.0-only", "gpl-2.0"),
    _spdx("gpl-3.0", "GPL-3.0-only", "gpl-3.0"),
    _spdx("agpl-3.0", "AGPL-3.0-only", "agpl-3.0"),
    _spdx("lgpl-2.1", "LGPL-2.1-only", "lgpl-2.1"),
    _spdx("lgpl-3.0", "LGPL-3.0-only", "lgpl-3.0"),
    _spdx("mpl-2.0", "MPL-2.0", "mpl-2.0"),
    _spdx("epl-2.0", "EPL-2.0", "epl-2.0"),
    _spdx("eupl-1.2", "EUPL-1.2", "eupl-1.2"),
    _spdx("gfdl", "GFDL-1.3-only", "gfdl"),
    *map(_own, ("cc", "openrail", "openrail++", "creativeml-openrail-m", "bigscience-openrail-m", "gemma", "llama2")),
    *map(_own, ("llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "deepfloyd-if-license", "etalab-2.0")),
    *map(_own, ("apple-amlr", "h-research", "intel-research", "open-mdw", "unknown", OTHER)),
)
LICENSES = {one.name: one for one in _ALL}
_SPDX = {
    one.url.rsplit("/", 1)[-1].removesuffix(".html").lower(): one.name for one in _ALL if one.url.endswith(".html")
}
_SYNONYMS = _SPDX | {"apache": "apache-2.0", "cc0": "cc0-1.0", "gpl-2.0-or-later": "gpl-2.0", "gpl": "gpl-3.0"} | {
    f"{name}-or-later": name for name in ("gpl-3.0", "agpl-3.0", "lgpl-2.1", "lgpl-3.0")
}  # fmt: skip
_BARE = ("cc-by", "cc-by-sa", "cc-by-nc", "cc-by-nc-sa", "cc-by-nd", "cc-by-nc-nd")


def checked(text: str) -> str:
    """The licence by the Hub's name, or as it is with the prefix `other:` where it says that it is none of the Hub's
    (`other:my-terms`). Raises InputError for a name that is none."""
    name = text.strip()
    if name.lower().startswith(f"{OTHER}:"):
        own = name.partition(":")[2].strip()
        if not re.fullmatch(r"[\w][\w .+/-]{0,80}", own):
            raise InputError(f"{text!r} is no licence: after other: comes its name, such as other:acme-terms-2")
        return f"{OTHER}:{own}"
    name = name.lower().replace(" ", "-")
    name = f"{name}-4.0" if name in _BARE else _SYNONYMS.get(name, name)
    if name not in LICENSES or name == OTHER:
        raise InputError(
            f"{text!r} is no licence that the Hub or SPDX lists{nearest(name, LICENSES)}; one that is on no list is "
            "written other:NAME"
        )
    return name


def license_of(name: str) -> License:
    """The terms of a name that `checked` gave."""
    return LICENSES.get(name) or _own(name)


@dataclass(frozen=True)
class Conflict:
    """licenses: that are in conflict, one if it cannot be published at all."""

    licenses: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Combined:
    """ids: under which the whole can be published: several where each part keeps its own."""

    ids: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


def combined(names: Iterable[str], wanted: str = "") -> Combined:
    """What rows under these licences can be published under, or what forbids it. wanted: the licence that somebody
    chose for the whole; it must keep the terms of each part."""
    parts = [license_of(name) for name in dict.fromkeys(names)]
    conflicts = [
        Conflict((one.name,), f"{one.name} forbids to publish what was made from it")
        for one in parts
        if not one.derivatives
    ]
    for one, other in combinations(parts, 2):
        if reason := _pair(one, other) or _pair(other, one):
            conflicts.append(Conflict((one.name, other.name), reason))
    if wanted:
        conflicts += [Conflict((one.name, wanted), why) for one in parts if (why := _broken(one, license_of(wanted)))]
        return Combined((wanted,), tuple(conflicts))
    return Combined(_whole(parts), tuple(conflicts))


def _pair(one: License, other: License) -> str:
    """Why the first forbids to be mixed with the second, empty where it does not."""
    if one.own_terms:
        return f"{one.name} has terms of its own, which a person must read before its rows are mixed with {other.name}"
    if one.alike and other.alike and one.alike != other.alike:
        return f"{one.name} and {other.name} each ask for themselves on everything made from them"
    if one.alike and one.commercial and not other.commercial:
        return (
            f"{one.name} asks for itself on everything made from it, and {other.name} forbids commercial use, which it "
            "does not"
        )
    return ""


def _broken(part: License, whole: License) -> str:
    """The term of a part that publishing under `whole` would break."""
    if part.name == whole.name:
        return ""
    if part.own_terms:
        return f"{part.name} has terms of its own, and {whole.name} does not have them"
    if part.alike and part.alike != whole.alike:
        return f"{part.name} asks for itself on everything made from it, and not for {whole.name}"
    if not part.commercial and whole.commercial:
        return f"{part.name} forbids commercial use, and {whole.name} allows it"
    if part.credit and not whole.credit:
        return f"{part.name} asks for credit, and {whole.name} does not"
    return ""


def _whole(parts: Sequence[License]) -> tuple[str, ...]:
    for strictest in (
        [one for one in parts if one.own_terms],
        [one for one in parts if one.alike and not one.commercial],
        [one for one in parts if one.alike],
        [one for one in parts if not one.commercial],
        [one for one in parts if one.credit],
    ):
        if strictest:
            newest = {re.sub(r"-\d.*", "", one.name): one.name for one in sorted(strictest)}
            kept = {one.name for one in strictest if not one.alike} | {
                newest[re.sub(r"-\d.*", "", one.name)] for one in strictest if one.alike
            }
            return tuple(sorted(kept))
    return tuple(sorted(one.name for one in parts))

"""Licences by name, and which of them can be published together."""

from __future__ import annotations

import pytest

from dqdata.errors import InputError
from dqdata.licenses import checked, combined


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("MIT", "mit"),
        ("Apache-2.0", "apache-2.0"),
        ("cc-by", "cc-by-4.0"),
        ("CC BY-SA 3.0".replace(" ", "-"), "cc-by-sa-3.0"),
        ("ODbL-1.0", "odbl"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        (" CC0 ", "cc0-1.0"),
        ("other: Acme Terms 2", "other:Acme Terms 2"),
    ],
)
def test_names_of_the_hub_and_of_spdx_are_known(given: str, expected: str) -> None:
    assert checked(given) == expected


@pytest.mark.parametrize("given", ["", "mitt", "other", "other:", "free", "cc-by-5.0", "other:<b>"])
def test_what_is_no_licence_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="no licence"):
        checked(given)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["mit"], ("mit",)),
        (["mit", "apache-2.0", "mit"], ("apache-2.0", "mit")),
        (["cc0-1.0", "cc-by-4.0"], ("cc-by-4.0",)),
        (["mit", "cc-by-nc-4.0"], ("cc-by-nc-4.0",)),
        (["cc-by-sa-3.0", "cc-by-sa-4.0", "mit"], ("cc-by-sa-4.0",)),
        (["cc-by-nc-sa-4.0", "cc-by-nc-4.0", "cc-by-4.0"], ("cc-by-nc-sa-4.0",)),
        (["llama3"], ("llama3",)),
        (["cc0-1.0", "unlicense"], ("cc0-1.0", "unlicense")),
    ],
)
def test_what_may_be_mixed_has_the_terms_of_the_strictest(names: list[str], ids: tuple[str, ...]) -> None:
    found = combined(names)
    assert found.ids == ids and not found.conflicts


@pytest.mark.parametrize(
    ("names", "wanted", "reason"),
    [
        (["cc-by-sa-4.0", "odbl"], "", "each ask for themselves"),
        (["cc-by-sa-4.0", "cc-by-nc-4.0"], "", "forbids commercial use"),
        (["cc-by-nc-nd-4.0"], "", "forbids to publish"),
        (["other:acme", "mit"], "", "terms of its own"),
        (["gpl-3.0", "gpl-2.0"], "", "each ask for themselves"),
        (["cc-by-nc-4.0"], "mit", "allows it"),
        (["cc-by-sa-4.0"], "cc-by-4.0", "asks for itself"),
        (["mit"], "cc0-1.0", "asks for credit"),
        (["gemma"], "apache-2.0", "terms of its own"),
    ],
)
def test_what_cannot_be_right_is_a_conflict(names: list[str], wanted: str, reason: str) -> None:
    [found, *_] = combined(names, wanted).conflicts
    assert reason in found.reason


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["mit", "cc0-1.0"], "cc-by-4.0"),
        (["cc-by-4.0"], "cc-by-nc-sa-4.0"),
        (["cc-by-sa-3.0"], "cc-by-sa-4.0"),
        (["cc0-1.0"], "cc0-1.0"),
        (["mit", "cc-by-nc-4.0"], "cc-by-nc-4.0"),
    ],
)
def test_a_stricter_licence_for_the_whole_keeps_the_terms(names: list[str], wanted: str) -> None:
    found = combined(names, wanted)
    assert found.ids == (wanted,) and not found.conflicts

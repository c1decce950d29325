"""Looks for the pinned packages among known vulnerabilities, without a network service.

    pip install safety-db packaging
    python bench/audit.py                     # exit code 1 where a pin is affected

The data come with the package `safety-db`; its date is printed, since the newest release that PyPI has is from 2021.
Where a network is allowed, `pip-audit -r constraints.txt --no-deps` asks for today's.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    package = find_spec("safety_db")  # importing it fails: it looks for its data in the working folder
    if package is None or package.origin is None:
        sys.exit("pip install safety-db packaging")
    known = json.loads((Path(package.origin).parent / "insecure_full.json").read_text())
    at = datetime.fromtimestamp(known.pop("$meta")["timestamp"], UTC)
    advisories = {normal(name): entries for name, entries in known.items()}
    lines = [line.split("#")[0].split(";")[0].strip() for line in CONSTRAINTS.read_text().splitlines()]
    pins = [line.split("==") for line in lines if "==" in line]
    looked_at = affected = 0
    for name, version in pins:
        for entry in advisories.get(normal(name), ()):
            looked_at += 1
            if any(Version(version) in SpecifierSet(spec, prereleases=True) for spec in entry["specs"]):
                affected += 1
                print(f"{name}=={version}: {entry['id']} {entry['advisory']}")
    there = sum(normal(name) in advisories for name, _ in pins)
    counts = f"{len(pins)} pins, {there} with advisories, {looked_at} looked at, {affected} hold"
    print(f"advisories of {at:%Y-%m-%d}: {counts}")
    return 1 if affected else 0


if __name__ == "__main__":
    sys.exit(main())

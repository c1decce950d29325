"""Prepares a release: checks versions, CHANGELOG.md and the tree, builds sdist and wheel, and looks into them.

$ python docs/release.py            # publishes nothing
$ python docs/release.py --check    # no build
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("dqdata/cli/__init__.py", "dqdata_operators/__init__.py", "dqdata_trainers/__init__.py")
"""What a wheel must have."""
URLS = ("Documentation", "Repository", "Issues", "Changelog")
"""Addresses that the page of the package shows."""


def version(root: Path = ROOT) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def problems(root: Path = ROOT) -> Iterator[str]:
    """What keeps the tree from being released, in sentences."""
    wanted = version(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", wanted):
        yield f"pyproject.toml: {wanted} is no version such as 0.2.0 or 0.2.0rc1"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if lacking := [name for name in URLS if name not in project.get("urls", {})]:
        yield f"pyproject.toml: [project.urls] lacks {', '.join(lacking)}: where this copy of the project is published"
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.+)$", changes, re.MULTILINE)
    if not any(title.split()[0] == wanted for title in titles):
        yield f"CHANGELOG.md has no section {wanted}: rename Unreleased to `{wanted} (YYYY-MM-DD)`"
    unreleased = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", changes, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased.group(1).strip():
        yield "CHANGELOG.md still has lines under Unreleased"


def untidy(root: Path = ROOT) -> str:
    """Files that git would lose or that are not committed."""
    done = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def build(out: Path, root: Path = ROOT) -> tuple[Path, Path]:
    """Sdist and wheel in `out`, with the build backend that is installed here."""
    code = (
        "import sys; from hatchling.build import build_sdist, build_wheel; "
        "print(build_sdist(sys.argv[1])); print(build_wheel(sys.argv[1]))"
    )
    out.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=root, capture_output=True, text=True, check=True)
    sdist, wheel = done.stdout.split()[-2:]
    return out / sdist, out / wheel


def missing(sdist: Path, wheel: Path) -> list[str]:
    """What the two files lack."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    with tarfile.open(sdist) as packed:
        sources = {name.partition("/")[2] for name in packed.getnames()}
    lacking = [f"{wheel.name}: {name}" for name in NEEDED if name not in names]
    lacking += [f"{sdist.name}: {name}" for name in ("LICENSE", "README.md", "pyproject.toml") if name not in sources]
    return lacking


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="Only look at versions, CHANGELOG.md and the tree.")
    given = parser.parse_args()
    found = list(problems())
    if changed := untidy():
        found.append(f"not committed:\n{changed}")
    for one in found:
        print(one, file=sys.stderr)
    if found or given.check:
        return 1 if found else 0
    sdist, wheel = build(ROOT / "dist")
    if lacking := missing(sdist, wheel):
        print("\n".join(lacking), file=sys.stderr)
        return 1
    print(f"{sdist}\n{wheel}")
    print(f"left to do: git tag v{version()}; upload both files; a new section Unreleased in CHANGELOG.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())

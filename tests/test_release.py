"""docs/release.py: what it refuses, and what it builds has what it must."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "docs" / "release.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


URLS = "".join(f'{name} = "https://example.org/x"\n' for name in ("Documentation", "Repository", "Issues", "Changelog"))


def tree(folder: Path, version: str, changes: str, urls: str = URLS) -> Path:
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nversion = "{version}"\n[project.urls]\n{urls}', encoding="utf-8"
    )
    (folder / "CHANGELOG.md").write_text(changes)
    return folder


@pytest.mark.parametrize(
    ("version", "changes", "named"),
    [
        ("0.2.0", "# Changes\n\n## Unreleased\n\n- A thing.\n", ["no section 0.2.0", "under Unreleased"]),
        ("0.2.0", "## Unreleased\n\n- A thing.\n\n## 0.2.0 (2026-12-01)\n", ["under Unreleased"]),
        ("0.2", "## 0.2 (2026-12-01)\n", ["is no version"]),
        ("0.2.0", "## 0.2.01\n", ["no section 0.2.0"]),
        ("0.2.0rc1", "## Unreleased\n\n## 0.2.0rc1 (2026-12-01)\n\n- A thing.\n", []),
        ("1.0.0", "## 1.0.0 (2026-12-01)\n\n- A thing.\n", []),
    ],
)
def test_versions_and_changes_must_agree(
    release: ModuleType, tmp_path: Path, version: str, changes: str, named: list[str]
) -> None:
    found = list(release.problems(tree(tmp_path, version, changes)))
    assert len(found) == len(named) and all(part in one for part, one in zip(named, found, strict=True))


def test_a_release_names_where_the_project_is_published(release: ModuleType, tmp_path: Path) -> None:
    """Whoever publishes a copy knows its addresses; this one has none yet."""
    [found] = release.problems(tree(tmp_path, "1.0.0", "## 1.0.0 (2026-12-01)\n", 'Repository = "https://x.org"\n'))
    assert "[project.urls] lacks Documentation, Issues, Changelog" in found


def test_what_is_built_has_all_packages(release: ModuleType, tmp_path: Path) -> None:
    sdist, wheel = release.build(tmp_path)
    assert release.missing(sdist, wheel) == []
    assert release.version() in wheel.name

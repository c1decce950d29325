"""What is known of a plug-in beside its class: where it comes from, and what its source is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from dqdata import plugins


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two modules on the path."""
    folder = tmp_path / "moody_ops"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "shout.py").write_text("class Shout:\n    loud = 1\n")
    (folder / "_helper.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("moody_ops")]:
        del sys.modules[name]


def hash_of(package: Path) -> str:
    plugins.source_hash.cache_clear()
    return plugins.source_hash(importlib.import_module("moody_ops.shout").Shout)


def test_the_source_of_a_module_counts_without_a_new_version(package: Path) -> None:
    before = hash_of(package)
    assert before == hash_of(package)
    (package / "_helper.py").write_text("X = 2\n")
    assert hash_of(package) == before, "of an installed package only the module of the plug-in counts"
    (package / "shout.py").write_text("class Shout:\n    loud = 2\n")
    assert hash_of(package) != before


def test_the_whole_package_counts_where_it_is_editable(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_editable", lambda: frozenset({"moody_ops"}))
    before = hash_of(package)
    (package / "_helper.py").write_text("X = 2\n")
    assert hash_of(package) != before


@pytest.mark.parametrize("module", ["", ".shout", ".inner", ".inner.shout"])
def test_an_editable_package_counts_whole_wherever_its_operator_is(
    package: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """The package of `dqdata new operator` has its operator in `__init__.py`."""
    (package / "inner").mkdir()
    for file in ("__init__.py", "inner/__init__.py", "inner/shout.py"):
        (package / file).write_text("class Shout:\n    loud = 1\n")
    monkeypatch.setattr(plugins, "_editable", lambda: frozenset({"moody_ops"}))

    def now() -> str:
        plugins.source_hash.cache_clear()
        return plugins.source_hash(importlib.import_module(f"moody_ops{module}").Shout)

    seen = {now()}
    for changed in ("_helper.py", "inner/__init__.py", "inner/new.py"):
        (package / changed).write_text(f"class Shout:\n    loud = {len(seen) + 1}\n")
        seen.add(now())
    assert len(seen) == 4


def test_a_module_of_no_package_is_hashed_alone(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moody_ops_single.py").write_text("class Shout:\n    loud = 1\n")
    monkeypatch.setattr(plugins, "_editable", lambda: frozenset({"moody_ops_single"}))
    kind = importlib.import_module("moody_ops_single").Shout
    before = plugins.source_hash(kind)
    (package / "_helper.py").write_text("X = 2\n")
    plugins.source_hash.cache_clear()
    assert plugins.source_hash(kind) == before

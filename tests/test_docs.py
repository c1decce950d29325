"""Pages made from the code are as the code is now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dqdata.project.check import NoStore, PlannedStore
from dqdata.project.instances import make_teacher
from dqdata.project.tables import read_project

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_no_generated_page_has_drifted() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"drifted, run `make docs`: {done.stderr}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
    if block.startswith("[")  # others show alternatives, of which a file takes one
]


@pytest.mark.parametrize("block", BLOCKS)
def test_toml_of_the_pages_is_read(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'env = "(\w+)"', block):
        monkeypatch.setenv(name, "key")
    (tmp_path / "pipelines.toml").write_text(block)
    project = read_project(tmp_path / "pipelines.toml")
    for table in project.teachers.values():
        make_teacher(table, PlannedStore(NoStore(), {}, project))

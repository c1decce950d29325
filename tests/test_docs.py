"""Pages made from the code are as the code is now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
_SPEC = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
assert _SPEC is not None and _SPEC.loader is not None
generate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_has_not_drifted(name: str) -> None:
    page = DOCS / name
    assert page.read_text(encoding="utf-8") == generate.PAGES[name](), f"docs/{name} has drifted: run `make docs`"


def test_links_between_pages_lead_somewhere() -> None:
    import re

    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"

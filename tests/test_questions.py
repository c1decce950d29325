"""docs/questions.md and docs/costs.md: every query gives the answer that the page shows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dqdata.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("questions", "costs")
TEXTS = {page: (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES}
ASKED = [
    (page, query, answer)
    for page, text in TEXTS.items()
    for query, answer in re.findall(r"^```sql\n(.*?)\n```\n\n```\n(.*?)\n```", text, re.MULTILINE | re.DOTALL)
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("questions")
    for file in (ROOT / "examples" / "questions").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("problems", "traces", "slow_thinking"):
            assert main(["run", name, "-q", "--engine", "inline"]) == 0
        yield folder


def test_there_are_twenty_and_every_query_has_an_answer() -> None:
    assert re.findall(r"^## (\d+)\. ", TEXTS["questions"], re.MULTILINE) == [str(one) for one in range(1, 21)]
    for page, text in TEXTS.items():
        assert text.count("```sql") == sum(asked == page for asked, _, _ in ASKED), page


def test_every_answer_is_what_the_page_shows(project: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    for page, query, expected in ASKED:
        code, said, error = command_line("sql", query)
        assert code == 0, f"{page}: {query}: {error}"
        assert [line.rstrip() for line in said.splitlines()] == expected.splitlines(), f"{page}: {query}"

"""docs/questions.md: every query gives the answer that the page shows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dqdata.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
ASKED = re.findall(r"^## (\d+)\. .*?```sql\n(.*?)\n```\n\n```\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


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


def test_there_are_twenty() -> None:
    assert [int(number) for number, _, _ in ASKED] == list(range(1, 21))


def test_every_answer_is_what_the_page_shows(project: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    for number, query, expected in ASKED:
        code, said, error = command_line("sql", query)
        assert code == 0, f"{number}: {error}"
        assert [line.rstrip() for line in said.splitlines()] == expected.splitlines(), number

"""The story of docs/catalogs.md, command by command, and the commands of its section on tags."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback

from .conftest import Invoke
from .test_history import teacher

__all__ = ["teacher"]
pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[3] / "docs" / "catalogs.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def commands(text: str) -> Iterator[list[str]]:
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            yield shlex.split(line.removeprefix("$ "), comments=True)


@pytest.fixture
def colleagues(tmp_path: Path, dqdata: Invoke, teacher: Loopback, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of both, with the page's project and problems."""
    [toml] = re.findall(r"^```toml\n(.*?)^```", section("A story"), re.MULTILINE | re.DOTALL)
    for name in ("ada", "ben"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipelines.toml").write_text(toml.replace("https://api.example.com/v1", teacher.url))
        for file, numbers in (("problems", range(6)), ("more", range(6, 9))):
            rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in numbers]
            (tmp_path / name / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    teacher.asked.clear()
    return tmp_path


def test_the_story_happens_as_it_is_told(
    colleagues: Path, dqdata: Invoke, teacher: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, str] = {}
    asked: dict[str, int] = {}
    for words in commands(section("A story")):
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            continue
        before = len(teacher.asked)
        done = dqdata(*words[1:])
        assert done.code == 0, (words, done.error)
        said[" ".join(words[1:])] = done.out
        asked[f"{Path.cwd().name}: {' '.join(words[1:])}"] = len(teacher.asked) - before
    assert asked["ada: run traces"] == 6 and asked["ben: run traces"] == 3 and sum(asked.values()) == 9
    assert "every row is the same" in said["rebuild traces@release --replay"]
    assert said["verify traces@release"].endswith("sound\n") and said["test"].startswith("traces: passed")
    assert "[release]" in said["log traces"] and "sent to the reviewers" in said["log traces"]
    assert "traces@3: 2 files" in said["gc --dry-run"]
    assert len((colleagues / "ada" / "release.jsonl").read_text().splitlines()) == 3
    assert "problems@" in (colleagues / "ben" / "changes.md").read_text()


def test_the_commands_on_tags_work(colleagues: Path, dqdata: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("ada")
    for _ in range(4):
        assert dqdata("import", "problems.jsonl", "--into", "traces", "-q").code == 0
        (colleagues / "ada" / "problems.jsonl").open("a").write('{"question": "More?", "answer": "1"}\n')
    for words in commands(section("Tags, notes")):
        done = dqdata(*words[1:])
        assert done.code == 0, (words, done.error)

"""The quickstart and the guides, followed as a person does: each in an empty folder, block after block.

A block below the line "`FILE`:" is written to that file; other TOML is added to pipelines.toml. Commands run in this
process, Python in one module for the page. An endpoint on loopback answers in place of the page's, or of the model that
the quickstart installs; ID is that of a rejected row. What a page does not run it says, as in test_doc_blocks.py.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from loopback import Loopback

DOCS = Path(__file__).resolve().parents[1] / "docs"
STORIES = ("quickstart", "guide-endpoint", "guide-code", "guide-import", "guide-rewards")
BLOCK = re.compile(
    r"^(?:`([\w./]+)`:\n\n)?```(\w+)\n(.*?)^```\n(?:\n?\*Not run by the tests: (.*?)\*$)?", re.MULTILINE | re.DOTALL
)
EMBEDDED = re.compile(r'provider = "llamacpp"\nmodel = "smollm2-135m".*\nprompt_cache = true.*\n')
ENDPOINT = 'provider = "openai"\nbase_url = "https://api.example.com/v1"\nmodel = "m"\n'
PROGRAMS = {
    "add(a, b)": [
        "```python\ndef add(a, b):\n    return a + b\n```",
        "```python\ndef add(a, b):\n    return a - b\n```",
    ],
    "double": ["```python\nprint(int(input()) * 2)\n```"],
    "is_even": ["```python\ndef is_even(n):\n    return n % 2 == 0\n```"],
}


class Part(NamedTuple):
    file: str
    language: str
    text: str
    note: str


def parts(page: str) -> list[Part]:
    return [Part(*found) for found in BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))]


def answer(body: dict[str, Any]) -> str:
    """A program, or a sum that is right unless it is asked for with an odd seed."""
    text = body["messages"][-1]["content"]
    for words, programs in PROGRAMS.items():
        if words in text:
            return programs[body.get("seed", 0) % len(programs)]
    numbers = [int(one) for one in re.findall(r"\d+", text)] or [0]
    minus = re.search(r"-|minus|less|away|subtract|difference", text)
    return f"<think>I count.</think>It is {numbers[0] - numbers[-1] if minus else sum(numbers) + body['n_wrong']}."


class Reader:
    """Someone in an empty folder with a page."""

    def __init__(self, folder: Path, url: str, call: Callable[..., tuple[int, str, str]]) -> None:
        self._folder, self._url, self._call = folder, url, call
        self._namespace: dict[str, Any] = {}
        self.ran = 0

    def follow(self, part: Part) -> None:
        if part.file:
            self._write(part.file, part.text)
        elif part.language == "toml":
            self._write("pipelines.toml", self._project() + "\n" + part.text)
        elif part.language == "console":
            self._type(part)
        elif part.language == "python":
            exec(compile(part.text, "page", "exec"), self._namespace)
        else:
            pytest.fail(f"nothing says what this block is for:\n{part.text}")

    def _type(self, part: Part) -> None:
        excused = re.findall(r"`(\w+)`", part.note)
        for line in part.text.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if not words or (part.note and not excused) or words[0] in excused:
                continue
            assert words[0] == "dqdata", f"{line}: say below the block why it does not run"
            words = [self._rejected() if word == "ID" else word for word in words]
            code, out, error = self._call(*words[1:])
            assert code == 0, f"{line}: {out}{error}"
            self.ran += 1
            if words[1] == "init":
                self._write("pipelines.toml", EMBEDDED.sub(ENDPOINT, self._project()))

    def _rejected(self) -> str:
        out = self._call("show", "quickstart", "--rejects", "--json")[1]
        return str(json.loads(out)["rows"][0]["example_id"])

    def _project(self) -> str:
        file = self._folder / "pipelines.toml"
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def _write(self, name: str, text: str) -> None:
        text = text.replace("https://api.example.com/v1", self._url)
        (self._folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def endpoint() -> Any:
    """Answers right, but every fourth answer wrong."""
    server, count = Loopback(), iter(range(1_000_000))
    server.answer = lambda body: answer({**body, "n_wrong": next(count) % 4 == 3})
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("page", STORIES)
def test_a_page_can_be_followed(
    page: str,
    tmp_path: Path,
    endpoint: Loopback,
    monkeypatch: pytest.MonkeyPatch,
    kept_workers: None,
    command_line: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("R1_API_KEY", "CODER_API_KEY"):
        monkeypatch.setenv(name, "key")
    reader = Reader(tmp_path, endpoint.url, command_line)
    for part in parts(page):
        reader.follow(part)
    assert reader.ran > 2


def test_every_block_of_a_story_is_seen() -> None:
    for page in STORIES:
        fences = len(re.findall(r"^```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE))
        assert fences == 2 * len(parts(page)), page

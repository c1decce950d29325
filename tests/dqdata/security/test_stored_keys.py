"""Answers that an older version stored with a key in them: no run, catalog, report or screen shows the key."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.dqdata.security.conftest import Invoke
from tests.dqdata.security.encodings import leaks
from tests.dqdata.security.servers import Reply, Seen, completion, serving
from tests.dqdata.security.test_keys_stay import HEADER, SECRET, project

pytestmark = pytest.mark.usefixtures("kept_workers")

PLACES = [
    f"Your key is {SECRET}, so 4.",
    f'{{"key": "{SECRET}"}}',
    f"Bearer {SECRET}\nand {HEADER}",
    SECRET,
    f"it begins with {SECRET[:20]} and ends",
    f"<think>{SECRET}</think>4",
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NAME_THAT_SAYS_NOTHING", SECRET)
    monkeypatch.setenv("ANOTHER_ONE", HEADER)


def _stored_by_an_older_version(folder: Path) -> None:
    """Puts the key into every answer and every failure that the ledger holds."""
    with sqlite3.connect(folder / "catalogs" / "ledger.sqlite") as con:
        keys = [key for (key,) in con.execute("select ledger_key from calls order by rowid")]
        for key, text in zip(keys, PLACES, strict=True):
            con.execute("update calls set response = ?, reasoning = ? where ledger_key = ?", (text, text[::1], key))
        con.execute("update failures set message = ?", (f"the server answered: {SECRET}",))


def test_an_answer_stored_with_the_key_is_masked_wherever_it_is_read(tmp_path: Path, dqdata: Invoke) -> None:
    tried: list[str] = []

    def answer(request: Seen) -> Reply:
        tried.append(request.question)
        if tried.count(request.question) == 1:
            return Reply(503, b'{"error": {"message": "busy, try again in 0.01s"}}')
        return completion("So it is 4.")

    with serving(answer) as server:
        project(tmp_path, server.url, len(PLACES))
        file = tmp_path / "pipelines.toml"
        file.write_text(file.read_text().replace("max_attempts = 1", "max_attempts = 3"))
        first = dqdata("run", "p")
        assert first.code == 0, first
        _stored_by_an_older_version(tmp_path)
        asked = len(server.seen)
        file.write_text(file.read_text().replace('teacher = "t" }]', 'teacher = "t" }, { op = "quality" }]'))
        again = dqdata("run", "p")
        assert again.code == 0 and len(server.seen) == asked, again
    rows = json.loads(dqdata("sql", "from p", "--json").out)["rows"]
    assert len(rows) == len(PLACES)
    assert all("***" in (row["response"] or "") + (row["reasoning"] or "") for row in rows)
    said = [again.text, json.dumps(rows)]
    trace = rows[0]["trace_id"]
    for verb in (
        ["show", "p"],
        ["why", trace],
        ["why", trace, "--json"],
        ["lineage", "p@2"],
        ["diff", "p@1", "p@2"],
        ["diff", "p@1", "p@2", "--json"],
        ["log", "p", "--json"],
        ["ledger", "--json"],
    ):
        done = dqdata(*verb)
        said.append(done.text)
    assert dqdata("export", "p", "-o", str(tmp_path / "out.jsonl")).code == 0
    said.append((tmp_path / "out.jsonl").read_text())
    for text in said:
        for key in (SECRET, HEADER):
            assert not leaks(text, key)
    data = b"".join(file.read_bytes() for file in (tmp_path / "catalogs").rglob("*.parquet"))
    assert SECRET.encode() not in data

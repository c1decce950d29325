"""What `dqdata run` prints of a run, with a judge on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback

from .conftest import Invoke

PROJECT = """
[teachers.judge]
provider = "openai"
base_url = "URL"
model = "m"
price = { input = 1.0, output = 2.0 }

[pipelines.graded]
from = "traces.jsonl"
steps = [ { op = "grade", judge = "judge", alpha = 1.0, votes = VOTES } ]
"""


@pytest.fixture
def judge() -> Iterator[Loopback]:
    loopback = Loopback()
    loopback.answer = lambda body: json.dumps({"rv": 3, "cd": 4})
    loopback.start()
    yield loopback
    loopback.stop()


def write(folder: Path, judge: Loopback, votes: int) -> None:
    (folder / "pipelines.toml").write_text(PROJECT.replace("URL", judge.url).replace("VOTES", str(votes)))


def test_a_judge_is_told_by_the_row(tmp_path: Path, dqdata: Invoke, judge: Loopback) -> None:
    rows = [
        {"question": f"{n} + 1", "answer": str(n + 1), "reasoning": f"{n} and one.", "response": str(n + 1)}
        for n in range(4)
    ]
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(tmp_path, judge, 2)
    first = dqdata("run", "graded")
    assert first.code == 0, first.error
    assert "8 made, 0 from the ledger" in first.out
    [line] = [line for line in first.out.splitlines() if "a row" in line]
    assert line.split(",")[0].split() == ["a", "row", "2.00", "calls", "(0.50", "rows", "a", "call)"]
    assert f", {tokens_in(first.out) / 4:,.0f} tokens in," in line

    write(tmp_path, judge, 3)
    second = dqdata("run", "graded")
    assert "4 made, 8 from the ledger" in second.out
    assert "3.00 calls (0.33 rows a call)" in second.out
    [line] = [line for line in second.out.splitlines() if "a row" in line]
    assert f", {tokens_in(second.out) / 4 * 3:,.0f} tokens in," in line, "as if every call had been made"


def tokens_in(summary: str) -> int:
    [paid] = [line for line in summary.splitlines() if "made" in line]
    return int(paid.partition(";")[2].partition("tokens in")[0].replace(",", ""))

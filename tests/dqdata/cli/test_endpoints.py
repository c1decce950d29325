"""A project against an endpoint on loopback, through the command line: what its words become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback import Loopback

from dqdata.catalog import Store
from dqdata.cli import main

PROJECT = """
[teachers.r1]
provider = "openai"
base_url = "{url}"
model = "m"
{more}
[pipelines.traces]
from = "problems.jsonl"
max_failed_rate = {rate}
steps = [ {{ op = "generate", teacher = "r1", max_tokens = 64 }} ]
"""


class Folder:
    def __init__(self, path: Path, url: str) -> None:
        self.path, self._url = path, url

    def run(self, *arguments: str, more: str = "", rate: float = 0.1) -> int:
        (self.path / "pipelines.toml").write_text(PROJECT.format(url=self._url, more=more, rate=rate))
        return main(["run", "traces", *arguments])

    def rows(self, query: str) -> list[dict[str, Any]]:
        with Store.open(self.path / "catalogs", read_only=True) as store:
            return [row for batch in store.query(query) for row in batch.to_pylist()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loopback: Loopback) -> Folder:
    problems = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(60)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(one) + "\n" for one in problems))
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, loopback.url)


def test_an_unknown_end_is_rejected_by_name_and_admitted_later_without_a_call(
    folder: Folder, loopback: Loopback
) -> None:
    loopback.finish_reason = "eod"
    loopback.usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}
    loopback.answer = lambda body: "Sure.\n<THINK>adding</THINK>It is so."
    assert folder.run() == 0
    rejects = folder.rows("select reason, detail from traces__rejects")
    assert len(rejects) == 60 and {row["reason"] for row in rejects} == {"finish_reason:eod"}
    assert 'finished = ["eod"]' in rejects[0]["detail"]
    assert folder.run(more='finished = ["EOD"]') == 0
    rows = folder.rows("select reasoning, response, finish_reason, output_tokens from traces")
    assert len(rows) == 60 and len(loopback.asked) == 60
    assert rows[0] == {
        "reasoning": "adding",
        "response": "Sure.\n\nIt is so.",
        "finish_reason": "eod",
        "output_tokens": 105,
    }


def test_one_refused_prompt_is_one_rejected_row(folder: Folder, loopback: Loopback) -> None:
    def answer(body: dict[str, Any]) -> Any:
        if "What is 7 + 1?" in body["messages"][-1]["content"]:
            return web.HTTPForbidden(text=json.dumps({"error": {"message": "input flagged: violence"}}))
        return "It is so."

    loopback.answer = answer
    assert folder.run() == 0
    [reject] = folder.rows("select kind, reason, detail from traces__rejects")
    assert (reject["kind"], reject["reason"]) == ("failed", "content_filter") and "violence" in reject["detail"]
    assert len(folder.rows("select 1 from traces")) == 59


@pytest.mark.parametrize(("status", "rate"), [(400, 0.1), (500, 1.0)])
def test_the_servers_words_stand_in_the_error_where_many_rows_fail_alike(
    folder: Folder, loopback: Loopback, capsys: pytest.CaptureFixture[str], status: int, rate: float
) -> None:
    made = type("Said", (web.HTTPException,), {"status_code": status})
    loopback.answer = lambda body: made(text=json.dumps({"error": {"message": "top_q is no parameter of mine"}}))
    assert folder.run(more="max_attempts = 1", rate=rate) == 1
    assert "top_q is no parameter of mine" in capsys.readouterr().err

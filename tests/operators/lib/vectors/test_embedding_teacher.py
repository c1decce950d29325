"""Table operators that embed through a teacher: ledger, budget, plan and limits hold, as for any call."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from embedding_endpoint import Embeddings

import dqdata
from dqdata.errors import BudgetExceeded, RunError
from dqdata.ids import digest
from dqdata.teachers.embeddings import EmbeddingParams, OpenAIEmbeddings
from dqdata.testing import run_operator

QUESTIONS = [f"{'abcdefghijklmnop'[n % 16]} {n} bag" for n in range(5 * 128)]
PROJECT = """
[teachers.small]
provider = "openai_embeddings"
base_url = "{url}"
model = "small"
price = {{ input = 10.0 }}

[teachers.writer]
provider = "openai"
base_url = "{url}"
model = "w"

[pipelines.clean]
from = "questions.parquet"
{more}
steps = [
  {{ op = "dedup", column = "question", method = "semantic", embedding = "teacher:{name}", threshold = 0.9999 }}
]
"""
SEMANTIC = {"column": "question", "method": "semantic", "threshold": 0.999, "distinguish": []}


@pytest.fixture
def endpoint() -> Iterator[Embeddings]:
    made = Embeddings()
    yield made
    made.close()


@pytest.fixture
def project(endpoint: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.chdir(tmp_path)
    keys = [f"p{n:04}" for n in range(len(QUESTIONS))]
    rows = pl.DataFrame({"problem_id": keys, "question": QUESTIONS, "answer": keys})
    rows.write_parquet(tmp_path / "questions.parquet")

    def write(name: str = "small", more: str = "") -> Path:
        path = tmp_path / "pipelines.toml"
        path.write_text(PROJECT.format(url=endpoint.url, name=name, more=more))
        return path

    return write


def small(endpoint: Embeddings) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(EmbeddingParams(base_url=endpoint.url, model="small"))


def test_dedup(endpoint: Embeddings) -> None:
    texts = ["", "a cab in a bag", "a bag in a cab", "hold the door"]
    rows = [{"problem_id": one, "question": text} for one, text in zip("abcd", texts, strict=True)]
    tried = run_operator("dedup", rows, params={**SEMANTIC, "embedding": "teacher:t"}, teachers={"t": small(endpoint)})
    assert tried.frame["problem_id"].to_list() == ["a", "b", "d"]
    assert "" not in [text for call in endpoint.asked for text in call]


def test_cluster(endpoint: Embeddings) -> None:
    rows = [{"problem_id": f"p{n}", "question": f"{'abc'[n % 3] * (4 + n)} item"} for n in range(12)]
    params = {"clusters": 3, "embedding": "teacher:t"}
    tried = run_operator("cluster", rows, params=params, teachers={"t": small(endpoint)})
    of = dict(tried.frame.select("problem_id", "topic").iter_rows())
    assert len({of["p0"], of["p1"], of["p2"]}) == 3 and of["p0"] == of["p3"] == of["p9"]


@pytest.mark.needs("rapidfuzz")
def test_decontaminate(endpoint: Embeddings, tmp_path: Path) -> None:
    rows = [{"problem_id": f"p{n}", "question": f"{'abc'[n % 3] * (4 + n)} item"} for n in range(12)]
    (tmp_path / "bench.jsonl").write_text(json.dumps({"question": "How many cabs are in the bag of cabs?"}) + "\n")
    params = {"benchmarks": [{"name": "bags", "path": str(tmp_path / "bench.jsonl")}], "embedding": "teacher:t"}
    tried = run_operator("decontaminate", rows, params=params, teachers={"t": small(endpoint)})
    assert tried.frame.height == 12 and sum(map(len, endpoint.asked)) == 13


def test_a_run_that_was_killed_pays_only_for_the_rest(endpoint: Embeddings, project: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "dqdata", "run", "clean", "-p", str(project()), "--json"]
    held, arrived = threading.Event(), threading.Event()

    def wait(call: int) -> None:
        if call >= 3:
            arrived.set()
            held.wait(60)

    endpoint.fault = wait
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert arrived.wait(60)
        process.kill()
    endpoint.fault = lambda call: None
    held.set()
    opened = dqdata.open("pipelines.toml")
    kept = opened.ledger.size().calls
    before = len(endpoint.asked)
    opened.run("clean")
    again = [text for call in endpoint.asked[before:] for text in call]
    assert len(again) == len(set(again)) == len(QUESTIONS) - kept
    size = opened.ledger.size()
    assert size.calls == len(QUESTIONS) and size.models[0][4] > 0
    before = len(endpoint.asked)
    opened.run("clean", force=True)
    assert len(endpoint.asked) == before, "every vector is in the ledger"


def test_plan_and_budget(endpoint: Embeddings, project: Callable[..., Path]) -> None:
    [planned] = dqdata.open(project()).plan("clean").teachers
    assert planned.name == "small" and planned.calls == len(QUESTIONS) and not endpoint.asked
    assert planned.cost_usd is not None and planned.cost_usd > 0.01
    with pytest.raises(BudgetExceeded):
        dqdata.open(project(more="budget_usd = 0.01")).run("clean")
    asked = sum(len(text) for call in endpoint.asked for text in call)
    assert 0 < asked * 10 / 1e6 < 0.0125


@pytest.mark.parametrize(
    ("name", "message"),
    [("writer", "writes text, and vectors are needed"), ("nobody", r"no teacher 'nobody'")],
)
def test_teachers_that_embed_nothing(
    name: str, message: str, project: Callable[..., Path], command_line: Callable[..., Any]
) -> None:
    project(name)
    done = command_line("check")
    assert done.code == 1 and re.search(message, " ".join((done.error + done.out).split()))


def test_an_embedder_writes_nothing(project: Callable[..., Path], command_line: Callable[..., Any]) -> None:
    path = project()
    path.write_text(path.read_text().split("steps =")[0] + 'steps = [{ op = "generate", teacher = "small" }]\n')
    done = command_line("check")
    assert done.code == 1 and "embeds texts, and text is needed here" in " ".join((done.error + done.out).split())


def test_a_refusal_ends_the_step_and_what_was_answered_is_kept(
    endpoint: Embeddings, project: Callable[..., Path]
) -> None:
    def refuse(call: int) -> Any:
        said = {"error": {"message": "no", "code": "context_length_exceeded"}}
        return (400, said) if "a 0 bag" in endpoint.asked[call] else None

    endpoint.fault = refuse
    opened = dqdata.open(project())
    with pytest.raises(RunError, match=r"teacher 'small' embeds no more: .*is in the ledger"):
        opened.run("clean")
    assert opened.ledger.size().calls == len(QUESTIONS) - 1
    endpoint.fault = lambda call: None
    before = len(endpoint.asked)
    opened.run("clean")
    assert endpoint.asked[before:] == [["a 0 bag"]]


@pytest.mark.parametrize(
    "address", ["https://me:sk-1234@example.com/v1#m", "https://example.com/v1?key=sk-1234#m", "http://127.0.0.1:9/v1"]
)
def test_an_address_is_told_to_be_a_teacher(
    address: str, project: Callable[..., Path], command_line: Callable[..., Any]
) -> None:
    path = project()
    path.write_text(path.read_text().replace("teacher:small", address))
    done = command_line("check")
    said = done.error + done.out
    assert done.code == 1 and "openai_embeddings" in said and "pipelines.clean" in said and "sk-1234" not in said


def test_vectors_that_0_1_kept_are_used_and_a_broken_file_is_named(
    endpoint: Embeddings, project: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "catalogs" / "embeddings.sqlite"
    path.parent.mkdir()
    vector = np.ones(16, "<f4")
    rows = [
        (f"{endpoint.url}#{name}", digest(text), vector.tobytes()) for name in ("small", "large") for text in QUESTIONS
    ]
    with contextlib.closing(sqlite3.connect(path)) as con, con:
        con.execute("create table vectors (model text, text_hash text, vector blob, primary key (model, text_hash))")
        con.executemany("insert into vectors values (?, ?, ?)", [row for row in rows if row[1] != digest("a 0 bag")])
    made = dqdata.open(project()).run("clean")
    assert endpoint.asked == [["a 0 bag"]] and made.rows_out == len(QUESTIONS)
    path.write_bytes(b"not SQLite at all, " * 100)
    assert dqdata.open("pipelines.toml").run("clean", force=True).rows_out, "all of it is in the ledger now"
    (tmp_path / "catalogs" / "ledger.sqlite").unlink()
    with pytest.raises(dqdata.DqdataError, match=r"embeddings\.sqlite: file is not a database"):
        dqdata.open("pipelines.toml").run("clean", force=True)

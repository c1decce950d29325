"""A store that version 0.1 made (make_store_0_1.py tells what is in it) works in this version as in that one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback import Loopback
from store_0_1 import unpack

pytestmark = pytest.mark.usefixtures("kept_workers")

ANSWERABLE = "select * from problems where answer != '2' and question not like 'Stumble%'"

CommandLine = Callable[..., Any]
Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def old(tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, in the current folder; its teachers are at the loopback endpoint."""
    project = unpack(tmp_path)
    file = project / "pipelines.toml"
    file.write_text(re.sub(r"base_url = .*", f'base_url = "{loopback.url}"', file.read_text(encoding="utf-8")))
    monkeypatch.chdir(project)
    loopback.answer = lambda body: web.HTTPTeapot(text="this was answered long ago")
    return project


@pytest.fixture
def rows(old: Path, command_line: CommandLine) -> Rows:
    """rows("from problems", ...): what `dqdata sql` prints."""

    def ask(sql: str, *options: str) -> list[dict[str, Any]]:
        done = command_line("sql", sql, "--json", *options)
        assert done.code == 0, done.error
        found: list[dict[str, Any]] = json.loads(done.out)["rows"]
        return found

    return ask


def test_sql_reads_every_version(rows: Rows) -> None:
    """In two queries: to open a store of another version costs more than to read it."""
    versions = [
        *(("problems", 1, 7, 3), ("problems", 2, 10, 3), ("traces", 1, 6, 1), ("traces", 2, 18, 2)),
        *(("graded", 1, 13, 0), ("unlike", 1, 9, 1), ("batched", 1, 9, 0), ("lossy", 1, 8, 2), ("student", 1, 2, 0)),
    ]
    one = "select '{0}' as catalog, {1} as version, (select count(*) from {0}@{1}) as rows, "
    one += "(select count(*) from {0}__rejects@{1}) as rejects"
    found = rows(" union all ".join(one.format(catalog, version) for catalog, version, *_ in versions))
    assert sorted(tuple(row.values()) for row in found) == sorted(versions)
    newest = {catalog: count for catalog, _, count, _ in versions}
    found = rows(" union all ".join(f"select '{name}' as catalog, count(*) as rows from {name}" for name in newest))
    assert {row["catalog"]: row["rows"] for row in found} == newest


def test_rows_and_their_ids(rows: Rows) -> None:
    """In 0.1 an id came from the Unicode NFKC of the question: `2²` was the same problem as `22`."""
    assert {row["problem_id"]: row["question"] for row in rows("from problems@1")} == {
        "01ebbff2c52ddd3b34f8a59dea73f20b": "What is 1 + 2?",
        "c16224b7626452270311e35e7da45a25": "Wie viel ist  3 + 4 ?",
        "e13dbe6b74b16d05b178e5bad50b8b9f": "小明有5个苹果，又买了6个，一共多少个？",
        "b882a5957484095152396a5f616abc70": "What is 22 + 0?",
        "9a1082c8364553dfb6444d72fdee6544": "What is the café's 7 + 8?",
        "d35fd3c1c78d8a4521f437ad4893f579": 'Say "9 + 1" \\ in\ta number \U0001f9ee.',
        "4c5e8bbe425342e90e211482a42ddbe7": "Refuse to add 1 + 1.",
    }
    gone = rows("select reason, row->>'question' as question from problems__rejects@1 order by all")
    assert [(row["reason"], row["question"]) for row in gone] == [
        ("duplicate_id", "What is 2² + 0?"),
        ("duplicate_id", "What is the cafe\u0301's 7 + 8?"),
        ("short", "Hm?"),
    ]
    [trace] = rows("from graded where ledger_key = '7496dcc2484b6aa6516ba5284c270a20'")
    assert trace["trace_id"] == rows("from traces@1 where question = 'What is 1 + 2?'")[0]["trace_id"]
    assert trace["reasoning"] == "I add [1, 2] … é \U0001f914" and trace["messages"][0]["role"] == "user"
    [joined] = rows("select count(*) as n from traces join ledger.calls using (ledger_key, response)")
    assert joined == {"n": 18}


def test_records(rows: Rows, old: Path, command_line: CommandLine) -> None:
    assert len(rows("from dq_versions")) == 9
    assert {row["status"] for row in rows("from dq_runs")} == {"done", "failed"}
    [model] = rows("from dq_models")
    assert (model["name"], model["version"]) == ("tiny_sft", 1)
    assert rows("select step from dq_metrics where name = 'loss' order by step") == [{"step": 1}, {"step": 2}]
    said = json.loads(command_line("log", "traces", "--json").out)["versions"]
    assert [(one["version"], one["rows"], one["rejects"]) for one in said] == [(1, 6, 1), (2, 18, 2)]
    assert [step["op"] for step in said[1]["recipe"]["steps"]] == ["generate", "verify_math"]
    assert command_line("log").out.count("\n") == 9
    assert command_line("export", "trained:tiny_sft@1", "-o", "served").code == 0
    assert (old / "served" / "model.safetensors").stat().st_size == 12_032


def test_a_store_in_the_store(rows: Rows) -> None:
    assert rows("select count(*) as n from problems", "--profile", "trial") == [{"n": 5}]
    assert rows("select count(*) as n from ledger.calls", "--profile", "trial") == [{"n": 63}]


def test_export(old: Path, command_line: CommandLine) -> None:
    for name, count in {"problems@1": 7, "problems": 10, "graded@1": 13, "traces__rejects@2": 2}.items():
        assert command_line("export", name, "-o", "out.jsonl").out == f"out.jsonl: {count} rows\n"
    assert command_line("export", "graded@1", "-o", "out.parquet").code == 0


def test_the_verbs_of_the_ledger(old: Path, command_line: CommandLine) -> None:
    size = json.loads(command_line("ledger", "size", "--json").out)
    assert (size["calls"], size["requests"], size["failures"]) == (63, 60, 8)
    assert command_line("ledger", "verify").out.endswith("sound\n")
    assert command_line("ledger", "export", "calls.jsonl").out == "calls.jsonl: 63 rows\n"
    assert command_line("ledger", "export", "failures.parquet", "--failures").out == "failures.parquet: 8 rows\n"
    pruned = json.loads(command_line("ledger", "prune", "--older-than", "2099-01-01", "--dry-run", "--json").out)
    assert (pruned["calls"], pruned["failures"]) == (63, 8)
    merged = command_line("ledger", "merge", "catalogs/ledger.sqlite", "--file", "new.sqlite", "--json")
    assert json.loads(merged.out) == {"calls": 63, "failures": 8, "known": 0, "differing": 0}
    assert json.loads(command_line("ledger", "size", "--file", "new.sqlite", "--json").out)["calls"] == 63


def asks_for(catalog: str, query: str) -> tuple[str, str]:
    return f'[pipelines.{catalog}]\nfrom = "problems"', f'[pipelines.{catalog}]\nfrom = "{query}"'


@pytest.mark.parametrize(
    ("name", "change", "rows_out", "calls"),
    [
        ("traces", asks_for("traces", ANSWERABLE), 16, 16),
        ("graded", ("where correct", "where correct and true"), 13, 26),
        ("batched", ("from problems where answer != '2'", "from problems where answer <> '2'"), 9, 9),
        ("lossy", asks_for("lossy", ANSWERABLE), 8, 8),
        ("unfinished", asks_for("unfinished", ANSWERABLE), 8, 8),
        ("student", ("limit 2", "limit 2 offset 0"), 2, 2),
    ],
)
def test_nothing_is_paid_for_again(
    old: Path,
    command_line: CommandLine,
    loopback: Loopback,
    name: str,
    change: tuple[str, str],
    rows_out: int,
    calls: int,
) -> None:
    """A recipe that isn't there yet and asks what was asked before."""
    if name == "student":
        pytest.importorskip("transformers")
    file = old / "pipelines.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count(change[0]) == 1
    file.write_text(text.replace(*change), encoding="utf-8")
    done = command_line("run", name, "-q", "--json")
    assert done.code == 0, done.error
    told = json.loads(done.out)
    assert not told["unchanged"]
    assert (told["rows_out"], told["calls"]) == (rows_out, {"made": 0, "cached": calls, "failed": 0})
    assert loopback.asked == []


def test_vectors_are_not_paid_for_again(old: Path, command_line: CommandLine) -> None:
    """Nobody is at their address any more."""
    file = old / "pipelines.toml"
    text = file.read_text(encoding="utf-8")
    [address] = re.findall(r'embedding = "(http[^"]*)#letters"', text)
    assert "openai_embeddings" in command_line("check", "unlike").error
    teacher = f'\n[teachers.letters]\nprovider = "openai_embeddings"\nbase_url = "{address}"\nmodel = "letters"\n'
    file.write_text(text.replace(f"{address}#letters", "teacher:letters") + teacher, encoding="utf-8")
    done = command_line("run", "unlike", "-q", "--json")
    assert done.code == 0, done.error
    assert json.loads(done.out)["rows_out"] == 9


def test_a_recipe_that_is_done_asks_nothing(old: Path, command_line: CommandLine, loopback: Loopback) -> None:
    for name in ("problems", "graded", "batched"):
        assert command_line("run", name, "-q").code == 0
    assert loopback.asked == []


def test_a_run_that_stopped_goes_on(old: Path, command_line: CommandLine, loopback: Loopback, rows: Rows) -> None:
    loopback.answer = lambda body: "It is 2."
    done = command_line("run", "unfinished", "-q", "--json")
    assert json.loads(done.out)["calls"] == {"made": 2, "cached": 8, "failed": 0}
    asked = {body["messages"][-1]["content"] for body in loopback.asked}
    assert asked == {"Refuse to add 1 + 1.", "Stumble over 20 + 22."}
    assert rows("select count(*) as n from unfinished@1") == [{"n": 10}]


def test_a_version_more(old: Path, command_line: CommandLine, rows: Rows) -> None:
    """Rows that were there keep their ids, though half-width and full-width figures and letters meet in NFKC."""
    before = rows("select problem_id, question from problems@2 order by all")
    with (old / "problems.jsonl").open("a", encoding="utf-8") as file:
        for question in ("What is ４ + ４?", "What is 4 + 4?", "A new ﬁne one: 5 + 5?"):
            file.write(json.dumps({"question": question, "answer": "8"}, ensure_ascii=False) + "\n")
    done = json.loads(command_line("run", "problems", "-q", "--json").out)
    assert (done["version"], done["rows_out"], done["dropped"]) == (3, 12, {"duplicate_id": 3, "short": 1})
    assert rows("select problem_id, question from problems@2 order by all") == before
    new = rows("select problem_id from problems where question = 'What is ４ + ４?'")
    assert new == [{"problem_id": "e1f8f841afc5f8a5be5aaf088e11cf0f"}]

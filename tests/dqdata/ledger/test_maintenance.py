"""Looking after a ledger, through the command line and on real files."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import Servers, change, either, rows

from dqdata import CallLedger, open_store
from dqdata.errors import DataError, InputError, StoreError, TeacherError
from dqdata.ledger import CallContext, Ledger, maintenance
from dqdata.ledger.transfer import merge
from dqdata.place import LedgerPlace
from dqdata.teacher import Completion, Message, Request, Sampling, Usage

Invoke = Callable[..., str]


def ask(text: str) -> Request:
    return Request((Message("user", text),), Sampling(max_tokens=9))


def fill(path: LedgerPlace, answers: dict[str, str], run_id: str = "run1") -> None:
    async def put() -> None:
        with Ledger(path) as ledger:
            where: dict[str, Any] = {"provider": "openai", "model": "m", "revision": ""}
            where["context"] = CallContext(run_id, "pipe", "step", "r1")
            for question, answer in answers.items():
                key = ask(question).key("openai", "m", "")
                completion = Completion(answer, "stop", Usage(3, 4))
                await ledger.put(key, ask(question), completion, cost_usd=0.5, **where)
            error = TeacherError("slow", kind="retryable", reason="rate_limit", status=429)
            await ledger.put_failure("k", ask(f"never answered {run_id}"), error, **where)

    asyncio.run(put())


@pytest.fixture
def invoke(command_line: Callable[..., Any]) -> Invoke:
    """Runs `dqdata ledger ARGUMENTS`, which must end with exit code `code`, and returns what it prints."""

    def run(*arguments: object, code: int = 0) -> str:
        done = command_line("ledger", *arguments)
        assert done.code == code, done
        return str(done.out)

    return run


@either
def test_size(invoke: Invoke, at: LedgerPlace) -> None:
    fill(at, {"a": "1", "b": "2"})
    said = json.loads(invoke("size", "--file", at, "--json"))
    assert (said["calls"], said["requests"], said["failures"]) == (2, 3, 1) and said["bytes"] > 10_000
    assert said["models"] == [
        {"provider": "openai", "model": "m", "revision": "", "calls": 2}
        | {"input_tokens": 6, "output_tokens": 8, "cost_usd": 1.0}
    ]
    assert "2 calls of 3 requests" in invoke("size", "--file", at)


@either
def test_verify_finds_an_answer_under_a_key_that_is_not_its_own(invoke: Invoke, at: LedgerPlace) -> None:
    fill(at, {"a": "1", "b": "2"})
    assert "sound" in invoke("verify", "--file", at)
    change(at, "update requests set messages = replace(messages, '\"a\"', '\"z\"')")
    found = json.loads(invoke("verify", "--file", at, "--json", code=1))
    assert not found["sound"] and len(found["problems"]) == 1 and "stored with it has the key" in found["problems"][0]
    change(at, "delete from requests where messages like '%\"b\"%'")
    assert "its request is missing" in invoke("verify", "--file", at, code=1)


FIRST = "rowid = (select min(rowid) from {})"
DAMAGE = {
    "a list in place of sampling": ("requests", "sampling = '[]'", "request can't be read"),
    "null in place of sampling": ("requests", "sampling = 'null'", "request can't be read"),
    "numbers in place of messages": ("requests", "messages = '[1, 2]'", "request can't be read"),
    "messages cut": ("requests", "messages = substr(messages, 1, 9)", "request can't be read"),
    "messages nested too deep": ("requests", f"messages = '{'[' * 100_000}'", "request can't be read"),
    "bytes that are no text": ("requests", "messages = cast(x'ff5b5d' as text)", "request can't (ledger"),
    "no key": ("calls", "ledger_key = ''", "request stored with it has the key"),
    "another sample": ("calls", "sample = 5", "request stored with it has the key"),
    "log probabilities that are no JSON": ("calls", "logprobs = 'zz'", "answer in the ledger can't be read"),
    "tool calls that are a number": ("calls", "tool_calls = '7'", "answer in the ledger can't be read"),
    "negative tokens": ("calls", "input_tokens = -5", "fewer than no tokens"),
    "a failed attempt of no request": ("failures", "request_id = 'gone'", "failed attempt 1 of call k"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "ledger.sqlite"
    fill(path, {str(i): "x" * 2_000 for i in range(30)})
    return path


@pytest.mark.parametrize("kind", DAMAGE)
def test_verify_lists_every_kind_of_damage(invoke: Invoke, sound: Path, tmp_path: Path, kind: str) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    table, values, expected = DAMAGE[kind]
    change(path, f"update {table} set {values} where {FIRST.format(table)}")
    found = json.loads(invoke("verify", "--file", path, "--json", code=1))
    assert not found["sound"] and len(found["problems"]) == 1 and expected in found["problems"][0], found


def test_verify_reads_on_behind_rows_that_cannot_be_read(invoke: Invoke, sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    calls = rows(path, "select ledger_key, request_id from calls order by 1")
    (first, one), (last, other), (fourth, _), (middle, _) = (calls[place] for place in (0, -1, 3, 15))
    for request in (one, other):
        change(path, f"update requests set messages = cast(x'ff5b5d' as text) where request_id = '{request}'")
    change(path, f"update calls set reasoning = cast(x'c328' as text) where ledger_key = '{middle}'")
    change(path, f"update calls set input_tokens = -5 where ledger_key = '{fourth}'")
    change(path, "update failures set request_id = 'gone'")
    found = [str(problem) for problem in json.loads(invoke("verify", "--file", path, "--json", code=1))["problems"]]
    assert [said.split(":")[0] for said in found[1:]] == [f"call {key}" for key in (first, fourth, middle, last)]
    assert found[0].startswith("failed attempt 1 of call k") and "fewer than no tokens" in found[2], found
    assert all("Could not decode to UTF-8" in found[place] for place in (1, 3, 4)), found


@pytest.mark.parametrize("at", [4_096, 8_192, 20_480, 40_960, -4_096])
@pytest.mark.parametrize("byte", [b"\xff", b"\0"])
def test_verify_finds_a_damaged_page(invoke: Invoke, sound: Path, tmp_path: Path, at: int, byte: bytes) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    raw = bytearray(path.read_bytes())
    raw[at : at + 4_096 if at > 0 else None] = byte * 4_096
    path.write_bytes(raw)
    out = invoke("verify", "--file", path, code=1)
    assert re.search(r"(?m)^(file|table \w+|call \w+): ", out) and re.search(r"\d+ problems$", out.strip())


def test_what_is_damaged_can_be_restored(invoke: Invoke, tmp_path: Path, command_line: Callable[..., Any]) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database at all" * 900)
    error = command_line("ledger", "verify", "--file", path).error
    assert "is damaged: restore a copy" in error and "ledger.sqlite .recover" in error, error


def test_verify_finds_a_damaged_page_of_a_server(invoke: Invoke, servers: Servers) -> None:
    at = servers.ledger()
    fill(at, {str(i): f"{i} " * 600 for i in range(50)})
    assert "sound" in invoke("verify", "--file", at)
    [(path,)] = rows(at, "select pg_relation_filepath('calls')")
    change(at, "alter table calls set (autovacuum_enabled = false)")
    servers.stop_postgres("fast")
    with servers.file(path).open("r+b") as file:
        file.seek(8192 + 4096)
        file.write(b"\xff" * 512)
    servers.start_postgres()
    found = json.loads(invoke("verify", "--file", at, "--json", code=1))
    assert not found["sound"] and re.search(r"table calls: .*(invalid page|checksum)", found["problems"][0])


@either
def test_prune_by_run_and_by_age(invoke: Invoke, at: LedgerPlace) -> None:
    fill(at, {"a": "1" * 100_000, "b": "2"}, "old")
    fill(at, {"c": "3"}, "new")
    change(at, "update calls set created_at = '2020-01-01 00:00:00.000000' where response = '2'")
    invoke("prune", "--file", at, code=2)
    assert json.loads(invoke("prune", "--file", at, "--run", "old", "--dry-run", "--json"))["calls"] == 2
    assert json.loads(invoke("prune", "--file", at, "--older-than", "30d", "--yes", "--json"))["calls"] == 1
    done = json.loads(invoke("prune", "--file", at, "--run", "old", "--yes", "--json"))
    assert (done["calls"], done["failures"], done["requests"]) == (1, 1, 2)
    assert done["freed_bytes"] > 90_000 or not isinstance(at, Path), "a server gives space back by itself"
    with Ledger(at, read_only=True) as ledger:
        assert ledger.get(ask("c").key("openai", "m", "")) is not None and ledger.spent().calls == 1
    assert not list(maintenance.verify(at))


@either
def test_prune_asks_first(invoke: Invoke, at: LedgerPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(at, {"a": "1"})
    for typed in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        invoke("prune", "--file", at, "--run", "run1", code=1)
        assert maintenance.size(at).calls == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    invoke("prune", "--file", at, "--run", "run1")
    assert maintenance.size(at).calls == 0


@either
def test_merge_takes_what_is_new_and_keeps_what_is_here(invoke: Invoke, tmp_path: Path, at: LedgerPlace) -> None:
    mine, theirs = at, tmp_path / "their's.sqlite"
    fill(mine, {"a": "1", "b": "2"})
    fill(theirs, {"b": "other", "c": "3"}, "run2")
    done = json.loads(invoke("merge", theirs, "--file", mine, "--json"))
    assert done == {"calls": 1, "failures": 1, "known": 1, "differing": 1}
    assert json.loads(invoke("merge", theirs, "--file", mine, "--json"))["calls"] == 0
    with Ledger(mine, read_only=True) as ledger:
        got = {text: ledger.get(ask(text).key("openai", "m", "")) for text in "abc"}
    assert {text: answer.response for text, answer in got.items() if answer} == {"a": "1", "b": "2", "c": "3"}
    assert not list(maintenance.verify(mine)) and maintenance.size(mine).failures == 2
    with pytest.raises(DataError, match="this ledger itself"):
        merge(mine, mine)
    with pytest.raises(StoreError, match="there is none yet"):
        merge(mine, tmp_path / "absent.sqlite")


def test_merge_into_a_project_that_has_nothing_yet(invoke: Invoke, tmp_path: Path) -> None:
    fill(tmp_path / "theirs.sqlite", {"a": "1"})
    (tmp_path / "pipelines.toml").write_text("")
    done = json.loads(invoke("merge", tmp_path / "theirs.sqlite", "-p", tmp_path / "pipelines.toml", "--json"))
    assert done["calls"] == 1
    assert json.loads(invoke("size", "-p", tmp_path / "pipelines.toml", "--json"))["calls"] == 1


@either
def test_export(invoke: Invoke, tmp_path: Path, at: LedgerPlace) -> None:
    fill(at, {"a": "1", "b": "2"})
    invoke("export", tmp_path / "calls.jsonl", "--file", at)
    rows = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert [(json.loads(row["messages"])[0]["content"], row["response"]) for row in rows] == [("a", "1"), ("b", "2")]
    said = json.loads(invoke("export", tmp_path / "x.parquet", "--failures", "--file", at, "--json"))
    assert said["rows"] == 1


@pytest.mark.parametrize("text", ["soon", "5", "30 years", ""])
def test_an_age_must_be_one(text: str) -> None:
    with pytest.raises(DataError, match="neither an age"):
        maintenance.moment(text)
    assert (
        maintenance.moment("2d") < maintenance.moment("1h")
        and maintenance.moment("2026-01-31").isoformat() == "2026-01-31T00:00:00+00:00"
    )


@either
def test_the_same_in_python(tmp_path: Path, at: LedgerPlace) -> None:
    fill(at, {"one": "1", "two": "2"})
    fill(tmp_path / "other.sqlite", {"two": "2", "three": "3"}, run_id="run2")
    ledger = CallLedger(at)
    assert (ledger.size().calls, ledger.size().failures, ledger.verify()) == (2, 1, [])
    assert ledger.merge(tmp_path / "other.sqlite").calls == 1
    assert ledger.export(tmp_path / "calls.jsonl") == 3
    assert ledger.export(str(tmp_path / "failed.parquet"), failures=True) == 2
    with pytest.raises(InputError, match="prune what"):
        ledger.prune()
    assert ledger.prune(run_id="run2", dry_run=True).calls == 1
    assert ledger.size().calls == 3 and ledger.prune(run_id="run2").calls == 1 and ledger.size().calls == 2
    catalogs = open_store(tmp_path / "catalogs")
    with pytest.raises(StoreError, match="no store at"):
        catalogs.ledger.size()
    assert catalogs.ledger.merge(at).calls == 2 and catalogs.ledger.place == tmp_path / "catalogs" / "ledger.sqlite"

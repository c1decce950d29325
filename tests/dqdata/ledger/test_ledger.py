"""The ledger: an answer is stored once, whole and for good, and can be read with SQL."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from servers import either, rows

from dqdata.database import open_database
from dqdata.errors import StoreError, TeacherError
from dqdata.ledger import CallContext, Ledger, Spent, stored_request
from dqdata.ledger.choice import database_of
from dqdata.ledger.file import FileSession
from dqdata.place import LedgerPlace
from dqdata.teacher import Completion, Message, Request, Sampling, Usage

CONTEXT = CallContext("run1", "pipe", "step1", "r1")
WHO = {"provider": "openai", "model": "m", "revision": "v1"}


def ask(text: str, sample: int = 0, **more: Any) -> Request:
    return Request((Message("user", text),), Sampling(temperature=0.5, stop=("END",)), sample=sample, **more)


def key(request: Request) -> str:
    return request.key("openai", "m", "v1")


async def put(ledger: Ledger, request: Request, text: str = "4", cost: float = 0.5, **more: Any) -> Completion:
    answer = Completion(text, "stop", Usage(10, 20, 5), seconds=1.5, model="m-0", **more)
    context = CONTEXT
    return await ledger.put(key(request), request, answer, cost_usd=cost, context=context, **WHO)


@either
async def test_what_was_put_is_got_by_another_process_view(at: LedgerPlace) -> None:
    request = ask("2 + 2?", schema={"type": "object"})
    with Ledger(at) as ledger:
        assert ledger.get(key(request)) is None
        put_back = await put(ledger, request, "vier ½ \0 ", reasoning="𝔁", logprobs=({"token": "4", "logprob": -0.1},))
        with Ledger(at, read_only=True) as other:
            got = other.get(key(request))
    assert got is not None and got.cached and not put_back.cached
    assert (got.response, got.reasoning, got.finish_reason) == ("vier ½ \0 ", "𝔁", "stop")
    assert (got.usage, got.seconds, got.model) == (Usage(10, 20, 5), 1.5, "m-0")
    assert got.logprobs == ({"token": "4", "logprob": -0.1},)
    assert got.ledger_key == put_back.ledger_key == key(request)


@either
async def test_counts_many_and_spent(at: LedgerPlace) -> None:
    requests = [ask(f"q{i}") for i in range(6_000)]
    with Ledger(at) as ledger:
        await asyncio.gather(*(put(ledger, request) for request in requests[:5_500]))
        keys = [key(request) for request in requests]
        assert ledger.count_present(keys) == 5_500
        assert len(ledger.get_many(keys)) == 5_500
        assert ledger.spent() == ledger.spent("pipe", "run1") == Spent(5_500, 55_000, 110_000, 27_500, 2_750.0)
        assert ledger.spent("other") == Spent() == ledger.spent(run_id="other")


@either
async def test_a_request_is_stored_once_for_all_its_samples(at: LedgerPlace) -> None:
    with Ledger(at) as ledger:
        for sample in range(4):
            await put(ledger, ask("same", sample))
        await put(ledger, ask("same", 0, draw="votes"))
    assert rows(at, "select count(*) from requests") == [(1,)]
    found = rows(
        at,
        "select messages, sampling, answer_schema, draw, sample, ledger_key "
        "from calls join requests using (request_id)",
    )
    assert len(found) == 5
    for *stored, ledger_key in found:
        assert key(stored_request(*stored)) == ledger_key  # what is stored is all that the key stands for


@either
async def test_a_failure_is_recorded_and_never_an_answer(at: LedgerPlace) -> None:
    request = ask("x")
    with Ledger(at) as ledger:
        error = TeacherError("cut", kind="retryable", reason="cut", status=None, usage_unknown=True)
        where: dict[str, Any] = {"context": CONTEXT, **WHO}
        await ledger.put_failure(key(request), request, error, attempt=2, tokens=70, cost_usd=0.25, **where)
        assert ledger.get(key(request)) is None
        assert ledger.spent("pipe") == Spent(unsure_tokens=70, unsure_usd=0.25)
    sql = "select kind, reason, message, attempt, teacher from failures"
    assert rows(at, sql) == [("retryable", "cut", "cut", 2, "r1")]


@either
async def test_the_first_of_two_answers_stands_and_both_are_booked(at: LedgerPlace) -> None:
    request = ask("x")
    with Ledger(at) as one, Ledger(at) as two:
        await put(one, request, "first")
        assert (await put(two, request, "second", cost=0.75)).response == "first"
        stored = two.get(key(request))
        assert stored is not None and stored.response == "first"
        assert two.spent() == Spent(1, 10, 20, 5, 0.5, 30, 0.75)


@either
async def test_halves_of_surrogate_pairs_are_survived(at: LedgerPlace) -> None:
    request = ask("half \ud83d")
    with Ledger(at) as ledger:
        await put(ledger, request, "\udc00")
        stored = ledger.get(key(request))
        assert stored is not None and stored.response == "?"


@either
def test_duckdb_reads_it_as_sql(at: LedgerPlace) -> None:
    with Ledger(at) as ledger:
        asyncio.run(put(ledger, ask("2 + 2?")))
        with open_database([database_of(at).extension], spill=None) as con, database_of(at).attached(con):
            sql = """select teacher, count(*), sum(cost_usd), max(created_at)::timestamp > '2020-01-01'::timestamp,
                     min(messages ->> '$[0].content')
                     from ledger.calls join ledger.requests using (request_id) group by 1"""
            assert con.sql(sql).fetchall() == [("r1", 1, 0.5, True, "2 + 2?")]


def test_bad_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(StoreError, match="there is none yet"):
        Ledger(path, read_only=True)
    path.write_text("not a database, but longer than a header of a hundred bytes " * 5)
    with pytest.raises(StoreError, match=r"ledger\.sqlite: .*damaged: restore a copy"):
        Ledger(path)
    path.unlink()
    with sqlite3.connect(path) as con:
        con.execute("create table other (x)")
    with pytest.raises(StoreError, match="this SQLite file is no ledger"):
        Ledger(path)
    path.unlink()
    Ledger(path).close()
    with sqlite3.connect(path) as con:
        con.execute("pragma user_version = 99")
    with pytest.raises(StoreError, match="version 99, made by a newer dqdata"):
        Ledger(path)


@either
async def test_read_only_takes_no_calls(at: LedgerPlace) -> None:
    Ledger(at).close()
    with Ledger(at, read_only=True) as ledger, pytest.raises(StoreError, match="read-only"):
        await put(ledger, ask("x"))


async def test_a_full_disk_fails_the_put_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        await put(ledger, ask("before"))
        writer = ledger._writer
        assert writer is not None and isinstance(writer.session, FileSession)
        pages = writer.session.con.execute("pragma page_count").fetchone()[0]
        writer.session.con.execute(f"pragma max_page_count = {pages}")  # SQLite's own way to run out of room
        with pytest.raises(StoreError, match="the disk is full: free some space"):
            await put(ledger, ask("after"), "x" * 100_000)
        writer.session.con.execute("pragma max_page_count = 1000000")
        await put(ledger, ask("after"))
        assert ledger.count_present([key(ask("before")), key(ask("after"))]) == 2


WRITER = """
    import asyncio, sys
    from dqdata.ledger import CallContext, Ledger
    from dqdata.place import ledger_at
    from dqdata.teacher import Completion, Message, Request, Usage

    async def main(path, name, count):
        async def one(i):
            request = Request((Message("user", f"{name} {i}"),))
            await ledger.put(request.key("p", "m", ""), request, Completion("x" * 500, "stop", Usage(1, 1)),
                             provider="p", model="m", revision="", cost_usd=0.0,
                             context=CallContext("r", "p", "s", "t"))
            print(i, flush=True)
        with Ledger(ledger_at(path)) as ledger:
            for start in range(0, count, 50):
                await asyncio.gather(*(one(i) for i in range(start, start + 50)))

    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def start_writer(at: LedgerPlace, name: str, count: int) -> subprocess.Popen[str]:
    code = textwrap.dedent(WRITER)
    return subprocess.Popen([sys.executable, "-c", code, str(at), name, str(count)], stdout=subprocess.PIPE, text=True)


@either
def test_two_processes_write_one_file(at: LedgerPlace) -> None:
    writers = [start_writer(at, name, 1_000) for name in ("a", "b")]
    said = [writer.communicate(timeout=60)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [len(text.split()) for text in said] == [1_000, 1_000]
    with Ledger(at, read_only=True) as ledger:
        assert ledger.spent().calls == 2_000


OPENER = """
    import sys, time
    from pathlib import Path
    from dqdata.ledger import Ledger

    for number in range(20):
        while time.time() < float(sys.argv[2]) + 0.03 * number:
            pass
        with Ledger(Path(sys.argv[1]) / f"{number}.sqlite") as ledger:
            ledger.spent()
"""


def test_two_processes_make_one_file_at_the_same_moment(tmp_path: Path) -> None:
    start = str(time.time() + 1.0)
    command = [sys.executable, "-c", textwrap.dedent(OPENER), str(tmp_path), start]
    openers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [opener.communicate(timeout=60)[1] for opener in openers] == ["", ""]


@either
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_what_put_returned_for_is_there_after_kill_9(at: LedgerPlace) -> None:
    for attempt in range(5):
        writer = start_writer(at, f"w{attempt}", 100_000)
        assert writer.stdout is not None
        done = [int(writer.stdout.readline()) for _ in range(150 + 130 * attempt)]
        os.kill(writer.pid, signal.SIGKILL)
        done += [int(line) for line in writer.stdout.read().splitlines() if line.strip()][:-1]
        writer.wait()
        with Ledger(at) as ledger:
            requests = [Request((Message("user", f"w{attempt} {i}"),)) for i in done]
            assert ledger.count_present(request.key("p", "m", "") for request in requests) == len(done)

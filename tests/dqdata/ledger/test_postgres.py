"""A ledger in Postgres: several machines, a server that restarts, killed processes, and commands over it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback
from servers import Servers, change, rows

from dqdata.calls.client import CallClient
from dqdata.calls.owner import LocalOwner
from dqdata.errors import StoreError
from dqdata.ledger import CallContext, Ledger, claims, maintenance, postgres
from dqdata.place import LedgerPlace, PostgresPlace
from dqdata.teacher import Limits, Message, Request
from dqdata.teachers.openai import EndpointParams, OpenAI

pytestmark = pytest.mark.parametrize("at", ["postgres"], indirect=True)
CONTEXT = CallContext("run1", "pipe", "step1", "r1")
CONCURRENCY = 8

CHILD = """
    import asyncio, sys
    from dqdata.calls.client import CallClient, CallContext
    from dqdata.calls.owner import LocalOwner
    from dqdata.ledger import Ledger, claims
    from dqdata.place import ledger_at
    from dqdata.teacher import Limits, Message, Request
    from dqdata.teachers.openai import EndpointParams, OpenAI

    async def main(url, at, calls, concurrency):
        claims.LEASE = 2.0
        with Ledger(ledger_at(at)) as ledger:
            teacher = OpenAI(EndpointParams(base_url=url, model="m"))
            client = CallClient(teacher, Limits(concurrency=concurrency), LocalOwner(ledger))
            print("ready", flush=True)
            requests = [Request((Message("user", f"q{i}"),)) for i in range(calls)]
            await asyncio.gather(*(client.ask(request, CallContext("r", "p", "s", "t")) for request in requests))
            await client.close()
            print("made", client.counters.made, "cached", client.counters.cached, flush=True)

    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def child(loopback: Loopback, at: LedgerPlace, calls: int) -> subprocess.Popen[str]:
    words = [loopback.url, str(at), str(calls), str(CONCURRENCY)]
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD), *words], stdout=subprocess.PIPE, text=True)


def asked(loopback: Loopback) -> Counter[str]:
    return Counter(body["messages"][0]["content"] for body in loopback.asked)


async def ask(loopback: Loopback, ledger: Ledger, questions: list[str]) -> list[str]:
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    client = CallClient(teacher, Limits(concurrency=CONCURRENCY), LocalOwner(ledger))
    requests = [Request((Message("user", question),)) for question in questions]
    answers = await asyncio.gather(*(client.ask(request, CONTEXT) for request in requests))
    await client.close()
    return [answer.response for answer in answers]


def key(question: str) -> str:
    return Request((Message("user", question),)).key("openai", "m", "")


def test_processes_that_want_the_same_answers_ask_once(loopback: Loopback, at: LedgerPlace) -> None:
    loopback.latency = 0.02
    children = [child(loopback, at, 150) for _ in range(2)]
    said = [process.communicate(timeout=300)[0].split() for process in children]
    assert [process.returncode for process in children] == [0, 0]
    assert sum(int(words[2]) for words in said) == 150 and sum(int(words[4]) for words in said) == 150
    assert asked(loopback) == Counter(f"q{i}" for i in range(150))
    assert rows(at, "select count(*) from failures") == [(0,)] and rows(at, "select count(*) from claims") == [(0,)]


def test_killed_processes_cost_the_calls_in_flight(loopback: Loopback, at: LedgerPlace) -> None:
    loopback.latency = 0.02
    for kills in range(1, 4):
        with child(loopback, at, 200) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            wanted = len(loopback.answered) + 30
            while len(loopback.answered) < wanted:
                assert process.poll() is None
            process.kill()
        with Ledger(at) as ledger:
            assert len(loopback.answered) - ledger.spent().calls <= kills * CONCURRENCY
    with child(loopback, at, 200) as process:
        assert process.stdout is not None
        _, _, made, _, cached = process.stdout.read().split()
    assert int(made) + int(cached) == 200
    answered = Counter(body["messages"][0]["content"] for body in loopback.answered)
    assert len(answered) == 200 and answered.total() - 200 <= 3 * CONCURRENCY
    assert not list(maintenance.verify(at))


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_restarts_is_waited_for(
    loopback: Loopback, at: LedgerPlace, servers: Servers, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """immediate: as after a crash, without a word to those who are connected."""
    loopback.latency = 0.01
    questions = [f"{how} {i}" for i in range(120)]

    async def restart() -> None:
        while len(loopback.answered) < 40:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(servers.stop_postgres, how)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(servers.start_postgres)

    async def both(ledger: Ledger) -> list[str]:
        return (await asyncio.gather(ask(loopback, ledger, questions), restart()))[0]

    with Ledger(at) as ledger:
        assert asyncio.run(both(ledger)) == questions
        assert ledger.spent().calls == 120
    assert asked(loopback) == Counter(questions), "nothing was paid twice"
    assert rows(at, "select count(*) from failures") == [(0,)]
    assert any("can't be reached: waiting for it" in record.getMessage() for record in caplog.records)


def test_the_claim_of_a_process_that_is_gone_ends(
    loopback: Loopback, at: LedgerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(at) as ledger:
        later = "clock_timestamp() + interval '1.5 seconds'"
        change(at, f"insert into claims values ('{key('a')}', 'gone', {later})")
        assert asyncio.run(ask(loopback, ledger, ["a", "b"])) == ["a", "b"]
        assert [body["messages"][0]["content"] for body in loopback.asked] == ["b", "a"]
    assert rows(at, "select count(*) from claims") == [(0,)]


def test_an_answer_of_another_machine_is_taken_as_soon_as_it_is_there(
    loopback: Loopback, at: LedgerPlace, tmp_path: Path
) -> None:
    with Ledger(tmp_path / "other.sqlite") as other:
        asyncio.run(ask(loopback, other, ["c"]))
    with Ledger(at) as ledger:
        change(at, f"insert into claims values ('{key('c')}', 'other', clock_timestamp() + interval '1 hour')")

        async def both() -> list[str]:
            waiting = asyncio.create_task(ask(loopback, ledger, ["c"]))
            await asyncio.sleep(3 * claims.POLL)
            assert not waiting.done()
            await asyncio.to_thread(merged)
            return await waiting

        def merged() -> None:
            from dqdata.ledger.transfer import merge

            merge(at, tmp_path / "other.sqlite")

        assert asyncio.run(both()) == ["c"]
    assert asked(loopback) == Counter(["c"])


async def test_a_claim_that_is_not_wanted_any_more_is_given_back(at: LedgerPlace) -> None:
    with Ledger(at) as ledger:
        waiting = [asyncio.create_task(ledger.claim(key("d"))) for _ in range(5)]
        done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [True], "one of this process asks, too"
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        ledger.release(key("d"))
        assert await ledger.claim(key("d"))


PROJECT = """
[store]
ledger = {url!r}
[teachers.r1]
provider = "openai"
base_url = {base!r}
model = "m"
[pipelines.traces]
from = {{ source = "files", path = "words.jsonl" }}
steps = [{{ op = "generate", teacher = "r1" }}]
"""


def test_the_commands(
    loopback: Loopback,
    at: PostgresPlace,
    tmp_path: Path,
    command_line: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text(PROJECT.format(url=at.url, base=loopback.url))
    lines = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in (3, 44, 555)]
    (tmp_path / "words.jsonl").write_text("\n".join(lines) + "\n")
    for words in (["check"], ["plan", "traces"], ["run", "traces"], ["verify"], ["doctor"], ["log", "traces"]):
        done = command_line(*words)
        assert done.code == 0, (words, done)
    assert len(loopback.asked) == 3 and not list((tmp_path / "catalogs").glob("ledger*"))
    counted = json.loads(
        command_line("sql", "select count(*) as n, min(teacher) as who from ledger.calls", "--json").out
    )
    assert counted["rows"] == [{"n": 3, "who": "r1"}]
    one = json.loads(command_line("sql", "select trace_id from traces order by all limit 1", "--json").out)["rows"][0]
    assert "r1" in command_line("why", one["trace_id"]).out, "its call is found in the ledger"
    assert json.loads(command_line("ledger", "size", "--json").out)["calls"] == 3
    assert command_line("ledger", "verify").code == 0
    assert command_line("rebuild", "traces@1").code == 0, "from the recorded answers alone"
    assert command_line("test", "traces", "--record", "2").code == 0
    assert maintenance.size(tmp_path / "tests" / "recorded" / "traces" / "ledger.sqlite").calls == 2
    assert command_line("ledger", "export", "calls.jsonl").code == 0
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 3
    assert command_line("ledger", "merge", at.url, "--file", "copy.sqlite").code == 0
    assert maintenance.size(tmp_path / "copy.sqlite").calls == 3
    assert len(loopback.asked) == 3, "and nobody was asked again"


@pytest.fixture
def guarded(servers: Servers, at: PostgresPlace) -> Iterator[PostgresPlace]:
    """The same database for a user who needs a password."""
    with servers.guarded("keeper", "very-secret-words-2"):
        yield PostgresPlace(at.url.replace("postgres:@", "keeper@", 1))


def test_refusals_name_the_server_and_what_to_do(
    at: PostgresPlace,
    guarded: PostgresPlace,
    tmp_path: Path,
    command_line: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Ledger(at).close()

    def said(url: str, *words: str) -> str:
        (tmp_path / "pipelines.toml").write_text(f"[store]\nledger = {url!r}\n")
        done = command_line(*words)
        assert done.code != 0 and "very-secret" not in done.error and "Traceback" not in done.error, done
        return " ".join(done.error.split())

    merge = ("ledger", "merge", "absent.sqlite")
    with Ledger(tmp_path / "absent.sqlite"):
        pass
    monkeypatch.setenv("PGPASSWORD", "very-secret-words-1")
    assert "authentication failed" in said(guarded.url, *merge)
    assert "set PGPASSWORD, or correct ~/.pgpass" in said(guarded.url, *merge)
    assert "start the server, or correct [store] ledger" in said("postgres:host=127.0.0.1 port=1 dbname=x", *merge)
    assert "127.0.0.1" in said("postgres:host=127.0.0.1 port=1 dbname=x", *merge)
    name = at.url.partition("@/")[2].partition("?")[0]
    assert "make the database" in said(at.url.replace(name, "nowhere"), *merge)
    change(at, "update about set version = 99")
    assert "version 99, made by a newer dqdata" in said(at.url, *merge)
    assert "holds a password" in said("postgres:host=x password=very-secret-words-3", *merge)
    monkeypatch.setenv("PGPASSWORD", "very-secret-words-2")
    assert "permission denied" in said(guarded.url, *merge)


def test_a_server_that_stays_away_ends_the_wait(
    at: PostgresPlace, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE", 0.2)
    with Ledger(at) as ledger:
        servers.stop_postgres("fast")
        try:
            with pytest.raises(StoreError, match="start the server"):
                ledger.spent()
        finally:
            servers.start_postgres()
        assert ledger.spent().calls == 0


def test_any_text_comes_back_as_it_was(at: PostgresPlace) -> None:
    for text in ("", "\0", "\uffff", "\uffff0", "a\0\uffff1\uffff\0", "\ufffe0 \U0010ffff"):
        assert postgres.unescaped(postgres.escaped(text)) == text

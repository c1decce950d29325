"""A store with metadata in Postgres and data in S3: commands, locks, killed processes, broken servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import BUCKET, Bucket, Servers

from dqdata.catalog import Store, Version, upkeep
from dqdata.catalog.backend import PENDING
from dqdata.catalog.choice import backend_of
from dqdata.catalog.lake import lake_errors
from dqdata.errors import InputError, StoreError
from dqdata.place import PostgresPlace, StorePlace

Make = Callable[..., Version]
Problems = Callable[..., list[dict[str, Any]]]
on_servers = pytest.mark.parametrize("place", ["servers"], indirect=True)

PROJECT = """
[store]
metadata = {metadata!r}
data = {data!r}

[pipelines.measured]
from = "words@1"
steps = [{{ op = "sql", query = "select *, length(question) as letters from rows order by problem_id" }}]

[profiles.tiny.pipelines.measured]
seed = 5
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A server of S3 that is busy for every third upload."""
    for module in ("localbucket", "obstore", "duckdb_extension_httpfs"):
        pytest.importorskip(module)
    started = Bucket(tmp_path_factory.mktemp("busy"), fails_every=3)
    yield started
    started.close()


@on_servers
def test_the_commands_work_and_nothing_of_a_version_is_in_the_folder(
    place: StorePlace, tmp_path: Path, command_line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text(PROJECT.format(metadata=place.metadata, data=place.data))
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in (3, 44, 555)]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert command_line("doctor").out.count("none yet") == 1
    for words in (("import", "words.jsonl", "--into", "words"), ("check",), ("run", "measured")):
        done = command_line(*words)
        assert done.code == 0, done
    found = json.loads(command_line("sql", "select letters from measured@1 order by letters", "--json").out)
    assert [list(row.values()) for row in found["rows"]] == [[14], [16], [18]]
    assert command_line("run", "measured").code == 0
    assert "measured@1" in command_line("log", "measured").out
    assert command_line("verify").out.endswith("sound\n")

    (tmp_path / "fewer.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    for words in (("import", "fewer.jsonl", "--into", "words"), ("run", "measured")):
        assert command_line(*words, "--profile", "tiny").code == 0
    counts = [
        json.loads(command_line("sql", "select count(*) as n from measured", "--json", *words).out)["rows"]
        for words in ((), ("--profile", "tiny"))
    ]
    assert counts == [[{"n": 3}], [{"n": 2}]], "a profile has a schema and a prefix of its own"

    assert command_line("drop", "measured@1").code == 0
    assert command_line("gc", "--yes").code == 0
    assert command_line("sql", "from measured@1").code == 2
    assert "versions" in command_line("doctor").out
    there = {path.name for path in (tmp_path / "catalogs").rglob("*") if path.is_file()}
    assert not {name for name in there if name.endswith((".parquet", ".json")) or name.startswith("metadata")}, there


HOLD = """
import sys, time
from pathlib import Path
from dqdata.catalog.choice import backend_of
from dqdata.place import PostgresPlace, StorePlace
held = backend_of(StorePlace(Path(sys.argv[1]), *sys.argv[2:])).metadata.lock()
assert held.acquire(60)
print("held", flush=True)
time.sleep(600)
"""


@on_servers
def test_a_version_is_published_and_exported_from_servers(
    place: StorePlace, tmp_path: Path, command_line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text(PROJECT.format(metadata=place.metadata, data=place.data))
    rows = [{"question": f"q{n}", "reasoning": "r", "response": f"a{n}", "split": "ab"[n % 2]} for n in range(5)]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert command_line("import", "words.jsonl", "--into", "words", "--license", "mit").code == 0
    done = command_line("publish", "words@1", "public", "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["rows"] == {"a": 3, "b": 2}
    files = sorted((tmp_path / "public" / "data").iterdir())
    found = [row["question"] for file in files for row in pq.read_table(file).to_pylist()]
    assert sorted(found) == [row["question"] for row in rows]
    assert "mit" in (tmp_path / "public" / "README.md").read_text().lower()
    for words in (("words@1",), ("select * from words order by question",)):
        folder = tmp_path / f"out{len(words[0])}"
        assert command_line("export", *words, "--to", "trl", "-o", folder).code == 0
        assert sum(len(file.read_text().splitlines()) for file in folder.glob("*.jsonl")) == 5


@on_servers
def test_the_lock_is_held_by_one_process_and_free_when_it_was_killed(place: StorePlace) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place.path), place.metadata, place.data], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        lock = backend_of(place).metadata.lock()
        assert not lock.acquire(0)
        process.kill()
    assert lock.acquire(60)
    assert not backend_of(place).metadata.lock().acquire(0), "another lock of the same process waits too"
    lock.release()
    again = backend_of(place).metadata.lock()
    assert again.acquire(0)
    again.release()


def wait_for(con: Any, count: int) -> bool:
    """Whether so many wait for the lock, once they do or 60 s are over."""
    deadline = time.monotonic() + 60
    sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid "
    sql += "from pg_database where datname = current_database())"
    while (found := con.execute(sql).fetchone()) != (count,) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(found == (count,))


@on_servers
def test_ctrl_c_gives_up_the_place_in_the_queue(place: StorePlace) -> None:
    import psycopg

    held, left = (backend_of(place).metadata.lock() for _ in range(2))
    with psycopg.connect(PostgresPlace(place.metadata).connection, autocommit=True) as con:
        assert held.acquire(0)

        def interrupt() -> None:
            if wait_for(con, 1):
                os.kill(os.getpid(), signal.SIGINT)

        sender = threading.Thread(target=interrupt, daemon=True)
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            left.acquire(90)
        sender.join()
        assert wait_for(con, 0)
        held.release()
    assert left.acquire(0)
    left.release()


@on_servers
def test_the_server_gives_the_lock_in_the_order_in_which_it_was_asked_for(place: StorePlace) -> None:
    """Nobody waits for one that gave up or was killed while it waited."""
    import psycopg

    held, left, *others = (backend_of(place).metadata.lock() for _ in range(5))
    with psycopg.connect(PostgresPlace(place.metadata).connection, autocommit=True) as con:
        assert held.acquire(0)
        words = [sys.executable, "-c", HOLD, str(place.path), place.metadata, place.data]
        with subprocess.Popen(words) as killed:
            assert wait_for(con, 1)
            for count, lock in enumerate([left, *others], 2):
                assert not lock.acquire(0.001) and wait_for(con, count)
            killed.kill()
        left.release()
        assert wait_for(con, 4), "the place of the killed process goes when its turn comes"
        held.release()
        assert not held.acquire(0.001) and wait_for(con, 3)
        for count, lock in enumerate([*others, held]):
            assert lock.acquire(60) and wait_for(con, 3 - count)
            assert not backend_of(place).metadata.lock().acquire(0)
            lock.release()
    assert held.acquire(0)
    held.release()


@on_servers
def test_what_a_killed_commit_left_is_removed(
    place: StorePlace, commit_to: Make, problems: Problems, parquet: Callable[..., Path], nobodys: Any, tmp_path: Path
) -> None:
    with Store.open(place) as store:
        commit_to(store, "p", problems([1, 2]))
    backend = backend_of(place)
    backend.data.publish([parquet(tmp_path, problems([3]))], "p", 2, backend.work)
    assert len(nobodys(place)) == 1
    with Store.open(place):
        assert len(nobodys(place)) == 1, "without a note nobody was killed, and nothing is touched"
    backend.data.write_note(PENDING, "{}")
    with Store.open(place) as store:
        assert nobodys(place) == set() and backend.data.read_note(PENDING) is None
        assert [row["problem_id"] for row in store.query("from p").read_all().to_pylist()] == ["1", "2"]


def test_uploads_that_a_busy_server_refuses_are_sent_again(
    bucket: Bucket, commit_to: Make, problems: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    with Store.open(StorePlace(tmp_path / "catalogs", data=f"s3://{BUCKET}/busy")) as store:
        for number in range(1, 4):
            commit_to(store, "p", problems(range(number)), problems([number]))
        assert [one.rows for one in store.versions("p")] == [2, 3, 4]
        found = upkeep.verify(store)
        assert (found.faults, found.files) == ((), 6)


def test_a_bucket_that_is_not_there_is_named_without_a_secret(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StorePlace(tmp_path / "catalogs", data="s3://nowhere/at/all")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID in the environment"):
        Store.open(place)
    for name, value in {**bucket.variables, "AWS_SECRET_ACCESS_KEY": "very-secret-words-1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        StoreError, match=r"the store s3://nowhere/at/all: there is no bucket nowhere at http://127"
    ) as caught:
        Store.open(place)
    assert "very-secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_bucket_that_does_not_answer_or_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    monkeypatch.setattr("dqdata.catalog.s3.ATTEMPTS", 0)
    for name, value in {
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
        "ENDPOINT_URL_S3": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    place = StorePlace(tmp_path / "catalogs", data="s3://bucket/x")
    with pytest.raises(
        StoreError, match=r"can't be reached: start the server, or correct AWS_ENDPOINT.*127\.0\.0\.1:1"
    ):
        Store.open(place)
    with pytest.raises(StoreError, match="refuse this key: correct AWS_ACCESS_KEY_ID"), lake_errors(place, "opening"):
        raise OSError("Generic S3 error: Server returned non-2xx status code: 403 Forbidden: InvalidAccessKeyId")


@pytest.mark.parametrize("server", ["host=127.0.0.1 port=1 dbname=x", "//someone@127.0.0.1:1/x"])
def test_a_database_that_does_not_answer(server: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb_extension_postgres_scanner")
    with pytest.raises(StoreError, match=r"its metadata can't be reached: start the server.*127\.0\.0\.1"):
        Store.open(StorePlace(tmp_path / "catalogs", f"postgres:{server}"))


def test_a_database_that_refuses_is_named_without_a_secret(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "very-secret-words-3")
    url = servers.ledger().url
    with servers.guarded("guest", "very-secret-words-4"):
        there = StorePlace(tmp_path / "catalogs", url.replace("postgres:@", "guest@", 1))
        with pytest.raises(
            StoreError, match=r"refuse this connection: set PGPASSWORD, or .* the user of \[store\] metadata"
        ) as caught:
            Store.open(there)
    assert "very-secret" not in str(caught.value)
    name = url.partition("@/")[2].partition("?")[0]
    with pytest.raises(StoreError, match=r"make the database, or correct its name in \[store\] metadata.*nowhere"):
        Store.open(StorePlace(tmp_path / "catalogs", url.replace(name, "nowhere")))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metadata": "mysql:host=x"}, "only `postgres:"),
        ({"metadata": "postgres:host=x password=abcdefgh"}, "PGPASSWORD"),
        ({"metadata": "postgresql://me:abcdefgh@host/x"}, "PGPASSWORD"),
        ({"data": "s3://B/x"}, "is no `s3://BUCKET/PREFIX`"),
        ({"data": "gs://bucket/x"}, "is no `s3://BUCKET/PREFIX`"),
        ({"data": "s3://bucket/../x y"}, "is no `s3://BUCKET/PREFIX`"),
        ({"data": "s3://key:abcdefgh@bucket/x"}, "is no `s3://BUCKET/PREFIX`"),
    ],
)
def test_urls_that_no_store_has(
    keys: dict[str, str], message: str, tmp_path: Path, command_line: Callable[..., Any], monkeypatch: Any
) -> None:
    with pytest.raises(InputError, match=message):
        StorePlace(tmp_path, **keys)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text("[store]\n" + "".join(f"{k} = {v!r}\n" for k, v in keys.items()))
    done = command_line("check")
    assert done.code == 1 and "[store]" in done.error and "abcdefgh" not in done.out + done.error


def test_the_servers_give_each_store_its_own_place(servers: Servers, tmp_path: Path) -> None:
    one, two = (servers.place(tmp_path / name) for name in "ab")
    assert one.metadata != two.metadata and one.data != two.data
    profile = one.of_profile("tiny")
    assert (profile.above, profile.ledger) == (one, one.ledger)

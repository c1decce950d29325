"""What a server of Postgres says becomes the next action; the words are those of libpq 18 and of the server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dqdata.catalog import Store
from dqdata.errors import StoreError
from dqdata.ledger import Ledger
from dqdata.place import PostgresPlace, StorePlace
from dqdata.refusals import may_pass, refusal

AT = 'connection to server at "10.0.0.5", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (f'{AT}FATAL:  password authentication failed for user "dq"', "set PGPASSWORD"),
        (f"{AT}fe_sendauth: no password supplied", "set PGPASSWORD"),
        (f'{AT}FATAL:  role "dq" does not exist', "correct the user of [store] ledger"),
        (f'{AT}FATAL:  role "dq" is not permitted to log in', "correct the user of [store] ledger"),
        (f'{AT}FATAL:  database "traces" does not exist', "make the database"),
        (
            f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "dq", database "traces", no encryption',
            "sslmode=require",
        ),
        (f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "dq", SSL encryption', "(pg_hba.conf)"),
        (f"{AT}server does not support SSL, but SSL was required", "sslmode=disable"),
        (f'{AT}root certificate file "/home/dq/.postgresql/root.crt" does not exist', "sslrootcert=FILE"),
        (f"{AT}SSL error: certificate verify failed", "sslrootcert=FILE"),
        ("failed to resolve host 'db.invalid': [Errno -2] Name or service not known", "correct the host"),
        ('could not translate host name "db" to address: Temporary failure', "correct the host"),
        ("cannot execute INSERT in a read-only transaction", "name the primary"),
        ('ERROR:  permission denied for table "requests"', "all on the tables of schema dqdata_ledger"),
        (f"{AT}FATAL:  sorry, too many clients already", "raise max_connections"),
        ('missing "=" after "hsot" in connection info string', "correct the connection string"),
        (f"{AT}Connection refused\n\tIs the server running on that host?", ""),
        (f"{AT}timeout expired", ""),
    ],
)
def test_the_next_action(said: str, advice: str) -> None:
    found = refusal(said, "ledger", "dqdata_ledger")
    assert advice in found and bool(found) == bool(advice)
    assert may_pass(said) == any(words in said for words in ("resolve", "translate", "clients"))


@pytest.fixture
def no_tls() -> Iterator[int]:
    """The port of a server that says to each that it has no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(8):
                        connection.sendall(b"N")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_tls_that_a_server_lacks_is_no_server_that_is_away(no_tls: int, tmp_path: Path) -> None:
    for module in ("duckdb_extension_postgres_scanner", "psycopg"):
        pytest.importorskip(module)
    url = f"postgres:host=127.0.0.1 port={no_tls} dbname=x user=u sslmode=require"
    with pytest.raises(StoreError, match=r"refuse this connection: .* host and port of \[store\] metadata"):
        Store.open(StorePlace(tmp_path / "catalogs", url))
    with pytest.raises(StoreError, match=r"127\.0\.0\.1.* host and port of \[store\] ledger"):
        Ledger(PostgresPlace(url))


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("postgres:host=db dbname=x", "host=db dbname=x connect_timeout=10"),
        ("postgres://me@db/x", "postgres://me@db/x?connect_timeout=10"),
        ("postgres:postgresql://db/x?host=/run", "postgresql://db/x?host=/run&connect_timeout=10"),
        ("postgres:dbname=x connect_timeout=3", "dbname=x connect_timeout=3"),
    ],
)
def test_a_host_that_answers_nothing_is_not_waited_for_without_end(url: str, connection: str) -> None:
    assert PostgresPlace(url).connection == connection

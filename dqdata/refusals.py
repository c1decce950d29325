"""What a server of Postgres says when it refuses, as the next action.

    >>> refusal('FATAL:  role "dq" does not exist', "ledger")
    'correct the user of [store] ledger'

Metadata and ledger share it: one is reached through DuckDB, the other through psycopg, and both pass on the words of
libpq and of the server.
"""

from __future__ import annotations

import re

_ADVICE = (
    (r"authentication failed|no password", "set PGPASSWORD, or correct ~/.pgpass and the user of [store] {key}"),
    (r'role .* does not exist|role ".*" is not permitted to log in', "correct the user of [store] {key}"),
    (r"database .* does not exist", "make the database, or correct its name in [store] {key}"),
    (
        r"no pg_hba\.conf entry.*(no encryption|ssl off)",
        "the server may want TLS: add `sslmode=require` to [store] {key}, or have it accept this machine (pg_hba.conf)",
    ),
    (r"pg_hba\.conf", "have the server accept this machine and user (pg_hba.conf), or correct [store] {key}"),
    (
        r"does not support ssl|invalid response to ssl negotiation|received invalid response to gssapi",
        "no server of Postgres with TLS is there: correct host and port of [store] {key}, or give it "
        "`sslmode=disable` in a network of your own",
    ),
    (
        r"certificate|sslmode value|ssl error|tls",
        "name the certificate of the server's authority (`sslrootcert=FILE` in [store] {key}), or correct its host",
    ),
    (
        r"failed to resolve host|could not translate host name|name or service not known",
        "correct the host of [store] {key}",
    ),
    (
        r"read-only transaction|cannot execute .* recovery",
        "the server is a copy that is only read, or the user may only read: name the primary and a user who may write "
        "in [store] {key}",
    ),
    (
        r"permission denied|must be owner",
        "grant the user `create` on the database and all on the tables of schema {schema}, or name another user in "
        "[store] {key}",
    ),
    (r"no space left|disk full", "the server's disk is full: free some space, then start the same command again"),
    (r"too many (clients|connections)|connection slots", "raise max_connections of the server, or wait for others"),
    (r'missing "=" after|invalid (uri|connection option|dsn|port)', "correct the connection string of [store] {key}"),
)


def refusal(said: str, key: str, schema: str = "dqdata") -> str:
    """What to do; empty where nothing of it is known to help, as for a server that is away. said: by libpq, DuckDB or
    the server. key: of [store]. schema: that the tables are in."""
    text = " ".join(said.lower().split())
    advice = next((advice for pattern, advice in _ADVICE if re.search(pattern, text)), "")
    return advice.format(key=key, schema=schema)


def may_pass(said: str) -> bool:
    """Whether waiting helps against a refusal: of a server or network that is busy or half up."""
    busy = r"resolve host|translate host name|name or service|too many (clients|connections)|connection slots"
    return bool(re.search(busy, said.lower()))

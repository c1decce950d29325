"""Times of the viewer's pages over two versions, in the order that people turn them, over HTTP in this process.

    python bench/view.py --rows 1000000 --turns 5

For each page: wall time and CPU time of the process (on all cores), the median and the slowest of the turns. A page far
behind is asked for without the page before it, so that its place is looked up too, and nothing is kept from one turn to
the next. The goal is 0.7 s for any page at 1,000,000 rows on an idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
from starlette.testclient import TestClient

from dqdata.catalog import Store
from dqdata.columns import Columns
from dqdata.view.app import make_app
from dqdata.view.opened import OpenStore
from dqdata.view.security import Keys

ROWS = {
    "first": "",
    "in the middle": "after={middle}",
    "last": "before={rows}",
    "by a number": "sort=output_tokens&desc=1",
    "by a number, in the middle": "sort=output_tokens&after={middle}",
    "by a long text": "sort=reasoning",
    "by a long text, in the middle": "sort=reasoning&after={middle}",
    "by the key, backwards": "sort=trace_id&before={middle}",
    "filtered by a class": "column=verdict&op=eq&value=incorrect",
    "filtered by words, by a number": "column=reasoning&op=has&value=step&sort=rv&after={middle}",
    "words that no row has": "column=reasoning&op=has&value=nowhere",
    "by a condition in SQL": "where=rv+%3E+cd+and+output_tokens+%3C+100&sort=cd",
}
PAGES = {
    **{name: f"/c/traces@1/rows?{query}" for name, query in ROWS.items()},
    "how many rows hold words": "/c/traces@1/count?column=reasoning&op=has&value=step",
    "a row by its id": "/c/traces@1/by?id={key}",
    "a row": "/c/traces@1/row/{middle}",
    "charts": "/c/traces@1/charts",
    "rejects by reason": "/c/traces@2/rejects",
    "rejects: first": "/c/traces__rejects@2/rows",
    "rejects of one reason, in the middle": "/c/traces__rejects@2/rows?column=reason&op=eq&value=long&after={rejected}",
    "diff": "/diff?before=traces@1&after=traces@2",
    "two rows side by side": "/compare?a=traces@1:{middle}&b=traces@2:{rejected}",
    "catalogs": "/",
    "a row's history": "/c/traces@1/row/{middle}/history",
    "rows of its problem": "/c/traces@1/row/{middle}/beside",
    "recipe": "/c/traces@1/recipe",
    **{name: f"/{name}" for name in ("log", "costs", "runs", "models", "marks")},
}
SQL = "select verdict, count(*) as rows, avg(rv) from traces group by all"


def make_store(path: Path, rows: int) -> None:
    """A catalog of traces of 150 to 600 characters in two versions; the second rejects one row in ten of the first, and
    has another verdict for one in nine."""
    file, second, rejects = (path.parent / f"{name}.parquet" for name in ("traces", "second", "rejects"))
    with duckdb.connect() as con:
        con.execute(
            f"""copy (
                select md5(i::varchar) as problem_id, md5((i * 7 + 1)::varchar) as trace_id,
                    'What is ' || i || ' plus ' || (i % 97) || '?' as question, (i + i % 97)::varchar as answer,
                    repeat('Add the numbers step by step. ', 4 + (hash(i) % 16)::int) || i as reasoning,
                    'The answer is $' || (i + i % 97) || '$.' as response,
                    if(hash(i) % 5 = 0, 'incorrect', 'correct') as verdict, (hash(i) % 4096)::bigint as output_tokens,
                    (hash(i * 3) % 10)::double as rv, (hash(i * 5) % 10)::double as cd
                from range({rows}) t(i)
            ) to '{file}' (format parquet, row_group_size 4096)"""
        )
        columns = Columns({name: kind for name, kind, *_ in con.execute(f"describe from '{file}'").fetchall()})
        con.execute(
            f"""copy (
                select * replace (if(hash(trace_id) % 9 = 0, 'unverifiable', verdict) as verdict) from '{file}'
                where hash(problem_id) % 10 > 0
            ) to '{second}' (format parquet, row_group_size 4096)"""
        )
        con.execute(
            f"""copy (
                select 'filter' as step, 'filter' as op, 'dropped' as kind, reason, 'too ' || reason as detail,
                    problem_id, trace_id, trace_id as row_key, to_json(t)::varchar as row
                from (select *, if(hash(trace_id) % 3 = 0, 'short', 'long') as reason from '{file}') t
                where hash(problem_id) % 10 = 0
            ) to '{rejects}' (format parquet, row_group_size 4096)"""
        )
    how: dict[str, Any] = {"columns": columns, "recipe": {}}
    with Store.open(path) as store:
        store.commit("traces", rows=[file], rejects=[], fingerprint="one", run_id="one", **how)
        store.commit("traces", rows=[second], rejects=[rejects], fingerprint="two", run_id="two", **how)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rows", type=int, default=1_000_000)
    given.add_argument("--turns", type=int, default=3)
    given.add_argument("--only", nargs="*", default=[], metavar="PAGE", help="words that names of pages begin with")
    options = given.parse_args()
    rows, turns = options.rows, options.turns
    chosen = {
        name: page
        for name, page in {**PAGES, "SQL box": ""}.items()
        if not options.only or name.startswith(tuple(options.only))
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogs"
        make_store(path, rows)
        opened, keys = OpenStore(path), Keys()
        client = TestClient(make_app(opened, keys, 8764), base_url="http://127.0.0.1:8764")
        client.get("/", params={"token": keys.token})
        key = hashlib.md5(str(rows // 2 * 7 + 1).encode()).hexdigest()
        print(f"{rows:,} rows\n{'page':<34}{'wall s':>16}{'CPU s':>16}")
        for name, query in chosen.items():
            walls, cpus = [], []
            for _ in range(turns):
                opened.forget()
                wall, cpu = time.perf_counter(), time.process_time()
                if query:
                    answer = client.get(query.format(middle=rows // 2, rows=rows, key=key, rejected=rows // 20))
                else:
                    answer = client.post("/sql", data={"query": SQL}, headers={"x-csrf-token": keys.csrf})
                walls.append(time.perf_counter() - wall)
                cpus.append(time.process_time() - cpu)
                assert answer.status_code == 200, answer.text
            figures = [f"{statistics.median(one):8.2f}{max(one):8.2f}" for one in (walls, cpus)]
            print(f"{name:<34}{figures[0]}{figures[1]}", flush=True)
        opened.close()


if __name__ == "__main__":
    main()

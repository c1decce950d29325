"""A whole `dqdata run` over a file of problems against a bare AsyncOpenAI loop on the same loopback server; then the
rerun, and a run that is killed twice.

    python bench/pipeline_calls.py problems.parquet          # columns question and answer
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from calls import SERVER, in_a_process

LATENCY, CONCURRENCY = 0.2, 256
PROJECT = """
[teachers.t]
provider = "openai"
base_url = "http://127.0.0.1:{port}/v1"
model = "m"
concurrency = {concurrency}
[pipelines.p]
from = "{file}"
max_failed_rate = 1.0
steps = [ {{ op = "generate", teacher = "t", max_tokens = 1000 }}, {{ op = "verify_math" }} ]
"""


def run(folder: Path) -> tuple[float, float, dict[str, object]]:
    """(seconds, MB at most resident, what --json said) of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dqdata", "run", "p", "-p", str(folder / "pipelines.toml"), "--json", "-q"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - began, usage.ru_maxrss / 1e3, json.loads(out)


def answered(folder: Path) -> int:
    ledger = folder / "catalogs" / "ledger.sqlite"
    if not ledger.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as con:
            return int(con.execute("select count(*) from calls").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def killed_twice(folder: Path, calls: int) -> dict[str, object]:
    """`kill -9` after a third and after two thirds of the calls, then to the end."""
    for share in (1 / 3, 2 / 3):
        process = subprocess.Popen(
            [sys.executable, "-m", "dqdata", "run", "p", "-p", str(folder / "pipelines.toml"), "-q"],
            stdout=subprocess.DEVNULL,
        )
        while answered(folder) < share * calls and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return run(folder)[2]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--problems", type=int, help="the first of the file alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problems.parquet"
        pl.scan_parquet(options.file).head(options.problems or 1 << 40).sink_parquet(file)
        measure(file)


def measure(file: Path) -> None:
    calls = pl.scan_parquet(file).select("question", "answer").unique().collect().height
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(LATENCY)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        url = f"http://127.0.0.1:{port}/v1"
        project = PROJECT.format(port=port, concurrency=CONCURRENCY, file=file)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            for folder in (one, two):
                (Path(folder) / "pipelines.toml").write_text(project)
            bare, *_ = in_a_process("bare_openai", url, calls, CONCURRENCY)
            seconds, memory, first = run(Path(one))
            (Path(one) / "pipelines.toml").write_text(project.replace("[pipelines.p]", "[pipelines.p]\nseed = 1"))
            again, _, second = run(Path(one))
            third = killed_twice(Path(two), calls)
    finally:
        server.kill()
        server.wait()
    title = f"{calls:,} problems, {LATENCY * 1000:.0f} ms, {CONCURRENCY} in flight"
    print(f"| {title} | seconds | calls/s | to the bare loop |")
    print("|---|---:|---:|---:|")
    print(f"| bare AsyncOpenAI loop | {bare:.1f} | {calls / bare:.0f} | 1.00 |")
    print(f"| dqdata run: ledger, verify_math, commit | {seconds:.1f} | {calls / seconds:.0f} | {bare / seconds:.2f} |")
    print(f"| another recipe, same calls | {again:.1f} | made {second['calls']['made']} | |")  # type: ignore[index]
    print(f"\nat most resident: {memory:.0f} MB; rows: {first['rows_out']}")
    # Repeated calls are counted at the server, by tests/dqdata/test_real_input.py: the ledger keeps one row a key.
    print(f"killed twice, then run to the end: {third['rows_out']} rows of {calls}")


if __name__ == "__main__":
    main()

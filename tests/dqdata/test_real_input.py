"""Whole runs over real public data and over many rows; the outcome is kept in docs/real-input.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.loopback import Loopback


def dqdata(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dqdata", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_traces_of_four_models_are_imported_verified_and_counted_by_sql(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text('[pipelines.verified]\nfrom = "mip@1"\nsteps = [ { op = "verify_math" } ]')
    traces = str(shared_data / "mip_gsm8k_reasoning.parquet")
    columns = ["--column", "answer=reference_answer", "--column", "reasoning=thinking"]
    dqdata(tmp_path, "import", traces, "--into", "mip", *columns, "-q")
    dqdata(tmp_path, "run", "verified", "-q")
    query = "select model_key, count(*) n, 100 * avg(correct::int) correct from verified group by all"
    shares = {row["model_key"]: row for row in json.loads(dqdata(tmp_path, "sql", query, "--json"))["rows"]}
    assert {row["n"] for row in shares.values()} == {582}
    assert len(shares) == 4
    assert all(95.0 <= row["correct"] <= 98.0 for row in shares.values()), shares


@pytest.mark.slow
def test_gsm8k_through_an_endpoint_asks_each_problem_once(
    shared_data: Path, tmp_path: Path, loopback: Loopback
) -> None:
    loopback.latency = 0.05
    (tmp_path / "pipelines.toml").write_text(
        f'[teachers.t]\nprovider = "openai"\nbase_url = "{loopback.url}"\nmodel = "m"\nconcurrency = 256\n'
        f'[pipelines.p]\nfrom = "{shared_data / "gsm8k_train.parquet"}"\n'
        'steps = [ { op = "generate", teacher = "t", max_tokens = 512 }, { op = "verify_math" } ]'
    )
    process = subprocess.Popen([sys.executable, "-m", "dqdata", "run", "p", "-q"], cwd=tmp_path)
    while len(loopback.answered) < 2000 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    first = json.loads(dqdata(tmp_path, "run", "p", "-q", "--json"))
    assert first["rows_out"] + sum(first["dropped"].values()) + sum(first["failed"].values()) == 7473
    asked = Counter(body["messages"][-1]["content"] for body in loopback.answered)
    assert len(asked) == 7473
    assert sum(asked.values()) - 7473 <= 256
    again = json.loads(dqdata(tmp_path, "run", "p", "-q", "--json"))
    assert (again["unchanged"], len(loopback.answered)) == (True, sum(asked.values()))


@pytest.mark.slow
def test_a_million_rows_stay_below_a_gigabyte_and_a_half(thirdparty: Path, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(
        '[pipelines.p]\nfrom = { source = "counting", rows = 1000000 }\n'
        'steps = [ { op = "length", column = "question" }, { op = "filter", where = "number % 3 <> 0" }, '
        '{ op = "dedup", column = "question" } ]'
    )
    words = [sys.executable, "-m", "dqdata", "run", "p", "-q", "--json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        result = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)  # of this process and its children, and of no other test's
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert (result["rows_in"], result["rows_out"]) == (1_000_000, 666_666)
    assert used.ru_maxrss < 1.5e6

"""The zone of the machine changes no row: each zone in a process of its own, as DuckDB reads it once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = [
    {"question": f"What is {n} + 1?", "moment": moment}
    for n, moment in enumerate(
        ("2020-01-01 23:30:00+00", "2020-01-02 00:30:00+00", "2020-01-01 10:00:00+14", "1969-12-31")
    )
]
PROJECT = """
[pipelines.p]
from = "x.jsonl"
steps = [
    { op = "sql", query = '''select *, moment::TIMESTAMPTZ as t, moment::TIMESTAMPTZ::DATE as d,
       date_trunc('day', moment::TIMESTAMPTZ) as day, strftime(moment::TIMESTAMPTZ, '%H %Z') as shown from rows''' },
    { op = "filter", where = "t::DATE = '2020-01-01'" },
]

[pipelines.q]
from = "select problem_id, question, t::DATE as day from p where t::DATE >= '2020-01-01' order by t"
steps = []
"""
PROGRAM = """
import json, sys
from dqdata.cli import main
for words in json.loads(sys.argv[1]):
    assert main(words) == 0, words
"""


def in_zone(zone: str, folder: Path, *commands: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        cwd=folder, env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What `p` and `q` hold, shown in each zone, all run there afresh."""
    shown = {}
    for zone in ("America/Los_Angeles", "Pacific/Kiritimati"):
        folder = tmp_path_factory.mktemp("zone")
        (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        (folder / "pipelines.toml").write_text(PROJECT)
        prints = "select string_agg(fingerprint, ' ' order by fingerprint) as prints from dq_versions"
        query = f"select * exclude (problem_id) from p cross join ({prints})"
        commands = [["run", "p", "-q"], ["run", "q", "-q"], ["export", "q", "-o", "q.csv"]]
        out = in_zone(zone, folder, *commands, ["sql", f"{query} order by all", "--json"])
        shown[zone] = [out[out.index('{"columns"') :], (folder / "q.csv").read_text()]
    return shown


def test_rows_and_fingerprints_are_the_same_in_every_zone(made: dict[str, list[str]]) -> None:
    assert len({tuple(shown) for shown in made.values()}) == 1, made
    [text, table] = made["Pacific/Kiritimati"]
    assert "2020-01-01T23:30:00+00:00" in text and "23 UTC" in text and table.count("2020-01-01") == 1

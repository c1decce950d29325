"""What commands print, as a whole, beside the text that was read and accepted (`__snapshots__`).

    pytest tests/dqdata/cli/test_snapshots.py --snapshot-update       # after a change that is meant; read the diff

One story in one folder: every command sees what those before it left. What differs between machines and runs (times,
sizes, random ids) is replaced by a word.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from dqdata.cli import main

PROJECT = """
[teachers.tutor]
provider = "scripted"
model = "tutor-1"
script = "answers.toml"
price = { input = 0.5, output = 2.0 }

[pipelines.solved]
from = "problems.jsonl"
budget_usd = 1.0
max_failed_rate = 0.5
steps = [
  { op = "generate", teacher = "tutor", n = 2, max_tokens = 200 },
  { op = "verify_math" },
  { op = "length" },
]

[pipelines.chosen]
from = "select * from solved where correct"
steps = [
  { op = "filter", where = "tokens < 40" },
  { op = "to_messages" },
]

[pipelines.broken]
from = "problems.jsonl"
steps = [
  { op = "generat", teacher = "tutor", n = 2 },
  { op = "generate", teacher = "nobody", samples = 2 },
]
"""
SCRIPT = """
[[rules]]
match = "How many eggs"
answers = [
  "<think>A dozen is 12, and two dozen are 24.</think>There are \\\\boxed{24} eggs.",
  "<think>A dozen is 10.</think>There are \\\\boxed{20} eggs.",
]

[[rules]]
match = "17 . 5"
answers = ["<think>17 + 5 = 22.</think>It is \\\\boxed{22}.", "It is \\\\boxed{22}."]

[[rules]]
match = ""
answers = ["I cannot say."]
"""
PROBLEMS = [
    {"problem_id": "eggs", "question": "How many eggs are in two dozen?", "answer": "24"},
    {"problem_id": "sum", "question": "What is 17 + 5?", "answer": "22"},
    {"problem_id": "root", "question": "What is the square root of 144?", "answer": "12"},
    {"problem_id": "empty", "question": "", "answer": "1"},
]
MORE = [
    {"conversations": [{"from": "human", "value": "Name a prime."}, {"from": "gpt", "value": "7"}], "id": 4},
    {"conversations": [{"from": "human", "value": "Name another."}, {"from": "gpt", "value": "11"}], "id": 5},
]
STORY = """
check solved chosen
check broken
plan solved
plan chosen
run solved
run  solved
run chosen
preview solved --rows 1
log
log solved
show solved
show solved --row {trace}
show solved --rejects
sql "select problem_id, verdict, count(*) as traces from solved group by all order by all"
sql "select nosuch from solved"
sql "drop table solved"
tag solved@1 first
lineage chosen@1
why {trace}
why problems:empty
why nobody
diff solved@1 chosen@1
import more.jsonl --into more
export chosen -o chosen.jsonl
export chosen --to llama-factory -o factory
drop solved@1
drop more@1
log more
gc --dry-run
ledger size
ledger verify
ops
ops verify_math
ops verify_maths
explain no-rows
explain nosuch
frobnicate
run nobody
run solved --limit none
"""
COMMANDS = [line for line in STORY.splitlines() if line]
SCRUBBED = [
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\b\d{8}T\d{6}-[0-9a-f]{6}\b"), "<run>"),
    (re.compile(r"\b[\d.]+ s\b"), "<seconds>"),
    (re.compile(r"^.*\d/\d+ rows\b.*\n", re.MULTILINE), ""),  # progress: how many lines of it depends on the time
]


def test_what_commands_print(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept_workers: None,
    subtests: pytest.Subtests,
    snapshot: SnapshotAssertion,
) -> None:
    (tmp_path / "pipelines.toml").write_text(PROJECT)
    (tmp_path / "answers.toml").write_text(SCRIPT)
    for name, rows in (("problems", PROBLEMS), ("more", MORE)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1"), ("TZ", "UTC")):
        monkeypatch.setenv(name, value)
    trace = ""
    for command in COMMANDS:
        code, said = said_by(shlex.split(command.format(trace=trace)))
        if command == "run solved":
            _, rows_said = said_by(
                ["sql", "--format", "json", "select trace_id from solved where not correct order by 1"]
            )
            trace = json.loads(rows_said)["rows"][0]["trace_id"]
        said = said.replace(str(tmp_path), "FOLDER")
        for pattern, word in SCRUBBED:
            said = pattern.sub(word, said)
        with subtests.test(command):
            assert f"{said}[exit {code}]" == snapshot(name=command)


def said_by(words: list[str]) -> tuple[int, str]:
    """Exit code, and stdout followed by stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    for stream in (out, err):
        stream.flush()
    return code, "".join(stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]

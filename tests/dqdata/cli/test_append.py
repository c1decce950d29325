"""`mode = "append"` as a user meets it: runs, plan, changed steps, a kill, diff, rebuild, gc."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from .conftest import Invoke
from .test_history import _answer

pytestmark = pytest.mark.usefixtures("kept_workers")

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
price = { input = 1.0, output = 2.0 }
concurrency = 2

[pipelines.traces]
from = "problems.jsonl"
mode = "append"
chunk_rows = 4
steps = [
  { op = "generate", teacher = "t", temperature = 0.5, max_tokens = 64 },
  { op = "verify_math" },
  { op = "dedup", column = "question", method = "exact" },
  { op = "length" },
]
"""


@pytest.fixture(scope="module")
def teacher() -> Iterator[Loopback]:
    loopback = Loopback()
    loopback.answer = lambda body: f"\\boxed{{{_answer(body)}}}"
    loopback.start()
    yield loopback
    loopback.stop()


def write(folder: Path, teacher: Loopback, rows: range, was: str = "", now: str = "") -> None:
    problems = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in rows]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    (folder / "pipelines.toml").write_text(PROJECT.replace("URL", teacher.url).replace(was, now or was))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory, teacher: Loopback) -> Path:
    """traces@1 of eight problems."""
    from dqdata.cli import main

    folder = tmp_path_factory.mktemp("append")
    write(folder, teacher, range(8))
    assert main(["run", "traces", "-q", "-p", str(folder / "pipelines.toml")]) == 0
    return folder


@pytest.fixture
def made(made_once: Path, tmp_path: Path, dqdata: Invoke, teacher: Loopback) -> Path:
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    teacher.asked.clear()
    return tmp_path


def read(dqdata: Invoke, *arguments: str) -> dict[str, Any]:
    done = dqdata(*arguments, "--json")
    assert done.code == 0, done.error
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_new_problems_alone_are_processed_and_priced(made: Path, dqdata: Invoke, teacher: Loopback) -> None:
    write(made, teacher, range(11))
    plan = read(dqdata, "plan", "traces")
    assert plan["new_rows"] == 3 and plan["teachers"][0]["calls"] == 3
    assert "append: 3 rows are new since the last run" in dqdata("plan", "traces").out
    done = read(dqdata, "run", "traces", "-q")
    assert done["append"] == {
        "since": "traces@1",
        "taken": {"generate > verify_math": 8, "length": 8},
        "processed": {"generate > verify_math": 3, "length": 3},
        "changed": "",
    }
    assert done["calls"] == {"made": 3, "cached": 0, "failed": 0} and len(teacher.asked) == 3
    found = read(dqdata, "diff", "traces")
    assert found["counts"][3] == 8 and [cause[0] for cause in found["causes"]] == ["input"]
    rebuilt = read(dqdata, "rebuild", "traces@2", "--replay", "-q")
    assert rebuilt["equal"] and rebuilt["same"] == 11 and rebuilt["same_recipe"]


def test_a_changed_step_is_named_and_what_precedes_it_is_taken_over(
    made: Path, dqdata: Invoke, teacher: Loopback
) -> None:
    write(made, teacher, range(9), '"exact" }', '"exact", ignore = ["case"] }')
    done = dqdata("run", "traces", "-q")
    assert done.code == 0, done.error
    assert "8 rows as in traces@1, 1 rows through generate > verify_math" in done.out
    assert "not taken over: step 3 (dedup) has changed since traces@1" in done.out
    assert len(teacher.asked) == 1


def test_gc_forgets_the_rows_of_dropped_versions(made: Path, dqdata: Invoke, teacher: Loopback) -> None:
    write(made, teacher, range(9))
    assert dqdata("run", "traces", "-q").code == 0
    assert dqdata("drop", "traces@2").code == 0 and (made / "catalogs" / "append" / "traces").is_dir()
    assert dqdata("gc", "--yes").code == 0
    assert not (made / "catalogs" / "append" / "traces").exists()
    done = read(dqdata, "run", "traces", "-q")
    assert done["append"]["since"] == "" and set(done["append"]["taken"].values()) == {0}
    assert done["rows_out"] == 9 and done["calls"]["made"] == 0


def test_a_killed_run_goes_on_and_asks_nothing_twice(made: Path, dqdata: Invoke, teacher: Loopback) -> None:
    """The process ends hard once the second of six new answers is on its way."""
    write(made, teacher, range(14))
    teacher.latency = 0.2
    process = subprocess.Popen([sys.executable, "-m", "dqdata", "run", "traces", "-q"], cwd=made)
    try:
        deadline = time.monotonic() + 120
        while len(teacher.asked) < 3 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        teacher.latency = 0.0
    assert len(teacher.asked) >= 3
    done = read(dqdata, "run", "traces", "-q")
    assert done["version"] == 2 and done["rows_out"] == 14
    assert done["append"]["taken"] == {"generate > verify_math": 8, "length": 8}
    assert {str(body["messages"][-1]["content"]).split()[2] for body in teacher.asked} == {str(n) for n in range(8, 14)}


def test_lineage_and_why_of_an_appended_version(made: Path, dqdata: Invoke, teacher: Loopback) -> None:
    """Rows that were taken over have the calls of the run that made them, new ones those of theirs."""
    write(made, teacher, range(11))
    with (made / "problems.jsonl").open("a") as out:
        out.write('{"question": "What is 4 + 1?", "answer": "50"}\n')
    read(dqdata, "run", "traces", "-q")
    found = read(dqdata, "lineage", "traces@2")
    assert [up["name"] for up in found["up"]] == ["files: problems.jsonl"]
    assert [calls[:3] for calls in found["calls"]] == [["t", "m", 3]], "those that this run paid for"
    rows = read(dqdata, "sql", "select trace_id, question from traces order by question")["rows"]
    ids = {row["question"]: row["trace_id"] for row in rows}
    for question in ("What is 3 + 1?", "What is 10 + 1?"):
        why = read(dqdata, "why", ids[question])
        assert [(one["version"], one["kept"]) for one in why["occurrences"]] == [("traces@2", True)], question
        assert [call["model"] for call in why["calls"]] == ["m"], question
    assert (
        read(dqdata, "why", ids["What is 3 + 1?"], "--in", "traces@1")["calls"]
        == read(dqdata, "why", ids["What is 3 + 1?"])["calls"]
    )
    rejected = read(dqdata, "sql", "select row_key, step, reason from traces__rejects")["rows"]
    assert [(row["step"], row["reason"]) for row in rejected] == [("dedup", "duplicate")]
    text = dqdata("why", rejected[0]["row_key"]).out
    assert "traces@2: rejected by dedup: duplicate" in text and "call to t (m)" in text
    rebuilt = read(dqdata, "rebuild", "traces@2", "--replay", "-q")
    assert rebuilt["equal"] and rebuilt["same"] == 11


JUDGED = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"

[pipelines.judged]
from = "problems.jsonl"
mode = "append"
chunk_rows = 2
steps = [
  { op = "generate", teacher = "t", temperature = 0.5, max_tokens = 64 },
  { op = "join", catalog = "notes", on = "question", columns = ["level"] },
  { op = "critique", judge = "t", votes = 3 },
  { op = "filter", where = "fit <> 'hard' or level = 1" },
]
"""


def test_new_rows_on_both_sides_of_a_join_and_a_judge_rebuilt(
    tmp_path: Path, dqdata: Invoke, teacher: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The appended version is what its recipe makes of the recorded votes; nobody is asked twice."""

    def answer(body: dict[str, Any]) -> str:
        if "response_format" not in body and len(body["messages"]) == 1:
            return f"<think>So it is.</think>\\boxed{{{_answer(body)}}}"
        return json.dumps({"fit": ("easy", "medium", "hard")[len(teacher.asked) % 3]})

    monkeypatch.setattr(teacher, "answer", answer)
    for rows, notes, asked in ((5, 3, 20), (6, 6, 4)):
        teacher.asked.clear()
        write(tmp_path, teacher, range(rows))
        (tmp_path / "pipelines.toml").write_text(JUDGED.replace("URL", teacher.url))
        lines = [json.dumps({"question": f"What is {n} + 1?", "level": n % 2}) + "\n" for n in range(notes)]
        (tmp_path / "notes.jsonl").write_text("".join(lines))
        assert dqdata("import", "notes.jsonl", "--into", "notes", "-q").code == 0
        done = dqdata("run", "judged", "-q")
        assert (done.code, len(teacher.asked)) == (0, asked), done.error
    teacher.asked.clear()
    found = json.loads(dqdata("rebuild", "judged@2", "--replay", "-q", "--json").out)
    assert found["equal"] and found["cached"] == 24 and found["missing"] == 0 and teacher.asked == []


@pytest.mark.parametrize("given", [True, False], ids=["given ids", "no ids"])
@pytest.mark.parametrize(
    "path", ["in/*.jsonl", "in/**/*.jsonl", "in/day=*/x?.jsonl", ["in/b.jsonl", "in/*.jsonl"]], ids=str
)
def test_more_files_leave_the_rows_of_the_first_as_they_are(
    path: Any, given: bool, tmp_path: Path, dqdata: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = f"{{ source = 'files', path = {json.dumps(path)}, hive = false }}"
    steps = '{ op = "length", column = "question" }'
    Path("pipelines.toml").write_text(f'[pipelines.p]\nfrom = {source}\nmode = "append"\nsteps = [ {steps} ]\n')
    ids: list[dict[str, str]] = []
    for n, name in enumerate(("b", "c", "a"), 1):
        file = Path("in", f"day={name}", f"x{name}.jsonl") if "day" in path else Path("in", f"{name}.jsonl")
        file.parent.mkdir(parents=True, exist_ok=True)
        row = {"question": f"What is {n} + 1?", **({"problem_id": f"q{n}"} if given else {})}
        file.write_text(json.dumps(row) + "\n")
        done = dqdata("run", "p", "-q", "--engine", "inline")
        assert done.code == 0, done.error
        assert f"append   {n - 1} rows as in p@{n - 1}, 1 rows through length" in done.out or n == 1, done
        rows = read(dqdata, "sql", "select problem_id, question from p")["rows"]
        ids.append({row["question"]: row["problem_id"] for row in rows})
        assert len(rows) == n and ids[0].items() <= ids[-1].items()
    assert not given or set(ids[-1].values()) == {"in:q1", "in:q2", "in:q3"}

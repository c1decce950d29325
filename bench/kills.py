"""Kills dqdata with SIGKILL at random moments and looks at what is left.

    python bench/kills.py --kills 200 --seed 1

Each round starts one command in a process group of its own (import, run in append mode, export, drop, gc), kills it
after a random time, and then checks: every version that `dqdata verify` reads has the checksums of its commit, the
file that an export was to replace is whole, and no process of the group is left. At the end the pipeline runs once more
and its rows are those of a store that nobody killed. Exit code 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROJECT = """
[pipelines.kept]
from = "problems"
mode = "append"
chunk_rows = 100
steps = [
  { op = "length", column = "question" },
  { op = "filter", where = "length(question) % 5 <> 0" },
  { op = "dedup", column = "question", method = "exact" },
]
"""
KINDS = ("import", "append", "export", "drop", "gc")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dqdata", *words]


def done(folder: Path, *words: str) -> str:
    """Output of a command that must succeed."""
    made = subprocess.run(command(*words), cwd=folder, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"dqdata {' '.join(words)} failed: {made.stderr or made.stdout}")
    return made.stdout


def write(folder: Path, rows: int) -> None:
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as out:
        for n in range(rows):
            out.write(json.dumps({"question": f"How much is {n % (rows - rows // 10)} + 1?", "answer": str(n)}) + "\n")


def left_in_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def killed(folder: Path, words: list[str], seconds: float) -> tuple[bool, bool]:
    """Whether the kill came before the command ended, and whether a process of its group is left 30 s later."""
    with subprocess.Popen(
        command(*words), cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(seconds)
            hit = False
        except subprocess.TimeoutExpired:
            hit = True
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    deadline = time.monotonic() + 30
    while left_in_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return hit, left_in_group(process.pid)


def begun(folder: Path, kind: str, drawn: random.Random, rows: int) -> list[str]:
    """Words of the command that is to be killed, after what it needs."""
    versions = sum(one["catalog"] == "problems" for one in json.loads(done(folder, "log", "--json"))["versions"])
    if kind == "import":
        write(folder, rows + drawn.randrange(1000))
        return ["import", "rows.jsonl", "--into", "problems"]
    if kind == "append":
        return ["run", "kept", "-q"]
    if kind == "export":
        return ["export", "problems", "-o", "out.jsonl"]
    if kind == "drop" and versions > 1:
        return ["drop", f"problems@{drawn.randrange(1, versions)}"]
    return ["gc", "--yes"]


def whole(folder: Path) -> list[str]:
    """What is wrong with the store and the exported file."""
    wrong = []
    verified = subprocess.run(command("verify"), cwd=folder, capture_output=True, text=True)
    if verified.returncode:
        wrong.append(f"verify: {verified.stdout}{verified.stderr}")
    for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            json.loads(line)
        except ValueError:
            wrong.append("out.jsonl is not whole")
            break
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=5000)
    given = parser.parse_args()
    drawn = random.Random(given.seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    longest = 5.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "pipelines.toml").write_text(PROJECT, encoding="utf-8")
        write(folder, given.rows)
        done(folder, "import", "rows.jsonl", "--into", "problems")
        done(folder, "export", "problems", "-o", "out.jsonl")
        for number in range(given.kills):
            kind = KINDS[number % len(KINDS)]
            words = begun(folder, kind, drawn, given.rows)
            began = time.monotonic()
            hit, left = killed(folder, words, drawn.uniform(0, longest))
            if not hit:  # kills are spread over the time that a command takes here
                longest = 0.9 * longest + 0.1 * (time.monotonic() - began)
            counts[f"{kind} {'killed' if hit else 'ended first'}"] += 1
            wrong = whole(folder) + (["processes are left"] if left else [])
            faults += [f"{number} ({' '.join(words)}): {one}" for one in wrong]
        done(folder, "run", "kept", "-q")
        rows = done(folder, "sql", "select * exclude (problem_id) from kept", "--json")
        done(folder, "run", "kept", "-q", "--force")
        if rows != done(folder, "sql", "select * exclude (problem_id) from kept", "--json"):
            faults.append("the appended version differs from one that takes nothing over")
    for name, count in sorted(counts.items()):
        print(f"{name:24} {count:,}")
    print("\n".join(faults) or "every version is whole, every exported file is whole, no process is left")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Kills dqdata with SIGKILL at random moments and looks at what is left.

    python bench/kills.py --kills 200 --seed 1

Each round starts one command in a process group of its own (import, run in append mode, export, drop, restore, gc) and
kills it after a random time. Then, or after every fifth kill with `--every 5`, it checks: every version that
`dqdata verify` reads has the checksums of its commit, and as many rows as its commit says; the file that an export was
to replace is whole; and, after each kill, no process of the group is left. At the end the pipeline runs once more and
its rows are those of a run that takes nothing over. Exit code 1 where one of these does not hold.

A command is a fork of this process, which has imported what starts no thread: DuckDB, Arrow and polars start one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp  # noqa: F401
import pydantic  # noqa: F401

import dqdata.project.plan  # noqa: F401
from dqdata import cli
from dqdata.catalog import Store
from dqdata.catalog.upkeep import verify

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
KINDS = ("import", "append", "export", "drop", "restore", "gc")
MOST = 5
"""Versions of a catalog beyond which old ones are dropped, so that a round stays short."""


def started(folder: Path, work: Callable[[], int], out: str) -> int:
    """Process id, and group, of a fork that does the work in the folder and exits with its code."""
    sys.stdout.flush()
    if process := os.fork():
        with contextlib.suppress(PermissionError):  # it may have left this session already
            os.setpgid(process, process)
        return process
    code = 70
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        target = os.open(folder / out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, 1)
        os.dup2(target, 2)
        code = work()
        sys.stdout.flush()
    finally:
        os._exit(code)


def done(folder: Path, *words: str) -> str:
    """Output of a command that must succeed."""
    _, status = os.waitpid(started(folder, lambda: cli.main(words), "said"), 0)
    said = (folder / "said").read_text(encoding="utf-8")
    if status:
        raise SystemExit(f"dqdata {' '.join(words)} failed: {said}")
    return said


def write(folder: Path, rows: int) -> None:
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as out:
        for n in range(rows):
            out.write(json.dumps({"question": f"How much is {n % (rows - rows // 10)} + 1?", "answer": str(n)}) + "\n")


def prepare(folder: Path, rows: int) -> None:
    """The project, one version of `problems` and an exported file."""
    (folder / "pipelines.toml").write_text(PROJECT, encoding="utf-8")
    write(folder, rows)
    done(folder, "import", "rows.jsonl", "--into", "problems", "-q")
    done(folder, "export", "problems", "-o", "out.jsonl")


def left_in_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def killed(folder: Path, words: list[str], seconds: float) -> tuple[bool, bool, float]:
    """Whether the kill came before the command ended, whether a process of its group is left 30 s later, and the
    seconds that the command ran."""
    began = time.monotonic()
    process = started(folder, lambda: cli.main(words), "killed")
    hit = True
    while time.monotonic() < began + seconds:
        if os.waitpid(process, os.WNOHANG)[0]:
            hit = False
            break
        time.sleep(0.002)
    ran = time.monotonic() - began
    if hit:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    deadline = time.monotonic() + 30
    while left_in_group(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return hit, left_in_group(process), ran


def begun(folder: Path, kind: str, drawn: random.Random, rows: int, versions: dict[str, list[int]]) -> list[str]:
    """Words of the command that is to be killed, after what it needs."""
    kept, dropped = versions["kept"], versions["dropped"]
    if kind == "import":
        write(folder, rows + drawn.randrange(1000))
        return ["import", "rows.jsonl", "--into", "problems", "-q"]
    if kind == "append":
        return ["run", "kept", "-q"]
    if kind == "export":
        return ["export", "problems", "-o", "out.jsonl"]
    if kind == "restore" and dropped:
        return ["restore", f"problems@{drawn.choice(dropped)}"]
    if kind != "gc" and len(kept) > 1:
        count = max(1, len(kept) - MOST)
        return ["drop", *(f"problems@{number}" for number in drawn.sample(kept[:-1], count))]
    return ["gc", "--yes"]


def seen() -> tuple[list[str], dict[str, list[int]]]:
    """What is wrong with the store in this folder and with out.jsonl, and the versions of `problems` that are readable
    or dropped. Starts threads."""
    with Store.open(Path("catalogs")) as store:
        wrong = [str(fault) for fault in verify(store).faults]
        for one in store.versions():
            [batch] = store.query(f"select count(*) as n from {one.catalog}@{one.version}")
            if batch["n"][0].as_py() != one.rows:
                wrong.append(f"{one.catalog}@{one.version} has {batch['n'][0]} rows of {one.rows}")
        marks = store.marks()
        problems = [one.version for one in store.versions("problems", dropped=True)]
        state = {number: marks.state("problems", number) for number in problems}
        versions = {
            "kept": [number for number in problems if not state[number]],
            "dropped": [number for number in problems if state[number] == "dropped"],
        }
    for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            json.loads(line)
        except ValueError:
            wrong.append("out.jsonl is not whole")
            break
    return wrong, versions


def look(folder: Path) -> tuple[list[str], dict[str, list[int]]]:
    """The same in a process of its own: this one starts no thread."""

    def work() -> int:
        Path("seen").write_text(json.dumps(seen()), encoding="utf-8")
        return 0

    (folder / "seen").unlink(missing_ok=True)
    _, status = os.waitpid(started(folder, work, "looked"), 0)
    if status:
        raise SystemExit(f"the store can't be read: {(folder / 'looked').read_text(encoding='utf-8')}")
    wrong, versions = json.loads((folder / "seen").read_text(encoding="utf-8"))
    return wrong, versions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--every", type=int, default=1, help="looks after this many kills; what is damaged stays so")
    given = parser.parse_args()
    drawn = random.Random(given.seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    longest = dict.fromkeys(KINDS, 3.0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, given.rows)
        versions = {"kept": [1], "dropped": []}
        for number in range(given.kills):
            words = begun(folder, KINDS[number % len(KINDS)], drawn, given.rows, versions)
            kind = words[0] if words[0] != "run" else "append"
            hit, left, ran = killed(folder, words, drawn.uniform(0, longest[kind]))
            longest[kind] = longest[kind] * 1.1 if hit else 1.1 * ran  # kills spread over the time that it takes here
            counts[f"{kind} {'killed' if hit else 'ended first'}"] += 1
            wrong = ["processes are left"] if left else []
            if number % given.every == given.every - 1 or number == given.kills - 1:
                faulty, versions = look(folder)
                wrong += faulty
            elif kind in ("drop", "restore"):  # it may not have come so far, which the next look shows
                named = {int(word.partition("@")[2]) for word in words[1:]}
                known = {*versions["kept"], *versions["dropped"]}
                kept = set(versions["kept"]) - named if kind == "drop" else {*versions["kept"], *named}
                versions = {"kept": sorted(kept), "dropped": sorted(known - kept)}
            faults += [f"{number} ({' '.join(words)}): {one}" for one in wrong]
            if number % 20 == 19:
                print(f"{number + 1} rounds, {len(faults)} faults", flush=True)
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

"""Stops `drop`, `restore` and `gc` at chosen steps, kills them there with SIGKILL, and looks at what is left.

    python bench/kill_steps.py --kills 60 --seed 1

A step is a line of the catalog's code: the victim, a fork of this process, counts them and stops itself (SIGSTOP) at
the one that was drawn. In every second round `dqdata gc` starts beside it then, and has to come through once the victim
is gone. The victim goes on for up to 10 ms, so that the kill also falls within DuckDB, and gets SIGKILL. Then it checks
what `kills.py` checks, that of two versions both or none were dropped or restored, that no file of a version that `gc`
took is left after the next `gc`, and that the next commands run. Exit code 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from kills import done, left_in_group, prepare, seen, started, write

from dqdata import catalog, cli
from dqdata.catalog import Store

KINDS = ("drop", "restore", "gc")
CODE = str(Path(catalog.__file__).parent)
SECONDS = 60
"""In which a command beside the victim has to end."""
KEPT = 4
"""Readable versions before each kill; two more are dropped."""


def stopping(words: list[str], at: int) -> int:
    """The command, stopped before the `at`-th line of the catalog's code. Writes how many lines it has to `steps`."""
    lines = 0

    def line(frame: FrameType, event: str, value: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == at:
                os.kill(os.getpid(), signal.SIGSTOP)
        return line

    sys.settrace(lambda frame, event, value: line if frame.f_code.co_filename.startswith(CODE) else None)
    code = cli.main(words)
    sys.settrace(None)
    Path("steps").write_text(str(lines), encoding="utf-8")
    return code


def ended(process: int, seconds: float) -> int | None:
    """The exit status; None where the process runs on after this time, and is killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := os.waitpid(process, os.WNOHANG))[0]:
            return found[1]
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def killed(folder: Path, words: list[str], at: int, after: float, beside: bool) -> tuple[bool, list[str]]:
    """Whether the kill came before the command ended, and what was wrong. after: seconds between stop and kill in
    which the command goes on. beside: whether gc runs at the same time."""
    victim = started(folder, lambda: stopping(words, at), "killed")
    _, status = os.waitpid(victim, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return False, [f"it ended with {status}: {(folder / 'killed').read_text(encoding='utf-8')}"] if status else []
    wrong: list[str] = []
    other = started(folder, lambda: cli.main(["gc", "--yes"]), "beside") if beside else 0
    if other:
        time.sleep(0.5)  # so that it is at work, or waits for the lock
    os.kill(victim, signal.SIGCONT)
    time.sleep(after)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    code = ended(other, SECONDS) if other else 0
    if code != 0:
        said = (folder / "beside").read_text(encoding="utf-8")
        wrong.append(f"gc beside it {'does not end' if code is None else f'failed ({code}): {said}'}")
    if left_in_group(victim):
        wrong.append("processes are left")
    return True, wrong


def files_left() -> list[str]:
    """Data files of `problems` that belong to no version, or to one that gc took."""
    with Store.open(Path("catalogs"), read_only=True) as store:
        marks = store.marks()
        known = {
            file.name
            for one in store.versions("problems", dropped=True)
            if marks.state("problems", one.version) != "gone"
            for file in store.table_files("problems", one.version)["problems"]
        }
    return sorted({file.name for file in Path("catalogs/data/main/problems").glob("*.parquet")} - known)


def between(folder: Path, kind: str, pair: list[int], rows: int) -> dict[str, Any]:
    """Looks at what a kill left and prepares the next one, in one process. kind, pair: what was killed, and over which
    versions. rows: of the last import. Returns what is `wrong`, the versions that are `kept` and `dropped`, `rows`."""

    def run(*words: str) -> None:
        if code := cli.main(words):
            raise SystemExit(code)

    def work() -> int:
        wrong, versions = seen()
        if len({number in versions["kept"] for number in pair}) > 1:
            wrong.append(f"one of {pair} alone changed")
        if kind == "gc":
            run("gc", "--yes")
            wrong += [f"{name} is left" for name in files_left()]
            versions = seen()[1]
        now, lacking = rows, 0 if len(versions["dropped"]) > 1 else 2
        for _ in range(KEPT + lacking - len(versions["kept"])):
            now += 1
            write(folder, now)
            run("import", "rows.jsonl", "--into", "problems", "-q")
        if lacking:
            run("drop", *(f"problems@{number}" for number in seen()[1]["kept"][:lacking]))
        Path("state").write_text(json.dumps({"wrong": wrong, "rows": now, **seen()[1]}), encoding="utf-8")
        return 0

    _, status = os.waitpid(started(folder, work, "looked"), 0)
    if status:
        raise SystemExit(f"the next command fails: {(folder / 'looked').read_text(encoding='utf-8')}")
    state: dict[str, Any] = json.loads((folder / "state").read_text(encoding="utf-8"))
    return state


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    drawn = random.Random(given.seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    steps = dict.fromkeys(KINDS, 0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, 20)
        state = between(folder, "", [], 20)
        for number in range(-len(KINDS), given.kills):  # the first of each kind count its steps
            kind = KINDS[number % len(KINDS)]
            pair = state["kept" if kind == "drop" else "dropped"][:2]
            words = ["gc", "--yes"] if kind == "gc" else [kind, *(f"problems@{one}" for one in pair)]
            at, after = drawn.randint(0, steps[kind]), drawn.choice((0, drawn.uniform(0, 0.01)))
            hit, wrong = killed(folder, words, at, after, beside=number >= 0 and number % 2 == 0)
            if number < 0:
                steps[kind] = int((folder / "steps").read_text(encoding="utf-8"))
            counts[kind] += hit
            state = between(folder, kind, pair, state["rows"])
            at_step = f"{number} ({' '.join(words)} at step {at} of {steps[kind]})"
            faults += [f"{at_step}: {one}" for one in [*wrong, *state["wrong"]]]
            if number % 20 == 19:
                print(f"{number + 1} rounds, {len(faults)} faults", flush=True)
        done(folder, "verify")
        done(folder, "run", "kept", "-q")
    for kind, count in counts.items():
        print(f"{kind:8} {count:,} kills within {steps[kind]:,} steps")
    print("\n".join(faults) or "every version is whole, both or none changed, no file and no process is left")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

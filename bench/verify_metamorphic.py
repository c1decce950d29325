r"""Rewrites of real references that must be accepted, near misses that must not, beside Math-Verify in the same run.

    python bench/verify_metamorphic.py [--data ../shared/data] [--each 150] [--seed 1] [--show accepted|rejected]

References: GSM8K (whole numbers), MATH-500 (LaTeX) and AIME 2025. A rewrite says the same in another notation, unit,
order or sentence; a near miss changes one thing: a sign, a digit, a unit, an order, a name, a connective, a bound. Each
line of the table is one transformation; an undecided answer is neither accepted nor rejected. --show prints every
rewrite that was not accepted, or every near miss that was.
"""

from __future__ import annotations

import argparse
import collections
import logging
import random
from pathlib import Path

from dqdata_operators.lib.maths import compare
from dqdata_operators.lib.maths.structure import read
from math_verify import parse, verify
from verify_near_misses import NEAR
from verify_references import Make, Pair, made, references
from verify_rewrites import SAME


def ours(pair: Pair) -> str:
    return compare(reference=pair[0], response=pair[1]).verdict


def theirs(pair: Pair) -> str:
    return "correct" if verify(parse(f"${pair[0]}$"), parse(pair[1])) else "incorrect"


def judged(name: str, pairs: list[Pair], *, wanted: bool, show: bool) -> dict[str, int]:
    """Prints the line of one transformation, and the pairs that went wrong. wanted: whether they must be accepted."""
    verdicts = [ours(pair) for pair in pairs]
    count = {
        "pairs": len(pairs), "accepted": verdicts.count("correct"), "undecided": verdicts.count("unverifiable"),
        "theirs": [theirs(pair) for pair in pairs].count("correct"),
    }  # fmt: skip
    line(name.replace("_", " "), count)
    for pair, verdict in zip(pairs, verdicts, strict=True):
        if show and (verdict == "correct") != wanted:
            print(f"    {verdict}: {pair[0]} | {pair[1]}")
    return count


def table(title: str, makes: dict[str, Make], refs: list[str], *, each: int, seed: int, show: bool) -> None:
    print(f"\n{title:30} {'pairs':>6} {'accepted':>9} {'undecided':>10} {'Math-Verify accepts':>20}")
    total: collections.Counter[str] = collections.Counter()
    for name, make in makes.items():
        read.cache_clear()
        pairs = list(made(make, refs, each, random.Random(f"{seed} {name}")))
        total.update(judged(name, pairs, wanted=makes is SAME, show=show))
    line("all", total)


def line(name: str, count: dict[str, int] | collections.Counter[str]) -> None:
    print(f"{name:30} {count['pairs']:6} {count['accepted']:9} {count['undecided']:10} {count['theirs']:20}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    arguments.add_argument("--each", type=int, default=150, help="pairs of one transformation")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--show", choices=["accepted", "rejected"])
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    refs = [ref for group in references(options.data).values() for ref in dict.fromkeys(group)]
    each, seed = options.each, options.seed
    table("must be accepted", SAME, refs, each=each, seed=seed, show=options.show == "rejected")
    table("must not be accepted", NEAR, refs, each=each, seed=seed, show=options.show == "accepted")


if __name__ == "__main__":
    main()

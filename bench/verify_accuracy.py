"""How often verify_math agrees with labels, beside Math-Verify on the same rows in the same run.

    python bench/verify_accuracy.py [--data ../shared/data] [--differences]

Sets: the hand-made pairs of Math-Verify's own tests, labelled GSM8K outputs of GPT-3 models, and reasoning traces of
four models (no labels: the share accepted). An accept of a row labelled wrong is `false accepts`; what neither accepts
nor rejects is `undecided` and counts as a reject in the others. --differences prints every row where one of the two
disagrees with the label, or they with each other.
"""

from __future__ import annotations

import argparse
import collections
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
from dqdata_operators.lib.maths import Tolerance, compare
from math_verify import parse, verify


class Case(NamedTuple):
    """label: whether the answer is right; None where nobody said. decimals: rounding that the pair asks for."""

    group: str
    key: str
    reference: str
    response: str
    label: bool | None
    decimals: int | None = None


def cases(data: Path) -> Iterator[Case]:
    for n, line in enumerate((data / "mathverify_test_pairs.jsonl").open()):
        pair = json.loads(line)
        decimals = (pair["extra"] or {}).get("precision")
        label = pair["is_equivalent"]
        yield Case("Math-Verify pairs", str(n), pair["gold"], pair["pred"], label, int(decimals) if decimals else None)
    for row in pl.read_parquet(data / "gsm8k_gpt3_labelled.parquet").iter_rows(named=True):
        key = f"{row['id']} {row['model']}"
        yield Case("GSM8K outputs", key, row["gold_answer"], row["output"], row["is_correct"])
    for row in pl.read_parquet(data / "mip_gsm8k_reasoning.parquet").iter_rows(named=True):
        yield Case(f"traces {row['model_key']}", row["id"], row["reference_answer"], row["response"] or "", None)


def ours(case: Case) -> bool | None:
    tolerance = Tolerance(abs_tol=0.5 * 10**-case.decimals) if case.decimals is not None else Tolerance()
    verdict = compare(reference=case.reference, response=case.response, tolerance=tolerance).verdict
    return {"correct": True, "incorrect": False}.get(verdict)


def theirs(case: Case) -> bool:
    plain = case.group != "Math-Verify pairs"
    gold = parse(f"${case.reference}$" if plain else case.reference)
    return bool(verify(gold, parse(case.response), float_rounding=case.decimals or 6))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    arguments.add_argument("--differences", action="store_true")
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    counts: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    differences: list[str] = []
    for case in cases(options.data):
        verdicts = {"dqdata": ours(case), "Math-Verify": theirs(case)}
        for name, verdict in verdicts.items():
            counts[case.group, name][_cell(verdict, case.label)] += 1
            counts[case.group, name]["undecided"] += verdict is None
        accepts = {verdict is True for verdict in verdicts.values()}
        if len(accepts) > 1 or (case.label is not None and accepts != {case.label}):
            differences.append(
                f"{case.group} {case.key}: label {case.label}, {verdicts}, "
                f"{case.reference[-60:]!r} | {case.response[-90:]!r}"
            )
    print(f"{'set':18} {'verifier':12} {'rows':>6} {'true acc':>9} {'false acc':>9} {'true rej':>9} {'false rej':>9}"
          f" {'undecided':>9} {'agreement':>9}")  # fmt: skip
    for (group, name), count in counts.items():
        rows = sum(n for cell, n in count.items() if cell != "undecided")
        good = count["true acc"] + count["true rej"]
        cells = " ".join(f"{count[cell]:9}" for cell in ("true acc", "false acc", "true rej", "false rej"))
        if "accepted" in count or "rejected" in count:
            cells, good = f"{count['accepted']:9} {'-':>9} {count['rejected']:9} {'-':>9}", count["accepted"]
        print(f"{group:18} {name:12} {rows:6} {cells} {count['undecided']:9} {good / rows:9.1%}")
    print("\nAgreement is with the labels; of traces, which have none, the share accepted.")
    if options.differences:
        print("\n" + "\n".join(differences))


def _cell(verdict: bool | None, label: bool | None) -> str:
    accepted = verdict is True
    if label is None:
        return "accepted" if accepted else "rejected"
    return ("true " if accepted == label else "false ") + ("acc" if accepted else "rej")


if __name__ == "__main__":
    main()

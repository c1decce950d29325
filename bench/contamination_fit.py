"""Fits the weights of lib/benchmarks/evidence.py anew: python bench/contamination_fit.py DATA

Logistic regressions over the measures of the labelled pairs of contamination_pairs.py that aren't held out, one for
each field and question. A measure whose weight has the wrong sign is left out: it says something of how the pairs were
chosen. Pairs that a language model wrote count WRITTEN times, since they are few. Prints the weights beside the code's.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from contamination_pairs import Pair, pairs
from contamination_report import searches
from dqdata_operators.lib.benchmarks.evidence import SAME, TEMPLATE

RIDGE = 1e-2
WRITTEN = 12.0
NEGATIVE = {"opposed", "other_signs", "unsaid"}
TRIED = {
    ("words", "same"): ("centred", "contained", "numbers", "alike", "opposed"),
    ("words", "same_template"): ("contained", "alike"),
    ("maths", "same"): ("rare", "contained", "numbers", "formulas", "exact", "opposed"),
    ("maths", "same_template"): ("centred", "rare", "formulas", "alike", "opposed", "other_signs"),
    ("code", "same"): ("said", "unsaid", "shared", "values", "named", "numbers", "opposed"),
}


def measured(data: Path) -> list[tuple[Pair, Mapping[str, float]]]:
    """Pairs to fit to, with their measures."""
    made = searches(data, "wordllama")
    by_set: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs(data):
        if not pair.held_out:
            by_set[pair.made_by.partition(",")[0]].append(pair)
    found: list[tuple[Pair, Mapping[str, float]]] = []
    for name, some in by_set.items():
        problems = made[name].problems
        at = {problem: place for place, problem in reversed(list(enumerate(problems)))}
        texts = pl.Series([pair.text for pair in some])
        places = np.array([at[pair.problem] for pair in some])
        found += ((some[one.row], one.measures) for one in made[name].pairs(texts, places, every=True))
    return found


def fitted(names: Sequence[str], rows: Sequence[tuple[bool, float, Mapping[str, float]]]) -> dict[str, float]:
    """Weights by name, and "bias"."""
    used = list(names)
    while True:
        measures = np.array([[*(found.get(name, 0.0) for name in used), 1.0] for _, _, found in rows])
        weights = _newton(measures, np.array([float(is_so) for is_so, _, _ in rows]), np.array([w for _, w, _ in rows]))
        wrong = [
            (abs(weight), name)
            for name, weight in zip(used, weights, strict=False)
            if (weight < 0) != (name in NEGATIVE)
        ]
        if not wrong:
            return dict(zip([*used, "bias"], weights.tolist(), strict=True))
        used.remove(max(wrong)[1])


def _newton(measures: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    pull = RIDGE * np.array([*[1.0] * (measures.shape[1] - 1), 0.0])
    weights = np.zeros(measures.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-measures @ weights))
        slope = measures.T @ (counts * (chance - labels)) + pull * weights
        bend = (measures * (counts * chance * (1 - chance))[:, None]).T @ measures + np.diag(pull)
        weights = weights - np.linalg.solve(bend, slope)
    return weights


def main() -> None:
    found = measured(Path(sys.argv[1]))
    for (field, kind), names in TRIED.items():
        rows = [
            (pair.kind == kind, WRITTEN if "written" in pair.made_by else 1.0, measures)
            for pair, measures in found
            if pair.field == field and pair.kind in (kind, "none")
        ]
        weights = fitted(names, rows)
        code = (SAME if kind == "same" else TEMPLATE)[field]  # type: ignore[index]
        hits = sum(is_so for is_so, _, _ in rows)
        print(f"{field}, {kind}: {hits:,} and {len(rows) - hits:,} others")
        for name in (*names, "bias"):
            print(f"    {name:14}{weights.get(name, 0.0):8.1f}{code.get(name, 0.0):8.1f}")


if __name__ == "__main__":
    main()

"""Fits the weights of `dqdata_operators.lib.benchmarks.evidence` anew: python bench/contamination_fit.py DATA

Logistic regression over the measures of pairs, on every second row of each set. Same problem: the paraphrases of GSM8K
test, MATH-500 with everything changed, MBPP described anew (contamination_heldout.py has the other halves). Different
problems: of each of these rows, of GSM8K train and of the benchmarks' own problems the nearest other one by embedding,
unless it is the same but for spelling. Prints the weights beside those in the code. DATA is the folder of public data
sets of docs/real-input.md.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from contamination_heldout import described, everything
from dqdata_operators.lib.benchmarks.evidence import BIAS, LEXICAL_LETTERS, WEIGHTS, Pair
from dqdata_operators.lib.benchmarks.search import Search
from dqdata_operators.lib.vectors.embedding import WordVectors

SHIFT = 0.6
"""Log odds added to the bias. The sample holds four pairs of two problems for each pair of one, which says nothing of
anyone's rows, and a problem that stays costs more than a row that goes. Chosen among 0, 0.3, 0.6 and 1 as the first at
which no fewer paraphrases are found than with the weights before these."""
RIDGE = 1e-3
"""Pull towards 0, which keeps weights finite where the halves can be told apart for certain."""


def pairs(search: Search, texts: Sequence[str], originals: Sequence[int | None]) -> Iterator[tuple[bool, Pair]]:
    """(whether it is the same problem, pair): of each second row the original, and the nearest of the others."""
    found: dict[int, list[Pair]] = {}
    for pair in search.measured(pl.Series(texts)):
        found.setdefault(pair.row, []).append(pair)
    for row in range(0, len(texts), 2):
        others = [one for one in found.get(row, []) if one.problem != originals[row]]
        yield from ((True, one) for one in found.get(row, []) if one.problem == originals[row])
        if others:
            nearest = max(others, key=lambda one: (one.measures["cosine"], -one.problem))
            alike = min(nearest.measures["letters"], nearest.measures["rare"]) >= LEXICAL_LETTERS
            if nearest.kind != "exact" and not alike:
                yield False, nearest


def fitted(rows: Sequence[tuple[bool, Pair]]) -> tuple[dict[str, float], float]:
    """(weights, bias with its shift) by Newton's method."""
    measures = np.array([[*(pair.measures[name] for name in WEIGHTS), 1.0] for _, pair in rows])
    same = np.array([float(same) for same, _ in rows])
    pull = RIDGE * np.array([*[1.0] * len(WEIGHTS), 0.0])
    weights = np.zeros(measures.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-measures @ weights))
        slope = measures.T @ (chance - same) + pull * weights
        bend = (measures * (chance * (1 - chance))[:, None]).T @ measures + np.diag(pull)
        weights -= np.linalg.solve(bend, slope)
    return dict(zip(WEIGHTS, weights.tolist(), strict=False)), float(weights[-1]) + SHIFT


def main() -> None:
    data, model = Path(sys.argv[1]), WordVectors()
    mbpp = pl.read_ndjson(data / "mbpp.jsonl", infer_schema_length=None)["text"].to_list()
    gsm = pl.read_ndjson(data / "gsm8k_test.jsonl")["question"].to_list()
    math = pl.read_ndjson(data / "math500.jsonl")["question"].to_list()
    paraphrases = pl.read_ndjson(data / "gsm8k_rephrased.jsonl")["train_text"].to_list()
    train = pl.read_parquet(data / "gsm8k_train.parquet")["question"].to_list()

    words, code = Search([*gsm, *math], model=model), Search(mbpp, model=model)
    rng = random.Random(1)
    changed = [everything(text, rng) for text in math]
    rng = random.Random(1)
    anew = [described(text, rng) for text in mbpp]
    rows = [
        *pairs(words, paraphrases, range(len(gsm))),
        *pairs(words, changed, range(len(gsm), len(gsm) + len(math))),
        *pairs(code, anew, range(len(mbpp))),
        *((False, pair) for same, pair in pairs(words, train, [None] * len(train)) if not same),
        *((False, pair) for same, pair in pairs(words, [*gsm, *math], range(len(gsm) + len(math))) if not same),
        *((False, pair) for same, pair in pairs(code, mbpp, range(len(mbpp))) if not same),
    ]
    print(f"{sum(same for same, _ in rows):,} pairs of one problem, {sum(not same for same, _ in rows):,} of two")
    weights, bias = fitted(rows)
    print(f"{'measure':12}{'fitted':>10}{'in the code':>14}")
    for name, value in {**weights, "bias": bias}.items():
        print(f"{name:12}{value:10.1f}{WEIGHTS.get(name, BIAS):14.1f}")


if __name__ == "__main__":
    main()

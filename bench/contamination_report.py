"""What decontaminate calls labelled pairs, by field and class: python bench/contamination_report.py DATA [embedding]

Pairs are those of contamination_pairs.py that were held out. Each text is compared with its own problem, among all
problems of its benchmark; "found" says how often it is also found among all of them, with the same class. Then the 42
pairs of MATH-500 that a person judged, and the different tasks of HumanEval and MBPP against each other.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from contamination_pairs import Pair, pairs, rows
from dqdata_operators.lib.benchmarks.search import Search
from dqdata_operators.lib.vectors.embedding import embedder

CLASS = {"exact": "same", "lexical": "same", "rephrased": "same", "same_template": "same_template"}
CLASSES = ("same", "same_template", "none")


def searches(data: Path, embedding: str) -> dict[str, Search]:
    run: Any = SimpleNamespace()
    columns = {"gsm8k": ("gsm8k_test", "question"), "math500": ("math500", "question"),
               "humaneval": ("humaneval", "prompt"), "mbpp": ("mbpp", "text")}  # fmt: skip
    return {
        name: Search(rows(data / f"{file}.jsonl", column), model=embedder(embedding, run))
        for name, (file, column) in columns.items()
    }


def judged(search: Search, problems: list[str], found: list[Pair]) -> list[str]:
    """Class of each pair."""
    at = {problem: place for place, problem in reversed(list(enumerate(problems)))}
    texts = pl.Series([pair.text for pair in found])
    made = {one.row: one.kind for one in search.pairs(texts, np.array([at[pair.problem] for pair in found]))}
    return [CLASS.get(made.get(row, "none"), "none") for row in range(len(found))]


def f1(truth: list[str], said: list[str], kind: str) -> float:
    hits = sum(a == b == kind for a, b in zip(truth, said, strict=True))
    return 2 * hits / max(truth.count(kind) + said.count(kind), 1)


def main() -> None:
    data, embedding = Path(sys.argv[1]), (sys.argv[2:] or ["wordllama"])[0]
    made = searches(data, embedding)
    names = {"gsm8k": ("gsm8k_test", "question"), "math500": ("math500", "question"),
             "humaneval": ("humaneval", "prompt"), "mbpp": ("mbpp", "text")}  # fmt: skip
    problems = {name: rows(data / f"{file}.jsonl", column) for name, (file, column) in names.items()}
    by_set: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs(data):
        if pair.held_out:
            by_set[pair.made_by.partition(",")[0]].append(pair)
    truth: dict[str, list[str]] = defaultdict(list)
    told: dict[str, list[str]] = defaultdict(list)
    wrong: list[tuple[str, Pair]] = []
    print(f"{'pairs':30}{'class':>15}{'n':>7}" + "".join(f"{name:>15}" for name in CLASSES) + f"{'found':>8}")
    for name, found in by_set.items():
        said = judged(made[name], problems[name], found)
        lines: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for pair, kind in zip(found, said, strict=True):
            lines[pair.made_by, pair.kind][kind] += 1
            truth[pair.field].append(pair.kind)
            told[pair.field].append(kind)
            if kind != pair.kind:
                wrong.append((kind, pair))
        whole = {
            pair.row: CLASS.get(pair.kind, "none") for pair in made[name].worst(pl.Series([p.text for p in found]))
        }
        again: dict[tuple[str, str], int] = Counter(
            (pair.made_by, pair.kind) for row, pair in enumerate(found) if whole.get(row, "none") == pair.kind
        )
        for (by, kind), counts in lines.items():
            share = "" if kind == "none" else f"{again[by, kind] / counts.total():8.3f}"
            numbers = "".join(f"{counts[other] / counts.total():15.3f}" for other in CLASSES)
            print(f"{by:30}{kind:>15}{counts.total():7,}{numbers}{share}", flush=True)
    print()
    for field in truth:
        scores = "  ".join(f"{kind} F1 {f1(truth[field], told[field], kind):.3f}" for kind in CLASSES)
        print(f"{field:8}{len(truth[field]):7,} pairs  {scores}")
    _person(data, made["math500"], problems["math500"])
    _crossed(made, problems)
    if "-v" in sys.argv:
        for kind, pair in wrong:
            print(f"\n{pair.made_by}: {pair.kind}, said {kind}\n  {pair.text[:300]!r}\n  {pair.problem[:300]!r}")


def _person(data: Path, search: Search, problems: list[str]) -> None:
    path = data / "math500_contamination_dev.jsonl"
    if not path.exists():
        return
    frame = pl.read_ndjson(path)
    at = [problems.index(text) if text in problems else -1 for text in frame["benchmark_text"]]
    if -1 in at:
        model = search._embedder
        problems = [
            *problems,
            *dict.fromkeys(t for t, place in zip(frame["benchmark_text"], at, strict=True) if place < 0),
        ]
        search = Search(problems, model=model)
        at = [problems.index(text) for text in frame["benchmark_text"]]
    found = {pair.row: pair.kind for pair in search.pairs(frame["train_text"], np.array(at))}
    said = ["yes" if found.get(row, "none") in CLASS else "no" for row in range(len(frame))]
    truth = ["yes" if one else "no" for one in frame["contaminated"]]
    print(
        f"\na person's verdicts, same and same_template together: F1 {f1(truth, said, 'yes'):.3f}",
        Counter(zip(truth, said, strict=True)),
    )
    if "-v" in sys.argv:
        for row, (person, here) in enumerate(zip(truth, said, strict=True)):
            if person != here:
                text, problem = frame["train_text"][row][:220], frame["benchmark_text"][row][:220]
                print(f"  person {person}, said {found.get(row)}: {text!r} | {problem!r}")


def _crossed(made: dict[str, Search], problems: dict[str, list[str]]) -> None:
    for left, right in (("humaneval", "mbpp"), ("mbpp", "humaneval"), ("math500", "gsm8k"), ("gsm8k", "math500")):
        found = Counter(pair.kind for pair in made[left].worst(pl.Series(problems[right])))
        count = len(problems[right])
        print(f"{right} against {left}: " + ", ".join(f"{kind} {times / count:.1%}" for kind, times in found.items()))
    for name in ("humaneval", "mbpp", "math500", "gsm8k"):
        texts = problems[name]
        search = Search(texts[::2], model=made[name]._embedder)
        found = Counter(pair.kind for pair in search.worst(pl.Series(texts[1::2])))
        print(f"{name}, odd against even: " + ", ".join(f"{k} {v / len(texts[1::2]):.1%}" for k, v in found.items()))


if __name__ == "__main__":
    main()

"""Embeddings of decontaminate beside each other: python bench/embeddings.py DATA [name ...]

Of texts whose problem is known, how many have it among the 8 nearest of their benchmark, and as the nearest:
paraphrases of GSM8K (LLM-decontaminator), paraphrases.jsonl for MATH-500 and HumanEval, and translations into German
and Chinese. Then the texts that a core embeds a second.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from contamination_heldout import TRANSLATED
from contamination_pairs import HERE, rows
from dqdata_operators.lib.benchmarks.tasks import Tasks
from dqdata_operators.lib.vectors.embedding import embedder

NAMES = ("wordllama", "minilm", "use-multilingual")
ROWS = 150
"""Paraphrases and problems of GSM8K: enough to tell models apart, few enough for slow ones."""


def main() -> None:
    data = Path(sys.argv[1])
    gsm = rows(data / "gsm8k_test.jsonl", "question")[:ROWS]
    written = [json.loads(line) for line in (HERE / "paraphrases.jsonl").read_text().splitlines()]
    sets: dict[str, tuple[list[str], list[str], list[int]]] = {
        "GSM8K": (gsm, rows(data / "gsm8k_rephrased.jsonl", "train_text")[:ROWS], list(range(ROWS))),
        "translated": (gsm, list(TRANSLATED.values()), list(TRANSLATED)),
    }
    for name, file, column in (("math500", "math500", "question"), ("humaneval", "humaneval", "prompt")):
        mine = [one for one in written if one["set"] == name and one["class"] == "same"]
        problems = rows(data / f"{file}.jsonl", column)[:200]
        mine = [one for one in mine if one["row"] < len(problems)]
        sets[name] = (problems, [one["text"] for one in mine], [one["row"] for one in mine])
    run: Any = SimpleNamespace()
    for name in sys.argv[2:] or NAMES:
        model = embedder(name, run)
        model.embed(pl.Series(["warm"]))
        count, began = 0, time.process_time()
        found = []
        for title, (problems, texts, places) in sets.items():
            left, right = (
                model.embed(Tasks.of(pl.Series(some)).texts).astype(np.float64) for some in (texts, problems)
            )
            count += len(texts) + len(problems)
            similar = left @ right.T
            rank = (similar > similar[np.arange(len(texts)), places][:, None]).sum(axis=1)
            found.append(f"{title} {(rank < 8).mean():.3f} ({(rank < 1).mean():.3f})")
        speed = count / (time.process_time() - began)
        print(f"{name:18}{', '.join(found)}; {speed:,.0f} texts a CPU second", flush=True)


if __name__ == "__main__":
    main()

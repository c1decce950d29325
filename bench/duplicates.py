"""Which pairs of duplicates.jsonl `dedup` merges, by method: python bench/duplicates.py [-v]

Pairs were written before a look at the rules: word problems, formulas and code tasks in English, German and Chinese, of
which 62 are two problems each and 28 are one. Thresholds are lower than the operator's, so that what tells two texts
apart decides. -v prints the pairs that are wrong.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
from dqdata_operators.select.dedup import Dedup, DedupParams

from dqdata.columns import Columns
from dqdata.engine.table import DiskTable
from dqdata.operator import Decisions

MEMORY = 1 << 28
METHODS = {"minhash": 0.5, "semantic": 0.8}


def merged(texts: list[str], method: str, threshold: float) -> bool:
    """Whether the second of two texts is dropped."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pl.DataFrame({"problem_id": ["a", "b"], "question": texts}).write_parquet(path)
        table = DiskTable([path], Columns({"problem_id": "VARCHAR", "question": "VARCHAR"}), MEMORY, Path(folder))
        run: Any = SimpleNamespace(scratch=Path(folder), memory_limit=MEMORY, seed=0, spread=None, log=print)
        made = Dedup(DedupParams.model_validate({"column": "question", "method": method, "threshold": threshold}))
        decisions = made.process(table, run)
        assert isinstance(decisions, Decisions)
        return bool(decisions.dropped.lazy().select(pl.len()).collect().item())


def main() -> None:
    pairs = [json.loads(line) for line in (Path(__file__).parent / "duplicates.jsonl").read_text().splitlines()]
    for method, threshold in METHODS.items():
        said = [merged(pair["texts"], method, threshold) for pair in pairs]
        for same in (False, True):
            found = [answer for pair, answer in zip(pairs, said, strict=True) if pair["same"] is same]
            kind = "one problem" if same else "two problems"
            print(f"{method:10}{threshold:5} {kind:14}{sum(found):4} of {len(found)} merged")
        if "-v" in sys.argv:
            for pair, answer in zip(pairs, said, strict=True):
                if answer != pair["same"]:
                    print(f"    {'merged' if answer else 'kept'}: {pair['texts']}")


if __name__ == "__main__":
    main()

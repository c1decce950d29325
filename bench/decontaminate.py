"""Decontamination: what is found on labelled data, and its speed: python bench/decontaminate.py DATA [rows] [problems]

DATA is the folder of public data sets of docs/real-input.md. The quality table sets the n-gram methods of the field
beside the whole operator. Times are of this machine as it is now; CPU seconds hardly depend on what else runs there.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
from dqdata_operators.select.decontaminate import Decontaminate, DecontaminateParams

from dqdata.columns import Columns
from dqdata.engine.table import DiskTable
from dqdata.operator import Decisions

EVERY = {"exact": "drop", "lexical": "drop", "rephrased": "drop", "same_template": "drop", "doubtful": "keep"}


MEMORY = 1 << 30
FILE = 50_000
"""Rows of a file."""


def classes(texts: list[str], benchmarks: list[Path], **params: Any) -> dict[str, int]:
    """Rows found of each class."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        keys = [f"p{number:07}" for number in range(len(texts))]
        pl.DataFrame({"problem_id": keys, "question": texts}).write_parquet(path)
        return decided([path], benchmarks, **params)


def decided(files: list[Path], benchmarks: list[Path], **params: Any) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        table = DiskTable(files, Columns({"problem_id": "VARCHAR", "question": "VARCHAR"}), MEMORY, Path(folder))
        given = [{"name": one.stem, "path": one} for one in benchmarks]
        operator = Decontaminate(DecontaminateParams.model_validate({"benchmarks": given, "actions": EVERY, **params}))
        run: Any = SimpleNamespace(scratch=Path(folder), memory_limit=MEMORY, seed=0)
        made = operator.process(table, run)
        assert isinstance(made, Decisions)
        counts = made.dropped.lazy().group_by("reason").len().collect()
        return {reason.removeprefix("contaminated_"): count for reason, count in counts.iter_rows()}


def quality(data: Path) -> None:
    benchmarks = [data / "gsm8k_test.jsonl", data / "math500.jsonl"]
    sets = {
        "gsm8k_rephrased (all contaminated)": pl.read_ndjson(data / "gsm8k_rephrased.jsonl")["train_text"].to_list(),
        "mip_gsm8k_reasoning (all contaminated)": pl.read_parquet(data / "mip_gsm8k_reasoning.parquet")[
            "question"
        ].to_list(),
        "gsm8k_train (few are)": pl.read_parquet(data / "gsm8k_train.parquet")["question"].to_list(),
    }
    names = ["exact", "lexical", "rephrased", "same_template"]
    print(f"{'rows':40}{'n':>7}{'found':>8}" + "".join(f"{name:>15}" for name in names))
    for name, texts in sets.items():
        found = classes(texts, benchmarks)
        share = sum(found.values()) / len(texts)
        print(
            f"{name:40}{len(texts):7,}{share:8.2%}" + "".join(f"{found.get(kind, 0):15,}" for kind in names), flush=True
        )


def speed(data: Path, rows: int, problems: int) -> None:
    """A tenth of the rows, then all of them, each in a process of its own."""
    rng = random.Random(3)
    known = pl.read_ndjson(data / "gsm8k_test.jsonl")["question"].to_list()
    train = pl.read_parquet(data / "gsm8k_train.parquet")["question"].to_list()

    def varied(text: str) -> str:
        """Another problem of the same kind: half of one and half of another, with other numbers."""
        words = text.split()[: len(text.split()) // 2] + rng.choice(train).split()[-25:]
        return " ".join(str(rng.randrange(2, 900)) if word.isdigit() else word for word in words)

    with tempfile.TemporaryDirectory() as folder:
        benchmark = Path(folder) / "benchmark.jsonl"
        pl.DataFrame(
            {"question": (known + [varied(rng.choice(train)) for _ in range(problems)])[:problems]}
        ).write_ndjson(benchmark)
        files = []
        for start in range(0, rows, FILE):
            keys = [f"p{number:09}" for number in range(start, min(start + FILE, rows))]
            files.append(Path(folder) / f"rows-{start:09}.parquet")
            texts = [varied(rng.choice(train)) for _ in keys]
            pl.DataFrame({"problem_id": keys, "question": texts}).write_parquet(files[-1])
        title = f"rows against {problems} problems"
        print(f"\n{title:40}{'seconds':>10}{'CPU s':>10}{'rows/s':>10}{'found':>10}{'peak GB':>9}")
        before = 0.0
        for part in (files[: max(1, len(files) // 10)], files):
            count = pl.scan_parquet(part).select(pl.len()).collect().item()
            seconds, cpu, found, peak = measured(part, benchmark)
            print(f"{count:<40,}{seconds:10.1f}{cpu:10.1f}{count / seconds:10,.0f}{found:10,}{peak:9.2f}", flush=True)
            if before:
                print(f"growth in CPU seconds {cpu / before:.1f} for {len(files) / max(1, len(files) // 10):.0f} times")
            before = cpu


def measured(files: list[Path], benchmark: Path) -> tuple[float, float, int, float]:
    """(seconds, CPU seconds, rows found, peak GB) of a process that does nothing else."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(theirs, files, benchmark))
    process.start()
    theirs.close()  # or a process that died would be waited for
    result: tuple[float, float, int, float] = ours.recv()
    process.join()
    return result


def _measured(pipe: Any, files: list[Path], benchmark: Path) -> None:
    began, worked = time.perf_counter(), time.process_time()
    found = sum(decided(files, [benchmark]).values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pipe.send((time.perf_counter() - began, time.process_time() - worked, found, peak))


def main() -> None:
    data = Path(sys.argv[1])
    rows, problems = ([int(text) for text in sys.argv[2:]] + [1_000_000, 5_000][len(sys.argv) - 2 :])[:2]
    quality(data)
    speed(data, rows, problems)


if __name__ == "__main__":
    main()

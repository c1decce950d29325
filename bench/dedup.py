"""Deduplication against its peers, in one run: python bench/dedup.py [minhash rows] [exact rows]
0 leaves a part out.

MinHash over question-sized rows beside the bare rensa loop (sketch, look up, insert; its answers are estimates) and
datasketch on a part, its cost taken as linear. Exact over short rows. Times are of this machine as it is now: compare
the ratios. Memory is the whole process's; the operator was told to hold MEMORY.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from dqdata_operators.dedup import Dedup, DedupParams

from dqdata.columns import Columns
from dqdata.engine.table import DiskTable
from dqdata.operator import Decisions

VOCABULARY = 20_000
DATASKETCH_ROWS = 10_000
MEMORY = 256 << 20


def questions(rows: int, folder: Path, words: int = 45, seed: int = 1) -> list[Path]:
    """Files of random questions, word frequencies falling as rank^-0.7; one in ten is an earlier one with a word or two
    changed."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    lexicon = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) + str(n % 97) for n in range(VOCABULARY)]
    chances = np.arange(1, VOCABULARY + 1) ** -0.7
    chances /= chances.sum()
    files: list[Path] = []
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        sizes = numbers.integers(words // 2, words * 3 // 2, count, endpoint=True)
        drawn = [lexicon[word] for word in numbers.choice(VOCABULARY, int(sizes.sum()), p=chances)]
        ends = np.cumsum(sizes)
        texts = [drawn[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]
        for number in range(9, count, 10):
            texts[number] = list(texts[rng.randrange(number)])
            for _ in range(rng.randint(1, 2)):
                texts[number][rng.randrange(len(texts[number]))] = rng.choice(lexicon)
        files.append(folder / f"{len(files):05}.parquet")
        keys = [f"p{number:09}" for number in range(start, start + count)]
        pl.DataFrame({"problem_id": keys, "question": [" ".join(text) for text in texts]}).write_parquet(files[-1])
    return files


def operator(params: dict[str, Any], files: list[Path]) -> int:
    """Rows that the operator drops."""
    with tempfile.TemporaryDirectory() as scratch:
        table = DiskTable(files, Columns({"problem_id": "VARCHAR", "question": "VARCHAR"}), MEMORY, Path(scratch))
        run: Any = SimpleNamespace(scratch=Path(scratch), memory_limit=MEMORY, seed=0, log=print)
        made = Dedup(DedupParams(column="question", **params)).process(table, run)
        assert isinstance(made, Decisions)
        return int(made.dropped.lazy().select(pl.len()).collect().item())


def rensa_loop(files: list[Path]) -> int:
    from rensa import RMinHash, RMinHashLSH

    index, found, number = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16), 0, 0
    for file in files:
        for text in pl.read_parquet(file)["question"].to_list():
            sketch = RMinHash(num_perm=128, seed=42)
            sketch.update(text.split())
            found += bool(index.query(sketch))
            index.insert(number, sketch)
            number += 1
    return found


def datasketch_loop(files: list[Path]) -> int:
    from datasketch import MinHash, MinHashLSH

    index, found = MinHashLSH(threshold=0.8, num_perm=128), 0
    for number, text in enumerate(pl.read_parquet(files[0])["question"].head(DATASKETCH_ROWS).to_list()):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([word.encode() for word in text.split()])
        found += bool(index.query(sketch))
        index.insert(str(number), sketch)
    return found


def measured(task: Callable[..., int], *args: Any) -> tuple[float, int, float]:
    """(seconds, result, peak GB) of the task in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs, task, args))
    process.start()
    result: tuple[float, int, float] = ours.recv()
    process.join()
    return result


def _run(pipe: Any, task: Callable[..., int], args: tuple[Any, ...]) -> None:
    began = time.perf_counter()
    result = task(*args)
    seconds = time.perf_counter() - began
    pipe.send((seconds, result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def minhash(rows: int, line: Callable[..., float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = questions(rows, Path(folder))
        tenth = max(1, len(files) // 10)
        params = {"method": "minhash", "threshold": 0.8}
        small = sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files[:tenth])
        line("minhash, a tenth", small, first := measured(operator, params, files[:tenth]))
        whole = measured(operator, params, files)
        rate = line("minhash", rows, whole, f"growth {whole[0] / first[0]:.1f} for {rows / small:.1f} times the rows")
        line("  words as elements", rows, words := measured(operator, {**params, "ngram": 1}, files))
        loop = measured(rensa_loop, files)
        line(
            "bare rensa loop",
            rows,
            loop,
            f"dqdata takes {whole[0] / loop[0]:.2f} of its time, {words[0] / loop[0]:.2f} with words as elements",
        )
        part = min(DATASKETCH_ROWS, small)
        peer = line("datasketch, linear", part, measured(datasketch_loop, files[:1]))
        print(f"{'':34}dqdata is {rate / peer:.1f} times as fast as datasketch")


def main() -> None:
    rows, short = ([int(text) for text in sys.argv[1:]] + [1_000_000, 10_000_000][len(sys.argv) - 1 :])[:2]
    print(f"{'what':34}{'rows':>12}{'seconds':>10}{'rows/s':>10}{'found':>10}{'peak GB':>9}  against")

    def line(name: str, count: int, result: tuple[float, int, float], against: str = "") -> float:
        seconds, found, peak = result
        print(
            f"{name:34}{count:12,}{seconds:10.1f}{count / seconds:10,.0f}{found:10,}{peak:9.2f}  {against}", flush=True
        )
        return count / seconds

    if rows:
        minhash(rows, line)
    with tempfile.TemporaryDirectory() as folder:
        files = questions(short, Path(folder), words=6)
        if short:
            tenth = files[: max(1, len(files) // 10)]
            first = measured(operator, {}, tenth)
            line("exact, a tenth", short // 10, first)
            whole = measured(operator, {}, files)
            line("exact, short rows", short, whole, f"growth {whole[0] / first[0]:.1f} for 10 times the rows")


if __name__ == "__main__":
    main()

"""Deduplication against its peers, in one run: python bench/dedup.py [minhash rows] [exact rows]
0 leaves a part out.

MinHash over question-sized rows beside the bare rensa loop (sketch, look up, insert; its answers are estimates) and
datasketch on a part, its cost taken as linear. Exact over short rows. Times are of this machine as it is now: compare
the ratios, of CPU seconds where others work beside. The operator was told to hold MEMORY; `peak` is all that was
resident, `own` without pages of mapped files, which the kernel takes back when it needs them.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from dqdata_operators.select.dedup import Dedup, DedupParams

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
        run: Any = SimpleNamespace(scratch=Path(scratch), memory_limit=MEMORY, seed=0, spread=None, log=print)
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


@dataclass(frozen=True)
class Cost:
    """Of a task in a process of its own."""

    seconds: float
    cpu: float
    result: int
    peak: float
    own: float
    """GB resident, and without the pages of mapped files."""


def measured(task: Callable[..., int], *args: Any) -> Cost:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs, task, args))
    process.start()
    theirs.close()  # or a process that died would be waited for
    result: Cost = ours.recv()
    process.join()
    return result


def _run(pipe: Any, task: Callable[..., int], args: tuple[Any, ...]) -> None:
    own, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            status = Path("/proc/self/status").read_text()
            own[0] = max(own[0], int(status.partition("RssAnon:")[2].split()[0]) / 1e6)

    threading.Thread(target=watch, daemon=True).start()
    began, worked = time.perf_counter(), time.process_time()
    result = task(*args)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    done.set()
    pipe.send(Cost(seconds, cpu, result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, own[0]))


TITLE = f"{'what':28}{'rows':>12}{'seconds':>9}{'CPU s':>9}{'found':>10}{'peak GB':>9}{'own GB':>8}  against"


def line(name: str, rows: int, cost: Cost, against: str = "") -> Cost:
    numbers = f"{cost.seconds:9.1f}{cost.cpu:9.1f}{cost.result:10,}{cost.peak:9.2f}{cost.own:8.2f}"
    print(f"{name:28}{rows:12,}{numbers}  {against}", flush=True)
    return cost


def minhash(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = questions(rows, Path(folder))
        tenth = max(1, len(files) // 10)
        params = {"method": "minhash", "threshold": 0.8}
        small = sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files[:tenth])
        first = line("minhash, a tenth", small, measured(operator, params, files[:tenth]))
        whole = measured(operator, params, files)
        line("minhash", rows, whole, f"{whole.cpu / first.cpu:.1f} times the CPU for {rows / small:.1f} times the rows")
        words = line("  words as elements", rows, measured(operator, {**params, "ngram": 1}, files))
        loop = measured(rensa_loop, files)
        line("bare rensa loop", rows, loop, f"minhash takes {_ratios(whole, loop)}; of words {_ratios(words, loop)}")
        part = min(DATASKETCH_ROWS, small)
        peer = measured(datasketch_loop, files[:1])
        times = (rows / whole.seconds) / (part / peer.seconds)
        line("datasketch, linear", part, peer, f"minhash is {times:.1f} times as fast")


def exact(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = questions(rows, Path(folder), words=6)
        tenth = files[: max(1, len(files) // 10)]
        first = line("exact, a tenth", rows // 10, measured(operator, {}, tenth))
        whole = measured(operator, {}, files)
        line("exact, short rows", rows, whole, f"{whole.cpu / first.cpu:.1f} times the CPU for 10 times the rows")


def _ratios(ours: Cost, theirs: Cost) -> str:
    return f"{ours.seconds / theirs.seconds:.2f} of its time, {ours.cpu / theirs.cpu:.2f} of its CPU"


def main() -> None:
    rows, short = ([int(text) for text in sys.argv[1:]] + [1_000_000, 10_000_000][len(sys.argv) - 1 :])[:2]
    print(TITLE)
    if rows:
        minhash(rows)
    if short:
        exact(short)


if __name__ == "__main__":
    main()

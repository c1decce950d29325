"""Real long traces of four reasoning models: their length and RV order, RV by CD before and after `mix`, grading speed.

    python bench/processors_real.py ../shared/data/mip_gsm8k_reasoning.parquet --picture rv_by_cd.svg
    python bench/processors_real.py FILE --judge model.gguf --judged 24     # and what a small judge makes of some

RV is its length part (percentile of tokens in the table). CD needs a judge; its stand-in here is the number of
calculations in the reference solution, one for each `<<`, at most 9. Grading speed is measured against a judge on
loopback that takes 200 ms, beside a bare loop over the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from calls import SERVER, bare_aiohttp

import dqdata

PROJECT = """
[teachers.loopback]
provider = "openai"
base_url = "http://127.0.0.1:{port}/v1"
model = "loopback"
concurrency = 256
{small}
[pipelines.scaled]
from = "traces.parquet"
steps = [ {{ op = "verify_math" }}, {{ op = "length" }}, {{ op = "length_scale" }} ]

[pipelines.mixed]
from = "select *, rv_length as rv from scaled where correct"
steps = [ {{ op = "mix", per_problem = 1, beta = 1.0, cd_limit = 7, rv_target = [[1, 1], [9, 8]], seed = 0 }} ]

[pipelines.graded]
from = "select * from scaled"
steps = [ {{ op = "grade", judge = "loopback" }} ]
"""
SMALL = """
[teachers.small]
provider = "llamacpp"
model = "{model}"
threads = 1
sequences = 2
context_tokens = 4096
concurrency = 2

[pipelines.sampled]
from = "select * from scaled where tokens < 2500 and problem_id in ({problems})"
max_failed_rate = 0.9
steps = [ {{ op = "grade", judge = "small", max_tokens = 30 }} ]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--picture", type=Path, help="PNG or SVG; needs matplotlib")
    parser.add_argument("--judge", type=Path, help="a GGUF model that grades some traces")
    parser.add_argument("--judged", type=int, default=24)
    given = parser.parse_args()
    body = json.dumps({"rv": 4, "cd": 3})
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER.replace('content": text', f'content": {body!r}'), "0.2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as scratch:
            work(given, Path(scratch), port)
    finally:
        server.kill()
        server.wait()


def work(given: argparse.Namespace, folder: Path, port: int) -> None:
    traces = pl.read_parquet(given.file).select(
        problem_id="id",
        trace_id=pl.concat_str("id", "model_key", separator="/"),
        question="question",
        answer="reference_answer",
        reasoning="thinking",
        response="response",
        teacher="model_key",
        cd=pl.col("reference_full").str.count_matches("<<", literal=True).clip(0, 9).cast(pl.Float64),
    )
    traces.write_parquet(folder / "traces.parquet")
    (folder / "pipelines.toml").write_text(PROJECT.format(port=port, small=""))
    project = dqdata.open(folder / "pipelines.toml")
    project.run("scaled")
    scaled = project.catalog("scaled").polars()
    order(scaled)
    project.run("mixed")
    mixed = project.catalog("mixed").polars()
    before = scaled.filter("correct").with_columns(rv="rv_length")
    picture(before, "before mix: correct traces")
    picture(mixed, "after mix: one a problem, toward RV*(CD)")
    if given.picture:
        plot(before, mixed, given.picture)
    speed(project, port)
    if given.judge:
        judged(given, folder, port, scaled)


def order(scaled: pl.DataFrame) -> None:
    print("model        traces  correct  tokens p10  median     p90  self-checks  rv_length")
    by = scaled.group_by("teacher").agg(
        pl.len(),
        pl.col("correct").mean(),
        *(pl.col("tokens").quantile(q).alias(f"q{q}") for q in (0.1, 0.5, 0.9)),
        pl.col("self_checks").mean(),
        pl.col("rv_length").mean(),
    )
    for teacher, n, right, low, middle, high, checks, rv in by.sort("rv_length").iter_rows():
        counts = f"{low:>10.0f} {middle:>7.0f} {high:>7.0f}  {checks:>11.1f}"
        print(f"{teacher:<12} {n:>6}  {right:>7.3f}  {counts}  {rv:>9.2f}")


def picture(rows: pl.DataFrame, title: str) -> None:
    """Counts of RV by CD, and the mean RV of each CD."""
    grid = rows.select(cd=pl.col("cd").round().cast(pl.Int64), rv=pl.col("rv").round().cast(pl.Int64))
    counts = {(cd, rv): n for cd, rv, n in grid.group_by("cd", "rv").len().iter_rows()}
    print(f"\n{title}: {rows.height} traces, rows CD, columns RV")
    print("CD \\ RV " + "".join(f"{rv:>6}" for rv in range(10)) + "   mean RV")
    for cd in range(10):
        line = [counts.get((cd, rv), 0) for rv in range(10)]
        if sum(line):
            mean = sum(rv * n for rv, n in enumerate(line)) / sum(line)
            print(f"{cd:>7} " + "".join(f"{n or '.':>6}" for n in line) + f"   {mean:.2f}")
    together = rows.select(pl.corr("cd", "rv", method="spearman")).item()
    print(f"rank correlation of RV and CD: {together:.2f}")


def plot(before: pl.DataFrame, after: pl.DataFrame, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, sides = pyplot.subplots(1, 2, figsize=(9, 4), sharey=True)
    around = [value - 0.5 for value in range(11)]
    for side, rows, title in zip(sides, (before, after), ("before mix", "after mix"), strict=True):
        side.hist2d(rows["cd"], rows["rv"], bins=[around, around], cmap="viridis")
        side.plot([1, 9], [1, 8], color="white", linestyle="--", label="RV*(CD)")
        side.set(title=f"{title}: {rows.height} traces", xlabel="CD (calculations in the reference)")
        side.legend()
    sides[0].set_ylabel("RV (length percentile)")
    figure.savefig(path, dpi=110, bbox_inches="tight")


def speed(project: dqdata.Project, port: int) -> None:
    n = len(project.catalog("scaled"))
    began, used = time.perf_counter(), time.process_time()
    asyncio.run(bare_aiohttp(f"http://127.0.0.1:{port}/v1", n, 256))
    bare, bare_cpu = time.perf_counter() - began, time.process_time() - used
    used = time.process_time()
    first = project.run("graded")
    cpu = time.process_time() - used
    in_air = """
        select epoch(max(created_at::timestamp) - min(created_at::timestamp)) + min(seconds) as seconds
        from ledger.calls
    """
    [calls] = project.sql(in_air).head()
    print(f"\ngrading {n} traces, judge at 200 ms, 256 in flight   seconds  CPU s  calls/s  ratio")
    for what, seconds, spent in (
        ("bare aiohttp loop", bare, f"{bare_cpu:.1f}"),
        ("pipeline: grade", first.seconds, f"{cpu:.1f}"),
        ("  from the first call to the last answer", calls["seconds"], ""),
    ):
        print(f"  {what:<52} {seconds:>7.1f} {spent:>6} {n / seconds:>8.0f}  {bare / seconds:>5.2f}")


def judged(given: argparse.Namespace, folder: Path, port: int, scaled: pl.DataFrame) -> None:
    """What a small model's grades are worth: how far they spread, and whether they follow length and calculations."""
    problems: Sequence[str] = scaled["problem_id"].unique(maintain_order=True)[: max(1, given.judged // 4)].to_list()
    small = SMALL.format(model=given.judge.resolve(), problems=", ".join(f"'{one}'" for one in problems))
    (folder / "pipelines.toml").write_text(PROJECT.format(port=port, small=small))
    project = dqdata.open(folder / "pipelines.toml")
    done = project.run("sampled")
    calculations = "select trace_id, cd as calculations from scaled"
    rows = project.sql(f"select * from sampled join ({calculations}) using (trace_id)").polars()
    print(
        f"\n{given.judge.name} as judge: {done.rows_in} traces, {done.rows_out} graded, {dict(done.failed)}, "
        f"{done.calls['made']} calls, {done.tokens['input']} + {done.tokens['output']} tokens, {done.seconds:.0f} s"
    )
    for name in ("rv_judge", "cd"):
        print(f"  {name}: " + ", ".join(f"{v:.0f} x{n}" for v, n in rows[name].value_counts().sort(name).iter_rows()))
    for left, right in (("rv_judge", "rv_length"), ("cd", "calculations")):
        value = rows.select(pl.corr(left, right, method="spearman")).item()
        print(f"  rank correlation of {left} and {right}: {value:.2f}")


if __name__ == "__main__":
    main()

"""Critique, rethink, verify with a real small model: what each step keeps, changes and breaks, with tokens and seconds.

    python bench/crv.py model.gguf                      # 200 problems, 4 samples each
    python bench/crv.py model.gguf --problems 16        # minutes on one thread

One model plays teacher, critic and rethinker. A small critic may find every trace fitting, so `extended` rewrites them
as if all had been found too terse. Failed rewrites are texts that broke something: a changed answer would be in the
training set if nobody verified again.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import dqdata

PROJECT = """
[teachers.small]
provider = "llamacpp"
model = "{model}"
threads = {threads}
sequences = 4
context_tokens = 2048
concurrency = 4
prompt_cache = true

[pipelines.solved]
from = {{ source = "problems", rows = {problems}, kinds = ["word"], levels = [1, 2, 3, 4, 5] }}
max_failed_rate = 0.9
steps = [ {{ op = "generate", teacher = "small", n = {samples}, temperature = 0.7, max_tokens = 300 }} ]

[pipelines.verified]
from = "select * from solved"
max_failed_rate = 0.9
steps = [ {{ op = "verify_math" }} ]

[pipelines.critiqued]
from = "select * from verified where correct"
max_failed_rate = 0.9
steps = [ {{ op = "critique", judge = "small", student = "135M", max_tokens = 20 }} ]

[pipelines.rethought]
from = "select * from critiqued"
max_failed_rate = 0.9
steps = [ {{ op = "rethink", teacher = "small", student = "135M", attempts = 2, temperature = 0.7, max_tokens = 400 }} ]

[pipelines.extended]
from = "select * replace ('easy' as fit) from critiqued order by trace_id limit {extend}"
max_failed_rate = 0.9
steps = [ {{ op = "rethink", teacher = "small", student = "135M", attempts = 2, temperature = 0.7, max_tokens = 400 }} ]

[pipelines.checked]
from = "select * from extended"
max_failed_rate = 0.9
steps = [ {{ op = "verify_math" }} ]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--extend", type=int, default=1000, help="traces rewritten at most in `extended`")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the project here; a second run goes on")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        text = PROJECT.format(**vars(given) | {"model": given.model.resolve()})
        (folder / "pipelines.toml").write_text(text)
        report(dqdata.open(folder / "pipelines.toml"))


def report(project: dqdata.Project) -> None:
    print("step        rows in  rows out  calls  tokens in  tokens out  seconds  dropped", flush=True)
    for name in ("solved", "verified", "critiqued", "rethought", "extended", "checked"):
        done = project.run(name)
        gone = ", ".join(f"{n} {why}" for why, n in {**done.dropped, **done.failed}.items()) or "-"
        print(
            f"{name:<10} {done.rows_in:>8} {done.rows_out:>9} {done.calls['made']:>6} {done.tokens['input']:>10} "
            f"{done.tokens['output']:>11} {done.seconds:>8.0f}  {gone}",
            flush=True,
        )

    def ask(sql: str) -> list[tuple[object, ...]]:
        return project.sql(sql).polars().rows()

    print(
        "\nverdicts   ",
        ask("select coalesce(verdict_reason, verdict), count(*) from verified group by 1 order by 2 desc"),
    )
    print("fit        ", ask("select fit, count(*) from critiqued group by 1 order by 2 desc"))
    stops = "select rewrite_stop, rewrite, count(*), round(avg(rewrite_ratio), 2) from {} group by all"
    for name in ("rethought", "extended"):
        print(f"{name:<11}", ask(stops.format(name)))
    print("final      ", ask("select verdict, count(*) from checked group by 1"))
    attempts = """
        select unnest(string_split(failures, '; ')) as why from (
            select rewrite_failures as failures from extended where rewrite_failures is not null
            union all select detail from extended__rejects)
    """
    print(
        "failed rewrites", ask(f"select split_part(why, ':', 1), count(*) from ({attempts}) group by 1 order by 2 desc")
    )


if __name__ == "__main__":
    main()

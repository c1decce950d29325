"""What dqdata costs on many rows, beside DuckDB and polars on plain Parquet files, in one run.

    python bench/scale.py --rows 1000000
    python bench/scale.py --rows 100000 1000000 10000000 --peers duckdb    # is memory flat?
    python bench/scale.py --rows 1000000 --only import export              # these steps alone
    python bench/scale.py --versions 10 1000                               # opening a catalog of many versions
    python bench/scale.py --pipelines 100                                  # `dqdata check` of a large project

Rows have about 200 bytes: a question of 150, an answer, three numbers and a word. Each step is a process of its own,
whose CPU seconds (its children's included), wall seconds and peak resident memory the table shows; a start of the
interpreter with the library is part of each. The ratio is of CPU seconds, to the peer that is named. dqdata makes an
id for every row, hashes every file and syncs it to disk, which the peers do not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
"""Else each start would compile the library anew."""
DQDATA = [sys.executable, "-m", "dqdata"]
MAKE = """
import duckdb
con = duckdb.connect()
con.execute("set preserve_insertion_order = true")
for name, first, changed in (("a", 0, 0), ("b", {part}, 100)):
    con.execute(f'''copy (
        select 'Problem ' || i || ': a farm has ' || i % 977 || ' rows of ' || hash(i) % 1000 || ' trees and each of '
            || md5(i::varchar) || ' gives ' || i % 31 || ' apples a week, how many apples in ' || i % 53
            || ' weeks?' as question,
        (i * 7 % 10007)::varchar as answer, i % 5 as level, (hash(i) % 10000 / 10000.0
            + if({{changed}} > 0 and i % greatest({{changed}}, 1) = 0, 1, 0))::double as score, i as place,
        ['red', 'green', 'blue', 'white'][1 + i % 4] as colour
        from range({{first}}, {{first}} + {rows}) t(i)
    ) to '{{name}}.parquet' (format parquet, compression zstd)'''.replace("{{first}}", str(first))
        .replace("{{changed}}", str(changed)).replace("{{name}}", name))
con.execute("copy (from 'a.parquet') to 'a.jsonl'")
"""
FILTER = "select place, score from {} where level = 3 and score > 0.5 and question like '%apples in 7%' " + (
    "order by score desc, place limit 20"
)
SCAN = "select count(*), sum(length(question)), avg(score) from {}"
SCANNED = "print(a.select(pl.len(), pl.col('question').str.len_chars().sum(), pl.mean('score')).collect())"
GROUP = "select colour, level, count(*), avg(score) from {} group by all order by all"
JOINED = (
    "select count(*) filter (a.question is null), count(*) filter (b.question is null), count(*) filter (a.question is "
    "not null and b.question is not null and (a.score is distinct from b.score or a.answer is distinct from b.answer "
    "or a.level is distinct from b.level or a.place is distinct from b.place or a.colour is distinct from b.colour)) "
    "from 'a.parquet' a full join 'b.parquet' b on a.question = b.question"
)
FRAME = "import polars as pl; a = pl.scan_parquet('a.parquet', glob=False); "
LIMITED = "set memory_limit = '2GB'; "
"""dqdata's own limit of `memory`."""


def duck(sql: str) -> list[str]:
    return [sys.executable, "-c", f"import duckdb; print(duckdb.sql({LIMITED + sql!r}) or '')"]


def polars(code: str) -> list[str]:
    return [sys.executable, "-c", FRAME + code]


@dataclass(frozen=True)
class Step:
    """name: of the row of the table. words: of the command of dqdata. peers: command by name of the peer."""

    name: str
    words: list[str]
    peers: dict[str, list[str]]


def select(name: str, sql: str, code: str, at: str = "big") -> Step:
    peers = {"duckdb": duck(sql.format("'a.parquet'")), "polars": polars(code)}
    return Step(name, ["sql", sql.format(at)], peers)


STEPS = [
    Step(
        "import Parquet",
        ["import", "a.parquet", "--into", "big", "--layout", "rows", "-q"],
        {
            "duckdb": duck("copy (from 'a.parquet') to 'd.parquet' (format parquet, compression zstd)"),
            "polars": polars("a.sink_parquet('p.parquet')"),
        },
    ),
    Step(
        "import JSONL",
        ["import", "a.jsonl", "--into", "lines", "--layout", "rows", "-q"],
        {
            "duckdb": duck("copy (from 'a.jsonl') to 'd.parquet' (format parquet, compression zstd)"),
            "polars": polars("pl.scan_ndjson('a.jsonl').sink_parquet('p.parquet')"),
        },
    ),
    Step("import of the second version", ["import", "b.parquet", "--into", "big", "--layout", "rows", "-q"], {}),
    select("scan", SCAN, SCANNED),
    select(
        "filtered select", FILTER,
        "some = a.filter((pl.col('level') == 3) & (pl.col('score') > 0.5) & "
        "pl.col('question').str.contains('apples in 7', literal=True)).select('place', 'score'); "
        "print(some.sort(['score', 'place'], descending=[True, False]).head(20).collect())",
    ),
    select("group by", GROUP, "print(a.group_by('colour', 'level').agg(pl.len(), pl.mean('score')).collect())"),
    select("time travel", SCAN, SCANNED, "big@1"),
    Step(
        "export JSONL", ["export", "big@1", "-o", "out.jsonl"],
        {"duckdb": duck("copy (from 'a.parquet') to 'd.jsonl'"), "polars": polars("a.sink_ndjson('p.jsonl')")},
    ),
    Step(
        "export Parquet", ["export", "big@1", "-o", "out.parquet"],
        {
            "duckdb": duck("copy (from 'a.parquet') to 'd.parquet' (format parquet, compression zstd)"),
            "polars": polars("a.sink_parquet('p.parquet')"),
        },
    ),
    Step(
        "diff", ["diff", "big@1", "big@2"],
        {
            "duckdb": duck(JOINED),
            "polars": polars(
                "b = pl.scan_parquet('b.parquet', glob=False); print(a.join(b, on='question', how='full').select("
                "pl.col('question').is_null().sum(), (pl.col('score') != pl.col('score_right')).sum()).collect())"
            ),
        },
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """What a process took: CPU and wall seconds, bytes of resident memory at its peak."""

    cpu: float
    wall: float
    peak: int


def spent(command: list[str], folder: Path) -> Spent:
    """Runs a command in a process of its own. This process stays small, as a child's peak begins with its parent's."""
    with (folder / "printed").open("wb") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(folder / 'printed').read_text(errors='replace')}")
    return Spent(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss << 10)


def compare(rows: int, only: list[str], peers: list[str], folder: Path) -> None:
    """Prints the table of one size."""
    make = MAKE.replace("{part}", str(rows // 100)).replace("{rows}", str(rows))
    spent([sys.executable, "-c", make.replace("{{", "{").replace("}}", "}")], folder)
    size = (folder / "a.jsonl").stat().st_size / rows
    print(f"\n{rows:,} rows, {size:.0f} bytes each as JSON, a hundredth added, removed and changed in version 2\n")
    print(f"| | CPU s | wall s | peak MB | {' | '.join(f'{peer} CPU s | peak MB | ratio' for peer in peers)} |")
    print(f"|---|---:|---:|---:|{'---:|---:|---:|' * len(peers)}")
    for step in STEPS:
        if only and not any(step.name.startswith(word) for word in only):
            continue
        ours = spent([*DQDATA, *step.words], folder)
        line = f"| {step.name} | {ours.cpu:.2f} | {ours.wall:.2f} | {ours.peak / 1e6:.0f} |"
        for peer in peers:
            if peer not in step.peers:
                line += " | | |"
                continue
            theirs = spent(step.peers[peer], folder)
            line += f" {theirs.cpu:.2f} | {theirs.peak / 1e6:.0f} | {ours.cpu / theirs.cpu:.1f} |"
        print(line, flush=True)
    if not only or "import" in only:
        size = sum(file.stat().st_size for file in (folder / "catalogs").rglob("*") if file.is_file())
        plain = sum((folder / name).stat().st_size for name in ("a.parquet", "b.parquet"))
        print(f"\nthe store takes {size / 1e6:.0f} MB, the two Parquet files {plain / 1e6:.0f} MB")


def many_versions(counts: list[int], folder: Path) -> None:
    """Prints what opening and reading a catalog costs as its versions grow."""
    print("\n| versions | `sql` CPU s | `sql` of version 1 | `log` | commit, CPU ms each | metadata MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    made = 0
    for count in sorted(counts):
        used = spent([sys.executable, __file__, "--commit", str(made), str(count)], folder)
        each, made = (used.cpu - 1) / max(1, count - made) * 1000, count
        newest, oldest, log = (
            min(spent([*DQDATA, *words], folder).cpu for _ in range(3))
            for words in (["sql", "from kept"], ["sql", "from kept@1"], ["log", "kept", "--json"])
        )
        size = (folder / "catalogs/metadata.sqlite").stat().st_size / 1e6
        print(f"| {count:,} | {newest:.2f} | {oldest:.2f} | {log:.2f} | {each:.0f} | {size:.1f} |", flush=True)


def commit(first: int, last: int) -> None:
    """Commits versions first + 1 to last of a catalog of a few rows to the store in this folder."""
    import duckdb

    from dqdata.catalog import Store
    from dqdata.columns import Columns

    columns = Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})
    with Store.open(Path("catalogs")) as store:
        for number in range(first, last):
            file = Path(f"v{number}.parquet")
            sql = f"select i::varchar as problem_id, 'q{number}' as question from range(5) t(i)"
            duckdb.sql(f"copy ({sql}) to '{file}' (format parquet)")
            store.commit(
                "kept", rows=[file], rejects=[], columns=columns, fingerprint=str(number), recipe={}, run_id="r"
            )
            file.unlink()


def large_project(pipelines: int, folder: Path) -> None:
    """Prints what `check` of many pipelines costs, with half as many trainers."""
    texts = ['[teachers.t]\nprovider = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\napi_key = ""']
    for number in range(pipelines):
        origin = '"big"' if number % 4 else '{ source = "sql", query = "select * from big where level < 4" }'
        texts.append(
            f'[pipelines.made_{number}]\nfrom = {origin}\nsteps = [\n  {{ op = "generate", teacher = "t" }},\n'
            f'  {{ op = "verify_math" }},\n  {{ op = "filter", where = "correct and level < {number % 5 + 1}" }},\n'
            f'  {{ op = "length" }},\n  {{ op = "to_messages" }},\n]'
        )
    texts += [
        f'[trainers.student_{number}]\nkind = "sft"\nmodel = "smollm2-135m"\ndata = "select * from '
        f'made_{number} where length(response) < 4000"'
        for number in range(0, pipelines, 2)
    ]
    (folder / "pipelines.toml").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    used = spent([*DQDATA, "check"], folder)
    print(f"\ncheck of {pipelines} pipelines and {(pipelines + 1) // 2} trainers: {used.cpu:.2f} CPU s, ", end="")
    print(f"{used.wall:.2f} s, {used.peak / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[])
    parser.add_argument("--only", nargs="*", default=[], metavar="STEP", help="words that names of steps begin with")
    parser.add_argument("--peers", nargs="*", default=["duckdb", "polars"], choices=["duckdb", "polars"])
    parser.add_argument("--versions", type=int, nargs="*", default=[])
    parser.add_argument("--pipelines", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the files of the run, which stay there")
    parser.add_argument("--commit", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.commit:
        commit(*given.commit)
        return
    with tempfile.TemporaryDirectory(prefix="dqdata-scale-") as temporary:
        root = given.folder or Path(temporary)
        for rows in given.rows:
            folder = root / str(rows)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "pipelines.toml").touch()
            compare(rows, given.only, given.peers, folder)
            if given.folder is None:
                shutil.rmtree(folder)
        for name, count in (("versions", given.versions), ("pipelines", given.pipelines)):
            if count:
                folder = root / name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "pipelines.toml").touch()
                if name == "versions":
                    many_versions(count, folder)
                else:
                    spent([*DQDATA, "import", "--into", "big", "-q", str(small(folder))], folder)
                    large_project(count, folder)


def small(folder: Path) -> Path:
    """A file of five rows."""
    file = folder / "small.jsonl"
    file.write_text(
        "".join(f'{{"question": "How much is {n} + 1?", "answer": "{n + 1}", "level": {n}}}\n' for n in range(5))
    )
    return file


if __name__ == "__main__":
    main()

"""What `memory` bounds: rows of a run are held on disk beyond it, and what cannot work with it is refused by name."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest

from dqdata.cli import main
from dqdata.engine.aligned import Aligned
from dqdata.files import parquet_file

PEAK = """
import resource, sys
from pathlib import Path
from dqdata.cli import main
code = main(sys.argv[1:])
status = Path("/proc/self/status")
if status.exists():  # Linux counts what the parent held in ru_maxrss
    [peak] = [int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")]
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print("peak", peak // 1024)
sys.exit(code)
"""


def _aligned(tmp_path: Path, files: int, keys: list[str], held: int) -> list[list[str]]:
    decisions = tmp_path / "decisions.parquet"
    pl.DataFrame({"key": keys, "text": [f"text of {key}" * 20 for key in keys]}).write_parquet(
        decisions, row_group_size=7
    )
    with closing(duckdb.connect()) as con:
        con.execute("create table positions as select i % ? as file, 'k' || i as key from range(500) t(i)", [files])
        aligned = Aligned(con, decisions, "key", tmp_path / "pieces", held)
    parts = [aligned.of(number) for number in range(files)]
    assert all(part.columns == ["key", "text"] for part in parts)
    assert all(text == f"text of {key}" * 20 for part in parts for key, text in part.iter_rows())
    return [sorted(part["key"].to_list()) for part in parts]


@pytest.mark.parametrize("held", [1, 5_000, 1 << 30])
@pytest.mark.parametrize("files", [1, 3, 40])
def test_decisions_reach_the_file_of_their_row_in_any_order_and_piece_size(
    tmp_path: Path, files: int, held: int
) -> None:
    keys = [f"k{i}" for i in range(500) if i % 7]
    random.Random(1).shuffle(keys)
    expected = [sorted(key for key in keys if int(key[1:]) % files == number) for number in range(files)]
    assert _aligned(tmp_path, files, keys, held) == expected


def test_no_decisions_are_none_in_each_file(tmp_path: Path) -> None:
    assert _aligned(tmp_path, 2, [], 100) == [[], []]


def test_decisions_about_unknown_rows_are_left_out(tmp_path: Path) -> None:
    assert _aligned(tmp_path, 2, ["k1", "elsewhere", "k2"], 1) == [["k2"], ["k1"]]


def _project(folder: Path, memory: int, steps: str) -> None:
    (folder / "pipelines.toml").write_text(
        f'[pipelines.p]\nfrom = "rows.parquet"\nmemory = {memory}\nsteps = [{steps}]\n'
    )


def test_memory_below_the_least_is_refused_with_the_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"question": ["1 + 1?"], "answer": ["2"]}).write_parquet("rows.parquet")
    _project(tmp_path, 64 << 20, "")
    assert main(["check"]) == 1
    assert str(256 << 20) in capsys.readouterr().err
    _project(tmp_path, 256 << 20, "")
    assert main(["check"]) == 0


def test_a_query_that_needs_more_memory_ends_the_run_and_names_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"question": [f"{n} + 1?" for n in range(9)], "answer": ["2"] * 9}).write_parquet("rows.parquet")
    query = "select *, (select len(list(r)) from range(60000000) t(r)) as n from rows"
    _project(tmp_path, 256 << 20, f"{{ op = 'sql', query = '{query}' }}")
    assert main(["run", "p"]) == 1
    error = capsys.readouterr().err
    assert "step 1 (sql)" in error
    assert f"memory = {512 << 20}" in error
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps",
    [
        "",
        "{ op = 'split', near = false }",
        "{ op = 'sql', query = 'select *, count(*) over (partition by answer) as n from rows' }",
    ],
)
def test_peak_memory_over_hundreds_of_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str) -> None:
    """400 MB of rows, `memory` of 256 MiB: the process grows by half as much again at most."""
    monkeypatch.chdir(tmp_path)
    _project(tmp_path, 256 << 20, steps)
    few = _peak(tmp_path, 100)
    assert _peak(tmp_path, 200_000) < few + 384


def _peak(folder: Path, rows: int) -> int:
    draw = random.Random(rows)
    parts = []
    for start in range(0, rows, 20_000):
        numbers = range(start, min(rows, start + 20_000))
        texts = [draw.randbytes(950).hex() for _ in numbers]
        parts.append(
            pl.DataFrame(
                {
                    "question": [f"What is {n} + 1?" for n in numbers],
                    "answer": [str(n % 97) for n in numbers],
                    "note": texts,
                }
            )
        )
    pl.concat(parts).write_parquet(folder / "rows.parquet")
    assert parquet_file(folder / "rows.parquet").metadata.num_rows == rows
    del parts
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "run", "p"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])

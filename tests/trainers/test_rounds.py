"""examples/rounds: the stop rule, and rounds of a student that generates, is verified, paired and trained."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rounds"


def loaded(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"rounds_{folder.name}", folder / "rounds.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_the_stop_rule() -> None:
    rounds = loaded(EXAMPLE)
    start = rounds.Round(0, None, 0.5)
    better, worse, few = rounds.Round(1, 20, 0.6), rounds.Round(2, 15, 0.58), rounds.Round(2, 3, None)
    assert rounds.stops([start], 4, 8, 0.01) is None
    assert rounds.stops([start, better], 4, 8, 0.01) is None
    assert rounds.stops([start, better], 1, 8, 0.01) == "1 rounds are done"
    assert "rose by -0.020 in round 2" in rounds.stops([start, better, worse], 4, 8, 0.01)
    assert "rose by 0.100 in round 1, less than 0.2" in rounds.stops([start, better], 4, 8, 0.2)
    assert rounds.stops([start, better, few], 4, 8, 0.01) == "round 2 has 3 pairs, fewer than 8"
    assert rounds.best([start, better, worse]) == better == rounds.best([start, better, few])
    assert rounds.best([start, rounds.Round(1, 9, 0.5)]) == start


def test_rounds_are_made_and_end(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A student that has learnt the answers a little is sometimes right and sometimes wrong: a round has pairs."""
    folder = tmp_path / "rounds"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("catalogs", "pipelines.toml", "__pycache__"))
    base = folder / "base.toml"
    few = base.read_text().replace("smollm2-135m", str(tiny)).replace("rows = 32", "rows = 6")
    base.write_text(few.replace("1e-4, max_steps = 20", "5e-3, max_steps = 60"))
    one = folder / "round.toml"
    one.write_text(
        one.read_text().replace("max_steps = 20", "max_steps = 2").replace("max_tokens = 64", "max_tokens = 24")
    )
    rounds = loaded(folder)
    twice = ["--rounds", "2", "--least", "1", "--gain", "-1"]
    done = rounds.main(twice)
    assert [one.number for one in done] == [0, 1, 2] and all(one.accuracy is not None for one in done)
    said = capsys.readouterr().out
    assert "stopped: " in said and "the best student is trained:student_" in said
    project = rounds.dqdata.open(folder / "pipelines.toml")
    [counted] = project.sql("select count(*) as n, count(distinct problem_id) as p from traces_1").polars().to_dicts()
    assert counted["n"] > counted["p"] >= 1
    asked = [set(project.sql(f"select teacher from traces_{n}").polars()["teacher"]) for n in (1, 2)]
    assert [len(names) for names in asked] == [1, 1] and asked[0] != asked[1], "each round asks its own student"
    assert rounds.main(twice) == done, "what was made is not made again"
    assert rounds.main(["--rounds", "1", "--least", "1000"])[-1].accuracy is None

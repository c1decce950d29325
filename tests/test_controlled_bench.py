"""The project and problems of bench/controlled: a valid project, right solutions, splits that share nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.controlled.problems import COUNTS, LARGEST, levels_of, made
from bench.controlled.run import AFTER
from dqdata.project.tables import read_project

CONTROLLED = Path(__file__).resolve().parents[1] / "bench" / "controlled"


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("controlled") / "problems.jsonl"
    rows = made(random.Random(0), {split: count // 20 for split, count in COUNTS.items()})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(problems: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in problems.read_text(encoding="utf-8").splitlines()]


def test_solutions_are_right(problems: Path) -> None:
    for row in rows_of(problems):
        value = int(row["question"].split()[2])
        steps = row["reasoning"].split("\n")
        assert len(steps) == row["level"] == len(row["structure"])
        for step in steps:
            a, sign, b, _, result = step.split()
            assert int(a) == value and b in (*row["question"].replace(".", "").split(), "2", "3")
            value = {"+": value + int(b), "-": value - int(b), "*": value * int(b)}[sign]
            assert int(result) == value and 0 < value <= LARGEST
        assert row["answer"] == str(value) and row["response"] == f"\\boxed{{{value}}}"


def test_splits_share_no_problem_and_no_structure_of_the_test(problems: Path) -> None:
    computed: dict[str, set[str]] = defaultdict(set)
    structures: dict[str, set[str]] = defaultdict(set)
    counted: dict[tuple[str, int], int] = defaultdict(int)
    for row in rows_of(problems):
        computed[row["reasoning"]].add(row["split"])
        structures[row["split"]].add(row["structure"])
        counted[row["split"], row["level"]] += 1
    assert all(len(splits) == 1 for splits in computed.values()) and len(computed) > 300
    held_out = structures.pop("test_structures")
    assert held_out and structures and all(not held_out & others for others in structures.values())
    for split, count in COUNTS.items():
        for level in levels_of(split):
            assert counted[split, level] == count // 20 // len(levels_of(split)), (split, level)


@pytest.mark.needs("trl")
@pytest.mark.parametrize("profile", ["", "tiny"])
def test_its_project_is_valid(
    tmp_path: Path, problems: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., Any], profile: str
) -> None:
    for file in (CONTROLLED / "pipelines.toml", CONTROLLED / "question.md", problems):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    done = command_line("check", "--json", *(["--profile", profile] if profile else []))
    assert json.loads(done.out)["problems"] == [] and done.code == 0


def test_what_goes_on_from_the_slow_student_says_so() -> None:
    project = read_project(CONTROLLED / "pipelines.toml")
    assert {project.trainer(name).params["model"] for name in AFTER} == {"trained:slow@latest"}

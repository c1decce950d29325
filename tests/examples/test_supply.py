"""examples/supply: each of its pipelines runs, drops rows for its reasons, and gives what its page says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.project.graph import build_order
from dqdata.project.tables import read_project

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "supply"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("examples") / "supply"
    shutil.copytree(EXAMPLE, folder)
    project = read_project(folder / "pipelines.toml")
    with Store.open(project.store) as store:
        for name in build_order(project):
            run_pipeline(project, name, store)
        yield store


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.query(query).read_all().to_pylist()
    return found


def reasons(store: Store, name: str) -> dict[str, int]:
    found = rows(store, f"select reason, count(*) as n from {name}__rejects group by 1")
    return {row["reason"]: row["n"] for row in found}


def test_valid_problems_and_their_answers(built: Store) -> None:
    assert rows(built, "select count(*) as n from valid") == [{"n": 3}]
    flaws = "select distinct json_extract_string(row, '$.problem_flaw') as flaw from valid__rejects order by 1"
    assert [row["flaw"] for row in rows(built, flaws)] == ["incomplete", "proof", "several"]
    agreed = rows(built, "select answer, agreed, answer_source from agreed order by answer")
    assert agreed == [
        {"answer": "21", "agreed": 3, "answer_source": "agree"},
        {"answer": "80", "agreed": 2, "answer_source": "agree"},
    ]
    assert reasons(built, "agreed") == {"no_agreement": 1}


def test_harder_problems_and_open_ones(built: Store) -> None:
    query = "select e.answer, a.answer as of_seed from evolved e join agreed a on e.seed_id = a.problem_id"
    assert rows(built, query) == [{"answer": "18", "of_seed": "21"}]
    assert reasons(built, "evolved") == {"no_agreement": 1}
    opened = rows(built, "select answer, answer_type from opened order by answer")
    assert opened == [{"answer": "42", "answer_type": "math"}, {"answer": "Fe", "answer_type": "text"}]
    assert reasons(built, "opened") == {"needs_options": 3}


def test_tests_that_solutions_and_mutants_validate(built: Store) -> None:
    [row] = rows(built, "select * from tested")
    assert row["entry_point"] == "clamp" and row["tests_written"] == 6 and row["tests_valid"] == 5
    assert len(json.loads(row["tests"])["cases"]) == row["tests_kept"] and row["mutants_found"] > 0
    assert len(row["right_solutions"]) == 2
    assert reasons(built, "tested") == {"solutions_differ": 1}


def test_queries_of_the_page(built: Store) -> None:
    page = (EXAMPLE.parents[1] / "docs" / "processors.md").read_text(encoding="utf-8")
    section = page[page.index("## Problem supply") : page.index("## Grades")]
    queries = [one for block in re.findall(r"```sql\n(.*?)```", section, re.DOTALL) for one in block.split(";")]
    found = [rows(built, query) for query in queries if query.strip()]
    assert len(found) == 3 and {row["mark"] for row in found[1]} >= {"kept", "wrong"}
    assert next(row["effort"] for row in found[2]) == "low"


def test_efforts_and_the_shortest_correct_trace(built: Store) -> None:
    query = """select effort, tools is not null as tools, count(*) as n, avg(correct::int) as right from efforts
        group by 1, 2 order by 1, 2"""
    assert rows(built, query) == [
        {"effort": "high", "tools": False, "n": 2, "right": 1.0},
        {"effort": "high", "tools": True, "n": 2, "right": 1.0},
        {"effort": "low", "tools": False, "n": 2, "right": 0.0},
        {"effort": "medium", "tools": False, "n": 2, "right": 1.0},
    ]
    assert rows(built, "select count(*) as n, bool_and(correct) as ok from shortest") == [{"n": 2, "ok": True}]
    shortest = "select effort from shortest join agreed using (problem_id) where agreed.answer = '21'"
    assert rows(built, shortest) == [{"effort": "medium"}]

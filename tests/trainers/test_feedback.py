"""examples/feedback: each of its pipelines runs, drops rows for its reasons, and gives what its page says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.project.graph import build_order
from dqdata.project.tables import read_project

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "feedback"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[Store]:
    """All pipelines, with the tests' own tiny model as the student."""
    folder = tmp_path_factory.mktemp("examples") / "feedback"
    shutil.copytree(EXAMPLE, folder)
    file = folder / "pipelines.toml"
    file.write_text(file.read_text().replace('"smollm2-135m"', f'"{tiny}"'))
    project = read_project(file)
    with Store.open(project.store) as store:
        for name in build_order(project):
            run_pipeline(project, name, store)
        yield store


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.query(query).read_all().to_pylist()
    return found


def test_the_best_fitting_correct_trace(built: Store) -> None:
    fit = rows(built, (EXAMPLE / "fit.sql").read_text())
    assert {row["teacher"]: (row["traces"], row["pass_rate"]) for row in fit} == {
        "strong": (12, 1.0),
        "weak": (12, 0.5),
    }
    assert all(row["rsr"] > 0 and row["nll"] > 0 for row in fit)
    least = "select problem_id, min(student_rsr) filter (correct) as least from measured group by problem_id"
    kept = rows(
        built,
        f"select count(*) as n, bool_and(student_rsr = least) as best from fitting join ({least}) using (problem_id)",
    )
    assert kept == [{"n": 6, "best": True}]


def test_the_judge_beside_the_verifier(built: Store) -> None:
    [row] = rows(built, (EXAMPLE / "agreement.sql").read_text())
    assert (row["winner_by"], row["pairs"], row["told_apart"], row["agrees"]) == ("judge", 36, 18, 1.0)
    assert row["ties"] == row["order_matters"] == 0.5


def test_choices_and_their_reasons(built: Store) -> None:
    chosen = rows(
        built, "select selected_correct, candidates[selected] as text, selected_response, messages from selected"
    )
    assert chosen and all(row["selected_correct"] and row["text"] == row["selected_response"] for row in chosen)
    assert all("Judgment:" in row["messages"][-1]["content"] for row in chosen)
    reasons = {row["reason"] for row in rows(built, "select distinct reason from selected__rejects")}
    assert reasons == {"unparseable_judgement"} and len(chosen) < 6


def test_pairs_rubrics_and_constraints(built: Store) -> None:
    assert rows(built, "select count(*) as n from delta") == [{"n": 12}]
    assert rows(built, "select distinct chosen_teacher as c, rejected_teacher as r from delta") == [
        {"c": "strong", "r": "weak"}
    ]
    assert rows(built, "select count(*) as n, count(distinct rubric_version) as v from rubrics") == [{"n": 6, "v": 1}]
    query = "select teacher, round(avg(rubric_score), 3) as score from scored group by 1 order by 1"
    assert rows(built, query) == [{"teacher": "strong", "score": 0.885}, {"teacher": "weak", "score": 0.231}]
    criteria = "select unnest(rubric).criterion as c, unnest(rubric_met) as met, correct from scored"
    doubt = rows(built, f"select count(*) as n from ({criteria}) where c like 'Expresses doubt%' and met")
    assert doubt == [{"n": 12}]
    followed = rows(built, "select count(*) as n, bool_and(correct) as all_right from followed")
    assert followed[0]["n"] > 0 and followed[0]["all_right"]
    assert {"not_followed"} <= {row["reason"] for row in rows(built, "select distinct reason from followed__rejects")}

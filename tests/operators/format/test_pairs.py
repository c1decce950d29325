"""Preference pairs and rows for reward models: who may be set against whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dqdata_operators.format.pairs import Pairs, PairsParams
from dqdata_operators.format.reward_rows import RewardRows, RewardRowsParams
from outcomes import batched, have

from dqdata.chats import bare
from dqdata.columns import MESSAGES, polars_schema
from dqdata.errors import ColumnError, DataError
from dqdata.operator import NewRows, Schema
from dqdata.testing import OperatorRun, disk_table

SCHEMA = {
    "problem_id": pl.String,
    "trace_id": pl.String,
    "question": pl.String,
    "reasoning": pl.String,
    "response": pl.String,
    "correct": pl.Boolean,
    "fit": pl.String,
    "extracted": pl.String,
    "parent_id": pl.String,
    "corrupted": pl.Boolean,
}


def trace(key: str, correct: bool | None, fit: str | None = None, **more: Any) -> dict[str, Any]:
    row = {"problem_id": "p", "trace_id": key, "question": "q", "reasoning": f"says {key}", "response": "r"}
    answer = None if correct is None else "4" if correct else f"not 4 but {key}"
    return {"parent_id": None, "corrupted": False, **row, "correct": correct, "fit": fit, "extracted": answer, **more}


def made(tmp_path: Path, rows: list[dict[str, Any]], **params: Any) -> tuple[pl.DataFrame, dict[str, str]]:
    """Pairs, and why of the others; every row is one or the other."""
    frame = pl.DataFrame(rows, schema=SCHEMA)
    table, operator = disk_table(frame, tmp_path), Pairs(PairsParams(**params))
    result = operator.process(table, OperatorRun(tmp_path))
    assert isinstance(result, NewRows)
    frames = list(result.rows)
    gone = result.dropped.lazy().collect()
    planned = operator.columns(table.columns, Schema())
    pairs = pl.concat(frames) if frames else pl.DataFrame(schema=polars_schema(planned))
    assert set(pairs.columns) == set(planned)
    parents = set(pairs["parent_ids"].explode().drop_nulls()) if pairs.height else set()
    assert parents.isdisjoint(gone["trace_id"]) and parents | set(gone["trace_id"]) == set(frame["trace_id"])
    return pairs, dict(gone.select("trace_id", "detail").iter_rows())


def sides(pairs: pl.DataFrame) -> dict[str, tuple[str, str]]:
    return {row["gap"]: tuple(row["parent_ids"]) for row in pairs.to_dicts()}


def test_three_gaps_with_their_betas(tmp_path: Path) -> None:
    pairs, gone = made(tmp_path, [trace("fit", True, "medium"), trace("long", True, "hard"), trace("bad", False)])
    assert sides(pairs) == {"small": ("fit", "long"), "medium": ("long", "bad"), "large": ("fit", "bad")}
    assert dict(pairs.select("gap", "beta").iter_rows()) == {"small": 0.1, "medium": 0.2, "large": 0.5}
    assert not gone
    row = pairs.filter(pl.col("gap") == "large").to_dicts()[0]
    assert [bare(turn) for turn in row["prompt"]] == [{"role": "user", "content": "q"}]
    assert [bare(turn) for turn in row["chosen"]] == [
        {"role": "assistant", "content": "<think>\nsays fit\n</think>\n\nr"}
    ]
    assert [bare(turn) for turn in row["rejected"]] == [
        {"role": "assistant", "content": "<think>\nsays bad\n</think>\n\nr"}
    ]
    assert row["pair_id"] is None and row["negative"] == "sampled"


def test_never_two_wrong_nor_the_unverified(tmp_path: Path) -> None:
    pairs, gone = made(tmp_path, [trace("a", False), trace("b", False), trace("c", None)])
    assert pairs.height == 0
    assert gone["c"] == "not verified" and "no correct trace" in gone["a"]


def test_never_two_that_say_the_same(tmp_path: Path) -> None:
    same = {"reasoning": "says  it", "response": "r"}
    rows = [trace("a", True, "medium", **same), trace("b", True, "hard", reasoning="says it ", response="r")]
    pairs, _ = made(tmp_path, rows)
    assert pairs.height == 0


def test_a_wrong_trace_with_the_right_answer_is_in_no_pair(tmp_path: Path) -> None:
    pairs, _ = made(tmp_path, [trace("a", True, "medium"), trace("b", False, extracted=" 4")])
    assert pairs.height == 0


def test_never_across_problems(tmp_path: Path) -> None:
    pairs, _ = made(tmp_path, [trace("a", True, "medium"), trace("b", False, problem_id="other")])
    assert pairs.height == 0


def test_at_most_k_a_problem_and_each_trace_once_while_it_can(tmp_path: Path) -> None:
    rows = [trace(f"f{n}", True, "medium") for n in range(4)] + [trace(f"w{n}", False) for n in range(4)]
    pairs, _ = made(tmp_path, rows, k=3)
    assert Counter(pairs["gap"]) == {"large": 3}
    assert set(Counter(pairs["parent_ids"].explode()).values()) == {1}
    pairs, _ = made(tmp_path, rows, k=3, per_problem=2)
    assert pairs.height == 2


def test_a_child_is_set_against_its_parent(tmp_path: Path) -> None:
    rows = [trace(f"old{n}", True, "hard") for n in range(5)]
    rows += [trace("new", True, "medium", parent_id="old3")]
    pairs, _ = made(tmp_path, rows)
    assert sides(pairs) == {"small": ("new", "old3")}


def test_corrupted_negatives_are_named(tmp_path: Path) -> None:
    pairs, _ = made(tmp_path, [trace("a", True, "medium"), trace("b", False, corrupted=True, parent_id="a")])
    assert pairs["negative"].to_list() == ["corrupted"]


def test_gaps_and_betas_can_be_chosen(tmp_path: Path) -> None:
    rows = [trace("fit", True, "medium"), trace("long", True, "hard"), trace("bad", False)]
    pairs, gone = made(tmp_path, rows, gaps=["large"], beta={"large": 0.3})
    assert pairs["beta"].to_list() == [0.3] and set(gone) == {"long"}
    with pytest.raises(ValueError, match="small"):
        PairsParams(beta={"large": 0.3})


def test_order_changes_nothing(tmp_path: Path) -> None:
    rows = [trace(f"t{n}", n % 3 != 0, ("medium", "hard")[n % 2], problem_id=f"p{n % 5}") for n in range(60)]
    one, _ = made(tmp_path, rows, k=2)
    other, _ = made(tmp_path, rows[::-1], k=2)
    assert one.sort("parent_ids", "gap").equals(other.sort("parent_ids", "gap"))
    assert one.height > 15


def test_more_pairs_than_fit_into_one_batch(tmp_path: Path) -> None:
    rows = [
        row
        for n in range(2500)
        for row in (trace(f"a{n}", True, "medium", problem_id=f"p{n}"), trace(f"b{n}", False, problem_id=f"p{n}"))
    ]
    pairs, _ = made(tmp_path, rows)
    assert pairs.height == 2500 and pairs["problem_id"].is_unique().all()


def test_what_fits_must_be_known() -> None:
    columns = have(pl.DataFrame([trace("a", True)], schema=SCHEMA)).drop("fit")
    with pytest.raises(ColumnError, match="critique"):
        Pairs(PairsParams()).columns(columns, Schema())
    planned = Pairs(PairsParams(fitting="length(reasoning) < 100")).columns(columns, Schema())
    assert planned["chosen"] == MESSAGES and planned.key == "pair_id"


def test_a_rewritten_trace_fits_until_a_critic_says_otherwise(tmp_path: Path) -> None:
    rows = [trace("old", True, "hard"), trace("new", True, None, parent_id="old"), trace("bad", False)]
    for fit, gaps in ((None, {"small", "medium", "large"}), ("hard", {"medium"})):
        rows[1]["fit"] = fit
        frame = pl.DataFrame(rows, schema=SCHEMA).with_columns(rewrite=pl.Series([None, "simplify", None]))
        result = Pairs(PairsParams()).process(disk_table(frame, tmp_path), OperatorRun(tmp_path))
        assert isinstance(result, NewRows)
        assert set(pl.concat(list(result.rows))["gap"]) == gaps


def test_two_critics_are_not_mixed(tmp_path: Path) -> None:
    frame = pl.DataFrame([trace("a", True, "medium"), trace("b", True, "hard"), trace("c", True)], schema=SCHEMA)
    table = disk_table(frame.with_columns(fit_by=pl.Series(["x", "y", None])), tmp_path)
    with pytest.raises(DataError, match="2 judges"):
        Pairs(PairsParams()).process(table, OperatorRun(tmp_path))


def test_reward_rows_from_accepted_and_rejected() -> None:
    frame = pl.DataFrame(
        {
            "trace_id": list("abcd"),
            "question": ["q", "q", "q", None],
            "reasoning": ["think", None, "t", "t"],
            "response": ["4", "5", "6", "7"],
            "correct": [True, False, None, True],
            "rv": [2.5, None, None, 1.0],
            "cd": [1.0, 3.0, None, 1.0],
        }
    )
    operator = RewardRows(RewardRowsParams())
    rows, gone = batched(operator, frame)
    assert rows["accepted"].to_list() == [True, False]
    assert [turn["content"] for turn in rows["messages"][0]] == ["q", "<think>\nthink\n</think>\n\n4"]
    assert rows["messages"][1][1]["content"] == "5"
    assert gone == {"c": "not_graded", "d": "no_text"}
    assert operator.columns(have(frame), Schema())["messages"] == MESSAGES

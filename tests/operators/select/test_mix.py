"""Mixing and balancing: limits, quotas, draws, reports, and no dependence on order."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dqdata_operators.select._quotas import quotas, take
from dqdata_operators.select.balance import Balance, BalanceParams
from dqdata_operators.select.mix import Mix, MixParams
from hypothesis import given
from hypothesis import strategies as st
from outcomes import decided, have

from dqdata.errors import ColumnError, DataError
from dqdata.operator import Schema
from dqdata.testing import OperatorRun, disk_table


def traces(rows: list[tuple[str, float | None, float | None]], **more: Any) -> pl.DataFrame:
    """(problem, cd, rv) a row."""
    frame = pl.DataFrame(rows, schema={"problem_id": pl.String, "cd": pl.Float64, "rv": pl.Float64}, orient="row")
    ids = pl.Series("trace_id", [f"t{n:05}" for n in range(frame.height)])
    return frame.with_columns(ids, *(pl.Series(name, values) for name, values in more.items()))


def many(n: int = 600) -> pl.DataFrame:
    rows: list[tuple[str, float | None, float | None]] = [
        (f"p{i // 3}", float(i % 10), float(i * 7 % 10)) for i in range(n)
    ]
    return traces(rows, tokens=[100 + i % 50 for i in range(n)], domain=["math" if i % 4 else "code" for i in range(n)])


def mix(**params: Any) -> Mix:
    return Mix(MixParams(**{"seed": 1, **params}))


def test_cd_limit_and_missing_grades(tmp_path: Path) -> None:
    rows, gone = decided(
        mix(cd_limit=5), traces([("a", 5, 5), ("b", 5.5, 5), ("c", None, 5), ("d", 1, None)]), tmp_path
    )
    assert rows["trace_id"].to_list() == ["t00000"]
    assert sorted(reason for reason, _ in gone.values()) == ["cd_limit", "not_graded", "not_graded"]


RATES = [1.0, 1.0, 0.9, 0.6, 0.5, 0.3, 0.2, 0.05, 0.0, 0.0]


@pytest.mark.parametrize(
    ("rates", "at_least", "highest"),
    [
        (RATES, 0.1, 6),
        (RATES, 0.5, 4),
        (RATES, 0.95, 1),
        ([1.0] * 10, 0.1, 9),
        ([0.5, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.1, 0),
        ([0.2, None, 0.2, None, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.2, 2),
    ],
)
def test_the_limit_follows_from_what_the_student_solves(
    tmp_path: Path, rates: list[float | None], at_least: float, highest: int
) -> None:
    """From the easiest upwards, to the last difficulty before one that the student fails."""
    rows: list[tuple[str, float | None, float | None]] = [(f"p{n // 2}", float(n // 4), 5.0) for n in range(40)]
    frame = traces(rows, pass_rate=[rates[n // 4] for n in range(40)])
    operator = mix(cd_limit={"pass_rate": "pass_rate", "at_least": at_least})
    kept, gone = decided(operator, frame, tmp_path)
    assert kept["cd"].max() == highest and kept.height == 4 * (highest + 1)
    assert {reason for reason, _ in gone.values()} == ({"cd_limit"} if highest < 9 else set())
    run = OperatorRun(tmp_path)
    operator.process(disk_table(frame, tmp_path), run)
    assert f"cd_limit {highest if highest < 9 else 'none'}" in str(run.messages)


def test_a_limit_goes_by_the_difficulty_of_problems_and_needs_pass_rates(tmp_path: Path) -> None:
    """Two traces of one problem that were graded apart, 3 and 4.4, are a problem of 4; its trace of 4.4 is within 4."""
    rows: list[tuple[str, float | None, float | None]] = [
        ("a", 1, 5), ("b", 3, 5), ("b", 4.4, 5), ("c", 6, 5), ("c", 4.6, 5)
    ]  # fmt: skip
    frame = traces(rows, pass_rate=[1.0, 0.5, 0.5, 0.0, 0.0])
    limit = {"at_least": 0.25}
    kept, _ = decided(mix(cd_limit=limit), frame, tmp_path)
    assert kept["cd"].to_list() == [1, 3, 4.4]
    with pytest.raises(ColumnError, match="pass_rate"):
        mix(cd_limit=limit).columns(have(traces([])), Schema())
    for rates in ([0.1] * 5, [None] * 5):
        failing = frame.with_columns(pass_rate=pl.Series(rates, dtype=pl.Float64))
        with pytest.raises(DataError, match="easiest upwards"):
            decided(mix(cd_limit=limit), failing, tmp_path)


def test_quotas_are_filled_in_their_shares_and_reported(tmp_path: Path) -> None:
    bins = [{"cd": (0, 5), "share": 0.75}, {"cd": (5, 9), "share": 0.25}]
    operator, frame = mix(rows=200, bins=bins), many()
    rows, gone = decided(operator, frame, tmp_path)
    assert Counter(rows["mix_bin"]) == {"0-5": 150, "5-9": 50}
    assert {reason for reason, _ in gone.values()} == {"quota"}
    told = [json.loads(detail) for _, detail in gone.values()]
    assert all(one["supply"]["rows"] == 300 and one["place"] > one["supply"]["quota"] for one in told)
    run = OperatorRun(tmp_path)
    operator.process(disk_table(frame, tmp_path), run)
    assert run.messages == ["0-5: supply 300, take 150", "5-9: supply 300, take 50"]


def test_a_short_supply_is_reported_and_not_made_up_for(tmp_path: Path) -> None:
    frame = traces([("a", 1, 1)] * 50 + [("b", 8, 8)] * 5)
    operator = mix(rows=40, bins=[{"cd": (0, 5)}, {"cd": (5, 9)}])
    rows, _ = decided(operator, frame, tmp_path)
    assert Counter(rows["mix_bin"]) == {"0-5": 20, "5-9": 5}
    run = OperatorRun(tmp_path)
    operator.process(disk_table(frame, tmp_path), run)
    assert run.messages[1] == "5-9: supply 5, take 5, 15 short of the quota"


def test_without_rows_as_many_as_the_shares_allow(tmp_path: Path) -> None:
    frame = traces([("a", 1, 1)] * 50 + [("b", 8, 8)] * 5)
    rows, _ = decided(mix(bins=[{"cd": (0, 5), "share": 2}, {"cd": (5, 9), "share": 1}]), frame, tmp_path)
    assert Counter(rows["mix_bin"]) == {"0-5": 10, "5-9": 5}


def test_the_nine_belongs_to_the_last_bin(tmp_path: Path) -> None:
    rows, gone = decided(mix(bins=[{"cd": (5, 9)}]), traces([("a", 9, 9), ("b", 1, 1)]), tmp_path)
    assert rows.height == 1 and [reason for reason, _ in gone.values()] == ["no_bin"]


def test_domains_within_bins(tmp_path: Path) -> None:
    frame = many().with_columns(domain=pl.when(pl.col("trace_id") == "t00000").then(pl.lit("art")).otherwise("domain"))
    rows, gone = decided(mix(rows=100, domains={"math": 0.6, "code": 0.4}), frame, tmp_path)
    assert Counter(rows["domain"]) == {"math": 60, "code": 40}
    assert gone["t00000"][0] == "no_domain"


def test_token_budget(tmp_path: Path) -> None:
    bins = [{"cd": (0, 5), "share": 0.7}, {"cd": (5, 9), "share": 0.3}]
    rows, gone = decided(mix(tokens=10_000, bins=bins), many(), tmp_path)
    used = dict(rows.group_by("mix_bin").agg(pl.col("tokens").sum()).iter_rows())
    assert 6800 < used["0-5"] <= 7000 and 2800 < used["5-9"] <= 3000
    assert {reason for reason, _ in gone.values()} == {"token_budget"}


def test_at_most_k_of_a_problem(tmp_path: Path) -> None:
    rows, gone = decided(mix(per_problem=2), many(), tmp_path)
    assert set(Counter(rows["problem_id"]).values()) == {2}
    assert {reason for reason, _ in gone.values()} == {"per_problem"}


def test_sharpness_draws_in_the_promised_proportions(tmp_path: Path) -> None:
    """One of two traces a problem, 0 and 4 from the target: odds are exp(4 * beta)."""
    frame = traces([(f"p{n // 2}", 0, 1 if n % 2 else 5) for n in range(8000)])
    for beta in (0.0, 0.5):
        rows, _ = decided(mix(per_problem=1, beta=beta), frame, tmp_path)
        odds = math.exp(4 * beta)
        expected = odds / (1 + odds)
        share = (rows["rv"] == 1).mean()
        assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4000) + 1e-9)
    rows, _ = decided(mix(per_problem=1, beta=1000), frame, tmp_path)
    assert (rows["rv"] == 1).all()


def test_the_target_runs_through_its_points(tmp_path: Path) -> None:
    frame = traces([("a", 0, 0), ("b", 2, 0), ("c", 4, 0), ("d", 9, 0)])
    rows, _ = decided(mix(cd_limit=9, rv_target=[(0, 1), (4, 5), (8, 7)]), frame, tmp_path)
    assert rows["rv_target"].to_list() == [1.0, 3.0, 5.0, 7.0]


def test_order_changes_nothing_and_the_seed_does(tmp_path: Path) -> None:
    params: dict[str, Any] = {"rows": 100, "per_problem": 2, "bins": [{"cd": (0, 5)}, {"cd": (5, 9)}]}
    chosen = [
        set(decided(mix(**params, seed=seed), frame, tmp_path)[0]["trace_id"])
        for seed, frame in ((1, many()), (1, many().sample(fraction=1, shuffle=True, seed=5)), (2, many()))
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_an_empty_table(tmp_path: Path) -> None:
    rows, gone = decided(mix(per_problem=1), many().head(0), tmp_path)
    assert rows.height == 0 and not gone


def test_two_judges_are_not_mixed_unless_told(tmp_path: Path) -> None:
    frame = traces([("a", 1, 1), ("b", 2, 2), ("c", None, None)], graded_by=["qwq", "gpt", None])
    with pytest.raises(DataError, match=r"2 judges \(gpt: 1 rows, qwq: 1 rows\)"):
        decided(mix(cd_limit=9), frame, tmp_path)
    rows, _ = decided(mix(cd_limit=9, mix_judges=True), frame, tmp_path)
    assert rows.height == 2


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "nothing to choose by"),
        ({"cd_limit": 5, "bins": [{"cd": (0, 5)}, {"cd": (4, 9)}]}, "overlap"),
        ({"cd_limit": 5, "bins": [{"cd": (5, 5)}]}, "holds nothing"),
        ({"cd_limit": 5, "rv_target": [(3, 1), (3, 2)]}, "rises"),
        ({"cd_limit": 5, "rv_target": [(0, 0), (9, 18)]}, "on the scales"),
        ({"domains": {"math": 0.0}}, "more than 0"),
        ({"cd_limit": 5, "betta": 1}, "betta"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MixParams(**params)


def test_columns() -> None:
    with pytest.raises(ColumnError, match="tokens"):
        mix(tokens=10).columns(have(many().drop("tokens")), Schema())
    with pytest.raises(ColumnError, match="trace_id"):
        mix(rows=10).columns(have(many().drop("trace_id")), Schema())


@given(st.dictionaries(st.text(max_size=3), st.floats(0.01, 10), min_size=1, max_size=6), st.integers(0, 1000))
def test_quotas_add_up(shares: dict[str, float], total: int) -> None:
    found = quotas(shares, total)
    assert sum(found.values()) == total
    assert all(abs(found[cell] - total * share / sum(shares.values())) <= 1 for cell, share in shares.items())


def test_take_never_exceeds_the_supply() -> None:
    assert take({"a": 3}, {"a": 1, "b": 1}, 10) == {"a": 3, "b": 0}
    assert take({"a": 3}, {"a": 1, "b": 1}) == {"a": 0, "b": 0}


def tasks(**counts: int) -> pl.DataFrame:
    names = [name for name, count in counts.items() for _ in range(count)]
    return pl.DataFrame({"problem_id": [f"p{n:04}" for n in range(len(names))], "task": names})


def test_balance_shrinks_and_never_copies(tmp_path: Path) -> None:
    frame = tasks(math=90, code=20, art=2)
    rows, gone = decided(Balance(BalanceParams(shares={"math": 0.6, "code": 0.4})), frame, tmp_path)
    assert Counter(rows["task"]) == {"math": 30, "code": 20}
    assert Counter(reason for reason, _ in gone.values()) == {"balance": 60, "no_share": 2}
    assert rows["problem_id"].is_unique().all()


def test_balance_evenly_without_tiny_classes(tmp_path: Path) -> None:
    frame = tasks(math=90, code=20, art=2)
    rows, _ = decided(Balance(BalanceParams(at_least=10)), frame, tmp_path)
    assert Counter(rows["task"]) == {"math": 20, "code": 20}
    turned, _ = decided(Balance(BalanceParams(at_least=10)), frame.reverse(), tmp_path)
    assert set(rows["problem_id"]) == set(turned["problem_id"])


def test_balance_reports_what_is_short(tmp_path: Path) -> None:
    run = OperatorRun(tmp_path)
    operator = Balance(BalanceParams(shares={"math": 1, "law": 1}, rows=20))
    operator.process(disk_table(tasks(math=90), tmp_path), run)
    assert run.messages == ["math: supply 90, take 10", "law: supply 0, take 0, 10 short of the quota"]

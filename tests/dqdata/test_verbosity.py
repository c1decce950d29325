"""RV*(CD): the number and the SQL agree, for any points."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqdata.verbosity import VerbosityTarget

SCALE = st.floats(0, 9).map(lambda value: round(value, 3))
POINTS = st.lists(st.tuples(SCALE, SCALE), min_size=1, max_size=5, unique_by=lambda point: point[0]).map(
    lambda points: tuple(sorted(points))
)


@given(POINTS, st.floats(-3, 12))
def test_the_expression_gives_the_number(points: tuple[tuple[float, float], ...], cd: float) -> None:
    target = VerbosityTarget(points)
    [found] = duckdb.sql(f"select {target.sql('cd')} from (select {cd!r}::double as cd)").fetchone() or (None,)
    assert found == pytest.approx(target.at(cd))
    assert min(rv for _, rv in points) - 1e-9 <= target.at(cd) <= max(rv for _, rv in points) + 1e-9


def test_points_are_met_and_null_stays_null() -> None:
    target = VerbosityTarget(((1, 2), (3, 8), (9, 4)))
    assert [target.at(cd) for cd in (0, 1, 2, 3, 6, 9)] == [2, 2, 5, 8, 6, 4]
    assert duckdb.sql(f"select {target.sql('null::double')}").fetchone() == (None,)


@pytest.mark.parametrize("points", [(), ((2, 1), (2, 3)), ((3, 1), (2, 3)), ((0, 10),), ((-1, 2),)])
def test_points_that_make_no_target(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="rv_target"):
        VerbosityTarget(points)

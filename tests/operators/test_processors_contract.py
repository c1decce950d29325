"""What holds for every processor: strict parameters, files that are there, empty tables, prompts in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from outcomes import have

from dqdata.columns import Columns, polars_schema
from dqdata.errors import ColumnError, InputError
from dqdata.operator import CallOperator, Decisions, NewRows, Operator, Schema, TableOperator
from dqdata.plugins import load
from dqdata.testing import OperatorRun, disk_table

JUDGE, TEACHER = {"judge": "t"}, {"teacher": "t"}
PARAMS: dict[str, dict[str, Any]] = {
    "critique": JUDGE,
    "grade": JUDGE,
    "judge_process": JUDGE,
    "score": JUDGE,
    "classify": JUDGE,
    "problem_valid": JUDGE,
    "convert_choice": JUDGE,
    "agree": {"teachers": ["t", "u"]},
    "evolve": {"teacher": "t", "solvers": ["t", "u"]},
    "write_tests": {"judge": "t", "solvers": ["t"]},
    "rethink": TEACHER,
    "shorten": TEACHER,
    "lengthen": TEACHER,
    "corrupt": TEACHER,
    "expand": TEACHER,
    "refine": TEACHER,
    "pass_rate": {"student": "t"},
    "level": {"column": "cd", "at": (3, 6)},
    "length_scale": {},
    "mix": {"per_problem": 1, "rows": 10, "bins": [{"cd": (0, 9)}], "domains": {"math": 1.0}},
    "balance": {"column": "domain"},
    "majority": {},
    "curriculum": {},
    "adapt": {},
    "pairs": {},
    "reward_rows": {},
}
COLUMNS = Columns(
    {
        "problem_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "question": "VARCHAR",
        "answer": "VARCHAR",
        "reasoning": "VARCHAR",
        "response": "VARCHAR",
        "domain": "VARCHAR",
        "tokens": "BIGINT",
        "rv_length": "DOUBLE",
        "rv": "DOUBLE",
        "cd": "DOUBLE",
        "correct": "BOOLEAN",
        "fit": "VARCHAR",
    }
)
MAKERS = ("agree", "convert_choice", "evolve", "expand", "refine", "write_tests")
PROBLEMS = Columns({name: kind for name, kind in COLUMNS.items() if name in ("problem_id", "question", "answer")})


def made(name: str, **more: Any) -> Operator[Any]:
    kind = load("operators", name)
    operator: Operator[Any] = kind(kind.Params(**{**PARAMS[name], **more}))
    return operator


def columns_for(name: str) -> Columns:
    return PROBLEMS if name in MAKERS else COLUMNS


@pytest.mark.parametrize("name", PARAMS)
def test_unknown_parameters_are_refused_and_the_class_says_what_it_does(name: str) -> None:
    with pytest.raises(ValueError, match="no_such"):
        made(name, no_such=1)
    operator = made(name)
    assert operator.name == name
    assert (type(operator).__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("name", PARAMS)
def test_a_plan_keeps_what_it_does_not_know(name: str) -> None:
    have_ = columns_for(name).add(extra="VARCHAR")
    planned = made(name).columns(have_, Schema())
    assert name == "pairs" or set(have_) <= set(planned)
    polars_schema(planned)


@pytest.mark.parametrize("name", PARAMS)
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(ColumnError):
        made(name).columns(Columns({"problem_id": "VARCHAR", "trace_id": "VARCHAR", "unrelated": "VARCHAR"}), Schema())


@pytest.mark.parametrize("name", [name for name, params in PARAMS.items() if params in (JUDGE, TEACHER)])
def test_prompts_are_there_in_both_languages_and_fingerprinted(name: str) -> None:
    english, chinese = made(name), made(name, language="zh")
    assert english.files() and chinese.files() and set(english.files()).isdisjoint(chinese.files())
    assert all(path.is_file() for path in (*english.files(), *chinese.files()))
    chinese.columns(columns_for(name), Schema())
    with pytest.raises(InputError, match="language"):
        made(name, language="xx").columns(columns_for(name), Schema())


@pytest.mark.parametrize("name", PARAMS)
def test_callers_say_what_they_cost(name: str) -> None:
    operator = made(name)
    if isinstance(operator, CallOperator):
        assert operator.teachers()[0] == "t" and set(operator.teachers()) <= {"t", "u"}
        assert operator.estimate(100).calls["t"].calls >= 100


@pytest.mark.parametrize("name", [n for n in PARAMS if issubclass(load("operators", n), TableOperator)])
def test_an_empty_table_gives_an_empty_result(name: str, tmp_path: Path) -> None:
    operator = made(name)
    assert isinstance(operator, TableOperator)
    frame = pl.DataFrame(schema=polars_schema(COLUMNS))
    result = operator.process(disk_table(frame, tmp_path), OperatorRun(tmp_path))
    assert result.dropped.lazy().collect().height == 0
    if isinstance(result, NewRows):
        assert sum(rows.height for rows in result.rows) == 0
    if isinstance(result, Decisions) and result.added is not None:
        assert result.added.lazy().collect().height == 0


@pytest.mark.parametrize("name", ["level", "reward_rows"])
def test_an_empty_batch(name: str) -> None:
    operator: Any = made(name)
    batch = operator.process(pl.DataFrame(schema=polars_schema(COLUMNS)))
    assert batch.rows.height == 0 and batch.dropped is None
    assert have(batch.rows) == operator.columns(COLUMNS, Schema())


@pytest.mark.parametrize("name", ["rethink", "shorten", "lengthen", "corrupt", "pass_rate"])
def test_wrong_parameters_of_a_verifier_are_named(name: str) -> None:
    with pytest.raises(InputError, match=r"verify_math.*rel_tool"):
        made(name, verifier_params={"rel_tool": 0.1}).columns(COLUMNS, Schema())

"""What every operator must hold to, whoever wrote it: run over all that are installed.

Operators that work on the CPU alone are also run on sample rows: columns promised are the columns made, an empty batch
is no trouble, and the order of the rows changes nothing.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from outcomes import frame_of, have
from pydantic import ValidationError

from dqdata.columns import MESSAGES, Columns, polars_schema
from dqdata.operator import (
    BatchOperator,
    CallOperator,
    Decisions,
    Operator,
    Reject,
    RowOperator,
    Schema,
    TableOperator,
)
from dqdata.params import markers
from dqdata.plugins import found, load
from dqdata.testing import OperatorRun, disk_table

NAMES = sorted(found("operators"))
BENCHMARK = Path(__file__).parent / "data" / "benchmark.jsonl"
PARAMS: dict[str, dict[str, Any]] = {
    "balance": {"column": "source"},
    "decontaminate": {"benchmarks": [{"name": "own", "path": str(BENCHMARK)}], "neighbours": 0},
    "delta_pairs": {"strong": "teacher = 'm0'", "weak": "teacher = 'm1'"},
    "dedup": {"column": "reasoning", "keep": "correct desc"},
    "filter": {"where": "correct or rv > 3"},
    "level": {"column": "cd", "at": [3, 6]},
    "mix": {"cd_limit": 6, "per_problem": 2},
    "pairs": {"fitting": "rv between 2 and 5"},
    "sample": {"share": 0.5},
    "sql": {"query": "select *, count(*) over (partition by problem_id) as attempts from rows where correct"},
    "select": {"by": "correct desc, output_tokens asc"},
}
"""Parameters for operators that need some, or that do little without."""

COLUMNS = {
    **dict.fromkeys(
        ("problem_id", "trace_id", "question", "answer", "answer_type", "tests", "domain", "source"), "VARCHAR"
    ),
    **dict.fromkeys(("teacher", "reasoning", "response", "finish_reason", "ledger_key", "verdict"), "VARCHAR"),
    **dict.fromkeys(("input_tokens", "output_tokens", "level", "tokens"), "BIGINT"),
    **dict.fromkeys(("rv", "cd", "pass_rate"), "DOUBLE"),
    "correct": "BOOLEAN",
    "messages": MESSAGES,
    "instruction_id_list": "VARCHAR",
    "kwargs": "VARCHAR",
}


def sample() -> pl.DataFrame:
    """Traces of a few problems: right and wrong ones, a copy, nulls, Chinese."""
    rows = []
    for n in range(24):
        problem, right = n // 4, n % 4 < 2
        thought = f"Take {problem}. Then wait, add {2 if right else n}."
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {
            "problem_id": f"p{problem}",
            "trace_id": f"t{n:02}",
            "question": f"What is {problem} + 2?",
            "answer": None if problem == 5 else str(problem + 2),
            "answer_type": "math",
            "domain": ("math", "code")[problem % 2],
            "source": ("a", "b", "c")[problem % 3],
            "teacher": f"m{n % 2}",
            "reasoning": None if n == 7 else "等等，我算一下。" if n == 9 else thought,
            "response": None if n == 11 else f"\\boxed{{{problem + (2 if right else 3)}}}",
            "finish_reason": "stop",
            "ledger_key": f"k{n}",
            "verdict": None if n == 11 else "correct" if right else "incorrect",
            "correct": None if n == 11 else right,
            "input_tokens": 10,
            "output_tokens": 20 + 7 * n % 31,
            "tokens": 20 + 5 * n % 17,
            "level": problem % 3,
            "rv": float(n % 10),
            "cd": float(n * 3 % 10),
            "pass_rate": (problem % 5) / 4,
            "messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}],
            "instruction_id_list": None if n == 3 else '["punctuation:no_comma", "startend:quotation"]',
            "kwargs": "[{}, {}]" if n % 5 else "[{}",
        }  # fmt: skip
        rows.append(list(row.values()))
    return frame_of(COLUMNS, rows)


def make(name: str) -> Operator[Any]:
    kind = load("operators", name)
    try:
        return kind(kind.Params(**PARAMS.get(name, {})))
    except ValidationError as error:
        raise AssertionError(f"operator {name!r} needs parameters: give it some in PARAMS ({error})") from error


def of_kind(*kinds: type) -> list[str]:
    """Operators of these kinds, less those that can't do without a catalog: they are tested over a store."""
    return [name for name in NAMES if issubclass(load("operators", name), kinds) and not needs_catalog(name)]


def needs_catalog(name: str) -> bool:
    fields = load("operators", name).Params.model_fields.values()
    return any(
        info.is_required() and "catalog" in {getattr(m, "refers_to", "") for m in markers(info)} for info in fields
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_is_documented_and_goes_by_one_name(name):
    kind = load("operators", name)
    assert kind.name == name
    assert inspect.getdoc(kind) not in (None, "", inspect.getdoc(Operator)) and kind.__doc__
    assert inspect.getdoc(inspect.getmodule(kind))
    assert isinstance(kind.version, int) and kind.version >= 1
    assert issubclass(kind, RowOperator | BatchOperator | CallOperator | TableOperator)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused_by_name(name):
    with pytest.raises(ValidationError, match="no_such_parameter"):
        load("operators", name).Params(**PARAMS.get(name, {}), no_such_parameter=1)


@pytest.mark.parametrize("name", of_kind(RowOperator))
def test_row_operators(name):
    promised, operator = make(name).columns(have(sample()), Schema()), make(name)  # which `columns` told nothing
    for row in sample().to_dicts():
        once, again = operator.process(row), operator.process(dict(row))
        assert once == again
        if isinstance(once, Reject):
            assert once.reason and once.kind in ("dropped", "failed")
        else:
            assert set(once) == set(promised) and once[promised.key] == row[promised.key]
            pl.DataFrame([once], schema=polars_schema(promised))


@pytest.mark.parametrize("name", of_kind(BatchOperator))
def test_batch_operators(name):
    operator, frame = make(name), sample()
    promised = make(name).columns(have(frame), Schema())
    rows, dropped = batch(operator, frame)
    assert_columns(rows, promised)
    assert sorted([*rows["trace_id"], *dropped]) == sorted(frame["trace_id"])
    assert all(reason for reason in dropped.values())

    empty_rows, empty_dropped = batch(operator, frame[:0])
    assert_columns(empty_rows, promised)
    assert not len(empty_rows) and not empty_dropped

    shuffled_rows, shuffled_dropped = batch(operator, frame.sample(fraction=1, shuffle=True, seed=1))
    assert plain(shuffled_rows, promised) == plain(rows, promised) and shuffled_dropped == dropped
    one_by_one = [batch(operator, frame[n : n + 1])[0] for n in range(len(frame))]
    assert plain(pl.concat([cast(one, promised) for one in one_by_one]), promised) == plain(rows, promised)


NEEDS = {"cluster": ("wordllama",), "decontaminate": ("wordllama", "rapidfuzz")}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(*NEEDS.get(name, ()))) for name in of_kind(TableOperator)]
)
def test_table_operators(name, tmp_path):
    frame = sample()
    promised = make(name).columns(have(frame), Schema())
    made = table(make(name), frame, tmp_path / "a", promised)
    assert table(make(name), frame.sample(fraction=1, shuffle=True, seed=2), tmp_path / "b", promised) == made
    kept, dropped = table(make(name), frame[:0], tmp_path / "c", promised)
    assert (json.loads(kept), dropped) == ([], {})


def batch(operator: BatchOperator[Any], frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    made = operator.process(frame)
    gone = {} if made.dropped is None else dict(made.dropped.select("trace_id", "reason").iter_rows())
    return made.rows, gone


def table(
    operator: TableOperator[Any], frame: pl.DataFrame, folder: Any, promised: Columns
) -> tuple[str, dict[str, str]]:
    """Rows that come out, and reasons by key; every row that went in is accounted for."""
    folder.mkdir()
    result = operator.process(disk_table(frame, folder), OperatorRun(folder))
    gone = result.dropped.lazy().collect()
    dropped = dict(gone.select("trace_id", "reason").iter_rows())
    assert len(dropped) == len(gone) and all(dropped.values())
    if isinstance(result, Decisions):
        rows = frame.join(gone, on="trace_id", how="anti")
        if result.added is not None:
            added = result.added.lazy().collect()
            assert set(rows["trace_id"]) <= set(added["trace_id"]) and added["trace_id"].is_unique().all()
            new = [column for column in added.columns if column != "trace_id"]
            rows = rows.drop(new, strict=False).join(added, on="trace_id", how="left")
        assert set(rows["trace_id"]) | set(dropped) == set(frame["trace_id"])
    else:
        frames = list(result.rows)
        rows = pl.concat(frames) if frames else pl.DataFrame(schema={**polars_schema(promised)})
        parents = set(rows["parent_ids"].explode()) if len(rows) else set()
        assert parents | set(dropped) == set(frame["trace_id"]) and not parents & set(dropped)
    assert_columns(rows, promised)
    return plain(rows, promised), dropped


def assert_columns(rows: pl.DataFrame, promised: Columns) -> None:
    assert set(rows.columns) == set(promised)
    wanted = polars_schema(promised)
    for name in promised:
        empty = rows[name].dtype == pl.Null or not rows[name].is_not_null().any()
        assert rows[name].dtype == wanted[name] or empty, (name, rows[name].dtype, wanted[name])


def cast(rows: pl.DataFrame, promised: Columns) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in polars_schema(promised).items())


def plain(rows: pl.DataFrame, promised: Columns) -> str:
    """Rows as sorted JSON: what can be compared whatever their order."""
    return json.dumps(
        sorted(cast(rows, promised).to_dicts(), key=lambda row: json.dumps(row, default=str)), default=str
    )

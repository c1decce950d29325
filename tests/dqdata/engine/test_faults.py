"""Plug-in code that raises what it should not: one row fails, or the run ends with plug-in, file and line."""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
import pytest

from dqdata.catalog import Store
from dqdata.cli import main
from dqdata.columns import Columns
from dqdata.engine.batches import BatchStep, apply
from dqdata.engine.run import run_pipeline
from dqdata.errors import PluginError, PluginFault
from dqdata.operator import Batch, BatchOperator, NoParams, Schema
from dqdata.plugins import found, load
from dqdata.project.plan import make_plan
from dqdata.project.tables import Project

Write = Callable[[str], Project]
COUNTING = """[pipelines.p]
from = { source = "counting", rows = 40 }
max_failed_rate = 0.1
steps = [ %s ]
"""


@pytest.mark.parametrize(
    ("op", "cause"),
    [("faulty_row", "AttributeError"), ("faulty_batch", "ZeroDivisionError"), ("faulty_call", "KeyError")],
)
def test_whatever_an_operator_raises_for_a_row_fails_that_row_alone(
    project: Write, store: Store, op: str, cause: str
) -> None:
    result = run_pipeline(project(COUNTING % f'{{ op = "{op}" }}'), "p", store)
    assert (result.rows_out, result.failed) == (39, {"operator_error": 1})
    [(row, detail)] = [
        (batch["row"][0].as_py(), batch["detail"][0].as_py()) for batch in store.query("select * from p__rejects")
    ]
    assert '"number":7' in row.replace(" ", "")
    assert detail.startswith(f"{cause}: ") and "(faults.py:" in detail


class FailsAlways(BatchOperator[NoParams]):
    """Raises for every frame, one without rows too."""

    name = "fails_always"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return Columns({**have, "made": "BIGINT"})

    def process(self, batch: pl.DataFrame) -> Batch:
        raise KeyError("lost")


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_a_batch_operator_that_fails_for_every_frame_fails_its_rows(rows: int) -> None:
    step = BatchStep("s", FailsAlways(NoParams()), Columns({"trace_id": "VARCHAR", "made": "BIGINT"}))
    frame = pl.DataFrame({"trace_id": [str(number) for number in range(rows)]}, schema={"trace_id": pl.String})
    if not rows:
        with pytest.raises(
            PluginFault, match=r"operator 'fails_always' failed: KeyError: 'lost' \(test_faults.py:\d+\)"
        ):
            apply((step,), frame)
        return
    kept, rejects = apply((step,), frame)
    assert (kept.height, kept.columns) == (0, ["trace_id", "made"])
    assert rejects["reason"].to_list() == ["operator_error"] * rows
    assert all("(test_faults.py:" in detail for detail in rejects["detail"])


@pytest.mark.parametrize(
    ("lazily", "cause"), [("false", "ValueError: the table has an odd shape"), ("true", "IndexError")]
)
def test_a_table_operator_ends_the_run_by_name(project: Write, store: Store, lazily: str, cause: str) -> None:
    loaded = project(COUNTING % f'{{ op = "faulty_table", lazily = {lazily} }}')
    with pytest.raises(PluginFault, match=rf"operator 'faulty_table' failed: {cause}.*\(faults.py:\d+\)"):
        run_pipeline(loaded, "p", store)
    assert store.latest("p") is None


@pytest.mark.parametrize("at", ["schema", "rows"])
def test_a_source_ends_the_run_by_name(project: Write, store: Store, at: str) -> None:
    loaded = project(f'[pipelines.p]\nfrom = {{ source = "faulty", at = "{at}" }}\nsteps = []')
    with pytest.raises(PluginFault, match=r"source 'faulty' failed: TypeError: .* \(faults.py:\d+\)"):
        run_pipeline(loaded, "p", store)


def test_a_fault_while_planning_names_the_operator(project: Write, store: Store) -> None:
    loaded = project(COUNTING % '{ op = "faulty_columns" }')
    with pytest.raises(PluginFault, match=r"operator 'faulty_columns' failed: NameError: .*undefined"):
        make_plan(loaded, "p", store)


def test_broken_plugins_are_listed_as_broken_and_hide_nothing(
    thirdparty: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ops"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "BROKEN: " in lines["broken_import"] and "ModuleNotFoundError" in lines["broken_import"]
    assert "BROKEN: " in lines["broken_name"] and "NameError" in lines["broken_name"]
    assert "BROKEN: two packages offer operator 'pii'" in lines["pii"]
    assert len(lines) == len(found("operators")) and "BROKEN" not in lines["verify_math"]


def test_ops_names_the_fault_of_an_operator_that_cannot_plan(
    thirdparty: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ops", "faulty_columns"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "columns: unknown, since with the defaults the operator 'faulty_columns' failed: NameError" in shown
    assert main(["ops", "faulty_columns", "--json"]) == 0
    assert "NameError" in json.loads(capsys.readouterr().out)["columns"]["unknown"]
    assert main(["ops", "faulty_row"]) == 0 and "columns: unknown" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["broken_import", "broken_name", "pii"])
def test_a_broken_plugin_is_refused_with_its_cause(thirdparty: object, name: str) -> None:
    with pytest.raises(PluginError, match=name):
        load("operators", name)
    assert load("operators", "verify_math").name == "verify_math"

"""The public names: what they are, that each can be imported, and that nothing loads before it is asked for."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import dqdata

PUBLIC = {
    *("open", "open_store", "apply", "__version__"),
    *("Project", "Catalogs", "Catalog", "CallLedger", "Rows"),
    *("Applied", "Build", "Check", "Comparison", "PlanReport", "RunResult", "TrainOutcome"),
    *("Row", "RowOperator", "BatchOperator", "CallOperator", "TableOperator", "Columns", "Run", "Table"),
    *("Batch", "Decisions", "NewRows", "Outcome", "Reject", "Estimate", "CallEstimate", "Schema", "Ask"),
    *("Params", "NoParams", "TeacherName", "ScorerName", "EmbeddingName", "PromptFile", "CatalogRef", "SqlExpression"),
    *("Teacher", "Request", "Message", "Sampling", "Completion", "Usage"),
    *("Source", "Trainer", "Data", "TrainResult", "TrainRun"),
    *("DqdataError", "InputError", "RunError", "Stopped", "RowError", "TeacherError"),
}


def test_the_public_names_are_these() -> None:
    """A name that goes breaks users; one that comes is a promise. Change this list on purpose."""
    assert set(dqdata.__all__) == PUBLIC
    assert set(dir(dqdata)) >= PUBLIC


def test_every_public_name_is_in_the_code_that_mypy_checks_as_a_users() -> None:
    code = ast.parse((Path(__file__).parents[2] / "typing" / "user_code" / "__init__.py").read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(code) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(code) if isinstance(node, ast.Attribute)}
    assert used >= PUBLIC - {"Ask"}, "a protocol that operators never name"


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    value = getattr(importlib.import_module("dqdata"), name)
    if isinstance(value, type) and value.__module__.startswith("dqdata"):
        assert (value.__doc__ or "").strip() or name in ("InputError", "RunError", "Stopped", "NoParams")
    elif callable(value) and value.__module__.startswith("dqdata"):
        assert (value.__doc__ or "").strip()


def test_type_checkers_see_the_names_that_are_there_at_run_time() -> None:
    tree = ast.parse(Path(dqdata.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {
        name.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    assert imported == dqdata._MODULE_OF
    assert {*imported, "__version__"} == PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pipeline'"):
        _ = dqdata.Pipeline  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from dqdata import Pipeline")


def test_all_names_can_be_imported_at_once() -> None:
    code = "from dqdata import *; assert callable(open) and Row and Project"
    subprocess.run([sys.executable, "-c", code], check=True)

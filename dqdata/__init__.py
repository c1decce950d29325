"""dqdata: data-centric reasoning distillation.

Pipelines are TOML; operators turn problems into verified, graded, deduplicated teacher traces; every result is a
version of a catalog that anyone queries with SQL; trainers read catalogs.

    $ dqdata run quickstart
    $ dqdata sql "select verdict, count(*) from quickstart group by all"

The same in Python:

    project = dqdata.open("pipelines.toml")
    project.run("quickstart")
    project.sql("select verdict, count(*) from quickstart group by all").polars()

Names are imported when they are first asked for, so that `import dqdata` costs a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = {
    "dqdata.api.project": ("Project", "apply", "open"),
    "dqdata.api.catalogs": ("Catalog", "Catalogs", "open_store"),
    "dqdata.api.ledger": ("CallLedger",),
    "dqdata.api.rows": ("Rows",),
    "dqdata.api.plans": ("PlanReport",),
    "dqdata.api.results": ("Build", "Check", "Comparison"),
    "dqdata.engine.apply": ("Applied",),
    "dqdata.engine.result": ("RunResult",),
    "dqdata.training.run": ("TrainOutcome",),
    "dqdata.columns": ("Columns",),
    "dqdata.schema": ("Schema",),
    "dqdata.operator": (
        "Ask",
        "Batch",
        "BatchOperator",
        "CallEstimate",
        "CallOperator",
        "Decisions",
        "Estimate",
        "NewRows",
        "Outcome",
        "Reject",
        "Row",
        "RowOperator",
        "Run",
        "Table",
        "TableOperator",
    ),
    "dqdata.params": (
        "CatalogRef",
        "EmbeddingName",
        "NoParams",
        "Params",
        "PromptFile",
        "ScorerName",
        "SqlExpression",
        "TeacherName",
    ),
    "dqdata.teacher": ("Completion", "Message", "Request", "Sampling", "Teacher", "Usage"),
    "dqdata.source": ("Source",),
    "dqdata.trainer": ("Data", "TrainResult", "TrainRun", "Trainer"),
    "dqdata.errors": ("DqdataError", "InputError", "RowError", "RunError", "Stopped", "TeacherError"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if TYPE_CHECKING:
    from dqdata.api.catalogs import Catalog, Catalogs, open_store
    from dqdata.api.ledger import CallLedger
    from dqdata.api.plans import PlanReport
    from dqdata.api.project import Project, apply, open
    from dqdata.api.results import Build, Check, Comparison
    from dqdata.api.rows import Rows
    from dqdata.columns import Columns
    from dqdata.engine.apply import Applied
    from dqdata.engine.result import RunResult
    from dqdata.errors import DqdataError, InputError, RowError, RunError, Stopped, TeacherError
    from dqdata.operator import (
        Ask,
        Batch,
        BatchOperator,
        CallEstimate,
        CallOperator,
        Decisions,
        Estimate,
        NewRows,
        Outcome,
        Reject,
        Row,
        RowOperator,
        Run,
        Table,
        TableOperator,
    )
    from dqdata.params import (
        CatalogRef,
        EmbeddingName,
        NoParams,
        Params,
        PromptFile,
        ScorerName,
        SqlExpression,
        TeacherName,
    )
    from dqdata.schema import Schema
    from dqdata.source import Source
    from dqdata.teacher import Completion, Message, Request, Sampling, Teacher, Usage
    from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
    from dqdata.training.run import TrainOutcome

__all__ = [
    "Applied",
    "Ask",
    "Batch",
    "BatchOperator",
    "Build",
    "CallEstimate",
    "CallLedger",
    "CallOperator",
    "Catalog",
    "CatalogRef",
    "Catalogs",
    "Check",
    "Columns",
    "Comparison",
    "Completion",
    "Data",
    "Decisions",
    "DqdataError",
    "EmbeddingName",
    "Estimate",
    "InputError",
    "Message",
    "NewRows",
    "NoParams",
    "Outcome",
    "Params",
    "PlanReport",
    "Project",
    "PromptFile",
    "Reject",
    "Request",
    "Row",
    "RowError",
    "RowOperator",
    "Rows",
    "Run",
    "RunError",
    "RunResult",
    "Sampling",
    "Schema",
    "ScorerName",
    "Source",
    "SqlExpression",
    "Stopped",
    "Table",
    "TableOperator",
    "Teacher",
    "TeacherError",
    "TeacherName",
    "TrainOutcome",
    "TrainResult",
    "TrainRun",
    "Trainer",
    "Usage",
    "__version__",
    "apply",
    "open",
    "open_store",
]


if not TYPE_CHECKING:  # type checkers know the names from above, and that there are no others

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'dqdata' has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__

"""Fingerprints of steps and ledger keys as they are on disk: a change here makes every version anew, or pays twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dqdata.catalog import Store
from dqdata.project import plan as planning
from dqdata.project.plan import make_plan
from dqdata.project.tables import Project
from dqdata.teacher import Message, Request, Sampling
from dqdata.testing import run_operator

PIPELINE = """
[teachers.t]
provider = "parrot"
log = "unused.log"
[pipelines.p]
from = { source = "counting", rows = 6 }
seed = 3
steps = [ { op = "picky", bad = 5 }, { op = "talk", teacher = "t", n = 2 }, { op = "rank" } ]
"""
STEPS = [
    "7491dc81c439ef231a5e934bff029889",
    "50a457f8316b884752d61072a4a93d6e",
    "57b1d8b362b5997b6e4b2c28eb4cfec7",
    "a077cb0f0419f5ca8a09531ee502d287",
    "1710365edc92a61a35b70b392dd8eb59",
]


def test_fingerprints_of_steps(
    project: Callable[[str], Project], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "source_hash", lambda kind: "")
    plan = make_plan(project(PIPELINE), "p", store)
    assert [plan.source_fingerprint, *(step.fingerprint for step in plan.steps), plan.fingerprint] == STEPS


def test_ledger_keys() -> None:
    request = Request((Message("user", "2 + 2? \u00b2"),), Sampling(max_tokens=5, extra={"a": [1, None]}), "d", 3)
    assert request.key("openai", "m", "") == "f76e7f7060848da3332a71f56ac782e7"
    assert (
        Request((Message("user", "q"),), schema={"type": "object"}).key("p", "m", "r")
        == "4852c6e36dcf2af1efed46e7a8477fad"
    )


def test_rows_are_processed_by_an_instance_that_never_planned(tmp_path: Path) -> None:
    tried = run_operator(
        "filter", [{"question": "a", "rv": 1.0}, {"question": "b", "rv": 5.0}], params={"where": "rv > 3"}
    )
    assert [row["question"] for row in tried.rows] == ["b"]

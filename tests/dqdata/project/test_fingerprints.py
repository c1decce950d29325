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


SPLIT = """
[pipelines.p]
from = { source = "counting", rows = 6 }
steps = [ { op = "split", shares = SHARES } ]
"""
CLASSES = """
[teachers.t]
provider = "parrot"
log = "unused.log"
[pipelines.p]
from = { source = "counting", rows = 6 }
steps = [ { op = "classify", judge = "t", classes = { CLASSES } } ]
"""


@pytest.mark.parametrize(
    ("usual", "others"),
    [
        ("{ train = 0.9, validation = 0.05, test = 0.05 }", ["{ validation = 0.05, train = 0.9, test = 0.05 }"]),
        ("{ train = 8, test = 1, dev = 1 }", ["{ train = 8, dev = 1, test = 1 }", "{ dev = 1, test = 1, train = 8 }"]),
        ("{ a = 0.5, b = 0.5 }", ["{ b = 0.5, a = 0.5 }"]),
        ("{ z = 0.6, a = 0.4 }", ["{ a = 0.4, z = 0.6 }"]),
        ("{ all = 1 }", []),
    ],
)
def test_the_order_of_shares_is_part_of_a_fingerprint_where_it_is_not_the_usual_one(
    project: Callable[[str], Project], store: Store, monkeypatch: pytest.MonkeyPatch, usual: str, others: list[str]
) -> None:
    def fingerprint(shares: str) -> str:
        return make_plan(project(SPLIT.replace("SHARES", shares)), "p", store).fingerprint

    found = [fingerprint(usual), *map(fingerprint, others)]
    assert len({*found}) == len(found)
    monkeypatch.setattr(planning, "orders", lambda params: {})  # as it was before orders counted
    assert fingerprint(usual) == found[0]


def test_the_order_of_classes_is_part_of_a_fingerprint(project: Callable[[str], Project], store: Store) -> None:
    found = {
        make_plan(project(CLASSES.replace("CLASSES", classes)), "p", store).fingerprint
        for classes in ('algebra = "x", sums = "y"', 'sums = "y", algebra = "x"', 'algebra = "y", sums = "x"')
    }
    assert len(found) == 3

"""The first operators and sources in whole runs: a real engine, a real store, an endpoint on loopback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.errors import ColumnError, DataError, QueryError
from dqdata.project.tables import Project, read_project

pytestmark = pytest.mark.usefixtures("kept_workers")

TEACHERS = """
[store]
path = "catalogs"
[teachers.small]
provider = "openai"
model = "small-1"
base_url = "URL"
[teachers.big]
provider = "openai"
model = "big-1"
base_url = "URL"
"""


@pytest.fixture
def project(tmp_path: Path, loopback) -> Callable[[str], Project]:
    def write(pipelines: str) -> Project:
        path = tmp_path / "pipelines.toml"
        path.write_text(TEACHERS.replace("URL", loopback.url) + pipelines)
        return read_project(path)

    return write


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "catalogs") as opened:
        yield opened


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    return pl.DataFrame(pl.from_arrow(store.query(sql).read_all())).to_dicts()


def solve(body: dict[str, Any]) -> str:
    """big-1 knows every sum; small-1 knows those with an even first number."""
    first, sign, second = re.search(r"(\d+) ([+-]) (\d+)", body["messages"][-1]["content"]).groups()
    value = int(first) + int(second) if sign == "+" else int(first) - int(second)
    right = body["model"] == "big-1" or int(first) % 2 == 0
    return f"So it is \\boxed{{{value if right else value + 1}}}."


CASCADE = """
[pipelines.sums]
from = "sums.jsonl"
steps = [
  { op = "generate", teachers = ["small", "big"], n = 2, temperature = 0.5, accept = "verify_math", want = 2 },
  { op = "filter", where = "correct", reason = "not_correct" },
  { op = "length" },
  { op = "dedup", column = ["question", "response"] },
  { op = "select", by = "output_tokens asc", k = 1 },
  { op = "to_messages" },
]
"""


def test_problems_to_chats_with_the_cheap_teacher_first(project, store, loopback, tmp_path):
    loopback.answer = solve
    lines = (f'{{"question": "What is {n} + {n + 1}?", "answer": {2 * n + 1}}}\n' for n in range(20))
    (tmp_path / "sums.jsonl").write_text("".join(lines))

    result = run_pipeline(project(CASCADE), "sums", store)
    assert (result.rows_in, result.rows_out) == (20, 20)
    assert result.calls["made"] == 20 * 2 + 10 * 2
    assert result.dropped == {"not_correct": 20, "duplicate": 20}
    made = rows(store, "select * from sums")
    assert {row["teacher"] for row in made if re.search(r"is \d*[02468] \+", row["question"])} == {"small-1"}
    assert {row["teacher"] for row in made if re.search(r"is \d*[13579] \+", row["question"])} == {"big-1"}
    chat = made[0]["messages"]
    assert [turn["role"] for turn in chat] == ["user", "assistant"]
    assert chat[1]["content"] == made[0]["response"] and made[0]["correct"] is True

    more = run_pipeline(project(CASCADE.replace("n = 2", "n = 3")), "sums", store)
    assert (more.calls["made"], more.calls["cached"]) == (20 + 10, 60)


def test_cut_off_answers_are_rejects_with_their_text(project, store, loopback, tmp_path):
    loopback.answer = solve
    loopback.finish_reason = "length"
    text = """
[pipelines.cut]
from = { source = "problems", rows = 5, kinds = ["arithmetic"], levels = [1] }
steps = [ { op = "generate", teacher = "big", prompt = "sum.md", max_tokens = 3, on_truncated = "retry" } ]
"""
    (tmp_path / "sum.md").write_text("1 + 1 is {{answer}}; {{question}}")
    result = run_pipeline(project(text), "cut", store)
    assert result.dropped == {"truncated": 5} and result.calls["made"] == 10
    reject = rows(store, "select row->>'response' as said, row->>'finish_reason' as why from cut__rejects")[0]
    assert reject["why"] == "length" and "\\boxed{" in reject["said"]
    assert {body["max_tokens"] for body in loopback.asked} == {3, 6}


@pytest.mark.parametrize(
    ("source", "steps", "error", "said"),
    [
        ('"sums.json"', "", DataError, "no file .*sums.json; did you mean 'sums.jsonl'"),
        ('"bad.jsonl"', "", DataError, r"bad\.jsonl line 2: not JSON"),
        ('"sums.jsonl"', '{ op = "filter", where = "levl = 1" }', ColumnError, r"step 1 \(filter\): .*'levl'"),
        ('"sums.jsonl"', '{ op = "filter", where = "level =" }', QueryError, r"step 1 \(filter\): .*syntax error"),
    ],
)
def test_what_is_wrong_stops_before_any_call(project, store, loopback, tmp_path, source, steps, error, said):
    (tmp_path / "sums.jsonl").write_text('{"question": "1 + 1?", "level": 1}\n')
    (tmp_path / "bad.jsonl").write_text('{"question": "1 + 1?"}\n{"question": \n')
    generate = '{ op = "generate", teacher = "small" }'
    loaded = project(f"[pipelines.p]\nfrom = {source}\nsteps = [ {steps}{',' if steps else ''} {generate} ]\n")
    with pytest.raises(error, match=said):
        run_pipeline(loaded, "p", store)
    assert not loopback.asked


def test_a_run_whose_rows_are_all_dropped_ends_in_an_empty_version_with_its_columns(project, store: Store) -> None:
    loaded = project(
        """
        [pipelines.p]
        from = { source = "problems", rows = 4 }
        steps = [
          { op = "filter", id = "none", where = "level > 99" },
          { op = "sample", rows = 2 },
          { op = "level", column = "level", at = [2, 4], into = "fit" },
          { op = "generate", teacher = "small" },
          { op = "dedup", column = "response" },
        ]
        """
    )
    result = run_pipeline(loaded, "p", store)
    assert (result.rows_out, result.dropped) == (0, {"filtered by level > 99": 4})
    assert {"fit", "response"} <= set(store.query("select * from p").read_all().column_names)

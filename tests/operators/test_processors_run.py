"""Processors in whole pipelines, against a real endpoint on loopback: accounting, ids, resuming, what is paid again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web
from loopback import Loopback

from dqdata.catalog import Store
from dqdata.engine.result import RunResult
from dqdata.engine.run import run_pipeline
from dqdata.errors import RunError
from dqdata.project.tables import read_project

pytestmark = pytest.mark.usefixtures("kept_workers")

Run = Callable[..., RunResult]

TEACHERS = """
[teachers.solver]
provider = "openai"
base_url = "URL"
model = "solver-1"
concurrency = 16
max_attempts = 1

[teachers.judge]
provider = "openai"
base_url = "URL"
model = "judge-1"
concurrency = 16
max_attempts = 1
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "catalogs") as opened:
        yield opened


@pytest.fixture
def run(tmp_path: Path, store: Store, loopback: Loopback) -> Run:
    """Runs the pipeline `p` of this text over 40 small problems."""
    problems = [{"question": f"Q{n}: what is {n} + {n}?", "answer": str(2 * n)} for n in range(40)]
    pl.DataFrame(problems).write_parquet(tmp_path / "problems.parquet")

    def go(steps: str, **more: Any) -> RunResult:
        text = TEACHERS.replace("URL", loopback.url) + f'\n[pipelines.p]\nfrom = "problems.parquet"\n{steps}\n'
        (tmp_path / "pipelines.toml").write_text(text)
        return run_pipeline(read_project(tmp_path / "pipelines.toml"), "p", store, **more)

    return go


def frame(store: Store, sql: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.query(sql).read_all()))


def number(body: dict[str, Any]) -> int:
    found = re.search(r"Q(\d+):", body["messages"][-1]["content"]) or re.search(
        r"Q(\d+):", json.dumps(body["messages"])
    )
    assert found is not None
    return int(found[1])


def answer(body: dict[str, Any]) -> str:
    """The solver: short, long and wrong traces. The critic: easy, hard or medium by the problem; one in ten unreadable.
    The rethinker: right, or for problems ending in 4 a changed answer each time."""
    n, asked = number(body), json.dumps(body["messages"])
    if body["model"] == "judge-1":
        if n % 10 == 9:
            return "I would call it medium."
        return json.dumps({"fit": ("easy", "medium", "hard")[n % 3]})
    if "Extend it" in asked or "Simplify it" in asked:
        total = 2 * n + (1 if n % 10 == 4 else 0)
        return f"We add the number to itself, as we are asked to do.\n\n{n} + {n} = {total}.\n\nThe answer is {total}."
    wrong = n % 5 == 2
    return f"{n} + {n} is what we want.\n\nThe answer is {2 * n + wrong}."


CRV = """
max_failed_rate = 0.5
steps = [
  { op = "generate", teacher = "solver" },
  { op = "verify_math" },
  { op = "critique", judge = "judge", student = "0.5B" },
  { op = "rethink", teacher = "solver", student = "0.5B", keep_parents = true },
]
"""


def test_critique_rethink_verify(run: Run, store: Store, loopback: Loopback) -> None:
    loopback.answer = answer
    result = run(CRV)
    rows = frame(store, "select * from p")
    unread, wrong = {9, 19, 29, 39}, {n for n in range(40) if n % 5 == 2}
    rewritten = {n for n in range(40) if n % 3 != 1} - wrong - unread
    lost = {n for n in rewritten if n % 10 == 4}
    assert result.failed == {"unparseable_judgement": len(unread)}
    assert result.dropped == {"answer_changed": len(lost)}
    stops = dict(rows["rewrite_stop"].value_counts().iter_rows())
    assert stops["rewritten"] == stops["parent"] == len(rewritten - lost)
    assert stops["gave_up"] == len(lost)
    assert stops["not_correct"] == len(wrong - unread)
    assert stops["fitting"] == len({n for n in range(40) if n % 3 == 1} - wrong - unread)
    assert rows["trace_id"].is_unique().all()
    children = rows.filter(pl.col("rewrite_stop") == "rewritten")
    assert children["correct"].all() and set(children["parent_id"]) <= set(rows["trace_id"])
    raw = frame(store, "select detail, row->>'question' as q from p__rejects where kind = 'failed'")
    assert raw.height and all("I would call it medium." in detail for detail in raw["detail"])


def test_pairs_of_what_was_rethought(run: Run, store: Store, loopback: Loopback) -> None:
    loopback.answer = answer
    steps = CRV.rstrip().removesuffix("]") + '  { op = "pairs", gaps = ["small"] },\n]\n'
    run(steps)
    pairs = frame(store, "select * from p")
    assert pairs.height > 10 and set(pairs["beta"]) == {0.1}
    for row in pairs.to_dicts():
        assert row["chosen"] != row["rejected"] and len(row["parent_ids"]) == 2


LONG_CODE = """We write a function that adds the two numbers, one after the other, and gives their sum back.

```python
def add(a, b):
    total = 0
    total = total + a
    total = total + b
    return total
```

It adds a, then b, so the result of the call is four. The answer is {answer}."""
SHORT_CODE = """We add the two numbers and give their sum back to the caller.

```python
def add(a, b):
    return a + b
```

The answer is 4."""


@pytest.mark.parametrize("op", ["shorten", "corrupt"])
def test_a_row_judged_by_one_verifier_goes_through_another(
    run: Run, store: Store, loopback: Loopback, tmp_path: Path, op: str
) -> None:
    rows = [
        {
            "problem_id": f"c{n}",
            "question": f"Write add, and call add(2, 2) ({n}).",
            "answer": "4",
            "tests": "assert add(2, 2) == 4",
            "reasoning": "",
            "response": LONG_CODE.format(answer=4 + n % 2),
        }
        for n in range(4)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "problems.parquet")
    loopback.answer = lambda body: SHORT_CODE if op == "shorten" else LONG_CODE.replace("+ b", "- b").format(answer=0)
    more = ", ratio = 0.6" if op == "shorten" else ""
    run(
        f'steps = [ {{ op = "verify_math" }}, {{ op = "{op}", teacher = "solver", verifier = "verify_code"{more} }} ]\n'
        "max_failed_rate = 1.0"
    )
    made = frame(store, "select * from p")
    others = made.filter(pl.col("parent_id").is_null())
    assert others["tests_passed"].to_list() == [None] * (2 if op == "shorten" else 4)
    if op == "shorten":
        assert made.filter(pl.col("parent_id").is_not_null())["tests_passed"].to_list() == [1, 1]


GRADE = """
steps = [
  { op = "generate", teacher = "solver" },
  { op = "length" },
  { op = "length_scale" },
  { op = "grade", judge = "judge"MORE },
]
"""


def grades(body: dict[str, Any]) -> str:
    return answer(body) if body["model"] == "solver-1" else json.dumps({"rv": number(body) % 10, "cd": 2})


def test_a_changed_grading_prompt_pays_for_grading_alone(run: Run, loopback: Loopback, tmp_path: Path) -> None:
    loopback.answer = grades
    first = run(GRADE.replace("MORE", ""))
    assert first.calls["made"] == 80
    (tmp_path / "mine.md").write_text("{{problem}}\n\nGrade this otherwise: {{trace}}")
    second = run(GRADE.replace("MORE", ', prompt = "mine.md"'))
    assert second.version != first.version
    assert second.calls["made"] == 40
    (tmp_path / "mine.md").write_text("{{problem}}\n\nGrade this once more otherwise: {{trace}}")
    assert run(GRADE.replace("MORE", ', prompt = "mine.md"')).calls["made"] == 40


def test_more_votes_pay_for_the_new_ones(run: Run, loopback: Loopback) -> None:
    loopback.answer = grades
    run(GRADE.replace("MORE", ", votes = 2"))
    assert run(GRADE.replace("MORE", ", votes = 3")).calls["made"] == 40


def test_an_interrupted_grading_goes_on(run: Run, store: Store, loopback: Loopback) -> None:
    asked: list[int] = []

    def dies(body: dict[str, Any]) -> Any:
        if body["model"] == "judge-1":
            asked.append(number(body))
            if len(asked) > 15:
                return web.HTTPUnauthorized(text="no more")
        return grades(body)

    loopback.answer = dies
    with pytest.raises(RunError):
        run(GRADE.replace("MORE", ""))
    loopback.answer = grades
    done = run(GRADE.replace("MORE", ""))
    assert done.rows_out == 40
    assert done.calls["made"] <= 25 + 16
    assert [row["rv_judge"] for row in frame(store, "select * from p order by question").to_dicts()] == [
        float(int(re.findall(r"Q(\d+)", row["question"])[0]) % 10)
        for row in frame(store, "select * from p order by question").to_dicts()
    ]


def test_mix_pass_rate_and_curriculum_in_one_pipeline(run: Run, store: Store, loopback: Loopback) -> None:
    loopback.answer = grades
    steps = GRADE.replace("MORE", "").rstrip().removesuffix("]") + (
        '  { op = "pass_rate", student = "solver", n = 4, temperature = 1.0 },\n'
        '  { op = "level", column = "pass_rate", at = [0.25, 0.75], labels = ["hard", "medium", "easy"] },\n'
        '  { op = "mix", cd_limit = 5, rows = 20, bins = [{ cd = [0, 5] }] },\n'
        '  { op = "curriculum", by = "-pass_rate", stages = 2, replay = 0.2 },\n]\n'
    )
    result = run(steps)
    assert result.rows_out == 20 and result.dropped == {"quota": 20}
    rows = frame(store, "select * from p")
    assert set(rows["level"]) <= {"easy", "hard"} and set(rows["stage"]) == {1, 2}


def test_expand_then_balance(run: Run, store: Store, loopback: Loopback) -> None:
    def new(body: dict[str, Any]) -> str:
        n = number(body)
        if body["model"] == "judge-1":
            return json.dumps({"class": "math" if n % 4 else "logic"})
        return f"A train with {n} cars passes Q{n}: while the {'old ' * (n % 3)}keeper counts how many wheels went by?"

    loopback.answer = new
    result = run(
        'steps = [ { op = "expand", teacher = "solver" }, { op = "classify", judge = "judge" }, { op = "balance" } ]'
    )
    rows = frame(store, "select * from p")
    assert result.rows_out == rows.height == 20
    assert (
        rows["answer"].is_null().all() and rows["seed_id"].is_not_null().all() and rows["problem_id"].is_unique().all()
    )

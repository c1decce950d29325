"""`[[pipelines.NAME.checks]]`: a version whose checks failed is kept by number and is not `@latest`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store

pytestmark = pytest.mark.usefixtures("kept_workers")
Invoke = Callable[..., Any]

PIPELINE = """
[pipelines.problems]
from = "problems.jsonl"
steps = [ { op = "filter", where = "level < LIMIT" } ]
CHECKS
[pipelines.hard]
from = "problems"
steps = [ { op = "filter", where = "level > 1" } ]
"""


@pytest.fixture
def dqdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    monkeypatch.chdir(tmp_path)
    return command_line


def write(*checks: str, limit: int = 4, rows: int = 20) -> None:
    problems = [{"question": f"How much is {n} + 1?", "answer": str(n + 1), "level": n % 5} for n in range(rows)]
    Path("problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    tables = "".join(f"[[pipelines.problems.checks]]\n{check}\n" for check in checks)
    Path("pipelines.toml").write_text(PIPELINE.replace("LIMIT", str(limit)).replace("CHECKS", tables))


ENOUGH = 'name = "enough"\nexpect = "count(*) >= 15"'
LEVELS = 'name = "levels"\nexpect = "level between 0 and 3"'


def test_a_failed_check_keeps_the_version_by_number_alone(dqdata: Invoke) -> None:
    write(ENOUGH, LEVELS)
    assert dqdata("run", "problems", "-q").code == 0
    write(ENOUGH, LEVELS, limit=2)
    failed = dqdata("run", "problems", "-q")
    assert failed.code == 1 and "error[checks-failed]: problems@2 was committed" in failed.error
    assert "enough (error): 1 wrong, such as not count(*) >= 15" in failed.error
    count = "select count(*) as n from"
    assert json.loads(dqdata("sql", f"{count} problems", "--json").out)["rows"] == [{"n": 16}]
    assert json.loads(dqdata("sql", f"{count} problems@latest", "--json").out)["rows"] == [{"n": 16}]
    assert json.loads(dqdata("sql", f"{count} problems@2", "--json").out)["rows"] == [{"n": 8}]
    assert "checks failed" in dqdata("log", "problems").out.splitlines()[1]
    held = [version["held"] for version in json.loads(dqdata("log", "problems", "--json").out)["versions"]]
    assert held == [False, True]
    stored = json.loads(
        dqdata("sql", "select name, passed, wrong from dq_checks where version = 2 order by name", "--json").out
    )
    assert stored["rows"] == [
        {"name": "enough", "passed": False, "wrong": 1},
        {"name": "levels", "passed": True, "wrong": 0},
    ]
    assert dqdata("run", "hard", "-q").code == 0
    with Store.open(Path("catalogs"), read_only=True) as store:
        assert store.version("hard", 1).recipe["inputs"] == ["problems@1"]
    again = dqdata("run", "problems", "-q")
    assert again.code == 1 and "problems@2" in again.error
    built = dqdata("build", "hard", "-q")
    assert built.code == 1 and "checks-failed" in built.error


def test_a_corrected_check_releases_the_version_without_a_new_run(dqdata: Invoke) -> None:
    write(ENOUGH, limit=2)
    assert dqdata("run", "problems", "-q").code == 1
    refused = dqdata("sql", "from problems")
    assert refused.code == 2 and "no version of problems passed its checks" in refused.error
    assert dqdata("run", "hard", "-q").code == 2
    write(ENOUGH.replace("15", "5"), limit=2)
    done = dqdata("run", "problems", "-q")
    assert done.code == 0 and "nothing ran" in done.out and "1 of 1 passed" in done.out
    assert dqdata("sql", "from problems").code == 0
    write(ENOUGH, limit=2)
    assert dqdata("run", "problems", "-q").code == 1
    write(limit=2)
    assert dqdata("run", "problems", "-q").code == 0 and dqdata("sql", "from problems").code == 0


def test_warnings_queries_rejects_and_errors_while_evaluating(dqdata: Invoke) -> None:
    write(
        'name = "no_rejects"\nseverity = "warning"\nquery = "select row_key, reason from rejects"',
        'name = "rare"\nseverity = "warning"\nquery = "select level from result group by all having count(*) > 3"',
        'name = "numbers"\nseverity = "warning"\nexpect = "min((question || \'x\')::int) > 0"',
        'name = "null_is_no_yes"\nseverity = "warning"\nexpect = "max(nullif(level, level)) > 0"',
    )
    done = dqdata("run", "problems", "-q", "--json")
    assert done.code == 0
    found = {one["name"]: one for one in json.loads(done.out)["checks"]}
    assert found["no_rejects"]["wrong"] == 4 and "row_key" in found["no_rejects"]["detail"]
    assert found["rare"]["wrong"] == 4 and found["numbers"]["wrong"] is None
    assert "Could not convert" in found["numbers"]["detail"] and not found["null_is_no_yes"]["passed"]
    assert dqdata("sql", "from problems").code == 0
    assert "0 of 4 passed" in dqdata("run", "problems", "-q", "--force").out


def test_a_trial_is_not_held_back(dqdata: Invoke) -> None:
    write(ENOUGH)
    tried = dqdata("run", "problems", "-q", "--limit", "5")
    assert tried.code == 0 and "warning  enough" in tried.out
    assert dqdata("sql", "from problems__first_5").code == 0


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ('name = "x"\nexpect = "count(*)"', "BIGINT, not true or false"),
        ('name = "x"\nexpect = "no_column > 1"', "no_column"),
        ('name = "x"\nquery = "select * from elsewhere"', "elsewhere"),
        ('name = "x"\nquery = "delete from result"', "one query"),
        ('name = "x"\nquery = "select * from read_csv(\'/etc/passwd\')"', "read_csv"),
        ('name = "x"', "needs `expect` or `query`"),
        ('name = "x"\nexpect = "true"\nquery = "from result"', "and not both"),
        ('name = "x"\nexpect = "true"\nseverity = "fatal"', "severity"),
        ('expect = "true"', "name"),
        ('name = "a b"\nexpect = "true"', "a letter first"),
        ('name = "x"\nexpect = "true"\nexpects = "true"', "expects"),
        (f"{ENOUGH}\n[[pipelines.problems.checks]]\n{ENOUGH}", "two checks are named"),
    ],
)
def test_a_check_that_is_wrong_is_found_before_a_row_is_read(dqdata: Invoke, check: str, said: str) -> None:
    write(check)
    refused = dqdata("check")
    assert refused.code in (1, 2) and said in refused.out + refused.error, refused.out + refused.error
    assert "[pipelines.problems]" in refused.out + refused.error

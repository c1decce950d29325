from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dqdata.cli import main
from dqdata.errors import ColumnError, PluginError, ProjectError
from dqdata.project.check import NoStore, check_project, plans_ahead
from dqdata.project.graph import build_order, tables_in
from dqdata.project.instances import make_teacher
from dqdata.project.plan import Plan, make_plan
from dqdata.project.recipe import recipe
from dqdata.project.tables import Project

Write = Callable[[str], Project]

PARROT = '[teachers.parrot]\nprovider = "parrot"\nlog = "LOG"\n'


def planned(project: Project, name: str = "p") -> Plan:
    return make_plan(project, name, NoStore())


def steps(text: str) -> str:
    return PARROT + f'[pipelines.p]\nfrom = {{ source = "counting", rows = 1000 }}\nsteps = [ {text} ]'


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ('{ op = "tlk" }', PluginError, r"step 1 \(tlk\): no operator 'tlk'; did you mean 'talk'\? `dqdata ops"),
        (
            '{ op = "talk", techer = "parrot" }',
            ProjectError,
            r"unknown parameter 'techer'; did you mean 'teacher'",
        ),
        (
            '{ op = "talk", teacher = "parot" }',
            ProjectError,
            r"no teacher 'parot'; did you mean 'parrot'\? \(have: parrot\)",
        ),
        (
            '{ op = "talk", teacher = "parrot", n = "x" }',
            ProjectError,
            "parameter 'n': Input should be a valid integer",
        ),
        (
            '{ op = "talk", teacher = "parrot" }, { op = "merge" }, { op = "rank" }',
            ColumnError,
            r"step 3 \(rank\): needs column 'number'",
        ),
        ('{ op = "broken_import" }', PluginError, "of dqdata-thirdparty 1.0 can't be imported: ModuleNotFoundError"),
    ],
)
def test_a_wrong_step_is_found_with_its_place(project: Write, text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        planned(project(steps(text)))


def test_unknown_pipelines_and_environment(project: Write) -> None:
    with pytest.raises(ProjectError, match=r"no pipeline 'q'; did you mean 'pq'|no pipeline 'q' \(have: p\)"):
        planned(project(steps("")), "q")
    text = steps('{ op = "talk", teacher = "parrot" }').replace(
        'log = "LOG"', 'log = "LOG"\nmodel = { env = "NOT_SET" }'
    )
    with pytest.raises(ProjectError, match=r"\[teachers.parrot\]: environment variable 'NOT_SET' isn't set"):
        planned(project(text))


def test_columns_segments_and_estimates(project: Write) -> None:
    plan = planned(project(steps('{ op = "talk", teacher = "parrot", n = 4 }, { op = "rank" }, { op = "hang" }')))
    assert [[step.spec.id for step in segment.steps] for segment in plan.segments] == [["talk"], ["rank"], ["hang"]]
    assert list(plan.after) == [
        "problem_id",
        "question",
        "number",
        "trace_id",
        "response",
        "ledger_key",
        "above",
        "copy",
    ]
    calls = plan.calls()["parrot"]
    assert (calls.calls, calls.input_tokens, calls.output_tokens) == (4000, 40_000, 80_000)


def test_a_fingerprint_follows_the_result_and_nothing_else(project: Write) -> None:
    def of(text: str) -> str:
        return planned(project(steps(text))).fingerprint

    base = of('{ op = "talk", teacher = "parrot", n = 2 }')
    assert of('{ op = "talk", id = "other", teacher = "parrot", n = 2 }') == base
    assert of('{ op = "talk", teacher = "parrot", n = 3 }') != base
    renamed = (
        steps('{ op = "talk", teacher = "parrot", n = 2 }')
        .replace("parrot]", "bird]")
        .replace('teacher = "parrot"', 'teacher = "bird"')
    )
    assert planned(project(renamed)).fingerprint == base
    other = steps('{ op = "talk", teacher = "parrot", n = 2 }').replace(
        'log = "LOG"', 'log = "LOG"\nmodel = "parrot-2"'
    )
    assert planned(project(other)).fingerprint != base
    seeded = steps('{ op = "talk", teacher = "parrot", n = 2 }').replace("steps =", "seed = 7\nsteps =")
    assert planned(project(seeded)).fingerprint != base


def test_pipelines_are_checked_in_the_order_they_feed_each_other(project: Write) -> None:
    loaded = project(
        PARROT + '[pipelines.second]\nfrom = "select *, number + 1 as more from first"\nsteps = [ { op = "rank" } ]\n'
        '[pipelines.first]\nfrom = { source = "counting", rows = 5 }\nsteps = [ { op = "picky" } ]\n'
    )
    assert check_project(loaded, NoStore()) == ([], ["first", "second"])
    assert "more" in plans_ahead(loaded, ["second"], NoStore())["second"].after
    wrong = project(
        '[pipelines.second]\nfrom = "select nmber from first"\n'
        '[pipelines.first]\nfrom = { source = "counting", rows = 5 }\n'
    )
    problems, _ = check_project(wrong, NoStore())
    assert len(problems) == 1
    assert "[pipelines.second] from" in problems[0]
    assert "nmber" in problems[0]


def test_every_problem_is_reported_at_once(project: Write) -> None:
    loaded = project(
        '[pipelines.a]\nfrom = { source = "counting", rows = 5 }\nsteps = [ { op = "nothing" } ]\n'
        '[pipelines.b]\nfrom = { source = "counting", row = 5 }\n'
    )
    problems, _ = check_project(loaded, NoStore())
    assert len(problems) == 2


def test_a_cycle_is_named(project: Write) -> None:
    loaded = project('[pipelines.a]\nfrom = "select * from b"\n[pipelines.b]\nfrom = "a@latest"\n')
    with pytest.raises(ProjectError, match="a cycle: (a -> b -> a|b -> a -> b)"):
        build_order(loaded)


@pytest.mark.parametrize(
    "second",
    ['from = "a@1"', 'from = "select * from a@2 where n > 1"', 'from = "select * from a@1 join a@2 using (n)"'],
)
def test_an_earlier_version_of_its_own_catalog_is_no_cycle(project: Write, second: str) -> None:
    first = '[pipelines.a]\nfrom = { source = "counting", rows = 5 }\n'
    shorter = '[pipelines.shorter]\ninto = "a"\nfrom = "a@2"\n'
    assert build_order(project(f'{first}[pipelines.b]\ninto = "a"\n{second}\n{shorter}')) == ["a", "b", "shorter"]
    student = '[trainers.s]\nkind = "sft"\ndata = "a@1"\nmodel = "trained:s@1"\n'
    assert build_order(project(first + student)) == ["a", "s"]


@pytest.mark.parametrize("newest", ["a", "a@latest", "select * from a@1 union all by name select * from a"])
def test_the_newest_version_of_its_own_catalog_is_a_cycle(project: Write, newest: str) -> None:
    with pytest.raises(ProjectError, match="a cycle: b -> b"):
        build_order(project(f'[pipelines.b]\ninto = "a"\nfrom = "{newest}"\n'))


def test_a_cycle_through_a_trained_teacher_is_named(project: Write) -> None:
    loaded = project(
        '[teachers.own]\nprovider = "parrot"\nlog = "LOG"\nmodel = "trained:student@1"\n'
        '[pipelines.a]\nfrom = { source = "counting", rows = 5 }\nsteps = [ { op = "talk", teacher = "own" } ]\n'
        '[trainers.student]\nkind = "sft"\ndata = "a@latest"\nmodel = "m"\n'
    )
    with pytest.raises(ProjectError, match="a cycle"):
        build_order(loaded)


def test_tables_of_sql_are_found_without_their_versions() -> None:
    assert tables_in("with x as (from a@3) select * from x join \"b\"@latest using (id) where c = 'd@2'") == {"a", "b"}


@pytest.mark.parametrize(
    ("query", "all_tables", "without_fixed"),
    [
        ('with x as (from a@3) select * from x join "b"@latest using (id)', {"a", "b"}, {"b"}),
        ("select 1 from p@2 -- from q@3", {"p"}, set()),
        ("from P@LATEST where e = 'it''s z@9'", {"p"}, {"p"}),
        ("from data@1 join order_x using (id)", {"data", "order_x"}, {"order_x"}),
        ('from "a@3" union all by name from p__rejects@1', {"a", "p__rejects"}, set()),
        ("select broken from (", set(), set()),
    ],
)
def test_reads_of_fixed_versions_are_told_apart(query: str, all_tables: set[str], without_fixed: set[str]) -> None:
    assert (tables_in(query), tables_in(query, fixed=False)) == (all_tables, without_fixed)


def test_a_plan_makes_no_call_and_writes_nothing(project: Write, tmp_path: Path) -> None:
    plan = planned(project(steps('{ op = "talk", teacher = "parrot" }')))
    assert recipe(replace(plan), Path())["teachers"] == {
        "parrot": {"provider": "parrot", "model": "parrot-1", "revision": ""}
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipelines.toml"]


BOUGHT = """
[teachers.r1]
provider = "openai"
model = "r1"
price = {{ input = 1.0, output = 2.0 }}
{teacher}
[pipelines.p]
from = {{ source = "problems", rows = 3 }}
{pipeline}
steps = [ {{ op = "generate", teacher = "r1"{step} }} ]
"""


@pytest.mark.parametrize("budget", ["budget_usd = 1.0", "budget_tokens = 1000"])
def test_a_budget_needs_answers_that_end(project: Write, budget: str) -> None:
    with pytest.raises(
        ProjectError, match=r"step 1 \(generate\): .* nothing bounds .* 'r1': give the step `max_tokens`"
    ):
        planned(project(BOUGHT.format(teacher="", pipeline=budget, step="")))
    planned(project(BOUGHT.format(teacher="", pipeline=budget, step=", max_tokens = 100")))
    planned(project(BOUGHT.format(teacher="context_tokens = 4096", pipeline=budget, step="")))
    planned(project(BOUGHT.format(teacher="", pipeline="", step="")))


def test_paths_of_a_teacher_begin_at_the_project(
    project: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
[teachers.r1]
provider = "replay"
model = "r1"
ledger = "old/ledger.sqlite"
[teachers.small]
provider = "llamacpp"
model = "models/small.gguf"
[teachers.bundled]
provider = "llamacpp"
"""
    made = project(text)
    (made.root / "models").mkdir()
    (made.root / "models" / "small.gguf").touch()
    (made.root / "old").mkdir()
    (made.root / "old" / "ledger.sqlite").touch()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    replay, small, bundled = (
        make_teacher(made.teachers[name], NoStore()).params for name in ("r1", "small", "bundled")
    )
    assert replay.ledger == str(made.root / "old" / "ledger.sqlite")
    assert replay.store == made.root / "catalogs"
    assert small.model == str(made.root / "models" / "small.gguf")
    assert bundled.model == "smollm2-135m"


def test_the_first_example_of_the_readme_is_counted_and_priced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (tmp_path / "pipelines.toml").write_text(readme.partition("```toml\n")[2].partition("```")[0])
    question = "Tom has 5 apples and eats one of them. How many are left? " * 8
    lines = "".join(json.dumps({"question": f"{n}: {question}", "answer": "4"}) + "\n" for n in range(1000))
    (tmp_path / "problems.jsonl").write_text(lines)
    monkeypatch.delenv("R1_API_KEY", raising=False)
    assert main(["plan", "slow_thinking", "-p", str(tmp_path / "pipelines.toml"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    [teacher] = report["teachers"]
    assert (report["rows"], teacher["calls"]) == (1000, 4000)
    assert 4000 * 100 < teacher["input_tokens"] < 4000 * 300, "about 120 tokens a question, and the prompt"
    assert report["cost_usd"] == pytest.approx(teacher["output_tokens"] * 2.19e-6 + teacher["input_tokens"] * 0.55e-6)
    assert main(["check", "-p", str(tmp_path / "pipelines.toml")]) != 0, "the key is not set"
    assert "R1_API_KEY" in capsys.readouterr().err

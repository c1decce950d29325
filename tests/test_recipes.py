"""The recipes of the repository's own project in profile tiny: each step does what it is there for, in a shown run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kept_workers import kept_pool

from dqdata.catalog import Store
from dqdata.engine.forecast import forecast
from dqdata.engine.run import run_pipeline
from dqdata.project.check import NoStore, plans_ahead
from dqdata.project.graph import build_order
from dqdata.project.tables import Project, read_project
from dqdata.training.leaks import find_leaks

ROOT = Path(__file__).resolve().parents[1]


class Built(NamedTuple):
    project: Project
    store: Store

    def values(self, query: str) -> list[object]:
        return [row[0] for row in self.rows(query)]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return [tuple(row.values()) for row in self.store.query(query).read_all().to_pylist()]


def _copied(folder: Path) -> None:
    for name in ("prompts", "examples/tiny"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pipelines.toml", folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """All pipelines of the profile, made in their order."""
    folder = tmp_path_factory.mktemp("recipes")
    _copied(folder)
    project = read_project(folder / "pipelines.toml", "tiny")
    with Store.open(project.store) as store:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dqdata.engine.runtime.Pool", kept_pool)
            for name in build_order(project):
                if name in project.pipelines and not name.startswith("quickstart"):
                    run_pipeline(project, name, store)
        yield Built(project, store)


@pytest.mark.parametrize(
    ("catalog", "step", "reasons"),
    [
        ("problems", "dedup", {"duplicate"}),
        ("problems", "decontaminate", {"contaminated_exact"}),
        ("slow_traces", "generate", {"truncated"}),
        ("slow_thinking", "critique", {"unparseable_judgement"}),
        ("slow_thinking", "rethink", {"answer_changed", "program_fails", "no_program"}),
        ("slow_thinking", "dedup", {"duplicate"}),
        ("slow_pairs", "pairs", {"unpaired"}),
        ("adaptive_x", "filter", {"not_correct"}),
        ("adaptive_x", "select", {"too_few"}),
        ("adaptive_x", "grade", {"unparseable_judgement"}),
        ("adaptive_x", "mix", {"cd_limit", "per_problem"}),
        ("adaptive_y_0528", "filter", {"not_correct"}),
        ("adaptive_y", "dedup", {"duplicate"}),
        ("adaptive_y", "mix", {"cd_limit", "per_problem"}),
        ("adaptive_y", "adapt", {"too_long"}),
        ("reward_graded", "grade", {"unparseable_judgement"}),
        ("long2short", "shorten", {"answer_changed", "wrong_length", "program_fails"}),
        ("long2short", "select", {"not_selected"}),
        ("tapir_1", "filter", {"teacher_fails"}),
        ("tapir_2", "filter", {"teacher_fails"}),
        ("instruct", "expand", {"near_duplicate"}),
        ("instruct", "balance", {"balance"}),
        ("instruct", "majority", {"no_majority"}),
        ("instruct", "filter", {"not_correct"}),
        ("instruct", "select", {"not_selected"}),
        ("import_open", "filter", {"not_correct"}),
        ("import_open", "dedup", {"duplicate"}),
        ("import_open", "mix", {"cd_limit", "per_problem"}),
    ],
)
def test_the_step_drops_rows_for_its_reasons(built: Built, catalog: str, step: str, reasons: set[str]) -> None:
    assert reasons <= set(built.values(f"select distinct reason from {catalog}__rejects where step = '{step}'"))


@pytest.mark.parametrize(
    ("catalog", "column", "values"),
    [
        ("problems", "pool", {"sft", "reward", "rl"}),
        ("slow_traces", "verdict", {"correct", "incorrect", "unverifiable"}),
        ("slow_fit", "fit", {"easy", "medium", "hard", None}),
        ("slow_fit", "rewrite", {"extend", "simplify", None}),
        ("slow_fit", "rewrite_stop", {"rewritten", "parent", "fitting"}),
        ("slow_thinking", "rewrite", {"extend", "simplify", None}),
        ("slow_thinking", "unnest(stages)", {1, 2}),
        ("slow_pairs", "gap", {"small", "medium", "large"}),
        ("slow_pairs", "beta", {0.1, 0.2, 0.5}),
        ("adaptive_x", "judge_verdict", {"correct", None}),
        ("adaptive_x", "process_valid", {True, False}),
        ("adaptive_x", "teacher", {"r1", "qwq"}),
        ("adaptive_y", "mode", {"none", "short", "long"}),
        ("adaptive_y", "teacher", {"r1", "qwq", "r1_0528"}),
        ("reward_graded", "correct", {True, False}),
        ("instruct", "task", {"arithmetic", "story"}),
    ],
)
def test_every_branch_occurs(built: Built, catalog: str, column: str, values: set[object]) -> None:
    assert values <= set(built.values(f"select distinct {column} from {catalog}"))


def test_the_page_shows_what_each_step_did(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import recipes

    page = recipes.PAGE.read_text(encoding="utf-8")
    found = recipes.written(page, recipes.table(built.project, built.store))
    texts = [re.sub(r"\d+", "N", text) for text in (found, page)]
    assert texts[0] == texts[1], "run `python docs/recipes.py`"
    assert not re.search(r"\| - \| (?:-|0 of [^|]*) \|", page), "a step that changes no row"


@pytest.mark.parametrize(
    ("catalog", "column", "values"),
    [
        ("problems", "pool", {"sft", "reward", "rl"}),
        ("rated", "pass_rate", {0.0, 0.5, 1.0}),
        ("slow_traces", "verdict_reason", {"passed", "failed", "no_code"}),
        ("slow_thinking", "correct", {True}),
        ("slow_fit", "rewrite", {"extend", "simplify", None}),
        ("slow_pairs", "gap", {"small", "medium", "large"}),
        ("adaptive_x", "teacher", {"r1", "qwq"}),
        ("adaptive_y", "mode", {"none", "long"}),
        ("reward_graded", "correct", {True, False}),
        ("rl_problems", "pass_rate", {0.5}),
        ("long2short", "rewrite_stop", {"rewritten"}),
    ],
)
def test_programs_go_through_every_series(built: Built, catalog: str, column: str, values: set[object]) -> None:
    programs = "problem_id in (select problem_id from problems where answer_type = 'code')"
    assert values <= set(built.values(f"select distinct {column} from {catalog} where {programs}"))


def test_a_rewritten_trace_of_a_program_ends_with_one(built: Built) -> None:
    rows = built.values("select reasoning from slow_fit where answer_type = 'code' and rewrite is not null")
    assert rows and all(str(text).rstrip().endswith("```") for text in rows)


@pytest.mark.parametrize("name", ["adaptive_x", "adaptive_y"])
def test_pass_rates_give_the_limit_of_difficulty(built: Built, name: str) -> None:
    """Traces that are left are no more difficult than what the student sometimes solves."""
    kept = built.values(f"select max(round(cd)) from {name}")[0]
    gone = built.values(
        f"select min(round((\"row\"->>'$.cd')::double)) from {name}__rejects where reason = 'cd_limit'"
    )[0]
    assert isinstance(kept, float) and isinstance(gone, float) and kept < 9
    assert built.values(f"select count(*) > 0 from {name} where pass_rate is not null") == [True]


@pytest.mark.parametrize(
    ("profile", "lacks"),
    [("small", "missing-extra"), ("cpu", "missing-file")],
)
def test_profiles_for_one_gpu_and_for_none_are_valid(
    tmp_path: Path, command_line: Callable[..., Any], profile: str, lacks: str
) -> None:
    """Nothing is wrong but what a machine may lack: vLLM, the model's file."""
    _copied(tmp_path)
    done = command_line("check", "slow_cogpo", "adaptive_y_sft", "-p", tmp_path, "--profile", profile, "--json")
    assert set(json.loads(done.out)["codes"]) <= {lacks}


def test_undecided_answers_were_judged(built: Built) -> None:
    judged = "select distinct json_extract_string(\"row\", '$.judge_verdict') from adaptive_x__rejects"
    assert {"incorrect", "undecided"} <= set(built.values(judged))


def test_unreadable_judgements_were_repaired(built: Built) -> None:
    """A critic that answered in prose at first has judged more rows than it lost."""
    kept = built.values("select count(*) from slow_fit where fit_agreement is not null")
    lost = built.values("select count(*) from slow_fit__rejects where reason = 'unparseable_judgement'")
    assert kept > lost


def test_pass_rates_choose_prompts(built: Built) -> None:
    """Problems that the student always, sometimes and never solves; `difficulty` of the trainer keeps those between."""
    rates = set(built.values("select pass_rate from rl_problems"))
    assert {0.0, 1.0} < rates
    for name in ("reward_grpo", "pairs_grpo"):
        difficulty = built.project.trainer(name).params["difficulty"]
        assert 0 < difficulty["min"] < difficulty["max"] < 1, "the profile tiny chooses too"
        between = f"pass_rate between {difficulty['min']} and {difficulty['max']}"
        assert built.values(f"select count(*) > 1 from rl_problems where {between}") == [True]


def test_the_second_round_of_tapir_asks_for_harder_problems(built: Built) -> None:
    rates = [built.values(f"select max(pass_rate) from tapir_{number}")[0] for number in (1, 2)]
    assert isinstance(rates[0], float) and isinstance(rates[1], float) and rates[1] <= rates[0] < 0.75


def test_full_plans_the_sizes_of_the_paper(tmp_path: Path) -> None:
    """743,000 problems; 105,000 traces for series 1; three traces a problem for X, some 2 million right ones; 365,000
    more for Y; all with prices."""
    names = ["slow_traces", "adaptive_x_r1", "adaptive_x_qwq", "adaptive_y_0528"]
    with pytest.MonkeyPatch.context() as patch:
        for key in ("R1_API_KEY", "QWQ_API_KEY"):
            patch.setenv(key, "k")
        _copied(tmp_path)
        project = read_project(tmp_path / "pipelines.toml", "full")
        plans = plans_ahead(project, names, NoStore())
        calls = {}
        for name in names:
            made = forecast(plans[name], project, NoStore())
            [teacher] = made.teachers.values()
            calls[name] = teacher.expected.calls
            assert made.cost_usd and made.most_usd and made.cost_usd < made.most_usd
    problems = 743_000 + len((ROOT / "examples/tiny/programs.jsonl").read_text(encoding="utf-8").splitlines())
    assert plans["problems"].rows == problems
    assert calls == {
        "slow_traces": 105_000,
        "adaptive_x_r1": 2 * problems,
        "adaptive_x_qwq": problems,
        "adaptive_y_0528": 365_000,
    }


def test_the_verbosity_of_what_is_kept_is_nearer_to_its_target(built: Built) -> None:
    """`mix` selects toward RV*(CD): of problems with a choice, the kept traces are nearer than the dropped ones."""
    far = "avg(abs({}::double - (1 + {}::double * 7 / 9)))"
    kept = built.values(f"select {far.format('rv', 'cd')} from adaptive_x")[0]
    rejected = far.format("(\"row\"->>'$.rv')", "(\"row\"->>'$.cd')")
    dropped = built.values(f"select {rejected} from adaptive_x__rejects where reason = 'per_problem'")[0]
    assert isinstance(kept, float) and isinstance(dropped, float)
    assert kept < dropped


def test_a_pair_shows_where_both_sides_come_from(built: Built) -> None:
    rows = built.rows(
        "select chosen_fit, chosen_rewrite, rejected_fit, chosen_parent_id from slow_pairs where gap = 'small'"
    )
    assert {(fit, rewrite, parent is not None) for fit, rewrite, _, parent in rows} == {
        ("medium", None, False),
        (None, "extend", True),
        (None, "simplify", True),
    }
    assert {fit for _, _, fit, _ in rows} == {"easy", "hard"}
    used = "select unnest(parent_ids) as id from slow_pairs"
    known = "select trace_id from slow_fit union all select trace_id from slow_traces"
    assert built.values(f"select count(*) from ({used}) where id not in ({known})") == [0]


def test_no_problem_is_on_two_sides_of_a_line(built: Built) -> None:
    found = find_leaks(built.project, built.store)
    assert [str(leak) for leak in found.leaks] == []
    assert [line for line in found.unchecked if not line.startswith("quickstart")] == []

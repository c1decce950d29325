from __future__ import annotations

from pathlib import Path

import pytest

from dqdata.errors import ProjectError
from dqdata.project.pipeline_table import source_of
from dqdata.project.reading import find_project
from dqdata.project.tables import read_project


def read(tmp_path: Path, text: str) -> str:
    """The error that a pipelines.toml gives."""
    path = tmp_path / "pipelines.toml"
    path.write_text(text)
    with pytest.raises(ProjectError) as caught:
        read_project(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[pipelnes.x]\na = 1", "unknown table 'pipelnes'; did you mean 'pipelines'?"),
        ("[sandbox]\nmode = 'maybe'", "pipelines.toml [sandbox]: key 'mode': Input should be 'auto', 'bwrap'"),
        ("[store]\npth = 'x'", "pipelines.toml [store]: unknown key 'pth'; did you mean 'path'?"),
        (
            "[pipelines.x]\nfrom = 'a'\nbudget_us = 1",
            "[pipelines.x]: unknown key 'budget_us'; did you mean 'budget_usd'?",
        ),
        ("[pipelines.x]\nfrom = 'a'\nbudget_usd = -1", "key 'budget_usd': Input should be greater than 0, got -1"),
        ("[pipelines.x]\nfrom = 'a'\nseed = 'b'", "key 'seed': Input should be a valid integer"),
        ("[pipelines.x]\nsteps = []", "key 'from' is missing"),
        ("[pipelines.x]\nfrom = 'a'\ninto = 'A b'", "into = 'A b' is no name for a catalog"),
        ("[pipelines.x]\nfrom = 'a'\nsteps = [{ n = 1 }]", "[pipelines.x] step 1: key 'op' is missing"),
        (
            "[pipelines.x]\nfrom = 'a'\nsteps = [{ op = 'a', id = 'i' }, { op = 'b', id = 'i' }]",
            "step 2 (b): id 'i' is taken by an earlier step",
        ),
        ("[teachers.t]\nmodel = 'm'", "[teachers.t]: key 'provider' is missing"),
        (
            "[teachers.t]\nprovider = 'openai'\nconcurrency = 0",
            "key 'concurrency': Input should be greater than or equal",
        ),
        ("[trainers.t]\nkind = 'sft'", "[trainers.t]: key 'data' must be a catalog, SQL, or a table"),
        ("[pipelines.x\n", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_table_and_nearest_name(tmp_path: Path, text: str, says: str) -> None:
    assert says in read(tmp_path, text)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no such file; `dqdata init` writes one"):
        read_project(tmp_path / "pipelines.toml")
    with pytest.raises(ProjectError, match="no pipelines.toml here or in a folder above"):
        find_project(tmp_path)


def test_the_nearest_project_above_is_found(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").touch()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == tmp_path / "pipelines.toml"


@pytest.mark.parametrize(
    ("value", "kind", "params"),
    [
        ("select * from a", "sql", {"query": "select * from a"}),
        ("WITH x AS (select 1) from x", "sql", {"query": "WITH x AS (select 1) from x"}),
        ("traces@3", "sql", {"query": "select * from traces@3"}),
        ("traces", "sql", {"query": "select * from traces"}),
        ("hf:open-r1/x", "datasets", {"name": "open-r1/x"}),
        ("data/*.jsonl", "files", {"path": "data/*.jsonl"}),
        (["a.jsonl", "b.jsonl"], "files", {"path": ["a.jsonl", "b.jsonl"]}),
        ({"source": "gym", "rows": 3}, "gym", {"rows": 3}),
    ],
)
def test_from_is_understood(value: object, kind: str, params: dict[str, object]) -> None:
    spec = source_of(value, "here")
    assert (spec.kind, spec.params) == (kind, params)


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-planted")
    monkeypatch.delenv("NO_KEY", raising=False)
    path = tmp_path / "pipelines.toml"
    path.write_text(
        '[teachers.a]\nprovider = "openai"\nmodel = "m"\napi_key = { env = "A_KEY" }\n'
        '[teachers.b]\nprovider = "openai"\nmodel = "m"\napi_key = { env = "NO_KEY" }\n'
    )
    project = read_project(path)
    assert project.teachers["a"].params["api_key"].get_secret_value() == "sk-planted"
    assert "sk-planted" not in repr(project)
    assert project.teachers["b"].missing == ("NO_KEY",)


def test_one_mistake_hides_no_other(tmp_path: Path) -> None:
    said = read(
        tmp_path,
        """
        [stor]
        [sandbox]
        mod = "auto"
        [teachers.t]
        provider = "openai"
        concurency = 3
        concurrency = 0
        [pipelines.p]
        from = "a.jsonl"
        budget = 3
        [pipelines.q]
        steps = []
        [trainers.r]
        kind = "sft"
        """,
    )
    assert "6 problems" in said
    for one in (
        "[stor]" if "[stor]" in said else "'stor'",
        "'mod'",
        "'concurrency'",
        "'budget'",
        "'from' is missing",
        "[trainers.r]",
    ):
        assert one in said
    assert "budget_usd" in said

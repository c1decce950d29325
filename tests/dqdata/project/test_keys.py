"""All that is wrong with the keys of a file is said at once, whichever table the first mistake is in."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import dqdata
from dqdata.cli import main
from dqdata.errors import ProjectErrors

pytestmark = pytest.mark.usefixtures("kept_workers")

GOOD = """
[teachers.a]
provider = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "m"

[pipelines.p]
from = { source = "problems", rows = 3 }
steps = [ { op = "length", column = "question" }, { op = "filter", where = "true" } ]
"""
MISTAKES = {
    "budget_dollars": "[pipelines.p]\nbudget_dollars = 3",
    "retention": "[store]\nretention = 3",
    "threads": "[engine]\nthreads = 2",
    "temprature": '[teachers.idle]\nprovider = "openai"\nbase_url = "http://h/v1"\nmodel = "m"\ntemprature = 1',
    "opnai": '[teachers.unheard]\nprovider = "opnai"',
    "rowz": '[pipelines.q]\nfrom = { source = "problems", rowz = 3 }',
    "colum": '[pipelines.r]\nfrom = "r.jsonl"\nsteps = [ { op = "length", colum = "x" }, 3 ]',
    "wher": '[pipelines.s]\nsteps = [ { op = "filter", wher = "x" } ]',
    "pipelnes": "[pipelnes.x]",
    "epochs": '[trainers.t]\nkind = "sft"\nmodel = "m"\ndata = "p"\nepochs = 3',
    "learning_rat": '[trainers.u]\nkind = "dpo"\nmodel = "m"\ndata = "p"\nlr = 1\nargs = { learning_rat = 1.0 }',
    "max_tokens": '[trainers.v]\nkind = "sft"\nmodel = "m"\ndata = "p"\nevaluate = { data = "p", max_tokens = 3 }',
    "modles": '[evaluations.e]\nbenchmark = "math500"\nmodles = ["m"]',
    "subset": '[evaluations.f]\nbenchmark = { name = "math500", subset = "a" }',
    "arms.a.wthout": (
        '[experiments.x]\npipeline = "p"\ntrainer = "t"\nevaluation = "e"\narms = { a = { wthout = ["s"] }, b = {} }'
    ),
    "benchmarks.0.nme": '[pipelines.d]\nfrom = "r"\nsteps = [{ op = "decontaminate", benchmarks = [{ nme = 1 }] }]',
    "budget_euro": "[profiles.small.pipelines.p]\nbudget_euro = 3",
    "seeed": "[profiles.tiny.pipelines.p.steps.length]\nseeed = 3",
}


def project(folder: Path, *mistakes: str) -> Path:
    """A project with some mistakes, each in a table of its own."""
    text = GOOD
    for name in mistakes:
        table, _, rest = MISTAKES[name].partition("\n")
        text = (
            text.replace(f"{table}\n", f"{table}\n{rest}\n") if f"{table}\n" in text else f"{text}\n{table}\n{rest}\n"
        )
    (folder / "pipelines.toml").write_text(text)
    return folder


def found(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    capsys.readouterr()
    assert main(["check", "--json", "-p", str(folder), *more]) == 1
    told: list[str] = json.loads(capsys.readouterr().out)["problems"]
    return told


BY_TRL = {"learning_rat"}
"""Mistakes in arguments of TRL, which are found where it is installed."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs("trl")) if name in BY_TRL else name for name in MISTAKES]
)
def test_each_mistake_is_found_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert f"'{name}'" in "\n".join(found(project(tmp_path, name), capsys)).replace(
        "args.learning_rat:", "'learning_rat'"
    )


def test_no_mistake_hides_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = found(project(tmp_path, *MISTAKES), capsys)
    text = "\n".join(told).replace("args.learning_rat:", "'learning_rat'")
    missed = {name for name in MISTAKES if f"'{name}'" not in text}
    assert missed == (set() if importlib.util.find_spec("trl") else BY_TRL)
    assert "[pipelines.r] step 2: must be a table, got 3" in text
    assert "[pipelines.s]: key 'from' is missing" in text
    assert "with [profiles.small.pipelines.p]" in text
    assert len(set(told)) == len(told), "each is said once"


def test_known_keys_of_the_table_inside_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [told] = found(project(tmp_path, "arms.a.wthout"), capsys)[:1]
    assert "did you mean 'without'? (known: without, only, steps, replace, teachers, trainer)" in told


@pytest.mark.parametrize("verb", ["run", "plan", "build", "train"])
def test_a_run_says_all_too_and_makes_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    project(tmp_path, "budget_dollars", "temprature", "colum", "epochs")
    assert main([verb, "p", "-p", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert all(f"'{name}'" in error for name in ("budget_dollars", "temprature", "colum", "epochs")), error
    assert not (tmp_path / "catalogs").exists()


def test_a_plan_says_what_is_wrong_with_source_steps_and_teachers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pipelines.toml").write_text(
        '[teachers.a]\nprovider = "openai"\nbase_url = "no address"\nmodel = "m"\n[pipelines.p]\nfrom = "none.jsonl"\n'
        'steps = [ { op = "generate", teacher = "a" }, { op = "generate", teacher = "b" }, { op = "lenght" } ]\n'
    )
    for verb, code in (("run", 2), ("plan", 2)):
        assert main([verb, "p", "-p", str(tmp_path)]) == code
        error = capsys.readouterr().err
        for said in ("none.jsonl", "[teachers.a]", "no teacher 'b'", "'lenght'; did you mean 'length'"):
            assert said in error, said


def test_what_reads_a_wrong_pipeline_is_not_blamed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pipelines.toml").write_text(
        '[pipelines.first]\nfrom = "none.jsonl"\n'
        '[pipelines.second]\nfrom = "select * from first"\nsteps = [ { op = "filtr" } ]\n'
        '[trainers.t]\nkind = "sft"\nmodel = "m"\ndata = "second"\n'
    )
    told = found(tmp_path, capsys)
    assert len(told) == 2 and "none.jsonl" in "".join(told) and "'filtr'" in "".join(told), told


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"[pipelines.p", 2), (b"\xff\xfe[\x00", 2), (None, 2), (b"[pipelines.p]\nx = 1", 1), (b"pipelines = 3", 1)],
)
def test_check_fails_by_what_it_found_or_could_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes | None, code: int
) -> None:
    if text is not None:
        (tmp_path / "pipelines.toml").write_bytes(text)
    assert main(["check", "-p", str(tmp_path)]) == code
    assert main(["check", "nothing", "-p", str(project(tmp_path))]) == 2
    assert main(["check", "--profile", "none", "-p", str(tmp_path)]) == 2
    assert main(["check", "-p", str(tmp_path)]) == 0


def test_python_gets_each_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectErrors) as caught:
        dqdata.open(project(tmp_path, "budget_dollars", "opnai"))
    assert [one.code for one in caught.value.errors] == ["unknown-key", "unknown-plugin"]
    with pytest.raises(ProjectErrors, match=r"^pipelines.toml \[store\]: unknown key 'retention' \(known") as caught:
        dqdata.open(project(tmp_path, "retention"))
    assert caught.value.code == "unknown-key"


def test_memory_is_bytes_or_a_size_with_its_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, _, rest = GOOD.partition("[pipelines.p]\n")
    file = tmp_path / "pipelines.toml"
    for size, said in {
        "268435456": "",
        '"256 MiB"': "",
        '"1.5GB"': "",
        '"much"': "a number of bytes, or a size such as '512 MiB'",
        '"64 MiB"': "greater than or equal to 268435456",
        "2.5": "valid integer",
    }.items():
        file.write_text(f"{head}[pipelines.p]\nmemory = {size}\n{rest}")
        assert main(["check", "-p", str(file)]) == bool(said), size
        assert said in capsys.readouterr().err

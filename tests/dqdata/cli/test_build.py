"""`dqdata build`: makes what is missing, leaves what stands, says why; with real runs and a teacher on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback import Loopback

from dqdata.catalog import Store

from .conftest import Invoke

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"
max_attempts = 1

[pipelines.problems]
from = "problems.jsonl"

[pipelines.traces]
from = "problems"
steps = [ { op = "generate", teacher = "t", n = 1 }, { op = "verify_math" } ]

[pipelines.good]
from = "select * from traces@latest where correct"
steps = [ { op = "filter", where = "length(response) > 0" } ]

[pipelines.joined]
from = "select question, response from good"
steps = [ { op = "join", catalog = "extra", on = ["question"] } ]

[pipelines.extra]
from = "extra.jsonl"

[pipelines.fixed]
from = "problems@1"

[pipelines.wrong]
from = "select * from traces__rejects"

[pipelines.apart]
from = "extra.jsonl"
"""


@pytest.fixture
def teacher() -> Iterator[Loopback]:
    loopback = Loopback()
    loopback.answer = lambda body: (
        f"The answer is {sum(map(int, re.findall(r'[0-9]+', body['messages'][-1]['content'])))}."
    )
    loopback.start()
    yield loopback
    loopback.stop()


@pytest.fixture
def folder(tmp_path: Path, teacher: Loopback) -> Path:
    write(tmp_path, teacher)
    problems(tmp_path, 6)
    (tmp_path / "extra.jsonl").write_text(
        "".join(json.dumps({"question": f"{n} + 1", "hint": n}) + "\n" for n in range(9))
    )
    return tmp_path


def write(folder: Path, teacher: Loopback, change: Callable[[str], str] = lambda text: text) -> None:
    (folder / "pipelines.toml").write_text(change(PROJECT.replace("URL", teacher.url)))


def problems(folder: Path, count: int) -> None:
    rows = [{"question": f"{n} + 1", "answer": str(n + 1)} for n in range(count)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def built(dqdata: Invoke, *names: str) -> dict[str, str]:
    """What a build made, and why."""
    said = dqdata("build", *names, "-q", "--json")
    assert said.code == 0, said.error
    return {node["name"]: node["why"] for node in json.loads(said.out)["nodes"] if node["built"]}


def versions(folder: Path) -> dict[str, int | None]:
    with Store.open(folder / "catalogs") as store:
        return {name: store.latest(name) for name in ("problems", "traces", "good", "extra", "joined", "apart")}


def test_one_command_makes_all_that_a_pipeline_stands_on_and_a_second_nothing(
    folder: Path, dqdata: Invoke, teacher: Loopback
) -> None:
    said = dqdata("build", "joined", "-q")
    assert said.code == 0, said.error
    lines = [line.split() for line in said.out.splitlines()]
    names = [line[0] for line in lines[:-1]]
    assert sorted(names) == ["extra", "good", "joined", "problems", "traces"]
    for feeder, reader in [("problems", "traces"), ("traces", "good"), ("good", "joined"), ("extra", "joined")]:
        assert names.index(feeder) < names.index(reader)
    assert {line[0]: line[1:4] for line in lines}["joined"] == ["joined@1", "6", "rows"]
    assert said.out.splitlines()[-1].startswith("5 built, 0 up to date")
    assert len(teacher.answered) == 6

    again = dqdata("build", "joined", "-q")
    assert again.out.splitlines()[-1].startswith("0 built, 5 up to date")
    assert all("up to date" in line for line in again.out.splitlines())
    assert len(teacher.answered) == 6
    assert versions(folder) == {"problems": 1, "traces": 1, "good": 1, "extra": 1, "joined": 1, "apart": None}


def test_a_change_makes_again_what_stands_on_it_alone(folder: Path, dqdata: Invoke, teacher: Loopback) -> None:
    built(dqdata, "joined")
    write(folder, teacher, lambda text: text.replace("length(response) > 0", "length(response) > 1"))
    assert built(dqdata, "joined") == {
        "good": "step 1 (filter) changed since good@1",
        "joined": "other rows come in since joined@1",
    }
    problems(folder, 8)
    assert built(dqdata, "joined").keys() == {"problems", "traces", "good", "joined"}
    assert len(teacher.answered) == 8
    assert versions(folder) == {"problems": 2, "traces": 2, "good": 3, "extra": 1, "joined": 3, "apart": None}


def test_a_recipe_that_went_back_stands_on_the_version_it_made_then(
    folder: Path, dqdata: Invoke, teacher: Loopback
) -> None:
    built(dqdata, "good")
    problems(folder, 3)
    assert built(dqdata, "good").keys() == {"problems", "traces", "good"}
    problems(folder, 6)
    assert built(dqdata, "good") == {}
    write(folder, teacher, lambda text: text.replace("length(response) > 0", "length(response) > 1"))
    assert built(dqdata, "good").keys() == {"good"}
    with Store.open(folder / "catalogs") as store:
        assert [version.rows for version in store.versions("problems")] == [6, 3]
        assert [version.rows for version in store.versions("good")] == [6, 3, 6]


def test_a_fixed_version_is_never_made_again_and_rejects_stand_on_their_catalog(folder: Path, dqdata: Invoke) -> None:
    built(dqdata, "fixed", "problems")
    problems(folder, 8)
    assert built(dqdata, "fixed") == {}
    assert built(dqdata, "wrong").keys() == {"problems", "traces", "wrong"}


def test_a_failure_ends_the_build_and_the_next_goes_on(folder: Path, dqdata: Invoke, teacher: Loopback) -> None:
    teacher.key = "another"
    said = dqdata("build", "good", "apart", "-q")
    assert said.code == 1
    assert "traces" in said.error and "`dqdata build good apart` goes on from there" in said.error
    assert versions(folder)["problems"] == 1
    assert versions(folder)["traces"] is None
    assert versions(folder)["good"] is None

    teacher.key = None
    assert built(dqdata, "good").keys() == {"traces", "good"}


def test_what_is_wrong_at_the_end_is_told_before_anything_runs(folder: Path, dqdata: Invoke, teacher: Loopback) -> None:
    write(folder, teacher, lambda text: text.replace("length(response) > 0", "length(respons) > 0"))
    said = dqdata("build", "joined")
    assert said.code == 2
    assert "[pipelines.good] step 1 (filter)" in said.error
    assert teacher.asked == []
    assert versions(folder)["problems"] is None
    assert "no pipeline or trainer 'joind'; did you mean 'joined'?" in dqdata("build", "joind").error


def test_two_pipelines_into_one_catalog_are_refused(folder: Path, dqdata: Invoke, teacher: Loopback) -> None:
    more = '\n[pipelines.more]\nfrom = "problems"\ninto = "traces"\n'
    write(folder, teacher, lambda text: text + more)
    said = dqdata("build", "more", "good")
    assert said.code == 2
    assert "writes into 'traces'" in said.error


def test_one_name_for_a_pipeline_and_a_trainer_is_refused(folder: Path, dqdata: Invoke, teacher: Loopback) -> None:
    more = '\n[trainers.good]\nkind = "sft"\nmodel = "smollm2-135m"\ndata = "good"\n'
    write(folder, teacher, lambda text: text + more)
    for words, code in ((("check",), 1), (("build", "good"), 2)):
        said = dqdata(*words)
        assert said.code == code
        assert "'good' is a pipeline and a trainer; give one another name" in said.error + said.out


def test_a_dry_run_shows_order_and_reasons_and_makes_nothing(folder: Path, dqdata: Invoke, teacher: Loopback) -> None:
    said = dqdata("build", "good", "--dry-run")
    *nodes, cost = said.out.splitlines()
    assert [line.split()[0] for line in nodes] == ["problems", "traces", "good"]
    assert "calls: expected " in cost
    assert "never run" in said.out
    assert not (folder / "catalogs").exists()

    built(dqdata, "good")
    problems(folder, 8)
    nodes = json.loads(dqdata("build", "good", "--dry-run", "--json").out)["nodes"]
    assert {node["name"]: node["why"] for node in nodes} == {
        "problems": "other rows come in since problems@1",
        "traces": "depends on problems",
        "good": "depends on traces",
    }
    assert versions(folder)["problems"] == 1
    assert len(teacher.answered) == 6

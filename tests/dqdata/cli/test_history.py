"""`dqdata diff`, `lineage` and `why` over versions whose difference was planted, with a teacher on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loopback import Loopback

from dqdata import plugins
from dqdata.catalog import Store
from dqdata.cli import main
from dqdata.columns import REJECTS, Columns, arrow_schema
from dqdata.errors import QueryError
from dqdata.history import rows as compared_rows
from dqdata.history.why import why
from dqdata.project import plan, recipe

from .conftest import Invoke

pytestmark = pytest.mark.usefixtures("kept_workers")

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "URL"
model = "MODEL"
price = { input = 1.0, output = 2.0 }

[pipelines.problems]
from = "problems.jsonl"
steps = []

[pipelines.traces]
from = "problems"
steps = [
  { op = "generate", teacher = "t", temperature = TEMPERATURE, max_tokens = 64, prompt = "solve.md" },
  { op = "verify_math" },
  { op = "filter", where = "WHERE" },
  EXTRA
]

[pipelines.chats]
from = "traces"
steps = [ { op = "to_messages" } ]
"""
PLAIN = {"MODEL": "m", "TEMPERATURE": "0.5", "WHERE": "correct", "EXTRA": ""}


@pytest.fixture(scope="module")
def teacher() -> Iterator[Loopback]:
    """Right where the number is even."""
    loopback = Loopback()
    loopback.answer = lambda body: f"\\boxed{{{_answer(body)}}}"
    loopback.start()
    yield loopback
    loopback.stop()


def _answer(body: dict[str, object]) -> int:
    number = int(str(body["messages"][-1]["content"]).split("What is ")[1].split(" ")[0])  # type: ignore[index]
    return number + 1 + number % 2


def write(folder: Path, teacher: Loopback, numbers: range = range(8), prompt: str = "", **changes: str) -> None:
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in numbers]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "solve.md").write_text(f"=== user\n{prompt}{{{{question}}}}\n")
    text = PROJECT.replace("URL", teacher.url)
    for name, value in (PLAIN | changes).items():
        text = text.replace(name, value)
    (folder / "pipelines.toml").write_text(text)


def make(dqdata: Invoke, *names: str) -> None:
    for name in names:
        made = dqdata("run", name, "-q")
        assert made.code == 0, made.error


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory, teacher: Loopback) -> Path:
    """A project of which every pipeline ran once."""
    folder = tmp_path_factory.mktemp("made")
    write(folder, teacher)
    for name in ("problems", "traces", "chats"):
        assert main(["run", name, "-q", "-p", str(folder / "pipelines.toml")]) == 0
    return folder


@pytest.fixture
def made(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it, which is the current folder."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def diff(dqdata: Invoke, *arguments: str) -> dict[str, object]:
    found = dqdata("diff", *arguments, "--json")
    assert found.code == 0, found.error
    return json.loads(found.out)  # type: ignore[no-any-return]


def kinds(found: dict[str, object]) -> list[str]:
    return [cause[0] for cause in found["causes"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"TEMPERATURE": "0.9"}, "parameter", "temperature"),
        ({"WHERE": "not correct"}, "parameter", "where"),
        ({"EXTRA": '{ op = "length" },'}, "step added", "length"),
        ({"MODEL": "m2"}, "teacher", "t"),
        ({"prompt": "Be brief. "}, "prompt", "solve.md"),
    ],
)
def test_the_cause_of_a_planted_change_is_named(
    made: Path, dqdata: Invoke, teacher: Loopback, changes: dict[str, str], kind: str, what: str
) -> None:
    write(made, teacher, **changes)  # type: ignore[arg-type]
    make(dqdata, "traces")
    found = diff(dqdata, "traces")
    assert [cause[:1] + cause[2:3] for cause in found["causes"]] == [[kind, what]]  # type: ignore[attr-defined]
    assert found["before"] == "traces@1"
    if kind == "teacher":
        assert found["causes"][0][3:] == ["model m", "model m2"]  # type: ignore[index]
        assert found["removed_to"] == [["", "other rows of its problem", 4]]
        classes = {share[0] for share in found["shares"]}  # type: ignore[attr-defined]
        assert classes == {"teacher"}, "texts that do not repeat are none"
    assert dqdata("diff", "traces@2", "traces@1").code == 0


@pytest.mark.parametrize("what", ["code", "version", "library"])
def test_changed_software_is_named(
    made: Path, dqdata: Invoke, teacher: Loopback, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's source, its version, and a library, as a colleague's machine may have them. The pipeline's text is
    the same."""
    known = plugins.load("operators", "verify_math")
    hashed, libraries = plugins.source_hash, recipe.versions
    if what == "code":
        for module in (plan, recipe):
            monkeypatch.setattr(module, "source_hash", lambda kind: "another" if kind is known else hashed(kind))
    elif what == "version":
        monkeypatch.setattr(known, "version", f"{known.version}.1")
    else:
        monkeypatch.setattr(recipe, "versions", lambda: libraries() | {"math-verify": "0.1"})
    done = dqdata("run", "traces", "-q", *(["--force"] if what == "library" else []))
    assert done.code == 0, done.error
    found = diff(dqdata, "traces")
    [cause] = found["causes"]  # type: ignore[misc]
    expected = {
        "code": ["code", "step 2 (verify_math)", "verify_math"],
        "version": ["operator", "step 2 (verify_math)", "version"],
        "library": ["library", "installation", "math-verify"],
    }
    assert cause[:3] == expected[what]
    assert found["counts"] == [0, 0, 0, 4, {}]
    assert expected[what][2] in dqdata("diff", "traces", "--markdown").out


def test_new_input_is_named_with_its_version_and_the_rows_it_adds(
    made: Path, dqdata: Invoke, teacher: Loopback
) -> None:
    write(made, teacher, numbers=range(2, 12))
    make(dqdata, "problems", "traces")
    found = diff(dqdata, "traces@1", "traces@2")
    assert found["causes"] == [["input", "from", "problems", "problems@1", "problems@2"]]
    assert found["counts"] == [2, 1, 0, 3, {}]
    assert found["removed_to"] == [["", "not in the input", 1]]
    assert kinds(diff(dqdata, "problems")) == ["input"]


def test_removed_rows_are_found_in_the_rejects_of_the_newer_version(
    made: Path, dqdata: Invoke, teacher: Loopback
) -> None:
    write(made, teacher, WHERE="correct and length(question) > 99")
    make(dqdata, "traces")
    found = diff(dqdata, "traces")
    assert found["counts"] == [0, 4, 0, 0, {}]
    [[step, _, rows]] = found["removed_to"]  # type: ignore[misc]
    assert (step, rows) == ("filter", 4)
    text = dqdata("diff", "traces").out
    assert "4 -> 0 rows" in text
    assert "step 3 (filter): parameter where" in text


def test_changed_values_and_shifts(tmp_path: Path, dqdata: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = '[pipelines.p]\nfrom = "x.jsonl"\nsteps = []\n'
    (tmp_path / "pipelines.toml").write_text(toml)
    for factor in (1, 3):
        rows = [
            {"problem_id": f"k{n}", "question": f"q{n}", "score": n * factor, "kind": "ab"[n % 2], "size": n or None}
            for n in range(9)
        ]
        rows[0]["kind"] = "c" if factor == 3 else "a"
        (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        make(dqdata, "p")
    found = diff(dqdata, "p")
    assert found["counts"] == [0, 0, 9, 0, {"score": 8, "kind": 1}]
    shift, same = found["shifts"]  # type: ignore[misc]
    assert shift[:5] == ["score", 4.0, 12.0, 4.0, 12.0]
    assert same == ["size", 4.5, 4.5, 4.5, 4.5, 1 / 9, 1 / 9, 0.0]
    assert ["kind", "c", 0.0, 1 / 9] in found["shares"]  # type: ignore[operator]
    assert found["examples"]["changed"][0]["kind"] == ["a", "c"]  # type: ignore[index]
    monkeypatch.setattr(compared_rows, "joined_bytes", lambda *_: 1 << 40)
    monkeypatch.setattr(compared_rows, "MEDIAN_ROWS", 2)
    assert diff(dqdata, "p") == found, "the same within a limit of memory"
    markdown = dqdata("diff", "p@1", "p@2", "--markdown").out
    assert "| score | 8 |" in markdown
    equal = diff(dqdata, "p@2", "p@2")
    assert equal["counts"][:3] == [0, 0, 0]  # type: ignore[index]
    assert equal["causes"] == []


def test_lineage_reaches_sources_calls_and_what_was_made(made: Path, dqdata: Invoke) -> None:
    found = json.loads(dqdata("lineage", "traces", "--json").out)
    assert found["calls"][0][:3] == ["t", "m", 8]
    [problems] = found["up"]
    assert (problems["name"], [up["name"] for up in problems["up"]]) == ("problems@1", ["files: problems.jsonl"])
    assert [down["name"] for down in found["down"]] == ["chats@1"]
    assert dqdata("lineage", "traces").out.splitlines()[1].startswith("  8 calls to t (m): ")
    text = dqdata("lineage", "chats@1").out
    assert "8 calls to t (m)" in text
    assert "files: problems.jsonl" in text


def test_a_version_whose_input_was_dropped(made: Path, dqdata: Invoke) -> None:
    assert dqdata("drop", "problems@1").code == 0
    [problems] = json.loads(dqdata("lineage", "traces", "--json").out)["up"]
    assert problems["about"].endswith(", dropped") and not problems["readable"]
    assert [up["name"] for up in problems["up"]] == ["files: problems.jsonl"], "what it was made from stays known"
    refused = dqdata("rebuild", "traces@1", "--replay")
    assert refused.code == 2 and "can't be remade: it was made from problems@1" in refused.error
    assert "`dqdata restore problems@1`" in refused.error
    assert dqdata("restore", "problems@1").code == 0
    assert dqdata("diff", "problems@1", "problems@1").out.endswith("the recipes are the same\n")


def test_why_of_a_kept_and_of_a_rejected_trace(made: Path, dqdata: Invoke) -> None:
    kept = json.loads(dqdata("sql", "select trace_id from chats limit 1", "--json").out)["rows"][0]
    found = json.loads(dqdata("why", next(iter(kept.values())) if isinstance(kept, dict) else kept[0], "--json").out)
    assert [(one["version"], one["kept"]) for one in found["occurrences"]] == [("traces@1", True), ("chats@1", True)]
    assert found["calls"][0]["model"] == "m"
    dropped = json.loads(dqdata("sql", "select row_key from traces__rejects limit 1", "--json").out)["rows"][0]
    text = dqdata("why", next(iter(dropped.values())) if isinstance(dropped, dict) else dropped[0])
    assert text.code == 0
    assert "traces@1: rejected by filter: filtered by correct" in text.out
    assert "call to t (m)" in text.out


def test_why_looks_in_older_versions_where_the_newest_have_no_such_row(tmp_path: Path) -> None:
    columns = Columns({"trace_id": "VARCHAR", "parent_id": "VARCHAR", "answer": "VARCHAR"})
    path = tmp_path / "catalogs"
    with Store.open(path) as store:
        for number, ids in enumerate((["a", "b"], ["b"], ["c"])):
            file, dropped = tmp_path / f"{number}.parquet", tmp_path / f"dropped_{number}.parquet"
            rows = [{"trace_id": one, "parent_id": "a" if one == "c" else None, "answer": str(number)} for one in ids]
            pq.write_table(pa.Table.from_pylist(rows, arrow_schema(columns)), file)
            gone = {"step": "s", "op": "filter", "kind": "dropped", "reason": f"r{number}", "detail": None}
            gone |= {"problem_id": None, "trace_id": f"gone{number}", "row_key": f"gone{number}", "row": "{}"}
            pq.write_table(pa.Table.from_pylist([gone], arrow_schema(REJECTS)), dropped)
            recipe = {"inputs": [f"traces@{number}"] if number else []}
            how: dict[str, Any] = {"columns": columns, "recipe": recipe, "run_id": "r", "fingerprint": str(number)}
            store.commit("traces", rows=[file], rejects=[dropped], **how)
    with Store.open(path, read_only=True) as store:
        for wanted, version, kept in (("c", 3, True), ("b", 2, True), ("a", 1, True), ("gone0", 1, False)):
            [found] = why(store, wanted).occurrences
            assert (found.version, found.kept) == (f"traces@{version}", kept)
        for within in (None, ("traces", 3)):
            assert [one.version for one in why(store, "c", within=within).ancestors] == ["traces@1"]
        with pytest.raises(QueryError, match="no row of any version"):
            why(store, "nobody")


def test_bad_input_is_named(made: Path, dqdata: Invoke) -> None:
    for arguments, message in (
        (("diff", "nothing"), "no catalog 'nothing'"),
        (("diff", "problems@1", "problems@7"), "has no version 7"),
        (("diff", "problems"), "one version only"),
        (("diff", "problems", "chats"), "can't be matched"),
        (("diff", "select 1"), "is no version of a catalog"),
        (("lineage", "problems@9"), "has no version 9"),
        (("why", "nobody"), "no row of any version"),
        (("why", "nobody", "--in", "problems@1"), "leave out --in"),
    ):
        found = dqdata(*arguments)
        assert found.code == 2, arguments
        assert message in found.error

"""A pipeline with two judges and a rewriting step is rebuilt from its catalog with no endpoint and no key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.catalog import Store
from dqdata.cli import main

pytestmark = pytest.mark.usefixtures("kept_workers")

ROWS = 6
PIPELINE = """
[pipelines.p]
from = "problems.jsonl"
steps = [
  { op = "generate", teacher = "solver", n = 2, seed = 1, temperature = 1.0, max_tokens = 1000 },
  { op = "verify_math" },
  { op = "grade", judge = "strict", alpha = 1.0, max_tokens = 50 },
  { op = "shorten", teacher = "solver", max_tokens = 500 },
  { op = "classify", judge = "mild", classes = { algebra = "letters", arithmetic = "numbers" }, max_tokens = 50 },
]
"""
TEACHERS = {"solver": "solver", "strict": "judge-a", "mild": "judge-b"}


def answer(body: dict[str, Any]) -> str:
    if body["model"] == "judge-a":
        return '{"rv": 4, "cd": 5}'
    if body["model"] == "judge-b":
        return '{"class": "arithmetic"}'
    if "seed" not in body or "<trace" in body["messages"][-1]["content"]:
        return "We add the first number to the second number. " * 4 + "It is \\boxed{4}."
    return f"Draw {body['seed']}. " + "We add the first number to the second number. " * 9 + "It is \\boxed{4}."


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    server.answer = answer
    server.start()
    yield server
    server.stop()


def write(folder: Path, teacher: str) -> None:
    folder.mkdir()
    (folder / "problems.jsonl").write_text(
        "".join(json.dumps({"question": f"How much is {n} + 4 - {n}?", "answer": "4"}) + "\n" for n in range(ROWS))
    )
    tables = (f'[teachers.{name}]\nmodel = "{model}"\n{teacher}\n' for name, model in TEACHERS.items())
    (folder / "pipelines.toml").write_text("".join(tables) + PIPELINE)


def rows(folder: Path) -> list[dict[str, Any]]:
    with Store.open(folder / "catalogs", read_only=True) as store:
        found = [row for batch in store.query("select * from p") for row in batch.to_pylist()]
        lost = [row for batch in store.query("select step, reason from p__rejects") for row in batch.to_pylist()]
    assert found and not lost, lost
    return sorted(found, key=lambda row: str(row["trace_id"]))


def test_a_catalog_answers_for_solver_judges_and_rewriter(
    tmp_path: Path, loopback: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    made, again = tmp_path / "made", tmp_path / "again"
    write(made, f'provider = "openai"\nbase_url = "{loopback.url}"')
    assert main(["run", "p", "-q", "-p", str(made)]) == 0
    asked = len(loopback.asked)
    kinds = {body["model"] for body in loopback.asked}
    assert kinds == {"solver", "judge-a", "judge-b"}
    loopback.stop()

    write(again, f'provider = "replay"\ncatalog = "p@1"\nstore = "{made / "catalogs"}"')
    assert main(["run", "p", "-q", "-p", str(again)]) == 0
    assert rows(again) == rows(made) and len(loopback.asked) == asked

    (again / "catalogs" / "ledger.sqlite").unlink()  # what it replays from is not its own ledger
    assert main(["run", "p", "--limit", "2", "-q", "-p", str(again)]) == 0
    assert len(loopback.asked) == asked

    other = tmp_path / "other"
    write(other, f'provider = "replay"\nrevision = "r2"\ncatalog = "p@1"\nstore = "{made / "catalogs"}"')
    capsys.readouterr()
    assert main(["run", "p", "-q", "-p", str(other)]) == 1
    said = capsys.readouterr().err
    assert "holds no call of provider openai, model solver, revision r2; it has: openai judge-a ''" in said


def test_a_catalog_without_its_ledger_says_what_is_missing(
    tmp_path: Path, loopback: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    made, again = tmp_path / "made", tmp_path / "again"
    write(made, f'provider = "openai"\nbase_url = "{loopback.url}"')
    assert main(["run", "p", "-q", "-p", str(made)]) == 0
    loopback.stop()
    for file in (made / "catalogs").glob("ledger.sqlite*"):
        file.unlink()
    write(again, f'provider = "replay"\ncatalog = "p@1"\nstore = "{made / "catalogs"}"')
    capsys.readouterr()
    assert main(["run", "p", "-q", "-p", str(again)]) == 1
    said = capsys.readouterr().err
    assert "no recorded answer of" in said and "no ledger is beside the catalog" in said

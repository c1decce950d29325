"""`dqdata check` renders the first rows of a catalog with the tokenizer of a student that is here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dqdata.cli import main

from .conftest import TEMPLATE, additions
from .test_train_verb import committed

PROJECT = """
[trainers.student]
kind = "sft"
data = "select * from sums"
model = "{model}"
"""


def checked(folder: Path, model: Path) -> int:
    (folder / "pipelines.toml").write_text(PROJECT.format(model=model))
    return main(["check", "-p", str(folder / "pipelines.toml")])


def test_a_template_that_loses_the_thinking_is_an_error_of_the_check(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed(tmp_path / "catalogs", "sums", additions(4), tmp_path)
    assert checked(tmp_path, tiny) == 0
    student = tmp_path / "student"
    shutil.copytree(tiny, student)
    stripping = TEMPLATE.replace("m.content", "m.content.split('</think>')[-1]")
    (student / "chat_template.jinja").write_text(stripping)
    capsys.readouterr()
    assert checked(tmp_path, student) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "train split, trace_id t" in said and "the chat template loses the reasoning" in said


def test_a_catalog_that_is_still_to_be_made_is_passed_over(tmp_path: Path, tiny: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"question": "q", "reasoning": "r", "response": "s"}\n')
    (tmp_path / "pipelines.toml").write_text(
        f'[pipelines.sums]\nfrom = "{source}"\ninto = "sums"\nsteps = [{{ op = "to_messages" }}]\n'
        + PROJECT.format(model=tiny)
    )
    assert main(["check", "-p", str(tmp_path / "pipelines.toml")]) == 0

"""The rules of the tree that imports don't show: files and entry points agree, and texts use the field's words."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OPERATORS, TRAINERS = ROOT / "operators" / "dqdata_operators", ROOT / "trainers" / "dqdata_trainers"
FAMILIES = ("annotate", "format", "generate", "judge", "select", "table", "verify")
POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]


def public(folder: Path) -> set[str]:
    """Names of the files that are a plug-in each."""
    return {file.stem for file in folder.glob("*.py") if not file.name.startswith("_")}


def test_a_file_without_underscore_in_a_family_is_the_operator_of_its_name() -> None:
    files = {f"dqdata_operators.{family}.{name}": name for family in FAMILIES for name in public(OPERATORS / family)}
    points = {value.partition(":")[0]: name for name, value in POINTS["dqdata.operators"].items()}
    assert files == points


def test_the_families_are_those_of_the_docs_and_nothing_else_is_beside_them() -> None:
    folders = {path.name for path in OPERATORS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*FAMILIES, "lib", "prompts"}
    assert public(OPERATORS) == set()
    assert public(OPERATORS / "lib") == set(), "a file of lib belongs to a subject: lib/<subject>/"


def test_a_file_without_underscore_among_the_trainers_is_the_trainer_of_its_name() -> None:
    points = {
        value.partition(":")[0].removeprefix("dqdata_trainers."): name
        for name, value in POINTS["dqdata.trainers"].items()
    }
    assert {name: name for name in public(TRAINERS)} == points


def test_every_operator_says_its_own_name() -> None:
    from dqdata.plugins import load

    assert [name for name in POINTS["dqdata.operators"] if load("operators", name).name != name] == []


PHRASES = (
    r"in the air\b",
    r"\bstands? fast\b",
    r"\bstands? on\b",
    r"\bcarr(?:y|ies|ied) (?:it |them |a plan )?out\b",
    r"\bcarr(?:y|ies|ied) ",
    r"\bthe house\b",
    r"\bstrangers?\b",
    r"\bnursery\b",
    r"\boutdoes\b",
    r"\bputs? aside\b",
    r"\bmend(?:s|ed|ing)?\b",
    r"\bgoes no further\b",
    r"\bthe price are\b",
    r"\bfly\b",
    r"\bflies\b",
    r"\bswitch is thrown\b",
    r"\bwhere it can(?:'t|not)\b",
    r"\brows go(?:es)?\b",
    r"\bwhat went\b(?! wrong)",
    r"\bnobody was told\b",
    r"\bone thing a file\b",
)
"""Words of a private dialect that user text doesn't need, where no other meaning is likely."""
TEXTS = (
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "pipelines.toml",
    "docs/*.md",
    "dqdata/**/*.py",
    "operators/**/*.py",
    "trainers/**/*.py",
)


@pytest.mark.parametrize("pattern", TEXTS)
def test_texts_use_the_words_of_the_field(pattern: str) -> None:
    found = []
    for file in ROOT.glob(pattern):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if "prompts/" not in str(file) and re.search("|".join(PHRASES), line, re.IGNORECASE):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_the_tree_holds_no_file_that_belongs_to_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert [
        name
        for name in tracked
        if re.search(r"\.(sqlite(-wal|-shm)?|pyc|log|part)$", name) and not name.startswith("tests/")
    ] == []


def test_the_walk_of_a_row_names_functions_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walk = text.partition("## One row, from problem to commit")[2].partition("A test takes the same way")[0]
    names = re.findall(r"`(dqdata[\w.]+)`", walk)
    assert len(re.findall(r"^\d+\. ", walk, re.MULTILINE)) <= 15 and len(names) >= 14
    assert all(callable(pkgutil.resolve_name(name)) for name in names)

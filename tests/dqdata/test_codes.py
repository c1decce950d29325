"""No error and no reject without a code: a walk of the sources against the one registry."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dqdata import errors
from dqdata.codes import CODES, KINDS
from dqdata.extras import EXTRAS
from dqdata.plugins import found, load

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    file
    for package in ("dqdata", "operators/dqdata_operators", "trainers/dqdata_trainers")
    for file in sorted((ROOT / package).rglob("*.py"))
    if "inside" not in file.parts and file.name != "codes.py"
]
REASON_CALLS = ("Reject", "RowError", "Flaw")
SQL_REASON = re.compile(
    r"(?:then|else)\s+'([a-z]+_[a-z_]+)'(?:\s+(?:when|end))?|'([a-z_]+)' as reason|set reason = '(\w+)'"
)


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield file, node, getattr(node.func, "id", getattr(node.func, "attr", ""))


def text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def literals() -> Iterator[tuple[str, str]]:
    """Every reason and code that the sources write, with its place."""
    for file, call, name in calls():
        place = f"{file.relative_to(ROOT)}:{call.lineno}"
        if name in REASON_CALLS and call.args and (word := text_of(call.args[0])):
            yield word, place
        for keyword in call.keywords:
            if keyword.arg == "code" and name not in ("Failure", "Said", "Exit") and (word := text_of(keyword.value)):
                yield word, place
            if keyword.arg == "reason" and name in ("TeacherError", "select", "with_columns"):
                if word := text_of(keyword.value):
                    yield word, place
                for inner in ast.walk(keyword.value):
                    lit = isinstance(inner, ast.Call) and getattr(inner.func, "attr", "") == "lit"
                    if isinstance(inner, ast.Call) and lit and inner.args and (word := text_of(inner.args[0])):
                        yield word, place


def test_every_reason_and_code_in_the_sources_is_in_the_registry() -> None:
    own = {reason for name in found("operators") for reason in load("operators", name).reasons}
    known = {*CODES, *own}
    missing = {word: place for word, place in literals() if word not in known and not word.startswith(("_", "dq_"))}
    assert not missing
    assert len({word for word, _ in literals()}) > 50, "the walk finds nothing any more"


def test_every_warning_that_is_logged_has_a_code() -> None:
    logged = {
        f"{file.relative_to(ROOT)}:{call.lineno}": re.findall(r"'code': '([a-z-]+)'", ast.unparse(call))
        for file, call, name in calls()
        if name in ("warning", "error", "exception") and ast.unparse(call.func) == f"log.{name}"
    }
    assert len(logged) > 15, "the walk finds nothing any more"
    assert not {place: codes for place, codes in logged.items() if [code in CODES for code in codes] != [True]}


def test_an_error_that_names_what_to_install_has_a_code() -> None:
    raised = [
        (f"{file.relative_to(ROOT)}:{call.lineno}", [keyword.arg for keyword in call.keywords])
        for file, call, name in calls()
        if name.endswith("Error") and name not in ("RowError", "SandboxError") and "pip install" in ast.unparse(call)
    ]
    assert len(raised) > 15 and not [place for place, keywords in raised if "code" not in keywords]


def test_every_reason_of_an_operator_is_on_the_page_of_codes() -> None:
    page = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
    built_in = [name for name, point in found("operators").items() if point.value.startswith("dqdata_operators.")]
    own = {reason for name in built_in for reason in load("operators", name).reasons}
    assert len(own) > 10
    assert not [code for code in (*CODES, *own) if f"| `{code}` |" not in page]


def test_reasons_that_sql_writes_are_in_the_registry() -> None:
    written: set[str] = set()
    for file in FILES:
        for match in SQL_REASON.finditer(file.read_text(encoding="utf-8")):
            if " as reason" in file.read_text(encoding="utf-8"):
                written.add(next(filter(None, match.groups())))
    assert {"not_sampled", "quota", "no_majority", "not_selected"} <= written
    assert written - set(CODES) == set()


ALWAYS_THERE = {"chbubblewrap_bin", "pydantic_core", "latex2sympy2_extended", "math_verify", "pandas"}
"""Modules of packages with another name; pandas is asked for by name, and its package is the user's choice."""


def test_a_module_that_is_not_always_installed_names_its_extra() -> None:
    """Else its absence is `error[internal-error]`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.split(r"[^a-z0-9-]", name, maxsplit=1)[0].replace("-", "_") for name in project["dependencies"]}
    known = {*required, *ALWAYS_THERE, *sys.stdlib_module_names, "dqdata", "dqdata_operators", "dqdata_trainers"}
    imported: dict[str, Path] = {}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0]: file for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported[node.module.partition(".")[0]] = file
    assert len(imported) > 50
    assert not {module: file for module, file in imported.items() if module not in {*known, *EXTRAS}}
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])


def kinds_of_error(kind: type[errors.DqdataError]) -> Iterator[type[errors.DqdataError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from kinds_of_error(inner)


def test_every_class_of_error_has_a_code_of_its_kind() -> None:
    for kind in kinds_of_error(errors.DqdataError):
        if kind.__module__ != "dqdata.errors":
            continue
        code = CODES[kind.general]
        assert (code.kind == "input") == (kind.exit_code == 2), kind


def test_codes_of_errors_have_hyphens_and_reasons_have_underscores() -> None:
    for name, one in CODES.items():
        assert re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name)
        assert "-" not in name if one.kind in ("dropped", "failed") else "_" not in name
        assert one.kind in KINDS and one.meaning.endswith(".") and one.action.endswith(".")


@pytest.mark.parametrize("message", ["no such file; `dqdata init` writes one", "another text"])
def test_an_error_that_is_wrapped_keeps_the_code_of_its_cause(message: str) -> None:
    try:
        try:
            raise errors.DataError(message, code="missing-file")
        except errors.DataError as cause:
            raise errors.ProjectError("pipelines.toml", str(cause)) from cause
    except errors.ProjectError as error:
        assert error.code == "missing-file"
    assert errors.ProjectError("x", "y").code == "invalid-project"

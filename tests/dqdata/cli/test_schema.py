"""The schema of pipelines.toml against a TOML checker and against jsonschema."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dqdata.cli.ops import example_of
from dqdata.plugins import GROUPS, found, load

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from dqdata.cli import main

    path = tmp_path_factory.mktemp("schema") / "pipelines.schema.json"
    assert main(["schema", "-o", str(path)]) == 0
    return path


def complaints(schema: Path, text: str) -> list[str]:
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text()))
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


TEMPLATES = sorted((ROOT / "dqdata" / "cli" / "templates").glob("*/pipelines.toml"))


def test_the_schema_is_a_schema(schema: Path) -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(schema.read_text()))


@pytest.mark.parametrize("file", [ROOT / "pipelines.toml", *TEMPLATES], ids=lambda file: file.parent.name)
def test_projects_that_are_right_pass(schema: Path, file: Path) -> None:
    assert complaints(schema, file.read_text(encoding="utf-8")) == []


BROKEN = {
    "unknown table": "[pipeline.p]\nfrom = 'x'",
    "no from": "[pipelines.p]\nsteps = []",
    "unknown operator": "[pipelines.p]\nfrom = 'x'\nsteps = [ { op = 'lenght' } ]",
    "unknown parameter": "[pipelines.p]\nfrom = 'x'\nsteps = [ { op = 'length', colum = 'x' } ]",
    "wrong type": "[pipelines.p]\nfrom = 'x'\nsteps = [ { op = 'generate', teacher = 't', n = 'four' } ]",
    "out of range": "[pipelines.p]\nfrom = 'x'\nsteps = [ { op = 'generate', teacher = 't', n = 0 } ]",
    "missing parameter": "[pipelines.p]\nfrom = 'x'\nsteps = [ { op = 'filter' } ]",
    "unknown provider": "[teachers.t]\nprovider = 'opneai'",
    "unknown key of a teacher": "[teachers.t]\nprovider = 'openai'\nbase_url = 'http://x/v1'\nmodell = 'm'",
    "unknown key of a source": "[pipelines.p]\nfrom = { source = 'problems', row = 3 }",
    "unknown trainer": "[trainers.t]\nkind = 'stf'\ndata = 'p'",
    "trainer without data": "[trainers.t]\nkind = 'sft'\nmodel = 'm'",
    "unknown key of evaluate": "[trainers.t]\nkind = 'sft'\nmodel = 'm'\ndata = 'p'\nevaluate = { dta = 'p' }",
    "sandbox": "[sandbox]\nmode = 'docker'",
    "store": "[store]\npaht = 'x'",
    "profile": "[profiles.tiny]\nteacher = {}",
    "key of a pipeline in a profile": "[profiles.tiny.pipelines.p]\nsede = 4",
    "value of a pipeline in a profile": "[profiles.tiny.pipelines.p]\nmax_failed_rate = 2.0",
    "steps in a profile": "[profiles.tiny.pipelines.p]\nsteps = [ { op = 'length' } ]",
    "key of an evaluation in a profile": "[profiles.tiny.evaluations.e]\ndtaa = 'p'",
    "key of a trainer in a profile": "[profiles.tiny.trainers.t]\nmodle = 'm'",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_projects_that_are_wrong_are_refused(schema: Path, text: str) -> None:
    assert complaints(schema, text)


def test_false_stands_for_null_and_env_for_a_secret(schema: Path) -> None:
    text = (
        "[teachers.t]\nprovider = 'openai'\nbase_url = { env = 'URL' }\nmodel = 'm'\napi_key = { env = 'KEY' }\n"
        "[trainers.x]\nkind = 'sft'\ndata = 'p'\nmodel = 'm'\nmax_length = false\n"
    )
    assert complaints(schema, text) == []


def test_a_toml_checker_reads_it(schema: Path, tmp_path: Path) -> None:
    import shutil
    import sys

    taplo = shutil.which("taplo", path=str(Path(sys.executable).parent)) or shutil.which("taplo")
    if taplo is None:
        pytest.skip("taplo is not installed")
    bad = tmp_path / "bad.toml"
    bad.write_text(BROKEN["unknown parameter"] + "\n")
    for file, code in ((ROOT / "pipelines.toml", 0), (bad, 1)):
        done = subprocess.run(
            [taplo, "check", "--schema", schema.as_uri(), str(file)], capture_output=True, text=True, timeout=120
        )
        assert (done.returncode != 0) == bool(code), done.stderr
    assert "colum" in done.stderr


def written_in(example: str) -> list[str]:
    """The TOML that an example has beside its rows: steps, sources, tables; columns of text beside them are no part."""
    steps = [f"[pipelines.p]\nfrom = 'x'\nsteps = [ {step} ]" for step in inline_tables(example)]
    sources = [f"[pipelines.p]\n{line}" for line in re.findall(r"^from = .*$", example, re.M)]
    tables = [
        part
        for part in re.split(r"\n\s*\n|\n(?=\[)", example)
        if re.match(r"\[[a-z]+\.[a-z_0-9]+\]$", part.split("\n")[0])
    ]
    return steps + sources + [table for table in tables if "->" not in table]


def inline_tables(text: str) -> list[str]:
    """Each `{ op = ... }`, with what it holds."""
    tables = []
    for start in (match.start() for match in re.finditer(r"\{ op = ", text)):
        depth = 0
        for end, sign in enumerate(text[start:], start + 1):
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if not depth:
                tables.append(text[start:end])
                break
    return tables


def test_what_ops_shows_as_examples_is_right(schema: Path) -> None:
    seen = 0
    for group in GROUPS:
        for name, point in found(group).items():
            if not point.value.startswith(("dqdata.", "dqdata_operators.", "dqdata_trainers.")):
                continue
            for text in written_in(example_of(load(group, name))):
                assert complaints(schema, text) == [], (name, text)
                seen += 1
    assert seen > 70, "most plug-ins have one"


def test_a_plug_in_of_another_package_is_in_it(dqdata: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, out, _ = dqdata("schema")
    definitions = json.loads(out)["definitions"]
    assert code == 0 and "rows" in definitions["sources.counting"]["properties"]
    assert "broken_import" in json.dumps(json.loads(out)["properties"]["pipelines"])

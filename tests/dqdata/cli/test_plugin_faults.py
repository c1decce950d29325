"""Plug-ins that fail where no row is processed: in the checks of their parameters, when they are made, when closed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dqdata import plugins

Invoke = Callable[..., tuple[int, str, str]]
MODULE = """
import asyncio
from pydantic import field_validator
from dqdata import *

class OddParams(Params):
    size: int = 1
    @field_validator("size")
    @classmethod
    def _size(cls, size):
        {params}
        return size

class Operated(RowOperator[OddParams]):
    "Does nothing."
    name = "odd"
    Params = OddParams
    def __init__(self, params):
        super().__init__(params)
        {made}
    def columns(self, have, schema): return have
    def process(self, row): return row

class Supplied(Source[OddParams]):
    "No rows."
    kind = "odd"
    Params = OddParams
    def __init__(self, params, context):
        super().__init__(params, context)
        {made}
    def schema(self): return Columns({{"question": "VARCHAR"}})
    def fingerprint(self): return "odd"
    def batches(self): return iter(())

class Answering(Teacher[OddParams]):
    "Says 2."
    Params = OddParams
    def __init__(self, params):
        super().__init__(params)
        {made}
    provider, model = "odd", "m"
    async def complete(self, request):
        {answer}
        return Completion("2", "stop", Usage(1, 1))
    async def close(self):
        {close}

def needed(at):
    if at == {trainer!r}:
        undefined

class Training(Trainer[OddParams]):
    "Never trains."
    kind = "odd"
    Params = OddParams
    def needs(self, split, have): needed("needs")
    def requires(self): return needed("requires") or ()
    def check(self): needed("check")
    def models(self): return needed("models") or ()
    def operators(self): return needed("operators") or ()
    def train(self, data, out, run): raise NotImplementedError
"""
POINTS = """[dqdata.operators]
odd = odd_plugin:Operated
[dqdata.sources]
odd = odd_plugin:Supplied
[dqdata.teachers]
odd = odd_plugin:Answering
[dqdata.trainers]
odd = odd_plugin:Training
"""
USES = {
    "operator": "[pipelines.p]\nfrom = { source = 'problems', rows = 2 }\nsteps = [ { op = 'odd', size = 2 } ]\n",
    "source": "[pipelines.p]\nfrom = { source = 'odd', size = 2 }\n",
    "teacher": "[teachers.t]\nprovider = 'odd'\nsize = 2\n[pipelines.p]\nfrom = { source = 'problems', rows = 2 }\n"
    "steps = [ { op = 'generate', teacher = 't', max_tokens = 5 } ]\n",
}


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs the plug-in with these statements in it, and a project that uses one kind of it."""
    site = tmp_path / "site"

    def install(kind: str, **parts: str) -> None:
        info = site / "odd_plugin-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "odd_plugin.py").write_text(
            MODULE.format(
                **({"params": "pass", "made": "pass", "answer": "pass", "close": "pass", "trainer": ""} | parts)
            )
        )
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(POINTS)
        (tmp_path / "pipelines.toml").write_text(USES[kind])
        plugins.claims.cache_clear()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(site))  # of the workers
    monkeypatch.syspath_prepend(str(site))
    sys.modules.pop("odd_plugin", None)
    yield install
    sys.modules.pop("odd_plugin", None)
    plugins.claims.cache_clear()


@pytest.mark.parametrize("kind", USES)
@pytest.mark.parametrize("at", ["params", "made"])
@pytest.mark.parametrize("raised", ["undefined", "raise ValueError('three is odd')", "raise SystemExit(3)"])
def test_parameters_that_a_plug_in_cannot_check(
    odd: Callable[..., None], command_line: Invoke, kind: str, at: str, raised: str
) -> None:
    odd(kind, **{at: raised})
    code, out, error = command_line("check", "p")
    assert "Traceback" not in out + error and "internal-error" not in error, error
    assert ("[teachers.t]" if kind == "teacher" else "[pipelines.p]") in error
    if "ValueError" in raised:
        assert code == 1 and "three is odd" in error and "plugin-fault" not in error
    else:
        assert code == 1 and "error[plugin-fault]" in error and "odd_plugin.py:" in error


@pytest.mark.parametrize("raised", ["undefined", "raise OSError('gone')", "raise SystemExit(3)"])
def test_a_teacher_that_fails_when_it_is_closed_loses_no_row(
    odd: Callable[..., None], command_line: Invoke, raised: str, caplog: pytest.LogCaptureFixture
) -> None:
    odd("teacher", close=raised)
    code, out, error = command_line("run", "p", "-q", "--engine", "inline")
    assert code == 0 and "p@1: 2 rows" in out, error
    assert "teacher t failed when it was closed" in caplog.text and "odd_plugin.py:" in caplog.text
    assert command_line("run", "p", "-q")[1].startswith("p@1 is what this recipe makes already")


@pytest.mark.parametrize(
    "raised",
    ["asyncio.CancelledError('odd')", "type('Leaving', (KeyboardInterrupt,), {})()", "ValueError('half \\udc80')"],
)
def test_a_teacher_that_leaves_by_any_exception_is_named(
    odd: Callable[..., None], command_line: Invoke, raised: str
) -> None:
    odd("teacher", answer=f"raise {raised}")
    code, _, error = command_line("run", "p", "-q", "--engine", "inline")
    assert code == 1 and "error[broken]: teacher 't' broke: " in error and "odd_plugin.py:" in error


@pytest.mark.parametrize("at", ["needs", "requires", "check", "models", "operators"])
def test_a_trainer_that_fails_before_it_trains_is_named(
    odd: Callable[..., None], command_line: Invoke, tmp_path: Path, at: str
) -> None:
    odd("source", trainer=at)
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?"}\n')
    (tmp_path / "pipelines.toml").write_text("[trainers.t]\nkind = 'odd'\ndata = 'held'\n")
    assert command_line("import", "rows.jsonl", "--into", "held", "-q")[0] == 0
    for verb in ("check", "train"):
        code, _, error = command_line(verb, "t")
        assert code == 1 and "error[plugin-fault]" in error, error
        assert "trainer 'odd' failed: NameError" in error and "odd_plugin.py:" in error, error


@pytest.mark.parametrize("kind", USES)
def test_what_a_plug_in_prints_is_no_result(odd: Callable[..., None], command_line: Invoke, kind: str) -> None:
    """When it is imported, made, asked for rows and closed, in this process and in a worker."""
    said = "print('noise', flush=True)"
    odd(kind, params=said, made=said, close=said)
    code, out, error = command_line("run", "p", "-q", "--json", "--engine", "inline")
    assert code == 0 and json.loads(out)["catalog"] == "p" and "noise" in error, error
    assert json.loads(command_line("sql", "select count(*) as n from p", "--json")[1])["rows"] is not None

"""What may load before anything is asked for: a slow start is felt at every tab completion."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("polars", "duckdb", "pyarrow", "pydantic", "openai", "sympy", "torch", "transformers", "rich", "numpy")
PLUGINS = ("dqdata_operators", "dqdata_trainers", "dqdata.teachers", "dqdata.sources")


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import dqdata",
        "from dqdata.cli import dqdata; dqdata.main(['--help'], standalone_mode=False)",
        "from dqdata.cli import dqdata; dqdata.main(['run', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_and_no_plug_in_loads_at_the_start(code: str) -> None:
    loaded = loaded_by(code)
    assert not [name for name in (*HEAVY, *PLUGINS) if name in loaded]


def test_a_check_loads_neither_the_engine_nor_what_only_runs_need(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2", "parts": ["1"]}\n')
    (tmp_path / "pipelines.toml").write_text(
        'store.path = "catalogs"\n[pipelines.p]\nfrom = "rows.jsonl"\n'
        'steps = [{ op = "filter", where = "length(answer) = 1" }]\n'
    )
    loaded = loaded_by(f"from dqdata.cli import main; main(['check', '-p', {str(tmp_path)!r}])")
    assert "dqdata_operators.select.filter" in loaded, "the project was not checked"
    assert not loaded & {"dqdata.engine", "pandas", "pyarrow.dataset", "pyarrow.compute", "openai", "sympy", "torch"}


def test_the_list_of_verbs_says_what_each_verb_says() -> None:
    from dqdata.cli import VERBS, dqdata
    from dqdata.cli.help import LIMIT

    for name, summary in VERBS.items():
        command = dqdata.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.get_short_help_str(LIMIT) == summary


def test_ctrl_c_while_it_starts_ends_it_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dqdata import __main__, cli

    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    assert __main__.main() == 130
    assert "interrupted before anything was done" in capsys.readouterr().err

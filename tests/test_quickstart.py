"""The repository's own project as `make run` runs it, with an endpoint on loopback for the embedded model."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.loopback import Loopback

ROOT = Path(__file__).resolve().parents[1]
EMBEDDED = re.compile(r'provider = "llamacpp".*\nmodel = "smollm2-135m"\n(?:prompt_cache = true.*\n)?')


def adds_up(body: dict[str, Any]) -> str:
    """Right where two numbers are added in signs, else something else."""
    sum_of = re.search(r"(\d+) \+ (\d+)", body["messages"][-1]["content"])
    return f"It is {int(sum_of[1]) + int(sum_of[2])}." if sum_of else "I would say 1000000."


def test_every_line_of_make_run_works(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answer = adds_up
    project = (ROOT / "pipelines.toml").read_text(encoding="utf-8")
    endpoint = f'provider = "openai"\nbase_url = "{loopback.url}"\nmodel = "m"\n'
    project, replaced = EMBEDDED.subn(endpoint, project)
    assert replaced == 1
    (tmp_path / "pipelines.toml").write_text(project, encoding="utf-8")
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")

    recipe = re.search(r"^run: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    lines = [line.lstrip("\t@").replace("$(BIN)/", "").replace("$$", "$") for line in recipe[1].splitlines()]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    told = ""
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        told += done.stdout
    assert re.search(r"problems +120\b", told)
    assert re.search(r"traces generated +360\b", told)
    assert re.search(r"verified correct +[1-9]\d* of 360", told)
    assert "dqdata train quickstart_sft" in told

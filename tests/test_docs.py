"""Pages made from the code are as the code is now."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from dqdata.cli import dqdata as group
from dqdata.project.check import NoStore, PlannedStore
from dqdata.project.instances import make_teacher
from dqdata.project.tables import read_project

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_no_generated_page_has_drifted() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"drifted, run `make docs`: {done.stderr}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_to_headings_lead_to_one() -> None:
    for page in [*DOCS.parent.glob("*.md"), *DOCS.glob("*.md")]:
        for target, heading in re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            aim = page.parent / target if target else page
            assert aim.suffix != ".md" or heading in anchors(aim), f"{page.name} links to {target}#{heading}"


def test_llms_txt_names_every_page() -> None:
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", text, re.MULTILINE) == sorted(one.name for one in DOCS.glob("*.md"))


def console(page: Path) -> list[str]:
    """What stands in the blocks of a page that a person types."""
    return re.findall(r"^```(?:console|sh|bash)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
    if block.startswith("[")  # others show alternatives, of which a file takes one
]


@pytest.mark.parametrize("block", BLOCKS)
def test_toml_of_the_pages_is_read(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'env = "(\w+)"', block):
        monkeypatch.setenv(name, "key")
    shutil.copytree(DOCS.parent / "examples", tmp_path / "examples")
    (tmp_path / "pipelines.toml").write_text(block)
    project = read_project(tmp_path / "pipelines.toml")
    for table in project.teachers.values():
        make_teacher(table, PlannedStore(NoStore(), {}, project))


COMMANDS = [
    pytest.param(line, id=f"{page.stem}-{line[:60]}")
    for page in [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
    for line in re.findall(r"^(?:\$ )?dqdata ([^\n]+)$", "\n".join(console(page)), re.M)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_pages_are_commands(line: str) -> None:
    arguments = shlex.split(line, comments=True)
    command: click.Command = group
    context = click.Context(group, info_name="dqdata")
    while isinstance(command, click.Group):
        name, inner, arguments = command.resolve_command(context, arguments)
        assert inner is not None
        command = inner
    command.make_context(name, arguments, parent=context)


def test_the_project_of_the_readme_is_right_and_its_plan_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("R1_API_KEY", "key")
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    Path("pipelines.toml").write_text(re.findall(r"^```toml\n(.*?)^```", readme, re.M | re.S)[0])
    Path("problems.jsonl").write_text('{"question": "What is 1 + 1?", "answer": "2"}\n')
    assert command_line("check", "slow_thinking")[0] == 0
    code, out, _ = command_line("plan", "slow_thinking")
    assert code == 0 and "r1" in out and "cost unknown" not in out
    code, out, _ = command_line("build", "slow_sft", "--dry-run")
    assert code == 0 and [line.split()[0] for line in out.splitlines()][:1] == ["slow_thinking"]

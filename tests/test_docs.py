"""Pages made from the code are as the code is now."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import duckdb
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


def pages_of_the_site() -> list[str]:
    """The pages of the navigation, in its order."""
    nav = tomllib.loads((DOCS.parent / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    return [page for entry in nav for page in (next(iter(entry.values())) if isinstance(entry, dict) else [entry])]


def test_site_and_llms_txt_have_every_page() -> None:
    assert sorted(pages_of_the_site()) == sorted(one.name for one in DOCS.glob("*.md"))
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", text, re.MULTILINE) == pages_of_the_site()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(DOCS.parent / "zensical.toml", folder)
    build(folder)
    return folder / "build" / "site"


def build(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pages_of_the_site_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"""<(?:script|img|iframe|link)[^>]*?(?:src|href)=["']?((?:https?:)?//[^"' >]+)""")
    for page in pages_of_the_site():
        text = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        assert not loaded.findall(text), page
    picture = (site / "flow.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in picture and "<title" in picture
    assert (site / "llms.txt").is_file()
    sources = [file.name for file in site.rglob("*") if file.suffix in (".py", ".pyc", ".sql", ".md")]
    assert not sources, "files that make the pages are no pages"


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](types.md#nothing)"])
def test_a_link_that_leads_nowhere_fails_the_site(tmp_path: Path, link: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# One\n\n{link}\n", encoding="utf-8")
    (tmp_path / "docs" / "types.md").write_text("# Types\n", encoding="utf-8")
    (tmp_path / "zensical.toml").write_text("[project]\nsite_name = 'x'\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        build(tmp_path)


TABLES = re.findall(
    r"^```sql\n(create table .*?)^```", (DOCS / "tables.md").read_text(encoding="utf-8"), re.I | re.M | re.S
)


def test_tables_of_the_page_can_be_made() -> None:
    assert len(TABLES) > 12
    with duckdb.connect() as con, contextlib.closing(sqlite3.connect(":memory:")) as lite:
        for sql in TABLES:
            (lite if "strict;" in sql else con).execute(sql)


EXAMPLES = [
    pytest.param(example, id=re.findall(r'op = "(\w+)"', example)[0])
    for block in re.findall(r"^```text\n(.*?)^```", (DOCS / "operators.md").read_text(encoding="utf-8"), re.M | re.S)
    for example in re.findall(r'^\{ op = "(?:.|\n(?!\n))*?\}$', block, re.M)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_operators_are_steps(example: str, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(f"[pipelines.p]\nfrom = 'x.jsonl'\nsteps = [\n{example}\n]\n")
    read_project(tmp_path / "pipelines.toml")


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
    monkeypatch.delenv("R1_API_KEY")  # plans need neither a key nor what a training needs
    monkeypatch.setattr("dqdata.packages.installed", lambda name: name != "trl")
    code, out, _ = command_line("plan", "slow_thinking")
    assert code == 0 and "r1" in out and "cost unknown" not in out
    code, out, _ = command_line("build", "slow_sft", "--plan")
    pipeline, trainer, cost = out.splitlines()
    assert code == 0 and cost.startswith("4 calls: expected $0.04")
    assert pipeline.startswith("slow_thinking") and "to build: never run;" in pipeline and "'R1_API_KEY'" in pipeline
    assert trainer.startswith("slow_sft") and "depends on slow_thinking;" in trainer and "needs trl" in trainer
    code, out, error = command_line("build", "slow_sft")
    assert code == 2 and "'R1_API_KEY'" in error and "needs trl" in error

"""Every command, TOML and SQL block of README and docs runs: here, in the test that ELSEWHERE names, or the page says
why not, in the line below the block:

    *Not run by the tests: `train`, `eval`: they take a model of 7B.*

Without verbs in backticks such a line covers the whole block. A block that is none of these fails its test.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from loopback import Loopback
from test_guides import STORIES

from dqdata.cli import main
from dqdata.project.tables import read_project

pytestmark = pytest.mark.usefixtures("kept_workers")

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ("api", "cli", "codes", "columns", "keys", "operators", "tables", "architecture")
ELSEWHERE = {
    "catalogs: dqdata tag traces@3 release": "dqdata/cli/test_story.py",
    "catalogs: cd ada": "dqdata/cli/test_story.py",
    "catalogs: dqdata tag traces@1 release": "dqdata/cli/test_story.py",
    "catalogs: cd ../ben": "dqdata/cli/test_story.py",
    "catalogs: dqdata run traces --force": "dqdata/cli/test_story.py",
    "catalogs: dqdata rebuild traces@release": "dqdata/cli/test_story.py",
    "costs: select": "test_questions.py",
    "costs: dqdata build": "test_questions.py",
    "experiments: dqdata audit": "dqdata/cli/test_audit.py",
    "experiments: dqdata calibrate": "dqdata/cli/test_calibrate.py",
    "experiments: dqdata ablate": "trainers/test_ablate.py",
    "experiments: dqdata efficiency": "dqdata/cli/test_efficiency.py",
    "experiments: dqdata strategy": "dqdata/cli/test_strategy.py",
    "processors: select teacher, count(*) as traces": "trainers/test_feedback.py",
    "processors: select winner_by": "trainers/test_feedback.py",
    "processors: select criterion": "trainers/test_feedback.py",
    "processors: select reason, count(*) as problems": "examples/test_supply.py",
    "processors: select effort, tools is not null": "examples/test_supply.py",
    "publishing: dqdata publish": "dqdata/publish/test_publish.py",
    "publishing: dqdata tag": "dqdata/publish/test_publish.py",
    "questions: select": "test_questions.py",
    "questions: dqdata build": "test_questions.py",
    "view: pip": "dqdata/view/test_rows.py",
    "view: dqdata": "dqdata/view/test_rows.py",
    "experiments: select question, answer": "dqdata/cli/test_audit.py",
    "README: make run": "test_quickstart.py",
    "pipelines: dqdata store copy": "dqdata/catalog/test_copy.py",
    "README: dqdata build slow_cogpo": "test_recipes.py",
}
"""Page and beginning of a console block, to the file of the test that runs it or what stands for it."""


class Block(NamedTuple):
    page: str
    language: str
    text: str
    note: str
    """What the line below the block says of why it does not run, or nothing."""

    @property
    def name(self) -> str:
        return f"{self.page}: {self.text.removeprefix('$ ')}"

    def runs_elsewhere(self) -> bool:
        return any(self.name.startswith(beginning) for beginning in ELSEWHERE)

    def commands(self) -> list[list[str]]:
        """Its commands that are to run: those whose verb the note does not name."""
        excused = re.findall(r"`(\w+)`", self.note)
        if self.note and not excused:
            return []
        lines = [shlex.split(line.removeprefix("$ "), comments=True) for line in self.text.splitlines() if line.strip()]
        return [words for words in lines if words[words[0] == "dqdata"] not in excused]


def blocks() -> Iterator[Block]:
    found = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n?\*Not run by the tests: (.*?)\*$)?", re.MULTILINE | re.DOTALL)
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if page.stem not in (*GENERATED, *STORIES):
            for language, text, note in found.findall(page.read_text(encoding="utf-8")):
                yield Block(page.stem, language, text, note)


BLOCKS = list(blocks())
CONSOLE = [block for block in BLOCKS if block.language == "console" and not block.runs_elsewhere()]
PARTS = [block for block in BLOCKS if block.language == "toml" and not block.text.startswith("[")]
QUERIES = [block for block in BLOCKS if block.language == "sql" and not block.runs_elsewhere()]

PROJECT = """
[teachers.r1]
provider = "openai"
base_url = "URL"
model = "deepseek-reasoner"
price = { input = 0.55, output = 2.19 }

[pipelines.slow_thinking]
from = "problems.jsonl"
steps = [
  { op = "generate", teacher = "r1", max_tokens = 64 },
  { op = "verify_math" },
  { op = "filter", where = "verdict = 'correct'" },
  { op = "to_messages" },
]

[pipelines.slow_traces]
from = "slow_thinking"

[pipelines.traces]
from = "problems.jsonl"
steps = [ { op = "generate", teacher = "r1", max_tokens = 64 }, { op = "verify_math" } ]

[pipelines.mip_verified]
from = "mip"
steps = [ { op = "verify_math" } ]
"""
TABLES = {
    "rated": {"score_by": "m", "score_rv": 0.5, "rv": 0.4, "score_cd": 0.2, "cd": 0.3},
    "verified": {"question": "1 + 1?", "correct": True, "ledger_key": "k"},
    "solutions": {"verdict_reason": "failed", "checked": "inside", "tests_passed": 1, "tests_total": 2},
    "judged": {
        "trace_id": "t",
        "problem_id": "p",
        "extracted": "1",
        "answer": "2",
        "verdict": "incorrect",
        "judge_verdict": "correct",
    },
    "eval_math500": {"question": "1?", "response": "1", "model": "m", "correct": True, "output_tokens": 3},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the catalogs that the pages name, and a teacher that is right."""
    folder = tmp_path_factory.mktemp("docs")
    teacher = Loopback()
    teacher.answer = lambda body: f"It is {int(body['messages'][-1]['content'].split()[2]) + 1}."
    teacher.start()
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    (folder / "pipelines.toml").write_text(PROJECT.replace("URL", teacher.url))
    rows = [{"question": f"What is {at} + 1?", "answer": str(at + 1)} for at in range(8)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, row in TABLES.items():
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
        run("import", f"{name}.jsonl", "--into", name, "-q")
    runs = [["slow_thinking"], ["slow_traces"], ["traces"], *[["slow_thinking", "--force"]] * 2]
    for words in [*runs, *[["traces", "--force"]] * 4]:
        run("run", *words, "-q", "--engine", "inline")
    shutil.copy(folder / "catalogs" / "ledger.sqlite", folder / "colleague.sqlite")
    yield folder
    patch.undo()
    teacher.stop()


def run(*words: str) -> None:
    assert main(list(words)) == 0, words


def names(block: Block) -> str:
    return " ".join(block.name.split())[:50]


@pytest.mark.parametrize("block", CONSOLE, ids=names)
def test_commands_run_or_the_page_says_why_not(
    block: Block, world: Path, capsys: pytest.CaptureFixture[str], command_line: Callable[..., tuple[int, str, str]]
) -> None:
    for words in block.commands():
        assert words[0] == "dqdata", f"{words} is no command of dqdata: say below the block why it does not run"
        if words[1] == "why":  # an id of this store instead of the page's
            rows = json.loads(command_line("sql", "select trace_id from traces@2 limit 1", "--json")[1])["rows"]
            words[2] = rows[0]["trace_id"]
        code, _, error = command_line(*words[1:])
        assert code == 0, f"{words}: {error}"


@pytest.mark.parametrize("block", QUERIES, ids=names)
def test_queries_run(block: Block, world: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    if block.note:
        return
    for query in filter(str.strip, block.text.split(";\n")):
        code, _, error = command_line(
            "sql", re.sub(r"\btraces\b(?= where verdict !=)", "judged", query).strip().rstrip(";")
        )
        assert code == 0, f"{query}: {error}"


@pytest.mark.parametrize("block", PARTS, ids=names)
def test_parts_of_a_table_are_read(block: Block, tmp_path: Path) -> None:
    """Lines that are alternatives, of which a file takes one: each in a table of its own."""
    for line in block.text.splitlines():
        if not line.strip():
            continue
        key = line.partition("=")[0].strip()
        if line.startswith("{"):
            table = f"[pipelines.p]\nfrom = 'x.jsonl'\nsteps = [\n{line}\n]\n"
        elif key == "from":
            table = f"[pipelines.p]\n{line.replace(', ... }', ' }')}\n"
        elif key == "steps":
            table = f"[pipelines.p]\nfrom = 'x.jsonl'\n{line}\n"
        else:
            table = f"[trainers.t]\nkind = 'sft'\ndata = 'x'\nmodel = 'm'\n{line}\n"
        (tmp_path / "pipelines.toml").write_text(table)
        read_project(tmp_path / "pipelines.toml")


def test_tests_that_run_blocks_elsewhere_are_there_and_every_exception_is_used() -> None:
    names = [block.name for block in BLOCKS]
    for beginning, file in ELSEWHERE.items():
        assert (ROOT / "tests" / file).is_file(), file
        assert any(name.startswith(beginning) for name in names), beginning


def test_a_block_that_nothing_runs_is_found() -> None:
    block = Block("README", "console", "$ curl x\n$ dqdata train y\n", "")
    assert block.commands() == [["curl", "x"], ["dqdata", "train", "y"]]
    assert block._replace(note="`train`: it takes a GPU").commands() == [["curl", "x"]]
    assert block._replace(note="needs two machines").commands() == []

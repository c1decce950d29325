"""Lines on a terminal: none is wider than it is, in any command; what goes to a pipe is not broken."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from dqdata.cli import main
from dqdata.cli.common import progress_out
from dqdata.cli.lines import cells, cut, wrapped
from dqdata.training.progress import StepProgress

NAME = "arithmetic_for_children_of_primary_schools"
PROJECT = f"""
[teachers.a_teacher_with_a_name_of_some_length]
provider = "scripted"
model = "a-model-with-a-long-name"
script = "answers.toml"

[pipelines.{NAME}]
from = "problems.jsonl"
steps = [
  {{ op = "generate", teacher = "a_teacher_with_a_name_of_some_length", n = 2, max_tokens = 512 }},
  {{ op = "verify_math" }},
  {{ op = "filter", where = "verdict = 'correct'" }},
  {{ op = "to_messages" }},
]

[pipelines.none_of_them]
from = "problems.jsonl"
steps = [{{ op = "filter", where = "question ilike '%tram%' and answer <> 'a value that no row has at all'" }}]
"""
ANSWERS = [
    "<think>I add the two numbers, and check the sum by taking one away again.</think>It is \\boxed{22}.",
    "<think>求这两个数的和:先加个位,再加十位,然后检查一遍结果是否正确,最后写出答案。</think>答案是 \\boxed{22}。",
]
PROBLEMS = [
    ("What is 17+5?", "22"),
    ("小明有十七个苹果,妈妈又给了他五个苹果,请问他现在一共有多少个苹果?请写出完整的计算过程和答案。" * 2, "22"),
    ("How many seconds have two minutes?", "120"),
]
COMMANDS = [
    ["check"],
    ["plan", NAME],
    ["run", NAME],
    ["run", NAME],
    ["run", "none_of_them"],
    ["show", NAME],
    ["show", NAME, "--rejects"],
    ["log"],
    ["sql", f"select problem_id, question, verdict, response from {NAME}"],
    ["sql", "select question from problems_that_nobody_imported"],
    ["tag", f"{NAME}@1", "the_version_that_was_read_by_two_people"],
    ["log", NAME],
    ["lineage", f"{NAME}@1"],
    ["ledger", "size"],
    ["ledger", "verify"],
    ["verify"],
    ["gc"],
    ["why", "nosuchid"],
    ["ops"],
    *(["ops", "--group", group] for group in ("trainers", "teachers", "sources")),
    *(["ops", name] for name in ("judge_answer", "sft", "scripted")),
    ["explain"],
    ["explain", "no-rows"],
    ["doctor"],
    ["frobnicate"],
    ["run", "a_pipeline_that_is_not_there_and_has_a_long_name"],
]
STYLE = re.compile(r"\x1b\[[0-9;]*[mK]")


class Terminal(io.TextIOWrapper):
    """A stream that says that it is a terminal; how wide, COLUMNS says."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    (folder / "pipelines.toml").write_text(PROJECT)
    rule = f'[[rules]]\nmatch = "."\nanswers = {json.dumps(ANSWERS, ensure_ascii=False)}\n'
    (folder / "answers.toml").write_text(rule, encoding="utf-8")
    rows = [json.dumps({"question": question, "answer": answer}) for question, answer in PROBLEMS]
    (folder / "problems.jsonl").write_text("\n".join(rows))
    return folder


def on_terminal(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> tuple[int, str]:
    out, err = Terminal(), Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = main(arguments)
        return code, out.text() + err.text()


@pytest.mark.parametrize(
    ("columns", "commands"), [(60, COMMANDS), (80, [["plan", NAME], ["ops"], ["explain"], ["log"]])]
)
def test_no_line_of_any_command_is_wider_than_the_terminal(
    project: Path, monkeypatch: pytest.MonkeyPatch, kept_workers: None, columns: int, commands: list[list[str]]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(project)
    wide: list[tuple[list[str], str]] = []
    for arguments in commands:
        code, text = on_terminal(monkeypatch, arguments)
        assert code in (0, 1, 2), (arguments, text)
        assert text.strip(), arguments
        lines = STYLE.sub("", text.replace("\r", "\n")).splitlines()
        # half of a command to be copied is none: it stays whole, in a line of its own
        wide += [(arguments, line) for line in lines if cells(line) > columns and not line.startswith("dqdata ")]
    assert not wide


def test_a_line_to_a_pipe_stays_one_line(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    assert isinstance(capsys, pytest.CaptureFixture)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.chdir(project)
    assert main(["ops"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert any(len(line) > 80 for line in shown)
    assert all(line[0].isalpha() for line in shown)


def test_a_version_without_rows_is_a_warning_with_its_reasons(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(project)
    assert main(["run", "none_of_them", "--force"]) == 0
    said = capsys.readouterr().err
    assert "warning[no-rows]: none_of_them@" in said
    assert "none of 3 was kept (3 filtered by" in said
    assert "--rejects" in said


@pytest.mark.parametrize(
    ("line", "columns", "parts"),
    [
        ("short", 20, ["short"]),
        ("grade  Asks a judge for two grades.", 20, ["grade  Asks a judge", "       for two", "       grades."]),
        ("a sentence that goes on for longer", 20, ["a sentence that goes", "  on for longer"]),
        ("    indented and longer than that", 22, ["    indented and", "      longer than that"]),
        ("x" * 25, 10, ["x" * 10, "  " + "x" * 8, "  " + "x" * 7]),
        ("三十个字的一行文字", 10, ["三十个字的", "  一行文字"]),
        ("", 20, [""]),
    ],
)
def test_a_line_is_broken_between_words_and_below_its_second_column(line: str, columns: int, parts: list[str]) -> None:
    assert wrapped(line, columns) == parts


@pytest.mark.parametrize("columns", range(20, 50, 7))
def test_nothing_of_a_broken_line_is_lost(columns: int) -> None:
    line = "  verify_math   compares the answer 最后的答案 with /a/path/that/is/longer/than/the/whole/line/of/it  end"
    parts = wrapped(line, columns)
    assert max(map(cells, parts)) <= columns
    assert "".join("".join(parts).split()) == "".join(line.split())


def test_a_cut_line_ends_with_a_sign_that_it_was_cut() -> None:
    assert cut("abcdefghij", 5) == "abcd…"
    assert cut("中文字符", 5) == "中文…"
    assert cut("abc", 5) == "abc"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "message",
    [
        "not checked for leaks: slow_sft_1 (sft) train: no catalog 'slow_thinking'; did you mean 'slow_traces'?",
        "another run into slow_traces is at work; waiting for it, and for the third run that waits for the second one",
        "UserWarning: /usr/lib/python3/dist-packages/torch/utils/data/dataloader.py:775: pin_memory is set but no one",
        "步骤" * 60,
        "x" * 200,
    ],
)
def test_what_a_training_or_run_says_fits_the_terminal(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Screen()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", terminal)
    out = progress_out(quiet=False)
    assert out is not None and progress_out(quiet=True) is None
    progress = StepProgress("slow_sft", out)
    progress.step(1, 4)
    progress.say(message)
    progress.step(4, 4)
    progress.close()
    shown = terminal.getvalue()
    lines = [part for line in shown.replace("\x1b[K", "").split("\n") for part in line.split("\r")]
    assert all(cells(line) <= 80 for line in lines)
    assert "".join(message.split()) in "".join(shown.replace("\x1b[K", "").split())
    assert "4/4 steps" in shown

"""The bar of a training: on a terminal one line that is drawn again, elsewhere few plain lines, and lines that stay."""

from __future__ import annotations

import io
import re
import sys

import pytest

from dqdata.training import progress
from dqdata.training.job import Job
from dqdata.training.launch import launch
from dqdata.training.progress import StepProgress, duration, progress_line, progress_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, as its only item."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_terminal_shows_bar_and_time_left(clock: list[float]) -> None:
    out = Terminal()
    bar = StepProgress("slow_sft", out)
    for done in range(1, 6):
        bar.step(done, 40)
        clock[0] += 10
    last = out.getvalue().split("\r\x1b[K")[-1]
    assert last == "slow_sft  [##..................]  5/40 steps  5:50 left"
    assert "\n" not in out.getvalue()


def test_what_an_earlier_run_did_does_not_shorten_the_time_left(clock: list[float]) -> None:
    out = Terminal()
    bar = StepProgress("t", out)
    bar.step(90, 100)
    clock[0] += 60
    bar.step(91, 100)
    assert out.getvalue().endswith("91/100 steps  9:00 left")


def test_a_line_that_stays_is_not_glued_to_the_bar(clock: list[float]) -> None:
    out = Terminal()
    bar = StepProgress("t", out)
    bar.step(1, 4)
    bar.say("step 1/4 loss 0.5")
    bar.close()
    bar.say("after")
    shown = re.split(r"\r\x1b\[K|\n", out.getvalue())
    drawn = "t  [#####...............]  1/4 steps"
    assert shown == ["", drawn, "step 1/4 loss 0.5", drawn, "after", ""]


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_the_bar_is_cut_to_the_terminal(clock: list[float], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = Terminal()
    StepProgress("a" * 70, out).step(1, 4)
    assert len(out.getvalue().removeprefix("\r\x1b[K")) < columns


def test_elsewhere_few_lines_and_the_last_one(clock: list[float]) -> None:
    out = io.StringIO()
    bar = StepProgress("t", out)
    for done in range(1, 101):
        bar.step(done, 100)
        clock[0] += 1
    lines = out.getvalue().splitlines()
    assert len(lines) == 7 and lines[-1].endswith("100/100 steps") and "left" in lines[0]
    assert "\x1b" not in out.getvalue() and "\r" not in out.getvalue()


def test_quiet_draws_nothing() -> None:
    bar = StepProgress("t", None)
    bar.step(1, 2)
    bar.say("x")
    bar.close()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (130, "2:10"), (3730, "1:02:10")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("line", ["", "step 3/4 loss 1", "[1, 2]", "  \x1edqdata-progress [1, 2]"])
def test_other_lines_are_no_progress(line: str) -> None:
    assert progress_of(line) is None
    assert progress_of(progress_line(3, 4, "answers")) == (3, 4, "answers")


def test_what_a_rank_prints_is_drawn(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from dqdata.training import launch as launching

    code = (
        "from dqdata.training.progress import progress_line\n"
        "print('hello'); print(progress_line(1, 2, 'answers')); print(progress_line(2, 2, 'answers'))"
    )
    monkeypatch.setattr(launching, "guarded", lambda command: [sys.executable, "-c", code])
    out = Terminal()
    job = Job(task="answer", folder=str(tmp_path), cache="", project="", profile="", models={})
    launch(job, 1, StepProgress("t", out))
    assert "hello\n" in out.getvalue() and "2/2 answers" in out.getvalue()

"""Lines on a terminal, none wider than it is: text is broken between words, and a command to be copied stays whole.

    say("verify_math  Compares the answer with the reference.")      # further lines begin below the second column

What goes to a pipe or a file is not broken: one line stays one line for grep and awk.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from typing import Final, TextIO

import click

ANY: Final = 10_000
"""Columns of a pipe or file: enough for anything."""
LEAST: Final = 20
"""Columns of the narrowest terminal that lines are made for."""

_standard: TextIO | None = None

_COLUMNS = re.compile(r"(\s*\S.*?\s{2,})\S")
_WORDS = re.compile(r"\s*\S+")


def standard() -> TextIO:
    """Standard output, also while `results_alone` lends its name to standard error."""
    return _standard or sys.stdout


@contextlib.contextmanager
def results_alone() -> Iterator[None]:
    """What plug-ins and libraries print goes to standard error, so that standard output holds results alone."""
    global _standard
    before, _standard = _standard, standard()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _standard = before


def echo(text: str, *, nl: bool = True) -> None:
    """Prints the text on standard output as it is."""
    click.echo(text, file=standard(), nl=nl)


def width(stream: TextIO | None = None) -> int:
    """Columns of the terminal that `stream`, by default standard output, writes to; of a pipe or file, `ANY`."""
    stream = stream or standard()
    if not stream.isatty():
        return ANY
    try:
        own = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        own = 0
    columns = own if own and "COLUMNS" not in os.environ else shutil.get_terminal_size((own or 100, 24)).columns
    return max(columns, LEAST)


def cells(text: str) -> int:
    """Columns that a terminal takes for the text: two for a Chinese character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def cut(line: str, columns: int | None = None) -> str:
    """The line, not longer than the terminal is wide."""
    columns = columns or width()
    return line if cells(line) <= columns else f"{_beginning(line, columns - 1)}…"


def wrapped(line: str, columns: int, hang: int | None = None) -> list[str]:
    """The line as several of at most so many columns. hang: blanks before all but the first; by default as many as
    stand before the second column of the line, where there is one in the left half, else two more than before it."""
    if cells(line) <= columns:
        return [line]
    indent = _hang(line, columns) if hang is None else min(hang, columns // 2)
    lines, now = [], ""
    for word in _WORDS.findall(line):
        if cells(now) + cells(word) > columns and now.strip():
            lines.append(now)
            now, word = " " * indent, word.lstrip()
        while cells(now) + cells(word) > columns:
            part = _beginning(word, columns - cells(now))
            lines.append(now + part)
            now, word = " " * indent, word[len(part) :]
        now += word
    return [*lines, now]


def printable(text: str) -> str:
    """The text without characters that a terminal obeys, or that show it in another order than it has: models, servers
    and files wrote parts of it."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)


def say(text: str = "") -> None:
    """Prints the text on standard output as `printable`, its lines broken where they are wider than the terminal."""
    columns = width()
    echo("\n".join(part for line in printable(text).split("\n") for part in wrapped(line, columns)))


def say_command(label: str, command: str) -> None:
    """Prints a command to be copied behind its label: in a line of its own where both don't fit, and never broken,
    because half of a command is none."""
    label, command = printable(label), printable(command)
    fits = cells(label) + cells(command) <= width()
    echo(f"{label}{command}" if fits else f"{label.rstrip()}\n{command}")


class Fitted(io.TextIOBase):
    """A terminal whose lines that stay are broken where they are too wide. What is drawn, behind a `\\r`, fits."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        columns = width(self._terminal)
        lines = ([line] if "\r" in line else wrapped(line, columns) for line in text.split("\n"))
        self._terminal.write("\n".join(part for parts in lines for part in parts))
        return len(text)

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._terminal.fileno()

    def flush(self) -> None:
        self._terminal.flush()


def _hang(line: str, columns: int) -> int:
    before = len(line) - len(line.lstrip())
    second = _COLUMNS.match(line)
    at = cells(second.group(1)) if second else 0
    return at if 0 < at <= columns // 2 else min(before + 2, columns // 2)


def _beginning(text: str, columns: int) -> str:
    """As much of the text as fits, at least one character of it."""
    taken = at = 0
    for sign in text:
        taken += _cells(sign)
        if taken > columns:
            break
        at += 1
    return text[: max(at, 1)]

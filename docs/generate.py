"""Writes the pages of docs/ that come from the code: `make docs`. With --check names those that have drifted.

cli.md        every verb's --help          operators.md  every plug-in with its parameters
columns.md    the vocabulary of columns          architecture.md  its list of modules
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

import click

from dqdata.cli import VERBS
from dqdata.cli import dqdata as group
from dqdata.columns import KEYS, REJECTS, VOCABULARY
from dqdata.plugins import found, load
from dqdata.project.parameters import described

HERE = Path(__file__).parent
GROUPS = (
    ("operators", "Operators", "`op = NAME` in a step"),
    ("sources", "Sources", "`from = { source = NAME, ... }`"),
    ("teachers", "Teachers", "`provider = NAME` in a teacher"),
    ("trainers", "Trainers", "`kind = NAME` in a trainer"),
)


def cli() -> str:
    """Each verb's help, as a terminal of 100 columns shows it."""
    pages = ["# The command line", "Made by `make docs` from the commands themselves.", _help(group, "dqdata")]
    for verb in VERBS:
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        pages.append(f"## dqdata {verb}\n\n{_help(command, f'dqdata {verb}')}")
    return "\n\n".join(pages) + "\n"


def _help(command: click.Command, name: str) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=100, max_content_width=100, help_option_names=["-h", "--help"]
    )
    return f"```\n{command.get_help(context)}\n```"


def operators() -> str:
    """Every built-in plug-in: what it is for, and its parameters with their defaults."""
    pages = ["# Plug-ins", "Made by `make docs` from the code. `dqdata ops NAME` shows one of them, yours included."]
    for group_name, title, use in GROUPS:
        pages.append(f"## {title}\n\n{use}")
        for name, point in found(group_name).items():  # type: ignore[arg-type]
            if not point.value.startswith(("dqdata.", "dqdata_operators.", "dqdata_trainers.")):
                continue
            kind = load(group_name, name)  # type: ignore[arg-type]
            pages.append(f"### {name}\n\n{inspect.getdoc(kind)}\n\n{_parameters(kind)}".rstrip())
    return "\n\n".join(pages) + "\n"


def _parameters(kind: type) -> str:
    rows = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    for one in described(kind.Params):  # type: ignore[attr-defined]
        value = one.default.replace(sys.executable, "this Python")
        cells = (f"`{one.name}`", one.type, f"`{value}`" if value else "required", one.meaning)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) if len(rows) > 2 else ""


def columns() -> str:
    """The vocabulary, and the fixed columns of rejects."""
    rows = [f"| `{name}` | `{known.type}` | {known.meaning} |" for name, known in VOCABULARY.items()]
    rejects = ", ".join(f"`{name}`" for name in REJECTS)
    return "\n".join(
        [
            "# Columns",
            "",
            "Made by `make docs` from `dqdata/columns.py`. Operators that make other columns name them themselves.",
            "",
            f"A table's key is the first of {', '.join(f'`{key}`' for key in KEYS)} that it has.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
            *rows,
            "",
            f"Every `NAME__rejects` has {rejects}; `row` is the row as JSON: `(row->>'question')`.",
            "",
        ]
    )


def architecture() -> str:
    """The page with its list of modules made anew; the rest is written by hand."""
    text = (HERE / "architecture.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(MODULES[0])
    _, _, after = rest.partition(MODULES[1])
    return f"{before}{MODULES[0]}\n```\n{_modules()}\n```\n{MODULES[1]}{after}"


def _modules() -> str:
    """Folders and files of the product with the first sentence of their docstrings, helpers left out."""
    lines: list[str] = []
    for package in ("dqdata", "operators/dqdata_operators", "trainers/dqdata_trainers"):
        root = HERE.parent / package
        lines.append(f"{package}/")
        for file in sorted(root.rglob("*.py"), key=lambda file: (file.parent != root, file.parts)):
            inner = file.relative_to(root)
            private = file.name.startswith("_") and file.name != "__init__.py"
            if private or inner == Path("__init__.py") or "inside" in inner.parts:
                continue
            name = f"{inner.parent}/" if file.name == "__init__.py" else str(inner)
            lines.append(f"  {name:{WIDTH}} {_first_sentence(file)}".rstrip())
    return "\n".join(lines)


def _first_sentence(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", first, maxsplit=1)[0].rstrip(":.")


MODULES = ("<!-- modules -->", "<!-- /modules -->")
WIDTH = 28
PAGES = {"cli.md": cli, "operators.md": operators, "columns.md": columns, "architecture.md": architecture}

if __name__ == "__main__":
    made = {name: page() for name, page in PAGES.items()}
    if "--check" in sys.argv:
        sys.exit(", ".join(name for name in made if (HERE / name).read_text(encoding="utf-8") != made[name]) or 0)
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")

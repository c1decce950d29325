"""`dqdata new operator NAME`: a package with an operator of your own and its test, ready to install and change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import click

from dqdata.cli.help import WholeHelp
from dqdata.cli.lines import say

OPERATOR_KINDS = {
    "row": "CPU work on one row that could hang",
    "batch": "CPU work on a few hundred rows at a time",
    "call": "calls a teacher",
    "table": "must see every row",
}


@click.group(cls=WholeHelp)
def command() -> None:
    """Write the files of a plug-in of your own."""


@command.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(OPERATOR_KINDS)),
    default="row",
    show_default=True,
    help="; ".join(f"{kind}: {meaning}" for kind, meaning in OPERATOR_KINDS.items()) + ".",
)
@click.option("-o", "--folder", type=click.Path(path_type=Path), help="New folder; by default dqdata-NAME.")
def operator(name: str, kind: str, folder: Path | None) -> None:
    """Write a package with the operator NAME and a test of it that passes."""
    target = write_operator(name, kind, folder or Path(f"dqdata-{name}"))
    say(f"wrote {target}")
    say(f"next: cd {target}, pip install -e '.[dev]' into dqdata's environment, python -m pytest")


def write_operator(name: str, kind: str, folder: Path) -> Path:
    """The folder, with the package in it. Raises InputError for a name that an operator cannot have, a name that is
    taken, and a folder that is there already."""
    from dqdata.errors import InputError
    from dqdata.plugins import distribution, found

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise InputError(
            f"{name!r} is no name for an operator: small letters, digits and _, at most 41, a letter first"
        )
    if name in found("operators"):
        raise InputError(
            f"operator {name!r} is there already, in {distribution(found('operators')[name])}: name another"
        )
    try:
        folder.mkdir(parents=True)
        for path, text in files_of(name, kind).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise InputError(
            f"{folder} is there already; nothing was written: name another with -o", code="file-exists"
        ) from None
    except OSError as error:
        raise InputError(f"can't write {folder}: {error.strerror or error}", code="unwritable-file") from None
    return folder


def files_of(name: str, kind: str) -> Mapping[str, str]:
    """Texts of the package by their paths in it."""
    templates = Path(__file__).with_name("templates") / "plugin"
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/dqdata_{name}/__init__.py": f"{kind}/operator.txt",
        f"src/dqdata_{name}/py.typed": "",
        f"tests/test_{name}.py": f"{kind}/test.txt",
    }
    title = "".join(part.capitalize() for part in name.split("_"))
    return {
        path: (templates / source).read_text(encoding="utf-8").replace("NAME", name).replace("CLASS", title)
        if source
        else ""
        for path, source in files.items()
    }

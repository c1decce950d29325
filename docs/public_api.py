"""The page of what `import dqdata` offers, from its docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import dqdata


def api_page() -> str:
    """Every public name of `dqdata`, with its signature, docstring and public methods."""
    pages = [
        "# Python",
        "Made by `make docs` from the docstrings. `import dqdata` loads a module when one of its names is asked for.",
        _indented_as_code(importlib.import_module("dqdata.api.project").__doc__ or ""),
    ]
    for module, names in dqdata._MODULES.items():
        about = (importlib.import_module(module).__doc__ or "").partition("\n\n")[0]
        pages.append(f"## {module}\n\n{about}")
        pages += [_public(name, getattr(dqdata, name)) for name in names]
    return "\n\n".join(pages) + "\n"


def _public(name: str, value: Any) -> str:
    """One class or function. A name that is only a type has the comment of its module."""
    if not callable(value) or not getattr(value, "__module__", "").startswith("dqdata"):
        shown = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", str(value))
        return f"### {name}\n\n`{shown}`"
    parts = [
        f"### {name}",
        f"```python\n{name}{_signature(value)}\n```",
        _indented_as_code(inspect.getdoc(value) or ""),
    ]
    if isinstance(value, type):
        members = _members(value)
        for method, made in members.items():
            if method.startswith("_") or not (inspect.isfunction(made) or isinstance(made, property)):
                continue
            if inspect.iscoroutinefunction(made) and method.startswith("a") and method[1:] in members:
                parts.append(f"- `{method}`: the asynchronous form of `{method[1:]}`")
                continue
            shown = f"{method}{_signature(made)}" if inspect.isfunction(made) else method
            text = " ".join((inspect.getdoc(made.fget if isinstance(made, property) else made) or "").split())
            parts.append(f"- `{shown}`" + (f": {text}" if text else ""))
    return "\n\n".join(part for part in parts if part)


def _members(value: type) -> dict[str, Any]:
    """What a class has of its own, and of bases of dqdata that have no entry."""
    listed = {name for names in dqdata._MODULES.values() for name in names}
    of = [one for one in value.__mro__ if one is value or one.__module__.startswith("dqdata.api.")]
    return {
        name: made
        for one in reversed(of)
        if one is value or one.__name__ not in listed
        for name, made in vars(one).items()
    }


class _Written(str):
    """An annotation as it is written."""

    def __repr__(self) -> str:
        return str(self)


def _signature(value: Any) -> str:
    try:
        found = inspect.signature(value)
    except ValueError:
        return ""
    empty = inspect.Parameter.empty
    parameters = [
        one if one.annotation is empty else one.replace(annotation=_Written(one.annotation))
        for one in found.parameters.values()
    ]
    given = found.return_annotation
    returned = empty if given in (empty, None, "None") else _Written(given)
    shown = str(found.replace(parameters=parameters, return_annotation=returned))
    return re.sub(r"^\(self(, /)?(, )?", "(", shown)


def _indented_as_code(text: str) -> str:
    """Indented examples of a docstring as blocks of Python."""
    return re.sub(
        r"(?m)(^>>> (?:.+\n?)+|(?:^ {4}.*\n?)+)", lambda found: f"```python\n{found[1].rstrip()}\n```\n", text
    )

"""Decides which names of a test text belong to the candidate and which must not.

    >>> tree = ast.parse("assert math.isclose(area(2), 3.14)")
    >>> names_in(tree, read(tree), known=set(), entry_point="")
    Names(candidate=['area'], library={'math': ('math', '')})

A candidate that defines `abs` or `math` must not get to judge itself: built-ins, the standard library and what the
prompt defines are the test's own.
"""

from __future__ import annotations

import ast
import functools
import importlib
import sys
import warnings
from collections.abc import Set
from typing import NamedTuple

from dqdata.sandbox.inside import pure
from dqdata.sandbox.integers import long_integers
from dqdata.sandbox.reading import Reading

ALIASES = {"np": "numpy", "pd": "pandas"}
STAR = "typing math collections itertools functools heapq bisect string random operator re datetime copy".split()
"""Modules whose names tests use without import, where another name is left for the candidate."""

STAR_IMPORTS = frozenset((
    *STAR, "abc", "cmath", "collections.abc", "contextlib", "dataclasses", "decimal", "enum", "fractions", "io", "json",
    "math", "numbers", "os", "statistics", "sys", "textwrap", "time", "unittest", "unittest.mock",
))  # fmt: skip
"""Modules whose names are looked up where a prompt imports them all."""


def read(tree: ast.Module) -> Reading:
    """All of a text."""
    reading = Reading()
    for statement in tree.body:
        reading.take(statement)
    return reading


class Names(NamedTuple):
    """candidate: to take from it. library: to import, as (module, name in it or nothing for the module itself)."""

    candidate: list[str]
    library: dict[str, tuple[str, str]]


def names_in(tree: ast.Module, reading: Reading, known: Set[str], entry_point: str) -> Names:
    """What the names of a text stand for; `known` are defined by what runs before it."""
    candidate: list[str] = []
    library: dict[str, tuple[str, str]] = {}
    for name in sorted((reading.free() | _free_at_the_top(tree)) - known - {entry_point}):
        if name in pure.NAMES:
            continue
        module = ALIASES.get(name, name)
        if module in sys.stdlib_module_names or name in ALIASES:
            library[name] = module, ""
        else:
            candidate.append(name)
    if entry_point:
        candidate.append(entry_point)
    if len(candidate) > 1:
        for name in [name for name in candidate if name != entry_point]:
            used = name in reading.called or name in reading.given
            if module := _library_with(name, used):
                library[name] = module, name
                candidate.remove(name)
    return Names(candidate or _shadowing(tree, reading.called - reading.bound), library)


@functools.lru_cache(maxsize=4096)
def tested_names(code: str, module: str, entry_point: str) -> tuple[str, ...]:
    """Names that a test text takes from the candidate, by import from `module` or as they are. None where the text is
    no Python."""
    try:
        with warnings.catch_warnings(), long_integers():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (entry_point,) if entry_point else ()
    reading = read(tree)
    names: list[str] = []
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == module:
            names += [alias.name for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name == module}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            names.append(node.attr)
    names += names_in(tree, reading, reading.bound, entry_point).candidate
    return tuple(dict.fromkeys(names))


def defined_by(code: str) -> set[str]:
    """Names that running a text binds. A prompt may be half a program: then it binds none."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names |= _all_of(node.module) if alias.name == "*" else {alias.asname or alias.name}
        else:
            stored = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            names |= {part.id for part in stored if isinstance(part.ctx, ast.Store)}
    return names


def _free_at_the_top(tree: ast.Module) -> set[str]:
    """Names that statements outside functions and classes read, and none of them binds: `f` in `check(f)`, whatever
    `check` calls its argument."""
    read: set[str] = set()
    bound: set[str] = set()
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            todo += node.decorator_list
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
            todo += node.body
        elif not isinstance(node, ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return {name for name in read - bound if not name.startswith("__")}


def _all_of(module: str | None) -> set[str]:
    if module not in STAR_IMPORTS:  # importing some modules does things: a prompt is text from elsewhere
        return set()
    found = importlib.import_module(module)
    return set(getattr(found, "__all__", [name for name in vars(found) if not name.startswith("_")]))


def calls(tree: ast.Module, name: str) -> bool:
    """Whether the text calls `name` at its top level."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                return True
    return False


def _library_with(name: str, used: bool) -> str:
    """The module of STAR that has the name, or nothing. used: as a function; else only a constant will do."""
    for module in STAR:
        found = getattr(importlib.import_module(module), name, None)
        if found is not None and (used or not callable(found)):
            return module
    return ""


def _shadowing(tree: ast.Module, called: set[str]) -> list[str]:
    """A candidate that is named as a built-in: the one name that every assert calls, innermost."""
    inner: set[str] | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            here = {
                call.func.id
                for call in ast.walk(node)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in called
                and not any(isinstance(part, ast.Call) for given in call.args for part in ast.walk(given))
            }
            inner = here if inner is None else inner & here
    return sorted(inner) if inner and len(inner) == 1 else []

"""Which names of a test text are the candidate's, and which must not be.

    >>> tree = ast.parse("assert math.isclose(area(2), 3.14)")
    >>> of_candidate(tree, read(tree), known={}, entry_point="")
    ['area']

A candidate that defines `abs` or `math` must not get to judge itself: built-ins, the standard library and what the
prompt defines are the test's own.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from typing import Any

from .reading import Reading

ALIASES = {"np": "numpy", "pd": "pandas"}
STAR = "typing math collections itertools functools heapq bisect string random operator re datetime copy".split()
"""Modules whose names tests use without import, where another name is left for the candidate."""


def read(tree: ast.Module) -> Reading:
    """All of a text."""
    reading = Reading()
    for statement in tree.body:
        reading.take(statement)
    return reading


def of_candidate(tree: ast.Module, reading: Reading, known: dict[str, Any], entry_point: str) -> list[str]:
    """Names to take from the candidate. Those of the standard library are put into `known`."""
    candidates: list[str] = []
    for name in sorted(reading.free() - known.keys() - {entry_point}):
        if hasattr(builtins, name):
            continue
        module = ALIASES.get(name, name)
        if module in sys.stdlib_module_names or name in ALIASES:
            _import(module, name, known)
        else:
            candidates.append(name)
    if entry_point:
        candidates.append(entry_point)
    if len(candidates) > 1:
        for name in [name for name in candidates if name != entry_point and _from_library(name, known)]:
            candidates.remove(name)
    return candidates or _shadowing(tree, reading.called - reading.bound)


def calls(tree: ast.Module, name: str) -> bool:
    """Whether the text calls `name` at its top level."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                return True
    return False


def _import(module: str, name: str, known: dict[str, Any]) -> None:
    try:
        known[name] = importlib.import_module(module)
    except ImportError:
        return


def _from_library(name: str, known: dict[str, Any]) -> bool:
    for module in STAR:
        value = getattr(importlib.import_module(module), name, None)
        if value is not None:
            known[name] = value
            return True
    return False


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

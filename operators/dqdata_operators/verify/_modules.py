"""Modules that tests import: the program's own under another name, and those that are not installed."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
import warnings

from dqdata.sandbox import tested_names


def module_of(tests: str, module: str, program: str) -> str:
    """The name by which the tests import the program: `module`, or the one module that they import, that is not
    installed, and of which they take nothing that the program does not define."""
    imported = _imported(tests)
    if module in imported:
        return module
    unknown = [name for name in imported if not _installed(name)]
    if len(unknown) != 1:
        return module
    taken = [name for name in tested_names(tests, unknown[0], "") if not name.startswith("_")]
    defined = set(re.findall(r"^(?:(?:async +)?def|class) +(\w+)|^(\w+) *=", program, re.MULTILINE))
    names = {name for pair in defined for name in pair if name}
    return unknown[0] if taken and names.issuperset(taken) else module


def missing_module(error: str, tests: str) -> str:
    """The module that an error is about, if the tests import it and it isn't installed; else nothing."""
    found = re.search(r"No module named '([\w.]+)'", error)
    name = found[1].partition(".")[0] if found else ""
    return name if name and name in _imported(tests) and not _installed(name) else ""


@functools.lru_cache(maxsize=1024)
def _imported(code: str) -> tuple[str, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module.partition(".")[0])
    return tuple(dict.fromkeys(names))


@functools.lru_cache(maxsize=1024)
def _installed(name: str) -> bool:
    if name in sys.stdlib_module_names:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False

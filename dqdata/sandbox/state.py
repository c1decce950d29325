"""Detects tests that use state of the candidate's process, which a separate checker does not share.

    >>> process_state("from solution import greet\\ndef test_greet(capsys):\\n    greet()")
    State(needed='the fixture capsys', possible='')
    >>> process_state("import random\\nrandom.seed(1)\\nassert roll() == 2")
    State(needed='', possible='random.seed')

*Needed*: a check from outside would say nothing, or could pass although the candidate is wrong (what it prints, what a
patch replaces, whether two values are one object). *Possible*: a check from outside that passes is right; one that
fails may fail for want of the state.
"""

from __future__ import annotations

import ast
import functools
import sys
import warnings
from typing import NamedTuple

from dqdata.sandbox.inside import pure
from dqdata.sandbox.integers import long_integers
from dqdata.sandbox.syntax import nodes

NEEDED = frozenset((
    "unittest.mock", "mock", "inspect", "builtins", "importlib", "gc", "threading", "concurrent", "multiprocessing",
    "logging", "warnings", "weakref", "signal", "tracemalloc", "ctypes", "doctest", "dis", "atexit", "runpy",
    "contextlib.redirect_stdout", "contextlib.redirect_stderr", "pytest.warns", "pytest.deprecated_call",
    "os.environ", "os.getenv", "os.putenv", "os.unsetenv", "os.chdir", "os.getcwd",
    "sys.stdin", "sys.stdout", "sys.stderr", "sys.argv", "sys.path", "sys.modules", "sys.getrefcount",
    "sys.displayhook", "sys.excepthook", "sys.settrace", "sys.setprofile",
    "sys.__stdin__", "sys.__stdout__", "sys.__stderr__",
))  # fmt: skip
"""Modules and functions of the standard library that reach into the process that they are used in."""
POSSIBLE = frozenset((
    "random.seed", "random.setstate", "numpy.random.seed", "sys.setrecursionlimit", "copy", "pickle", "dataclasses",
    "types", "typing.get_type_hints", "asyncio",
))  # fmt: skip
"""What sets a state that the candidate may read, or takes objects apart that only the candidate's process holds."""
FIXTURES = frozenset("capsys capfd capsysbinary capfdbinary monkeypatch mocker caplog recwarn pytester".split())
METHODS = frozenset("assertWarns assertWarnsRegex assertLogs assertNoLogs".split())
LOOKS = frozenset("globals locals vars dir id breakpoint".split())
MOST_PARTS = 16
MUTATORS = frozenset("append extend insert pop remove clear sort reverse update add discard setdefault popitem".split())


class State(NamedTuple):
    """needed, possible: the first thing in the tests that uses the state of the process, or nothing."""

    needed: str
    possible: str


@functools.lru_cache(maxsize=4096)
def process_state(code: str) -> State:
    """What a test text uses. A text that is no Python uses nothing."""
    try:
        with warnings.catch_warnings(), long_integers():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return State("", "")
    parts = nodes(tree)
    reading = _Reading(parts)
    for node in parts:
        reading.take(node)
    reading.take_aliases(parts)
    reading.take_globals(parts)
    return State(reading.needed, reading.possible)


class _Reading:
    def __init__(self, parts: list[ast.AST]) -> None:
        self.needed = self.possible = ""
        self.modules = _imported(parts)
        self.called: set[str] = set()
        self.bound: set[str] = set()
        for node in parts:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                self.called.add(node.func.id)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.bound.add(node.id)

    def need(self, what: str) -> None:
        self.needed = self.needed or what

    def allow(self, what: str) -> None:
        self.possible = self.possible or what

    def take(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name | ast.Attribute):
            self._take_path(node)
        elif isinstance(node, ast.Compare):
            self._take_compare(node)
        elif isinstance(node, ast.Call):
            self._take_call(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for argument in node.args.args:
                if argument.arg in FIXTURES:
                    self.need(f"the fixture {argument.arg}")
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for target in targets:
                if isinstance(target, ast.Attribute) and self._is_module(target.value):
                    self.need(f"a change of {ast.unparse(target)}")

    def _take_path(self, node: ast.Name | ast.Attribute) -> None:
        path = self.path(node)
        for part in _beginnings(path):
            if part in NEEDED:
                self.need(path)
            elif part in POSSIBLE:
                self.allow(path)
        if isinstance(node, ast.Attribute):
            name = node.attr
            if name.startswith("__") and name.endswith("__") and name != "__init__":
                self.need(f"the attribute {name}")
            elif name in METHODS:
                self.need(name)
        elif node.id in LOOKS and node.id in self.called and node.id not in self.bound:
            self.need(f"{node.id}()")

    def _take_compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Is | ast.IsNot) and not (_is_shared(left) or _is_shared(right)):
                self.need("the identity of objects")

    def _take_call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "type" and len(node.args) == 1:
            self.allow("type()")
        elif name in ("isinstance", "issubclass") and len(node.args) == 2:
            kinds = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
            for kind in kinds:
                path = self.path(kind)
                if path.partition(".")[0] in sys.stdlib_module_names:
                    self.allow(f"{name} of {path}")
        elif name in ("setattr", "delattr") and node.args and self._is_module(node.args[0]):
            self.need(f"{name} on a module")
        elif name in ("exec", "eval", "compile"):
            self.allow(f"{name}()")

    def take_aliases(self, parts: list[ast.AST]) -> None:
        """A container that was handed over and is changed afterwards: whoever kept it sees the change."""
        made: dict[str, int] = {}
        given: dict[str, int] = {}
        for node in sorted(_located(parts), key=lambda node: (node.lineno, node.col_offset)):  # type: ignore[attr-defined]
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Dict | ast.Set | ast.ListComp):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        made[target.id] = node.lineno
                        given.pop(target.id, None)
            elif isinstance(node, ast.Call) and not self._is_builtin(node.func):
                for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    if isinstance(value, ast.Name) and value.id in made:
                        given.setdefault(value.id, node.lineno)
            for kept in _kept_calls(node):
                for value in kept.args:
                    if isinstance(value, ast.Name) and value.id in made:
                        self.allow(f"{value.id}, which the program may keep")
            if (name := _changed(node)) and name in given and given[name] < node.lineno:  # type: ignore[attr-defined]
                self.need(f"a change of {name} after it was handed over")

    def take_globals(self, parts: list[ast.AST]) -> None:
        """Variables that the tests read and don't define: the candidate's, which its functions may set anew."""
        given: set[ast.expr] = set()
        read: list[ast.Name] = []
        known = self.called | self.bound | set(self.modules) | pure.NAMES
        for node in parts:
            if isinstance(node, ast.Name):
                read.append(node)
            elif isinstance(node, ast.Call):
                given.update(node.args, (keyword.value for keyword in node.keywords))
            elif isinstance(node, ast.arg):
                known.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
                known.add(node.name)
        for node in read:
            if node not in given and node.id not in known:
                self.allow(f"the variable {node.id}")

    def path(self, node: ast.AST) -> str:
        """The dotted name that an expression denotes, its imports resolved; empty where it denotes none, or one of more
        than MOST_PARTS: its beginnings are expressions too."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute) and len(parts) < MOST_PARTS:
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.modules:
            return ""
        return ".".join([self.modules[node.id], *reversed(parts)])

    def _is_module(self, node: ast.AST) -> bool:
        """Whether this is a module that the tests import, and not of the standard library."""
        return isinstance(node, ast.Name) and f"{node.id}." in self.modules

    def _is_builtin(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in pure.NAMES or (node.id in self.modules and self._in_library(node.id))
        return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and self._in_library(node.value.id)

    def _in_library(self, name: str) -> bool:
        return self.modules.get(name, "").partition(".")[0] in sys.stdlib_module_names


def _imported(parts: list[ast.AST]) -> dict[str, str]:
    """What each imported name denotes; a foreign module also as its name and a dot."""
    found: dict[str, str] = {}
    for node in parts:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = alias.name if alias.asname else name
                if found[name].partition(".")[0] not in sys.stdlib_module_names:
                    found[f"{name}."] = ""
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for name in ("random", "sys", "os", "copy", "typing", "builtins"):
        found.setdefault(name, name)
    return found


def _beginnings(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _is_shared(node: ast.AST) -> bool:
    """Whether both processes have this very object: a constant, or a built-in name."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in pure.NAMES)


def _located(parts: list[ast.AST]) -> list[ast.AST]:
    return [node for node in parts if isinstance(node, ast.stmt | ast.Call)]


def _kept_calls(node: ast.AST) -> list[ast.Call]:
    """Calls whose result a statement keeps for later."""
    if isinstance(node, ast.With | ast.AsyncWith):
        values = [item.context_expr for item in node.items]
    else:
        values = [node.value] if isinstance(node, ast.Assign) else []
    return [value for value in values if isinstance(value, ast.Call)]


def _changed(node: ast.AST) -> str:
    """The name of a container that a statement changes in place, or nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        called = node.value.func
        return called.value.id if isinstance(called.value, ast.Name) and called.attr in MUTATORS else ""
    targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
    if isinstance(node, ast.AugAssign):
        targets = [node.target]
    for target in targets:
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            return target.value.id
    return ""

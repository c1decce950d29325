"""Runs tests on a subject: a candidate in another process (`Link`), or here where nothing else works (`Here`).

    run({"style": "asserts", "code": "assert add(2, 3) == 5"}, subject)
    {"passed": 1, "total": 1, "error": "", ...}

Styles:
    asserts    Python text; `check(candidate)` is called with `entry_point` where the text doesn't call it
    calls      JSON cases [{"args": [...], "expected": ...}] of `entry_point`, compared with a tolerance
    pytest     a test file, run by pytest; the candidate is the module `module`
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from typing import Any, Protocol

from . import names
from .compare import same
from .reading import Reading
from .remote import Link, NeedsInside, Stop

CASE_FAILED = "__case_failed__"
ANOTHER = "__another__"
COMPLEX = "complex"
"""Why a judge does not run tests: they need a process of their own."""


class Subject(Protocol):
    def get(self, name: str) -> Any: ...
    def names(self) -> list[str]: ...


class Here:
    """The candidate's module in this very process."""

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module

    def get(self, name: str) -> Any:
        return self.module.__dict__[name]

    def names(self) -> list[str]:
        return [name for name in self.module.__dict__ if not name.startswith("_")]


def inside(tests: dict[str, Any], module: types.ModuleType) -> dict[str, Any]:
    """Report of tests that run in the candidate's process, with the token that came with them."""
    token = tests["token"]
    report = run(tests, Here(module))
    report["token"] = token
    return report


def run(tests: dict[str, Any], subject: Subject, *, only_simple: bool = False) -> dict[str, Any]:
    """Report: passed, total, error (of the first failure), failed (numbers of the cases), stop (why it broke off)."""
    cases = Cases(tests["code"], tests["control"]) if tests["style"] == "asserts" else Cases("", False)
    if only_simple and not (tests["style"] == "calls" or (tests["style"] == "asserts" and cases.simple(tests))):
        return {**cases.report(), "stop": COMPLEX}
    try:
        if isinstance(subject, Link):
            subject.loaded()
        if tests["style"] == "asserts":
            cases.run_code(tests, subject)
        elif tests["style"] == "calls":
            cases.run_calls(tests, subject)
        else:
            from .pytest_style import run_pytest

            return run_pytest(tests, subject)
    except NeedsInside as error:
        return {**cases.report(), "stop": "inside", "error": str(error)}
    except Stop as error:
        cases.broke_off(error)
        return {**cases.report(), "stop": type(error).__name__}
    except BaseException as error:
        cases.broke_off(error)
    return cases.report()


class Cases:
    """The cases of a test text: each statement that holds an assert, in `check` or at the top.

    A case that fails doesn't keep the next from running; anything else that fails ends the run, and what is left
    counts as failed. With `control`, every expected value is replaced by another: what still passes is forged.
    """

    def __init__(self, code: str, control: bool) -> None:
        self.failed: set[int] = set()
        self.error = ""
        self.ended = False
        self.sources: list[ast.stmt] = []
        self.mutated: list[int] = []
        self.control = control
        self.total = 1
        self.reading = Reading()
        self.problem: SyntaxError | None = None
        try:
            self.tree = ast.parse(code)
        except SyntaxError as error:
            self.problem = error
            return
        self._instrument()
        self.total = len(self.sources) or 1

    def _instrument(self) -> None:
        self.tree.body = [self._statement(node) for node in self.tree.body]
        if self.control:
            ast.fix_missing_locations(self.tree)

    def _statement(self, node: ast.stmt) -> ast.stmt:
        if isinstance(node, ast.FunctionDef) and node.name == "check":
            self.reading.take_head(node)
            node.body = [self._in_host(part) for part in node.body]
            return node
        return self._in_host(node)

    def _in_host(self, node: ast.stmt) -> ast.stmt:
        has_assert = self.reading.take(node)
        definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        return self._case(node) if has_assert and not definition else node

    def _case(self, node: ast.stmt) -> ast.stmt:
        """The statement in `try: ... except: __case_failed__(number)`."""
        number = len(self.sources)
        self.sources.append(node)
        if self.control and isinstance(node, ast.Assert) and _mutate(node):
            self.mutated.append(number)
        at: Any = {"lineno": node.lineno, "col_offset": 0, "end_lineno": node.end_lineno, "end_col_offset": 0}
        call = ast.Call(ast.Name(CASE_FAILED, ast.Load(), **at), [ast.Constant(number, **at)], [], **at)
        return ast.Try([node], [ast.ExceptHandler(None, None, [ast.Expr(call, **at)], **at)], [], [], **at)

    def case_failed(self, number: int) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Stop):
            raise error
        self.failed.add(number)
        self.note(error, self.sources[number] if self.sources else None)

    def note(self, error: BaseException | None, node: ast.stmt | None = None) -> None:
        if not self.error:
            self.error = describe(error)
            if node is not None and isinstance(error, AssertionError):
                self.error = f"{self.error.rstrip(': ')}: {_text(node)}"

    def broke_off(self, error: BaseException) -> None:
        self.ended = False
        self.note(error)

    def run_code(self, tests: dict[str, Any], subject: Subject) -> None:
        if self.problem is not None:
            raise self.problem
        space: dict[str, Any] = {"__name__": "tests", CASE_FAILED: self.case_failed, ANOTHER: another}
        entry = tests["entry_point"]
        wanted = names.of_candidate(self.tree, self.reading, space, entry)
        if tests["imports"] or (tests["prompt"] and wanted != [entry]):
            for text in (tests["imports"], tests["prompt"]):
                _run_trusted(text, space)
            wanted = names.of_candidate(self.tree, self.reading, space, entry)
        for name in wanted:
            try:
                space[name] = subject.get(name)
            except KeyError:
                space.pop(name, None)
        exec(compile(self.tree, "<tests>", "exec"), space)
        if entry and callable(space.get("check")) and not names.calls(self.tree, "check"):
            if entry not in space:
                raise NameError(f"name {entry!r} is not defined")
            space["check"](space[entry])
        self.ended = True

    def run_calls(self, tests: dict[str, Any], subject: Subject) -> None:
        cases = tests["cases"]
        self.total = len(cases)
        function = _entry(tests["entry_point"], subject)
        for number, case in enumerate(cases):
            try:
                found = function(*case["args"], **case.get("kwargs", {}))
                if not same(found, case["expected"], tests["tolerance"]):
                    raise AssertionError(f"case {number}: expected {case['expected']!r:.200}, got {found!r:.200}")
            except Exception:
                self.case_failed(number)
        self.ended = True

    def simple(self, tests: dict[str, Any]) -> bool:
        """Whether they may be run by a process that others were run by: they change nothing, and need no prompt."""
        if self.problem is not None or tests["imports"] or not self.reading.simple:
            return False
        if not tests["prompt"]:
            return True
        return names.of_candidate(self.tree, self.reading, {}, tests["entry_point"]) == [tests["entry_point"]]

    def report(self) -> dict[str, Any]:
        passed = self.total - len(self.failed) if self.ended else 0
        return {
            "passed": passed,
            "total": self.total,
            "ended": self.ended,
            "failed": sorted(self.failed),
            "mutated": self.mutated,
            "error": self.error,
            "stop": "",
        }


def describe(error: BaseException | None) -> str:
    import traceback

    return "".join(traceback.format_exception_only(type(error), error)).strip()[:2000]


def _text(node: ast.stmt) -> str:
    text = ast.unparse(node)
    return text if len(text) < 300 else text[:300] + "..."


def _mutate(node: ast.Assert) -> bool:
    """Replaces the expected value of `assert a == b`."""
    test = node.test
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    test.comparators = [ast.Call(ast.Name(ANOTHER, ast.Load()), list(test.comparators), [])]
    return True


def another(value: Any) -> Any:
    """A value of the same type that differs."""
    import random

    noise = random.randrange(1 << 40, 1 << 50)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float | complex):
        return value * 3 + noise if value == value else float(noise)
    if isinstance(value, str):
        return f"{value}{noise}"
    if isinstance(value, list):
        return [*value, noise]
    if isinstance(value, tuple):
        return (*value, noise)
    if isinstance(value, set | frozenset):
        return value | {noise}
    if isinstance(value, dict):
        return {**value, noise: noise}
    return noise


def _run_trusted(text: str, space: dict[str, Any]) -> None:
    """Definitions that come with the tests. A prompt may be half a program: then it defines nothing."""
    if text:
        try:
            code = compile(text, "<prompt>", "exec", dont_inherit=True)
        except SyntaxError:
            return
        exec(code, space)


def _entry(path: str, subject: Subject) -> Any:
    """The function `f`, or the method of a new `Solution` where the candidate has no function of that name."""
    name, _, method = path.partition(".")
    try:
        value = subject.get(name)
    except KeyError:
        if method:
            raise NameError(f"name {name!r} is not defined") from None
        value, method = _solution(subject, name), name
    if isinstance(value, type) or (method and callable(value)):
        value = value()
    return getattr(value, method) if method else value


def _solution(subject: Subject, name: str) -> Any:
    try:
        return subject.get("Solution")
    except KeyError:
        raise NameError(f"name {name!r} is not defined") from None


def offer(module: str, wanted: list[str], subject: Subject) -> None:
    """Makes the candidate importable as `module`, and names that a test file uses without import known to it."""
    stand_in = _Module(module)
    stand_in.__dict__["_subject"] = subject
    sys.modules[module] = stand_in
    for name in wanted:
        try:
            setattr(builtins, name, subject.get(name))
        except KeyError:
            continue


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return self._subject.names()
        try:
            return self._subject.get(name)
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None

"""Runs prepared tests on a subject: a candidate in another process (`Link`), or here where nothing else works (`Here`).

    run({"style": "calls", "cases": [{"args": [2, 3], "expected": 5}], "entry_point": "add", ...}, subject)
    {"passed": 1, "total": 1, "error": "", ...}

Styles:
    asserts    a text that `dqdata.sandbox.prepare` has read and compiled
    calls      JSON cases of `entry_point`, compared with a tolerance
    pytest     a test file, run by pytest; the candidate is the module `module`
"""

from __future__ import annotations

import builtins
import importlib
import marshal
import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from . import arrays, plain, program
from .compare import equal, same
from .link import Link
from .remote import Remote
from .stops import NeedsInside, Stop
from .wrong import WRONG

CASE_FAILED = "__case_failed__"
ANOTHER, ABOVE, BELOW = "__another__", "__above__", "__below__"
AHEAD, ANSWER, SAME, PROGRAM = "__ahead__", "__answer__", "__same__", "__program__"


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


def inside(wired: str, module: types.ModuleType, source: str) -> dict[str, Any]:
    """Report of tests that run in the candidate's process, with the token that came with them."""
    tests = marshal.loads(bytes.fromhex(wired))
    token = tests["token"]
    program.keep_source(source)
    report = run(tests, Here(module))
    report["token"] = token
    return report


def read(descriptor: int) -> dict[str, Any]:
    """Tests as `Tests.wire` gives them."""
    return marshal.loads(program.read_bytes(descriptor))  # type: ignore[no-any-return]


def run(tests: dict[str, Any], subject: Subject) -> dict[str, Any]:
    """Report: passed, total, error (of the first failure), failed (numbers of the cases), stop (why it broke off)."""
    cases = Cases(tests)
    if isinstance(subject, Link) and tests.get("arrays"):
        arrays.guard()
    try:
        if tests["style"] == "asserts":
            cases.run_code(tests, subject)
            return cases.report()
        if isinstance(subject, Link):
            subject.loaded()
        if tests["style"] == "calls":
            cases.run_calls(tests, subject)
        else:
            from .pytest_style import run_pytest

            return run_pytest(tests, lambda: offer(tests["module"], tests["candidate"], subject))
    except NeedsInside as error:
        return {**cases.report(), "stop": "inside", "error": str(error)}
    except Stop as error:
        cases.broke_off(error)
        return {**cases.report(), "stop": type(error).__name__}
    except BaseException as error:
        cases.broke_off(error)
    return cases.report()


class Cases:
    """The cases of tests that were prepared, and their outcomes.

    A case that fails doesn't keep the next from running; anything else that fails ends the run, and what is left
    counts as failed.
    """

    def __init__(self, tests: dict[str, Any]) -> None:
        self.total = tests["total"]
        self.texts: list[str] = tests.get("texts", [])
        self.mutated: set[int] = set()
        self.hosts: list[list[Any]] = tests.get("hosts", [])
        self.failed: set[int] = set()
        self.error = ""
        self.ended = False
        self.sent: dict[int, int] = {}
        self.callees: dict[int, dict[str, Any]] = {}

    def case_failed(self, number: int) -> None:
        """Called where an exception is on its way out of a case."""
        error = sys.exc_info()[1]
        if isinstance(error, Stop):
            raise error
        self.failed.add(number)
        if not self.error:
            self.error = describe(error)
            if isinstance(error, AssertionError) and self.texts:
                self.error = f"{self.error.rstrip(': ')}: {self.texts[number]}"

    def wrong(self, make: Callable[[Any], Any], value: Any, number: int) -> Any:
        """A wrong value for a case, which therefore must fail."""
        self.mutated.add(number)
        return make(value)

    def broke_off(self, error: BaseException) -> None:
        self.ended = False
        self.error = self.error or describe(error)

    def ahead(self, number: int, **callees: Any) -> None:
        """Asks for the calls of a body that is about to run."""
        self.callees[number] = callees
        remotes = [value for value in callees.values() if isinstance(value, Remote)]
        if len(remotes) == len(callees):
            names, calls = self.hosts[number]
            self.sent[number] = remotes[0]._link.call_ahead([callees[name] for name in names], calls)

    def answer(self, number: int, place: int) -> Any:
        """The result of one of them."""
        names, calls = self.hosts[number]
        callee = self.callees[number][names[place]]
        if number in self.sent:
            return callee._link.answered(self.sent[number] + place)
        arguments, named = marshal.loads(calls)[place]
        return callee(*arguments, **named)

    def run_code(self, tests: dict[str, Any], subject: Subject) -> None:
        space: dict[str, Any] = {"__name__": "tests", CASE_FAILED: self.case_failed}
        space |= {AHEAD: self.ahead, ANSWER: self.answer, SAME: partial(equal, tests["tolerance"])}
        space |= {name: partial(self.wrong, make) for name, make in WRONG.items()}
        if isinstance(subject, Here):
            space[PROGRAM] = subject.module
        for text in tests["definitions"]:
            _run_trusted(text, space)
        for name, (module, part) in tests["library"].items():
            _import(name, module, part, space)
        wanted = tests["candidate"]
        if isinstance(subject, Link):
            subject.get_ahead(wanted)
            subject.loaded()
        for number, name in enumerate(wanted):
            try:
                space[name] = subject.answered(number) if isinstance(subject, Link) else subject.get(name)
            except KeyError:
                space.pop(name, None)
            else:
                if isinstance(space[name], Remote):
                    space[name]._known_as(name)
        exec(tests["code"], space)
        if tests["call_check"]:
            entry = tests["entry_point"]
            if entry not in space:
                raise NameError(f"name {entry!r} is not defined")
            space["check"](space[entry])
        self.ended = True

    def run_calls(self, tests: dict[str, Any], subject: Subject) -> None:
        cases = tests["cases"]
        function = _entry(tests["entry_point"], subject)
        right = _checker(tests["checker"]) if tests["checker"] else partial(_same_call, tests["tolerance"])
        for number, case in enumerate(cases):
            try:
                given = marshal.loads(marshal.dumps(case["args"])) if tests["checker"] else case["args"]
                found = function(*case["args"], **case.get("kwargs", {}))
                if not right(given, case["expected"], found):
                    raise AssertionError(f"case {number}: expected {case['expected']!r:.200}, got {found!r:.200}")
            except Exception:
                self.case_failed(number)
        self.ended = True

    def report(self) -> dict[str, Any]:
        passed = self.total - len(self.failed) if self.ended else 0
        return {
            "passed": passed,
            "total": self.total,
            "ended": self.ended,
            "failed": sorted(self.failed),
            "mutated": sorted(self.mutated),
            "error": self.error,
            "stop": "",
        }


def _same_call(tolerance: float, given: Any, expected: Any, found: Any) -> bool:
    return same(found, expected, tolerance)


def _checker(code: str) -> Callable[[Any, Any, Any], bool]:
    """What a problem's own checker says of plain data; objects of the candidate's own are no answer."""
    space: dict[str, Any] = {"__name__": "checker"}
    exec(compile(code, "<checker>", "exec", dont_inherit=True), space)

    def right(given: Any, expected: Any, found: Any) -> bool:
        plain.encode(found)
        return bool(space["__check__"](given, expected, found))

    return right


def describe(error: BaseException | None) -> str:
    import traceback

    return "".join(traceback.format_exception_only(type(error), error)).strip()[:2000]


def _run_trusted(text: str, space: dict[str, Any]) -> None:
    """Definitions that come with the tests. A prompt may be half a program: then it defines nothing."""
    try:
        code = compile(text, "<prompt>", "exec", dont_inherit=True)
    except SyntaxError:
        return
    exec(code, space)


def _import(name: str, module: str, part: str, space: dict[str, Any]) -> None:
    try:
        found = importlib.import_module(module)
    except ImportError:
        return  # the test that needs it will say so
    space[name] = getattr(found, part) if part else found


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
    if isinstance(subject, Here):
        sys.modules[module] = subject.module
    else:
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

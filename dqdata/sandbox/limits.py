"""Resource limits of a program in the sandbox, and the result of its run.

>>> Limits(cpu=2.0).scaled(memory=1 << 30).memory
1073741824
"""

from __future__ import annotations

import marshal
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

Why = Literal["exit", "error", "wall", "starved", "cpu", "memory", "output", "disk", "signal"]
"""How a program ended.

exit: it ran to its end, or left by `sys.exit(0)`. error: an uncaught exception or another exit code. wall, cpu, memory,
output, disk: that limit (disk under Landlock alone; elsewhere its file system is full). signal: killed by a signal of
its own making (`os.abort()`, a crash). starved: it never had its wall time, because other programs held the cores or
somebody stopped it: this says nothing about the program.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program. A program that runs in two processes (checker and candidate) has them for each.

    wall, cpu: seconds; time in which the machine did not let it run does not count, up to 8 times `wall`. memory: bytes
    of address space. output: bytes of stdout and stderr together. disk: bytes in its scratch folder. processes: how
    many it may start (threads are always allowed); each may use `memory`.
    """

    wall: float = 10.0
    cpu: float = 5.0
    memory: int = 512 << 20
    output: int = 1 << 20
    disk: int = 32 << 20
    processes: int = 0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value < 0 or (value == 0 and name != "processes"):
                raise ValueError(f"limit {name!r} is {value!r}; it must be more than 0")

    def scaled(self, **changes: Any) -> Limits:
        """These limits with some of them changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Result:
    """What a program did.

    finished: it ran past its last line; `os._exit(0)` half-way leaves this false. code: exit status, or minus the
    signal. A hostile program can forge all of these about itself: verdicts come from `Sandbox.check` or from
    comparing `stdout` here, outside.
    """

    why: Why
    code: int
    finished: bool
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float

    @property
    def ok(self) -> bool:
        return self.why == "exit" and self.code == 0


CONTROL = {"asserts": "\nassert False\n", "pytest": "\ndef test_control():\n    assert False\n", "calls": ""}
"""A test that no candidate passes, added under `control`."""


@dataclass(frozen=True, slots=True)
class Tests:
    """Tests of a candidate, as `Sandbox.check` runs them.

    style: "asserts" (Python text in `code`), "pytest" (a test file in `code`) or "calls" (`cases`, each with `args`,
    `kwargs` and `expected`, of the function `entry_point`, numbers compared with `tolerance`).
    checker: trusted Python that defines `__check__(given, expected, found)`, which decides about "calls" instead.
    entry_point: the function that `check(candidate)` or the cases are about. prompt, imports: trusted definitions that
    tests may use. module: name that the candidate is imported by. seconds: CPU time of one call.
    inside: run the tests in the candidate's own process, for those that hand over objects of their own: several times,
    with controls (`beside.py`). changed, control: what such a run changes, for the sandbox's own use.
    """

    __test__: ClassVar[bool] = False  # pytest: not a class of tests

    code: str = ""
    style: Literal["asserts", "pytest", "calls"] = "asserts"
    entry_point: str = ""
    prompt: str = ""
    imports: str = ""
    cases: Sequence[Mapping[str, Any]] = ()
    checker: str = ""
    tolerance: float = 1e-6
    module: str = "solution"
    seconds: float = 5.0
    inside: bool = False
    control: bool = False
    changed: frozenset[str] = frozenset()

    def changeable(self) -> list[str]:
        """Cases (numbers, as text) or test functions whose expected value `changed` can change."""
        from dqdata.sandbox.lookalike import changed_file
        from dqdata.sandbox.prepare import changeable_cases

        if self.style == "pytest":
            return sorted(changed_file(self.code, lambda name: True)[1])
        return changeable_cases(self.code) if self.style == "asserts" else []

    def explained(self, error: str, failed: Sequence[Any]) -> str:
        """The first failure with the text of its case, which isn't sent where the tests run beside the candidate."""
        from dqdata.sandbox.prepare import case_texts

        if not (self.inside and self.style == "asserts" and error.startswith("AssertionError") and failed):
            return error
        texts = case_texts(self.code)
        number = failed[0] if type(failed[0]) is int else -1
        return f"{error.rstrip(': ')}: {texts[number]}" if 0 <= number < len(texts) else error

    def wire(self) -> tuple[bool, bytes]:
        """Whether they are simple, and how they are sent, with a token that a report from inside must repeat.

        Raises SyntaxError where `code` is no Python.
        """
        from dqdata.sandbox.lookalike import changed_file
        from dqdata.sandbox.prepare import control_file, file_names, prepare

        sent: dict[str, Any] = {
            "style": self.style,
            "entry_point": self.entry_point,
            "module": self.module,
            "seconds": self.seconds,
            "tolerance": self.tolerance,
            "inside": self.inside,
            "token": secrets.token_hex(16) if self.inside else "",
            "arrays": "numpy" in self.code or "np." in self.code or "numpy" in self.checker,
        }
        simple = self.style == "calls" and not self.checker
        code = self.code
        if self.inside and self.style == "pytest" and not self.control:
            code, _ = changed_file(code, self.changed.__contains__)
        if self.control:
            code = (control_file(code) if self.style == "pytest" else code) + CONTROL[self.style]
        if self.style == "asserts":
            apart = not self.inside
            simple, prepared = prepare(
                code,
                self.entry_point,
                self.prompt,
                self.imports,
                control=self.control,
                apart=apart,
                changed=self.changed,
            )
            sent |= prepared if apart else {**prepared, "texts": []}
        elif self.style == "calls":
            cases = [dict(case) for case in self.cases]
            sent |= {"cases": cases, "checker": self.checker, "total": len(cases)}
        else:
            names = file_names(self.code)
            sent |= {"code": code, "candidate": names.candidate, "stops": names.stops, "total": 1}
        return simple, marshal.dumps(sent)


@dataclass(frozen=True, slots=True)
class Check:
    """What tests said about a candidate, in a process that the candidate can't touch.

    passed, total: test cases. stop: why the tests broke off, or empty: "inside" (a test needs objects of its own in
    the candidate's process: nothing is decided), "pytest" (it isn't installed), "Gone", "TooLong", "Starved", "ended".
    error: the first failure. why: the limit that was hit, if one was. output: what the candidate printed.
    failed: the cases that failed, by number or, under pytest, by id. forged: a case passed that could not.
    """

    passed: int
    total: int
    stop: str
    error: str
    why: Why
    seconds: float
    cpu_seconds: float
    output: str
    forged: bool = False
    failed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.total > 0 and self.passed == self.total

"""Runs a test file with pytest, counting what it reports.

run_pytest({"code": "from solution import add\\ndef test_add(): assert add(2, 3) == 5", ...}, subject)
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from .stops import NeedsInside, Stop
from .wrong import WRONG

FILE = "test_candidate.py"
UNUSED = (
    "cacheprovider faulthandler unraisableexception threadexception junitxml pastebin doctest setuponly setupplan"
    " stepwise legacypath"
).split()
"""Plug-ins of pytest that a run of one file does without: each costs as much as a short test."""


def load() -> None:
    """Imports pytest with its plug-ins, in the server, whose children then have it. Where there is none, nothing."""
    with contextlib.suppress(ImportError):
        config = importlib.import_module("_pytest.config")
        for name in config.default_plugins:
            if name not in UNUSED:
                importlib.import_module(f"_pytest.{name}")


class _Plugin:
    """A pytest plug-in: which tests passed, and the first failure. Runs coroutines, and tests that yield checks."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: set[str] = set()
        self.mutated: set[str] = set()
        self.current = ""
        self.collected = 0
        self.error = ""
        self.stop: Stop | None = None

    def wrong(self, make: Callable[[Any], Any], value: Any) -> Any:
        """A wrong value for the test that is running, which therefore must fail."""
        self.mutated.add(self.current)
        return make(value)

    def pytest_pycollect_makeitem(self, collector: Any, name: str, obj: Any) -> Any:
        import inspect

        if collector.funcnamefilter(name) and inspect.isgeneratorfunction(obj):
            setattr(collector.obj, name, _all_checks(obj))
            return list(collector._genfunctions(name, getattr(collector.obj, name)))
        return None

    def pytest_pyfunc_call(self, pyfuncitem: Any) -> Any:
        import inspect

        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        import asyncio

        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        self.collected = len(items)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._take_failure(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._take_failure(report)
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)

    def _take_failure(self, report: Any) -> None:
        self.failed.add(report.nodeid)
        self.error = self.error or str(report.longrepr)[-2000:]

    def pytest_exception_interact(self, call: Any) -> None:
        error = call.excinfo.value
        if isinstance(error, Stop) and self.stop is None:
            self.stop = error

    def pytest_runtest_setup(self, item: Any) -> None:
        self.current = item.nodeid
        if self.stop is not None:
            raise self.stop


def _all_checks(test: Callable[..., Any]) -> Callable[..., Any]:
    """A test that makes the checks which a generator yields, as nose did: a function with its arguments."""

    @functools.wraps(test)
    def run(*arguments: Any, **names: Any) -> None:
        for check in test(*arguments, **names):
            if callable(check):
                check()
            elif isinstance(check, tuple) and check and callable(check[0]):
                check[0](*check[1:])

    return run


def run_pytest(tests: dict[str, Any], offer: Callable[[], None]) -> dict[str, Any]:
    """Report as `cases.run` gives it. offer: makes the candidate importable. Raises Stop."""
    plugin = _Plugin()
    try:
        import pytest
    except ImportError:
        return {**_report(plugin), "stop": "pytest"}
    file = os.path.join(os.path.abspath(tests["folder"]), FILE)
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(tests["code"])
    offer()
    for name, make in WRONG.items():
        setattr(builtins, name, functools.partial(plugin.wrong, make))
    sys.dont_write_bytecode = True
    arguments = ["-q", *(part for name in UNUSED for part in ("-p", f"no:{name}")), "-c", "/dev/null"]
    arguments += ["--rootdir", tests["folder"], "--confcutdir", tests["folder"]]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    pytest.main([*arguments, "--import-mode=importlib", file], plugins=[plugin])
    if isinstance(plugin.stop, NeedsInside):
        raise plugin.stop
    return _report(plugin)


def _report(plugin: _Plugin) -> dict[str, Any]:
    passed = plugin.passed - plugin.failed
    total = max(plugin.collected, len(passed) + len(plugin.failed))
    return {
        "passed": len(passed),
        "total": total,
        "ended": True,
        "failed": sorted(plugin.failed),
        "mutated": sorted(plugin.mutated),
        "error": plugin.error,
        "stop": "" if plugin.stop is None else type(plugin.stop).__name__,
    }

"""Runs a test file with pytest, counting what it reports.

run_pytest({"code": "from solution import add\\ndef test_add(): assert add(2, 3) == 5", ...}, subject)
"""

from __future__ import annotations

import os
import sys
from typing import Any

from .remote import NeedsInside, Stop

FILE = "test_candidate.py"


class _Counter:
    """A pytest plug-in: which tests passed, and the first failure."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: set[str] = set()
        self.collected = 0
        self.error = ""
        self.stop: Stop | None = None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        self.collected = len(items)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
            self.error = self.error or str(report.longrepr)[-2000:]

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
            self.error = self.error or str(report.longrepr)[-2000:]
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)

    def pytest_exception_interact(self, call: Any) -> None:
        error = call.excinfo.value
        if isinstance(error, Stop) and self.stop is None:
            self.stop = error

    def pytest_runtest_setup(self, item: Any) -> None:
        if self.stop is not None and not isinstance(self.stop, NeedsInside):
            raise self.stop


def run_pytest(tests: dict[str, Any], subject: Any) -> dict[str, Any]:
    """Report as `cases.run` gives it. Raises Stop, and ImportError where there is no pytest."""
    try:
        import pytest
    except ImportError:
        return {**_report(_Counter()), "stop": "pytest"}
    from .cases import offer

    code, folder = tests["code"], tests["folder"]
    with open(os.path.join(folder, FILE), "w", encoding="utf-8") as file:
        file.write(code)
    offer(tests["module"], tests["candidate"], subject)
    counter = _Counter()
    sys.dont_write_bytecode = True
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-c", "/dev/null"]
    arguments += ["--rootdir", folder, "--confcutdir", folder]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    pytest.main([*arguments, "--import-mode=importlib", os.path.join(folder, FILE)], plugins=[counter])
    if isinstance(counter.stop, NeedsInside):
        raise counter.stop
    return _report(counter)


def _report(counter: _Counter) -> dict[str, Any]:
    passed = counter.passed - counter.failed
    total = max(counter.collected, len(passed) + len(counter.failed))
    return {
        "passed": len(passed),
        "total": total,
        "ended": True,
        "failed": sorted(counter.failed),
        "mutated": [],
        "error": counter.error,
        "stop": "" if counter.stop is None else type(counter.stop).__name__,
    }

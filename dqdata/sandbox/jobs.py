"""The two jobs of a fork server, as tasks: run a program, and check a candidate with tests.

task = run_task("print(6 * 7)", "", Limits(), {})
dispatcher.submit(task)
task.future.result().stdout        # '42\\n'
"""

from __future__ import annotations

import json
import marshal
import signal
from collections.abc import Mapping
from functools import partial
from typing import Any

from dqdata.sandbox.handing import needs_own
from dqdata.sandbox.limits import Check, Limits, Result, Tests, Why
from dqdata.sandbox.sending import Wired
from dqdata.sandbox.worker import Task

REPORT = 1 << 20
"""Bytes that a check may report."""


def run_task(program: str, stdin: str, limits: Limits, files: Mapping[str, str]) -> Task:
    """Runs a program; the task's future holds a Result. files: relative path to text."""
    job = marshal.dumps({"program": program, "files": dict(files)})
    given = [job, stdin.encode("utf-8", "surrogatepass")]
    made = {"stdout": limits.output, "stderr": limits.output, "report": 64}
    return Task("run", limits, given, made, partial(_result, limits))


def check_task(candidate: str, run: Wired, limits: Limits, files: Mapping[str, str]) -> Task:
    """Tests a candidate once; the task's future holds a Check."""
    tests = run.tests
    job = marshal.dumps({"program": candidate, "name": tests.module, "files": dict(files)})
    made = {"output": limits.output, "report": REPORT}
    kind = "judge" if run.simple and not tests.inside else "check"
    return Task(kind, limits, [job, run.sent], made, partial(_check, limits, tests), warm=tests.style)


def _result(limits: Limits, reply: dict[str, Any], written: dict[str, bytes]) -> Result:
    end = written["report"].decode("ascii", "replace")
    out, err = written["stdout"], written["stderr"]
    why: Why = "exit" if reply["code"] == 0 else "error"
    if reply["killed"]:
        why = reply["killed"]
    elif len(out) > limits.output or len(err) > limits.output:
        why = "output"
    elif end == "memory":
        why = "memory"
    elif reply["code"] < 0:
        why = "memory" if reply["code"] == -signal.SIGKILL else "signal"
    return Result(
        why=why,
        code=reply["code"],
        finished=end == "finished" and reply["code"] == 0,
        stdout=out[: limits.output].decode("utf-8", "replace"),
        stderr=err[: limits.output].decode("utf-8", "replace"),
        seconds=reply["seconds"],
        cpu_seconds=reply["cpu"],
    )


def _check(
    limits: Limits,
    tests: Tests,
    reply: dict[str, Any],
    written: dict[str, bytes],
) -> Check:
    output = written["output"][: limits.output].decode("utf-8", "replace")
    times = {"seconds": reply["seconds"], "cpu_seconds": reply["cpu"], "output": output}
    report = _report(written["report"])
    if reply["kind"] == "check" and (reply["killed"] or reply["code"]):
        report = None  # whatever it contains: the checker did not finish
    if report is None:  # the checker itself was ended by a limit or by its tests
        why: Why = reply["killed"] or ("memory" if reply["code"] == -signal.SIGKILL else "error")
        return Check(0, 0, "ended", f"the tests ended without a verdict ({why})", why, **times)
    stop = report["stop"]
    if stop == "inside" and not needs_own(tests.code, tests.entry_point, tests.module, report["error"]):
        stop = "Handed"
    return Check(
        passed=report["passed"],
        total=report["total"],
        stop=stop,
        error=tests.explained(report["error"], report["failed"]),
        why=_why(report, reply),
        failed=tuple(map(str, report["failed"])),
        forged=tests.control
        and (report["passed"] == report["total"] or bool(set(report["mutated"]) - set(report["failed"]))),
        **times,
    )


def _report(raw: bytes) -> dict[str, Any] | None:
    """The report of a check; None where it isn't one. Beside a candidate, the candidate may have written it."""
    try:
        report = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(report, dict):
        return None
    counts = [report.get(name) for name in ("passed", "total")]
    texts = [report.get(name) for name in ("stop", "error")]
    lists = [report.get(name) for name in ("failed", "mutated")]
    if not (
        all(type(count) is int and 0 <= count < 1 << 31 for count in counts)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(names, list) and {type(name) for name in names} <= {int, str} for names in lists)
    ):
        return None
    ending = report.get("ending")
    if ending is not None and not (isinstance(ending, dict) and type(ending.get("code")) is int):
        return None
    return report


def _why(report: dict[str, Any], reply: dict[str, Any]) -> Why:
    if report["stop"] == "TooLong":
        return "wall"
    if report["stop"] == "Starved":
        return "starved"
    if "MemoryError" in report["error"].partition(":")[0]:
        return "memory"
    if reply["killed"]:
        return reply["killed"]  # type: ignore[no-any-return]
    code = report["ending"]["code"] if "ending" in report else reply["code"]
    if report["stop"] == "Gone" and code == -signal.SIGKILL:
        return "cpu" if "ending" in report else "memory"
    if report["stop"] != "Gone":
        code = 0
    if code < 0:
        return "signal"
    return "exit" if report["passed"] == report["total"] else "error"

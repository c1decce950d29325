"""Finds which isolation works on this machine by running a hostile program in each.

>>> probe().mode in ("bwrap", "landlock", None)
True
"""

from __future__ import annotations

import functools
import os
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dqdata.errors import DqdataError, SandboxError
from dqdata.sandbox.dispatcher import Dispatcher
from dqdata.sandbox.jobs import run_task
from dqdata.sandbox.limits import Limits, Result

MODES = ("bwrap", "landlock")
"""Isolations, strongest first."""

HOSTILE = """
import os, socket
for attempt in (
    lambda: open({canary!r}).read(),
    lambda: open({canary!r} + "2", "w"),
    lambda: socket.socket(),
    lambda: os.kill({parent}, 0),
    lambda: os.fork(),
    lambda: open("/proc/{parent}/environ").read(),
    lambda: os.listdir("/var"),
):
    try:
        attempt()
    except OSError:
        continue
    print("escaped")
open("scratch.txt", "w").write("mine")
print(open("scratch.txt").read())
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """mode: the strongest isolation that works, or None. reasons: why another doesn't, by mode."""

    mode: str | None
    reasons: dict[str, str]

    def require(self) -> str:
        """The mode. Raises SandboxError with the reasons and what to do about them."""
        if self.mode is None:
            raise SandboxError(
                "no sandbox works on this machine, so no program is run. "
                + " ".join(f"{mode}: {reason}." for mode, reason in self.reasons.items())
                + " Allow user namespaces (sysctl user.max_user_namespaces, or"
                " kernel.apparmor_restrict_unprivileged_userns = 0, or Docker's --security-opt seccomp=unconfined)"
                " or use a kernel with Landlock (5.13 or newer). Where this machine is itself disposable,"
                ' mode = "none" in [sandbox] of pipelines.toml, or DQDATA_SANDBOX=none in the environment, runs'
                " programs without isolation"
            )
        return self.mode


@functools.cache
def probe() -> Probe:
    """Tries the isolations and keeps the answer for this process. Takes about a third of a second."""
    reasons: dict[str, str] = {}
    for mode in MODES:
        try:
            reason = tried(mode)
        except (DqdataError, OSError) as error:
            reason = str(error)
        if not reason:
            return Probe(mode, reasons)
        reasons[mode] = reason
    return Probe(None, reasons)


def tried(mode: str) -> str:
    """Why a mode doesn't hold, or nothing."""
    with tempfile.TemporaryDirectory(prefix="dqdata-probe-") as folder, closing(Dispatcher(mode, 1)) as dispatcher:
        Path(folder).chmod(0o777)
        canary = Path(folder) / "canary"
        canary.write_text("secret")
        program = HOSTILE.format(canary=str(canary), parent=os.getpid())
        task = run_task(program, "", Limits(), {})
        dispatcher.submit(task)
        result: Result = task.future.result()
        if result.stdout == "mine\n" and result.ok:
            return ""
        return f"a hostile program was not held: {result.stdout!r} {result.stderr[-500:]!r}"

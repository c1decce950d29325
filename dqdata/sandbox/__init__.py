"""Runs Python that nobody trusts: no network, no files but a private scratch, no environment, limits on everything.

    >>> with Sandbox() as sandbox:
    ...     sandbox.submit("print(6 * 7)").result().stdout
    '42\\n'

In asyncio, `await sandbox.run(program)`. `probe()` says which isolation works on this machine and why another doesn't.
"""

from dqdata.sandbox.client import Sandbox
from dqdata.sandbox.limits import Check, Limits, Result
from dqdata.sandbox.probe import Probe, probe

__all__ = ["Check", "Limits", "Probe", "Result", "Sandbox", "probe"]

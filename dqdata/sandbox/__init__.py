"""Runs untrusted Python without network, files (except a scratch folder) or environment, and with resource limits.

    >>> with Sandbox() as sandbox:
    ...     sandbox.submit("print(6 * 7)").result().stdout
    '42\\n'

In asyncio, `await sandbox.run(program)`. `probe()` says which isolation works on this machine and why another doesn't.

    client.py       Sandbox: run, check, submit, close
    session.py      Session: calls of a tool that see what earlier ones defined
    dispatcher.py   the thread that owns the servers
    worker.py       one server: its process, its socket, its jobs
    launch.py       the command line that isolates a server
    prepare.py      test texts, made ready to run (reading.py, names.py, syntax.py, ahead.py, control.py)
    sending.py      what a check sends, made of test texts; handing.py: what of them is handed to a candidate
    state.py        whether tests look at the state of the candidate's process
    inside/         what runs in there
"""

from dqdata.sandbox.client import Sandbox
from dqdata.sandbox.integers import long_integers
from dqdata.sandbox.limits import Check, Limits, Result, Tests
from dqdata.sandbox.names import tested_names
from dqdata.sandbox.probe import Probe, probe
from dqdata.sandbox.sending import Wired, wired
from dqdata.sandbox.session import Output, Session
from dqdata.sandbox.state import State, process_state
from dqdata.sandbox.syntax import nodes

__all__ = [
    "Check",
    "Limits",
    "Output",
    "Probe",
    "Result",
    "Sandbox",
    "Session",
    "State",
    "Tests",
    "Wired",
    "long_integers",
    "nodes",
    "probe",
    "process_state",
    "tested_names",
    "wired",
]

"""Where dqdata runs: Linux and macOS, Python 3.11 to 3.14.

>>> refusal("linux", (3, 13))
''
"""

from __future__ import annotations

import sys

LEAST, NEWEST = (3, 11), (3, 14)


def refusal(system: str = sys.platform, version: tuple[int, int] = sys.version_info[:2]) -> str:
    """Why dqdata can't run there, with what to do; empty where it can."""
    if version < LEAST:
        return f"Python {version[0]}.{version[1]} is too old: dqdata needs {LEAST[0]}.{LEAST[1]} or newer"
    if version > NEWEST:
        return f"Python {version[0]}.{version[1]} is untested: use {LEAST[0]}.{LEAST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    if system == "win32":
        return "Windows lacks what workers and ledger need (fork, Unix sockets): use WSL"
    return ""

"""Started as root: binds what the sandbox reads where an unprivileged user can reach it, becomes that user, goes on.

    python -S stage.py '{"stage": "/tmp/x", "uid": 65534, "binds": ["/home/me/.venv/lib"], "argv": [...]}'

The binds live in a mount namespace of this process, so nothing of them is seen or left outside. In `argv`,
"{stage}/N" is the N-th path of `binds`.
"""

from __future__ import annotations

import os
from typing import Any, NoReturn

from . import libc


def main(plan: dict[str, Any]) -> NoReturn:
    """Raises OSError where this process may not mount."""
    stage = plan["stage"]
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
    libc.mount("tmpfs", stage, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "size=1m,mode=0755")
    for number, path in enumerate(plan["binds"]):
        target = f"{stage}/{number}"
        if os.path.isdir(path):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        libc.mount(path, target, None, libc.MS_BIND)
    os.setgroups([])
    os.setresgid(plan["uid"], plan["uid"], plan["uid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    argv = plan["argv"]
    os.execv(argv[0], argv)

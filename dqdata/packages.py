"""Whether packages that a plug-in needs are installed, without importing them.

>>> check_packages(["no-such-package"], "pipelines.toml [pipelines.p] step 1 (dedup)")
Traceback (most recent call last):
    ...
dqdata.errors.PluginError: pipelines.toml [pipelines.p] step 1 (dedup): needs ...: pip install no-such-package
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, requires

from dqdata.errors import PluginError

_EXTRA = re.compile(r"dqdata\[([a-z0-9_-]+)\]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_packages(requirements: Iterable[str], where: str) -> None:
    """Raises PluginError that names what is not installed, and the command that installs it. requirements: names as pip
    takes them, or `dqdata[EXTRA]` for all packages of an extra."""
    lacking: list[str] = []
    commands: list[str] = []
    for one in requirements:
        if missing := [name for name in packages_of(one) if not installed(name)]:
            lacking += missing
            commands.append(one if _EXTRA.fullmatch(one) else _extra_with(one) or one)
    if lacking:
        quoted = " ".join(f"'{command}'" if "[" in command else command for command in dict.fromkeys(commands))
        raise PluginError(
            f"{where}: needs {', '.join(dict.fromkeys(lacking))}, not installed here: pip install {quoted}",
            code="missing-extra",
        )


def extras() -> dict[str, list[str]]:
    """The extras of dqdata, each with the packages that it brings."""
    found: dict[str, list[str]] = {}
    for line in requires("dqdata") or []:
        name, extra = _NAME.match(line), re.search(r"extra == ['\"]([^'\"]+)", line)
        if name and extra:
            found.setdefault(extra[1], []).append(name[0])
    return found


def packages_of(requirement: str) -> list[str]:
    """The distributions that a requirement names, those of an extra among them."""
    extra = _EXTRA.fullmatch(requirement)
    return extras().get(extra[1], [requirement]) if extra else [requirement]


def _extra_with(package: str) -> str | None:
    """The extra that brings a package."""
    brings = [extra for extra, names in extras().items() if package in names and extra not in ("dev", "bench")]
    return f"dqdata[{brings[0]}]" if brings else None


def installed(package: str) -> bool:
    """Whether a distribution of this name is there."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True

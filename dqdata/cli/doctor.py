"""`dqdata doctor`: what of this machine and project works, and the command for what does not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from dqdata.cli.common import json_option, open_project, print_json, project_option
from dqdata.cli.lines import say
from dqdata.packages import extras, installed

if TYPE_CHECKING:
    from dqdata.api.project import Project

State = Literal["ok", "off", "bad"]
LEAST_DISK = 2 << 30
PING_SECONDS = 5.0
MARKS: dict[State, str] = {"ok": "ok ", "off": "-  ", "bad": "BAD"}


class Finding(NamedTuple):
    """state: ok; off, an option that isn't there and need not be; bad, something that keeps dqdata from working."""

    part: str
    state: State
    says: str
    fix: str = ""


@click.command()
@project_option
@click.option(
    "--ping", is_flag=True, help="Also request the list of models from every endpoint of the project; costs nothing."
)
@json_option
def command(project: Path | None, ping: bool, as_json: bool) -> None:
    """Look at Python, extras, sandbox, GPU, models, keys, store, disk, endpoints. Exit code 1 if something is bad."""
    found = [*_machine(), *_project(project, ping)]
    bad = [one for one in found if one.state == "bad"]
    if as_json:
        print_json({"ok": not bad, "findings": [one._asdict() for one in found]})
    else:
        width = max(len(one.part) for one in found)
        for one in found:
            say(f"{MARKS[one.state]} {one.part:{width}}  {one.says}")
            if one.fix:
                say(f"    {'':{width}}  fix: {one.fix}")
    if bad:
        raise click.exceptions.Exit(1)


def _machine() -> Iterator[Finding]:
    from dqdata.platforms import refusal

    reason = refusal()
    yield Finding("python", "bad" if reason else "ok", f"{platform.python_version()} on {platform.platform()}", reason)
    yield Finding("dqdata", "ok", f"{importlib.metadata.version('dqdata')} at {Path(__file__).parents[1]}")
    yield from _extras()
    yield from _plugins()
    yield _sandbox()
    yield _gpu()
    yield _embedded()
    free = shutil.disk_usage(Path.cwd()).free
    fix = "free some space, or put [store] path elsewhere" if free < LEAST_DISK else ""
    yield Finding("disk", "bad" if fix else "ok", f"{free / 1e9:,.1f} GB free here", fix)


def _extras() -> Iterator[Finding]:
    """Each extra of the package: whether all that it needs is installed."""
    for extra, packages in extras().items():
        if extra in ("dev", "bench"):
            continue
        missing = [name for name in packages if not installed(name)]
        fix = f"pip install 'dqdata[{extra}]'" if missing else ""
        says = f"without {', '.join(missing)}" if missing else "installed"
        yield Finding(f"extra {extra}", "off" if missing else "ok", says, fix)


def _plugins() -> Iterator[Finding]:
    from dqdata.errors import PluginError
    from dqdata.plugins import GROUPS, found, load

    count = 0
    for group in GROUPS:
        for name in found(group):
            try:
                load(group, name)
                count += 1
            except PluginError as error:
                yield Finding(f"{group[:-1]} {name}", "bad", str(error), "uninstall or correct its package")
    yield Finding("plug-ins", "ok", f"{count} can be imported")


def _sandbox() -> Finding:
    from dqdata.errors import DqdataError
    from dqdata.sandbox import probe

    try:
        found = probe()
    except DqdataError as error:
        return Finding("sandbox", "off", str(error))
    reasons = "; ".join(f"{mode}: {reason}" for mode, reason in found.reasons.items())
    if found.mode is None:
        return Finding("sandbox", "off", f"none works, so verify_code runs nothing ({reasons})", "see SECURITY.md")
    return Finding("sandbox", "ok", found.mode + (f" ({reasons})" if reasons else ""))


def _gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding("gpu", "off", "none (no nvidia-smi); teachers and training on the CPU are slow")
    asked = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("gpu", "off", f"nvidia-smi failed: {error}")
    names = "; ".join(done.stdout.split("\n")).strip("; ")
    return Finding("gpu", "ok" if done.returncode == 0 and names else "off", names or done.stderr.strip()[:200])


def _embedded() -> Finding:
    from dqdata.errors import InputError
    from dqdata.models import gguf

    try:
        path = gguf.locate(gguf.BUNDLED)
    except InputError as error:
        return Finding("embedded model", "off", str(error), gguf.BUNDLED_INSTALL)
    return Finding("embedded model", "ok", f"{gguf.BUNDLED}, {path.stat().st_size / 1e6:,.0f} MB")


def _project(path: Path | None, ping: bool) -> Iterator[Finding]:
    from dqdata.errors import InputError

    try:
        project = open_project(path)
    except InputError as error:
        none = error.code == "no-project" and path is None
        yield Finding("project", "off" if none else "bad", str(error), "dqdata init" if none else "")
        return
    yield Finding(
        "project", "ok", f"{project.path}: {len(project.pipelines)} pipelines, {len(project.trainers)} trainers"
    )
    yield from _keys(project)
    yield _store(project)
    yield from _endpoints(project) if ping else ()


def _keys(project: Project) -> Iterator[Finding]:
    """Environment variables that teachers name: whether they are set, never what they hold."""
    for table in project.tables.teachers.values():
        for name in table.missing:
            yield Finding(f"key {name}", "off", f"not set; [teachers.{table.name}] needs it", f"export {name}=...")
        if not table.missing and table.params.get("api_key"):
            yield Finding(f"key of {table.name}", "ok", "set")


def _store(project: Project) -> Finding:
    from dqdata.catalog import Store
    from dqdata.errors import DqdataError
    from dqdata.ledger.choice import ledger_bytes

    if not Store.exists(project.place):
        path = project.place.path
        folder = next(parent for parent in (path, *path.parents) if parent.is_dir())
        writable = os.access(folder, os.W_OK)
        fix = "" if writable else f"give yourself permission, or set [store] path ({folder} is read-only)"
        return Finding("store", "off" if writable else "bad", f"none yet; a run makes {project.place}", fix)
    try:
        with Store.open(project.place, read_only=True) as store:
            count = len(store.versions())
        ledger = ledger_bytes(project.tables.ledger_place)
    except DqdataError as error:
        return Finding("store", "bad", str(error))
    return Finding("store", "ok", f"{project.place}: {count} versions, ledger {ledger / 1e6:,.1f} MB")


def _endpoints(project: Project) -> Iterator[Finding]:
    from pydantic import SecretStr

    from dqdata.cli.ping import ping_endpoint

    for table in project.tables.teachers.values():
        url = table.params.get("base_url")
        if not isinstance(url, str):
            continue
        key, model = table.params.get("api_key"), str(table.params.get("model", ""))
        secret = key.get_secret_value() if isinstance(key, SecretStr) else str(key or "")
        found = ping_endpoint(url, secret, model, PING_SECONDS)
        yield Finding(f"endpoint {table.name}", "ok" if found.works else "bad", found.says, found.fix)

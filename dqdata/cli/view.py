"""`dqdata view`: a local web page over the store, for one person on this machine."""

from __future__ import annotations

import contextlib
import getpass
import webbrowser
from pathlib import Path

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import echo


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8764,
    show_default=True,
    help="Where to listen on 127.0.0.1; 0 takes a free port.",
)
@click.option("--browser", is_flag=True, help="Open the address in a browser.")
@click.option("--who", default="", help="Name of who marks rows; by default the user's name.")
@project_option
@store_option
@json_option
def command(port: int, browser: bool, who: str, project: Path | None, store: Path | None, as_json: bool) -> None:
    """Look at catalogs, rows, costs, runs and models in a browser, and mark rows.

    Prints an address with a token that only you should have; whoever opens it on this machine sees the store. Ctrl-C
    ends it.
    """
    from dqdata.view.server import serve

    def ready(address: str) -> None:
        if as_json:
            print_json({"url": address})
        else:
            echo(f"{address}\nCtrl-C ends it")
        if browser:
            webbrowser.open(address)

    path = open_catalogs(project, store).place
    serve(path, port, who or _user(), "" if store is None else str(store), ready)


def _user() -> str:
    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return ""

"""Serves the pages on 127.0.0.1 until the process is interrupted."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Callable

import uvicorn

from dqdata.errors import DqdataError, InputError
from dqdata.place import StorePlace
from dqdata.view.app import make_app
from dqdata.view.opened import OpenStore
from dqdata.view.row_marks import MarkLog
from dqdata.view.security import Keys

log = logging.getLogger("dqdata")

HOST = "127.0.0.1"
PORT = 8764
"""Where the viewer listens by default."""

REQUESTS = 64
"""Requests that are answered at the same time; more are refused."""


def listen(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1 alone. port: 0 for a free one. Raises InputError for one that is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(REQUESTS)
    except OSError as error:
        listening.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        what = "is taken by another program" if error.errno == errno.EADDRINUSE else "is not for you to listen on"
        raise InputError(
            f"port {port} {what}: choose another with --port, 0 for a free one", code="port-taken"
        ) from None
    return listening


def serve(store: StorePlace, port: int, who: str, given_store: str, ready: Callable[[str], None]) -> None:
    """Serves the store until SIGINT or SIGTERM. who: the name that marks are given. given_store: what `--store` named,
    for commands that pages show. ready: gets the address with its token. Raises StoreError where there is no store,
    InputError for a port that is taken."""
    with contextlib.closing(OpenStore(store)) as opened, contextlib.closing(listen(port)) as listening:
        number, keys = int(listening.getsockname()[1]), Keys()
        app = make_app(opened, keys, number, who=who, given_store=given_store)
        config = uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            limit_concurrency=REQUESTS,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        ready(f"http://{HOST}:{number}/?token={keys.token}")
        try:
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listening])
        finally:
            commit_marks(store)


def commit_marks(store: StorePlace) -> None:
    """Commits the marks that wait; where the store can't be written they go on waiting, and the log says so."""
    try:
        MarkLog(store).commit()
    except (DqdataError, OSError) as error:
        log.warning(
            "the marks of rows wait in row_marks.jsonl for the next viewer: %s", error, extra={"code": "marks-wait"}
        )

"""`dqdata view` as it is started: address, loopback, end, and its errors."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dqdata.cli import main

pytestmark = [pytest.mark.needs("starlette"), pytest.mark.needs("jinja2"), pytest.mark.needs("uvicorn")]


@contextlib.contextmanager
def started(store: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "dqdata", "view", "--port", "0", "--json", "--store", str(store)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield running, str(json.loads(running.stdout.readline())["url"])
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def test_it_serves_on_loopback_alone_and_ends_with_ctrl_c(store_path: Path) -> None:
    with started(store_path) as (running, url):
        assert url.startswith("http://127.0.0.1:") and "?token=" in url
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(url, timeout=60) as answer:
            assert answer.status == 200 and b"traces@2" in answer.read() and "token" not in answer.url
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url.partition("?")[0], timeout=60)
        port = int(url.partition("?")[0].rstrip("/").rpartition(":")[2])
        for other in ("127.0.0.2", "::1"):
            with pytest.raises(OSError), socket.create_connection((other, port), timeout=5):
                pass
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0


def test_a_port_that_is_taken(store_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["view", "--port", port, "--store", str(store_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error[port-taken]") and port in error and "--port" in error


def test_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--store", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("error[no-store]")


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "jinja2"])
def test_the_extra_that_is_missing_is_named(
    module: str, store_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("dqdata.view")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["view", "--store", str(store_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error[missing-extra]") and "pip install 'dqdata[view]'" in error

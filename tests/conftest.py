"""Fixtures that every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder of public data sets beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public data sets at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A real OpenAI-compatible endpoint on 127.0.0.1 with scripted answers, latency and faults."""
    server = Loopback()
    server.start()
    yield server
    server.stop()

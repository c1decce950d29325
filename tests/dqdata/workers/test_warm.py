"""The workers that tests share a start of: each finds what its own environment names, and nothing of an earlier one."""

from __future__ import annotations

import asyncio
import functools
import os
import pkgutil
from pathlib import Path

import pytest
import warm_workers

from dqdata.workers.pool import Pool


def test_a_worker_finds_the_modules_of_its_own_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_workers, "_imported", functools.cache(warm_workers._imported.__wrapped__))
    monkeypatch.setattr("dqdata.workers.pool.fork_server", warm_workers.fork_server)
    usual = os.environ.get("PYTHONPATH", "")
    for place in ("first", "second"):  # the environment of the first starts the process that the others are forks of
        (tmp_path / place).mkdir()
        (tmp_path / place / "where_it_is.py").write_text(f"PLACE = {place!r}")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / place), usual]))
        pool = Pool(1)
        try:
            assert asyncio.run(pool.call(pkgutil.resolve_name, "where_it_is:PLACE")) == place
        finally:
            pool.close()

"""Readers of untrusted text take time that grows with its length, not with its square, and raise what they say."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[1] / "bench"


def _bench(name: str) -> ModuleType:
    path = BENCH / name
    spec = importlib.util.spec_from_file_location(name, path / "__init__.py" if path.is_dir() else f"{path}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


readers = _bench("readers")
fuzz = _bench("fuzz")
PIECES = readers.PIECES
SMALL, FACTOR = 8_000, 4
MOST_GROWTH = 10.0
"""Four times the text may cost this many times the CPU time: 4 where it is linear, 16 where it is quadratic."""
COMPILER = {("program", "code"), ("program_begun", "code")}
"""Python's compiler itself takes more than linear time over thousands of functions."""
NOISE_SECONDS = 0.25
"""What a machine that is busy otherwise may add to a measurement."""


def cpu_seconds(name: str, text: str) -> float:
    started = time.process_time()
    with contextlib.suppress(readers.EXPECTED):
        readers.READERS[name](text)
    return time.process_time() - started


def linear(name: str, small: str, large: str) -> bool:
    beyond = cpu_seconds(name, large) - NOISE_SECONDS
    return beyond <= 0 or beyond <= MOST_GROWTH * cpu_seconds(name, small)


@pytest.mark.parametrize("name", list(readers.READERS))
def test_time_grows_with_the_length(name: str) -> None:
    for piece_name, piece in PIECES.items():
        if (name, piece_name) in COMPILER:
            continue
        for before, after in (("", ""), ("```python\n", "\n```\n")):
            small, large = (before + readers.hostile(piece, size) + after for size in (SMALL, FACTOR * SMALL))
            assert any(linear(name, small, large) for _ in range(3)), (piece_name, before)


@pytest.mark.parametrize("name", list(readers.READERS))
def test_time_grows_with_the_length_of_nested_texts(name: str) -> None:
    for shape, make in readers.SHAPES.items():
        assert any(linear(name, make(SMALL), make(FACTOR * SMALL)) for _ in range(3)), shape


def test_every_plug_in_names_its_readers() -> None:
    """A new operator, teacher, source or trainer says which readers its texts go through, or that none does."""
    named = set()
    for group, plug_ins in readers.PLUG_INS.items():
        own = {one.name for one in entry_points(group=f"dqdata.{group}") if one.value.startswith("dqdata")}
        assert group == "view" or set(plug_ins) == own
        named |= {reader for reading in plug_ins.values() if not isinstance(reading, str) for reader in reading}
    assert named == set(readers.READERS)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", list(readers.READERS))
def test_five_megabytes_are_read(name: str) -> None:
    """Of the pieces that cost most at a hundredth of that: where time grows faster than the text, it is those."""
    costs = {piece_name: cpu_seconds(name, readers.hostile(piece, 50_000)) for piece_name, piece in PIECES.items()}
    for piece_name in sorted(costs, key=lambda one: -costs[one])[:3]:
        seconds = cpu_seconds(name, readers.hostile(PIECES[piece_name], 5_000_000))
        assert seconds < 300, (piece_name, seconds)


@pytest.mark.parametrize("name", list(readers.READERS))
def test_the_corpus_shows_no_fault(name: str) -> None:
    for text in fuzz.corpus():
        with contextlib.suppress(readers.EXPECTED):
            readers.READERS[name](text)

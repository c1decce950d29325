"""What a failed row says of the code that raised."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from pathlib import Path

import pytest

from dqdata.errors import InputError, PluginFault, RowError, boundary, produced_by, row_failure

PLUGIN = """
import json, sys
import polars as pl
class Odd(ValueError): pass
class Mute(Exception):
    def __str__(self): raise RuntimeError
def library(): json.loads("{x")
def conversion(): return int("twelve")
def bare(): raise ValueError
def meant(): raise ValueError("negative price")
def own_kind(): raise Odd("odd")
def installed(): pl.DataFrame({"a": [1]}).select("b")
def deeper(): meant()
def unprintable(): raise Mute
def exits(): sys.exit(3)
"""


def test_the_line_of_a_module_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_written_prices.py").write_text("import json\n\nprices = json.laods('{}')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginFault, match=r"\(half_written_prices\.py:3\)$"):
        list(produced_by("operator", "prices", map(importlib.import_module, ["half_written_prices"])))
    (tmp_path / "package_of_prices").mkdir()
    (tmp_path / "package_of_prices" / "__init__.py").write_text("prices = 1 / 0\n")
    with pytest.raises(PluginFault, match=r"\(package_of_prices/__init__\.py:1\)$"):
        list(produced_by("operator", "prices", map(importlib.import_module, ["package_of_prices"])))


class Leaving(KeyboardInterrupt):
    pass


class Exiting(Exception):
    def __str__(self) -> str:
        raise SystemExit(4)


class Numbered(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (Leaving("now"), "Leaving: now"),
        (Exiting(), "Exiting: (it can't be printed)"),
        (Numbered(), "Numbered: (it can't be printed)"),
        (asyncio.CancelledError("no task"), "CancelledError: no task"),
        (BaseExceptionGroup("two", [SystemExit(1), Leaving()]), "two (2 sub-exceptions): SystemExit: 1; Leaving"),
        (ExceptionGroup("one", [ValueError("its cause")]), "one (1 sub-exception): ValueError: its cause"),
        (ValueError("half \udc80 and \0 of a text"), "half \\udc80 and \\x00 of a text"),
    ],
)
def test_whatever_a_plugin_raises_is_its_fault(raised: BaseException, said: str) -> None:
    with pytest.raises(PluginFault) as caught, boundary("source", "odd"):
        raise raised
    text = str(caught.value)
    assert text.startswith("source 'odd' failed: ") and said in text and "test_errors.py:" in text


@pytest.mark.parametrize("error", [InputError("a\udc80"), RowError("a\udc80", "\0"), row_failure(KeyError("\udc80"))])
def test_every_message_can_be_stored(error: Exception) -> None:
    assert str(error).encode() and "\0" not in str(error)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
def test_what_ends_it_from_outside_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), boundary("source", "odd"):
        raise kind


async def test_a_cancelled_task_passes() -> None:
    async def waits() -> None:
        with boundary("teacher", "odd"):
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("name", "begins", "line"),
    [
        ("library", "invalid_row: JSONDecodeError: Expecting property name", 7),
        ("conversion", "invalid_row: invalid literal for int()", 8),
        ("bare", "invalid_row: ValueError (", 9),
        ("meant", "invalid_row: negative price (", 10),
        ("own_kind", "invalid_row: Odd: odd (", 11),
        ("installed", "operator_error: ColumnNotFoundError: ", 12),
        ("deeper", "invalid_row: negative price (", 10),
        ("unprintable", "operator_error: Mute: (it can't be printed) (", 14),
        ("exits", "operator_error: SystemExit: 3 (", 15),
    ],
)
def test_the_line_of_the_plugin_is_named(tmp_path: Path, name: str, begins: str, line: int) -> None:
    (file := tmp_path / "prices.py").write_text(PLUGIN)
    spec = importlib.util.spec_from_file_location("prices", file)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(prices := importlib.util.module_from_spec(spec))
    with pytest.raises(PluginFault) as caught:
        list(produced_by("operator", "prices", iter(getattr(prices, name), None)))
    cause = caught.value.__cause__
    assert cause is not None
    text = str(row_failure(cause))
    assert text.startswith(begins) and text.endswith(f"(prices.py:{line})")

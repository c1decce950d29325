"""The examples in the modules' descriptions."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import dqdata_operators.lib.maths
import pytest

MODULES = [module.name for module in pkgutil.iter_modules(dqdata_operators.lib.maths.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"dqdata_operators.lib.maths.{name}")
    assert doctest.testmod(module).failed == 0

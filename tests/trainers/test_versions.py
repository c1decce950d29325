"""The extras allow no version that TRL does not support."""

from __future__ import annotations

import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement


def test_the_extra_vllm_is_within_what_trl_supports() -> None:
    pyproject = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    [ours] = [Requirement(text) for text in pyproject["project"]["optional-dependencies"]["vllm"]]
    [theirs] = [one for one in map(Requirement, requires("trl") or ()) if one.name == "vllm"]
    minors = [f"0.{minor}.{patch}" for minor in range(10, 60) for patch in (0, 1, 9)]
    allowed = [version for version in minors if version in ours.specifier]
    assert allowed and all(version in theirs.specifier for version in allowed)

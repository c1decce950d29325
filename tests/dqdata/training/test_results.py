"""What a trainer returns, before it is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqdata.errors import PluginFault
from dqdata.trainer import TrainResult
from dqdata.training.worker import summary


def test_a_result_is_recorded_as_it_is(tmp_path: Path) -> None:
    result = TrainResult(tmp_path, {"loss": 0.5, "steps": 3}, [{"step": 1, "loss": float("nan")}], ["2 rows were cut"])
    made = summary(result, "mine")
    assert made["metrics"] == {"loss": 0.5, "steps": 3} and made["notes"] == ["2 rows were cut"]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (lambda folder: None, "returned NoneType from `train`"),
        (lambda folder: {"model": folder}, "returned dict from `train`"),
        (lambda folder: TrainResult(folder / "gone", {}), "saved no model: TrainResult.model is .*gone"),
        (lambda folder: TrainResult(folder, {"loss": "low"}), "no Python numbers: loss = 'low'"),
        (lambda folder: TrainResult(folder, {"loss": np.float32(1)}), "no Python numbers: loss = "),
        (lambda folder: TrainResult(folder, {}, [{"loss": np.float32(1)}]), "no Python numbers: loss = "),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, result: Any, said: str) -> None:
    with pytest.raises(PluginFault, match=f"trainer 'mine' .*{said}"):
        summary(result(tmp_path), "mine")

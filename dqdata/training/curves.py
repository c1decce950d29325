"""The log of a training by step: rows of dq_metrics and a plot.

>>> measured([{"step": 1, "loss": 0.5, "epoch": 0.1}])
[Measured(step=1, name='loss', value=0.5), Measured(step=1, name='epoch', value=0.1)]
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dqdata.catalog.records import Measured

PICTURE = "curves.png"
PANELS = {"loss": ("loss", "eval_loss"), "reward": ("reward", "eval_reward")}
"""What is drawn: a panel's title and the metrics in it."""


def measured(history: Sequence[Mapping[str, Any]]) -> list[Measured]:
    """Each metric once a step; the last where a step logged it twice."""
    found = {
        (int(entry["step"]), name): float(value)
        for entry in history
        if "step" in entry
        for name, value in entry.items()
        if name != "step"
    }
    return [Measured(step, name, value) for (step, name), value in found.items()]


def draw(history: Sequence[Mapping[str, Any]], title: str, folder: Path) -> str | None:
    """Name of the picture of loss and reward by step, drawn into `folder`; None where matplotlib isn't installed or
    nothing was logged."""
    rows = measured(history)
    there = {row.name for row in rows}
    panels = {panel: [name for name in names if name in there] for panel, names in PANELS.items()}
    panels = {panel: names for panel, names in panels.items() if names}
    if not panels or importlib.util.find_spec("matplotlib") is None:
        return None

    # Without pyplot nothing is global, and no display is looked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2 * len(panels)), layout="constrained")
    for place, (panel, names) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(len(panels), 1, place, xlabel="step", ylabel=panel, title=title if place == 1 else "")
        for name in names:
            points = sorted((row.step, row.value) for row in rows if row.name == name)
            axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 30 else None)
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(folder / PICTURE, dpi=120)
    return PICTURE

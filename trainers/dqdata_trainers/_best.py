"""Keeps the step whose model answers best, by generation while it trains.

    best = Best(trainer, measure, out / "best", run)
    trainer.add_callback(best); trainer.train(); best.restore()

The first rank generates and verifies, the others wait. The best weights so far (with adapters, those alone) lie beside
the checkpoints with their step, so that a training that goes on after a kill knows them. Ties keep the earlier step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from dqdata.errors import InputError
from dqdata.trainer import Measure, TrainRun
from dqdata_trainers._saving import is_sharded

FIGURE = "eval_exact_match"


class Best(TrainerCallback):  # type: ignore[misc]
    """Measures after every so many steps and after the last. Raises InputError for weights that no rank has whole."""

    def __init__(self, trainer: Any, measure: Measure, folder: Path, run: TrainRun) -> None:
        if is_sharded(trainer):
            raise InputError(
                "evaluate.every_steps needs whole weights: leave it out with ZeRO-3 or FSDP, or use 'zero2'"
            )
        self.trainer, self.measure, self.folder, self.run = trainer, measure, folder, run
        self.step, self.accuracy, self.last = 0, -1.0, 0
        if (record := folder / "best.json").exists():
            found = json.loads(record.read_text(encoding="utf-8"))
            self.step, self.accuracy = int(found["step"]), float(found["accuracy"])

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        step = state.global_step
        if step % self.measure.every_steps and step < state.max_steps:
            return control
        self.last = step
        accuracy = self._measured(step)
        self.trainer.log({FIGURE: accuracy})
        self.run.log(f"step {step}/{state.max_steps} exact match {accuracy:.1%}")
        if accuracy > self.accuracy:
            self.step, self.accuracy = step, accuracy
            self.trainer.save_model(str(self.folder))
            if args.should_save:
                record = json.dumps({"step": step, "accuracy": accuracy})
                (self.folder / "best.json").write_text(record, encoding="utf-8")
            self.trainer.accelerator.wait_for_everyone()
        return control

    def restore(self) -> str:
        """Puts the best step's weights into the model, and gives a note on which it is."""
        if self.step != self.last:
            self.trainer._load_from_checkpoint(str(self.folder))
        return f"kept: step {self.step} of {self.last}, exact match {self.accuracy:.1%} on the questions of `evaluate`"

    def _measured(self, step: int) -> float:
        accelerator = self.trainer.accelerator
        found = 0.0
        if accelerator.is_main_process:
            model = accelerator.unwrap_model(self.trainer.model)
            found = self.measure.accuracy(model, self.trainer.processing_class, step)
        accelerator.wait_for_everyone()
        shared = accelerator.reduce(
            torch.tensor([found], dtype=torch.float64, device=accelerator.device), reduction="sum"
        )
        return float(shared.item())

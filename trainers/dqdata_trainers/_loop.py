"""Runs a TRL trainer: resumes from the newest whole checkpoint, stops cleanly, keeps the history, saves the model.

    result = fit(trainer, params, out, run, notes)

Checkpoints are written by time. One counts only when every rank has left its mark in it, so a kill in the middle of
writing never leaves something that looks whole. All ranks agree on stopping and on checkpoints after every step.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback

from dqdata.errors import Stopped
from dqdata.trainer import TrainResult, TrainRun, mark_whole
from dqdata_trainers._best import Best
from dqdata_trainers._config import TrlParams
from dqdata_trainers._memory import memory_note
from dqdata_trainers._reload import outputs, refuse_changed
from dqdata_trainers._saving import check_savable, save
from dqdata_trainers._sharding import whole_weights

ONE_WISH = 2.0
"""Seconds in which further signals are the same wish: the kernel tells of a dead parent once a thread of it."""


COUNTED = "_total_train_tokens"
"""Attribute of TRL's trainers: tokens of all steps so far, without padding, which it logs as num_tokens."""
TOKENS = "tokens.txt"
"""File of a checkpoint with the tokens that were trained on until then, which TRL counts anew after a resume."""


class Keeper(TrainerCallback):  # type: ignore[misc]
    """Checkpoints by time, on the project's own clock, and one more when the process is asked to stop. The last step is
    always logged, and tokens are counted over all attempts of the training."""

    def __init__(self, trainer: Any, minutes: float, run: TrainRun) -> None:
        self.trainer, self.seconds, self.run = trainer, minutes * 60, run
        self.saved_at = time.monotonic()
        self.asked_to_stop: float | None = None
        self.stopped = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self.run.progress(state.global_step, state.max_steps)
        control.should_log = control.should_log or state.global_step >= state.max_steps
        save = time.monotonic() - self.saved_at >= self.seconds
        stop, save = _any_rank(self.asked_to_stop is not None, save)
        if stop and state.global_step < state.max_steps:
            self.run.log(f"stopping after step {state.global_step}: a checkpoint is written")
            self.stopped = control.should_training_stop = control.should_save = True
        elif save:
            control.should_save = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self.saved_at = time.monotonic()
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and hasattr(self.trainer, COUNTED):
            (folder / TOKENS).write_text(str(getattr(self.trainer, COUNTED)), encoding="utf-8")
        mark_whole(folder, args.process_index, args.world_size)
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> Any:
        if state.is_world_process_zero and logs and "loss" in logs:
            shown = " ".join(f"{key} {value:.4g}" for key, value in logs.items() if isinstance(value, int | float))
            self.run.log(f"step {state.global_step}/{state.max_steps} {shown}")
        return control


def fit(trainer: Any, params: TrlParams, out: Path, run: TrainRun, notes: Sequence[str]) -> TrainResult:
    """Trains to the end, saves the model to `out/model` and loads it again. Raises Stopped after Ctrl-C or SIGTERM,
    with a checkpoint written; InputError for a model that could not be saved; RunError where the saved model is not the
    one that was trained."""
    check_savable(trainer)
    notes = (*notes, memory_note(trainer))
    run.log(notes[-1])
    keeper = Keeper(trainer, params.checkpoint_minutes, run)
    trainer.add_callback(keeper)
    trainer.remove_callback(PrinterCallback)
    measure = getattr(run, "evaluation", None)
    best = Best(trainer, measure, out / "best", run) if measure is not None else None
    if best is not None:
        trainer.add_callback(best)
    if run.resume:
        run.log(f"resuming from {run.resume.name}")
        if (counted := run.resume / TOKENS).exists() and hasattr(trainer, COUNTED):
            setattr(trainer, COUNTED, int(counted.read_text(encoding="utf-8")))
    with _stop_signals(keeper):
        trainer.train(resume_from_checkpoint=str(run.resume) if run.resume else None)
    if keeper.stopped:
        raise Stopped(
            f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}; a checkpoint is kept"
        )

    if best is not None:
        notes = (*notes, best.restore())
        run.log(notes[-1])
    if trainer.eval_dataset is not None:
        trainer.evaluate()  # it logs what it finds, as of the last step
    history = [_numbers(entry) for entry in trainer.state.log_history]
    metrics = final_metrics(history) | {"processes": float(trainer.accelerator.num_processes)}
    if best is not None:
        metrics |= {"best_step": float(best.step), "best_exact_match": best.accuracy}
    before = outputs(trainer)
    save(trainer, out / "model", keep_adapter=params.lora is None or params.lora.stands_alone)
    if trainer.args.should_save:
        with whole_weights():
            metrics["reload_difference"] = refuse_changed(trainer, out / "model", before)
    trainer.accelerator.wait_for_everyone()
    return TrainResult(out / "model", metrics, history, tuple(notes))


def final_metrics(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Last value of each metric that was logged; `first_loss` and `last_loss`, and the same of
    the reward, say whether it learnt."""
    metrics: dict[str, float] = {}
    for entry in history:
        metrics.update(entry)
    for name in ("loss", "reward"):
        if values := [entry[name] for entry in history if name in entry]:
            metrics |= {f"first_{name}": values[0], f"last_{name}": values[-1]}
    return metrics


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    """Metrics that SQL and JSON can hold."""
    return {
        key: float(value)
        for key, value in entry.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }  # fmt: skip


def _any_rank(*flags: bool) -> tuple[bool, ...]:
    """Whether any rank says so, for each flag; the same answer in all ranks."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return flags
    device = torch.accelerator.current_accelerator() if dist.get_backend() == "nccl" else torch.device("cpu")
    votes = torch.tensor([float(flag) for flag in flags], device=device)
    dist.all_reduce(votes, op=dist.ReduceOp.MAX)
    return tuple(bool(vote) for vote in votes.tolist())


@contextlib.contextmanager
def _stop_signals(keeper: Keeper) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends training after the step under way; a second one ends the process."""

    def ask(number: int, frame: object) -> None:
        # Nothing is printed here: the handler may have interrupted a print.
        now = time.monotonic()
        if keeper.asked_to_stop is None:
            keeper.asked_to_stop = now
        elif now - keeper.asked_to_stop > ONE_WISH:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

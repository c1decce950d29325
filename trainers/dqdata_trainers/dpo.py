"""Direct preference optimisation on pairs, with TRL's losses.

[trainers.prefer]
kind = "dpo"
model = "trained:slow_sft@latest"
data = "pairs@latest"
args = { beta = 0.1, learning_rate = 5e-6 }
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._pair_kind import PairKind
from dqdata_trainers._pairs import prepare_pairs
from dqdata_trainers._students import load_tokenizer, quantization


class Dpo(PairKind):
    """Direct preference optimisation (Rafailov et al., 2023) against the model it starts from."""

    kind = "dpo"
    config = "DPOConfig"

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from dqdata_trainers._preference import PairTrainer

        return train_on_pairs(self.kind, self.params, PairTrainer, data, out, run)


def train_on_pairs(
    kind: str,
    params: TrlParams,
    trainer_class: Any,
    data: Data,
    out: Path,
    run: TrainRun,
    *,
    extra: tuple[str, ...] = (),
    **fixed: Any,
) -> TrainResult:
    """DPO with `trainer_class`; `extra` columns reach its collator, `fixed` are config fields it decides."""
    from trl import DPOConfig

    from dqdata_trainers._loop import fit

    config = trl_config(DPOConfig, params, out, **fixed)
    path = run.model(params.model)
    tokenizer = load_tokenizer(path, params)
    prepared = {split: prepare_pairs(data, split, tokenizer, params, out, extra) for split in data.folders}
    notes = [note for part in prepared.values() for note in part.notes]
    for note in notes:
        run.log(note)
    trainer = built(
        trainer_class,
        model=path,
        args=config,
        train_dataset=prepared["train"].rows,
        eval_dataset=prepared["eval"].rows if "eval" in prepared else None,
        processing_class=tokenizer,
        peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
        quantization_config=quantization(params),
    )
    return fit(trainer, params, out, run, notes)

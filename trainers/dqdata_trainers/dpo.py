"""Direct preference optimisation on pairs, with TRL's losses.

[trainers.prefer]
kind = "dpo"
model = "trained:slow_sft@latest"
data = "pairs@latest"
args = { beta = 0.1, learning_rate = 5e-6 }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dqdata.columns import Columns
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._pairs import check_pairs, needs_pairs, pair_tokens, prepare_pairs
from dqdata_trainers._students import load_tokenizer, quantization


class DpoParams(TrlParams):
    pass


class Dpo(Trainer[DpoParams]):
    """Direct preference optimisation (Rafailov et al., 2023) against the model it starts from."""

    kind = "dpo"
    Params = DpoParams

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, "DPOConfig")

    def needs(self, split: str, have: Columns) -> None:
        needs_pairs(self.kind, split, have)

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        check_pairs(split, rows, model, self.params)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int]:
        return pair_tokens(rows, model, self.params)

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

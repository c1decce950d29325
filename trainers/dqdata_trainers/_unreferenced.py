"""Preference losses without a reference model, by TRL's experimental ORPO and CPO trainers, on rows that are tokens.

    ORPO: -mean log p(chosen) - beta * log sigmoid(log odds(chosen) - log odds(rejected))            (arXiv 2403.07691)
    SimPO: -log sigmoid(beta * (mean log p(chosen) - mean log p(rejected)) - gamma)                  (arXiv 2405.14734)

log p is the mean over the turn's own tokens. The first term of ORPO, and that of SimPO with `cpo_alpha`, is the mean
over the pairs, where TRL takes it over all tokens of a batch, the prompt among them: so a step does not depend on how
it is split into batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer
from trl.trainer.utils import create_model_from_path

from dqdata.models import IGNORED
from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._pairs import prepare_pairs
from dqdata_trainers._students import load_tokenizer, quantization


class _OfTokens:
    """Takes rows as `_padded_columns` gives them."""

    @staticmethod
    def tokenize_row(feature: Mapping[str, Any], model: Any = None) -> Mapping[str, Any]:
        return feature

    def concatenated_forward(self, model: Any, batch: Any) -> tuple[Any, ...]:
        made = list(super().concatenated_forward(model, batch))  # type: ignore[misc]
        made[4] = -made[0].mean()  # log-probabilities of the chosen turns, each a mean over its tokens
        return tuple(made)


class OrpoTrainer(_OfTokens, ORPOTrainer):  # type: ignore[misc]
    """ORPO."""


class SimpoTrainer(_OfTokens, CPOTrainer):  # type: ignore[misc]
    """SimPO, and CPO-SimPO with `cpo_alpha` above 0."""


KINDS: Mapping[str, tuple[Any, Any, Mapping[str, Any]]] = {
    "orpo": (ORPOConfig, OrpoTrainer, {}),
    "simpo": (CPOConfig, SimpoTrainer, {"loss_type": "simpo"}),
}


def train_without_reference(kind: str, params: TrlParams, data: Data, out: Path, run: TrainRun) -> TrainResult:
    from dqdata_trainers._loop import fit

    config_class, trainer_class, fixed = KINDS[kind]
    config = trl_config(config_class, params, out, **fixed)
    if kind == "simpo" and "cpo_alpha" not in params.args:
        config.cpo_alpha = 0.0  # TRL's default adds the likelihood of the chosen turn, which SimPO does not have
    path = run.model(params.model)
    tokenizer = load_tokenizer(path, params)
    prepared = {split: prepare_pairs(data, split, tokenizer, params, out) for split in data.folders}
    notes = [note for part in prepared.values() for note in part.notes]
    for note in notes:
        run.log(note)
    rows = {split: _padded_columns(part.rows, params.max_length) for split, part in prepared.items()}
    options = {**(config.model_init_kwargs or {})}
    config.model_init_kwargs = None
    if (packed := quantization(params)) is not None:
        options["quantization_config"] = packed
    trainer = built(
        trainer_class,
        model=create_model_from_path(path, device_map=None, **options),
        args=config,
        train_dataset=rows["train"],
        eval_dataset=rows.get("eval"),
        processing_class=tokenizer,
        peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
    )
    return fit(trainer, params, out, run, notes)


def _padded_columns(rows: Any, limit: int | None) -> Any:
    """Pairs as TRL's collator takes them: input, labels and mask of both sides, of which `limit` tokens are kept."""

    def encode(row: Mapping[str, Any]) -> dict[str, Any]:
        prompt = row["prompt_ids"]
        made: dict[str, Any] = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for side in ("chosen", "rejected"):
            tokens = (prompt + row[f"{side}_ids"])[:limit]
            labels = ([IGNORED] * len(prompt) + row[f"{side}_ids"])[:limit]
            made |= {f"{side}_input_ids": tokens, f"{side}_labels": labels, f"{side}_attention_mask": [1] * len(tokens)}
        return made

    return rows.map(encode, remove_columns=rows.column_names, load_from_cache_file=False, keep_in_memory=True)

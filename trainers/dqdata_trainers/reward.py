"""Reward models: which of two turns is better (Bradley-Terry), or a regression of judged scores such as RV and CD.

    [trainers.verdicts]                         [trainers.style]
    kind = "reward"                             kind = "reward"
    model = "Qwen/Qwen2.5-0.5B-Instruct"        model = "Qwen/Qwen2.5-0.5B-Instruct"
    data = "pairs@latest"                       data = "select messages, rv, cd from rated"
                                                targets = ["rv", "cd"]

Pairs may have a column `margin`, by which the better turn must win. Regression needs `messages` and the targets; a null
target counts for nothing. Either model is named as a reward by `kind = "grpo"`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from dqdata.columns import MESSAGES, NUMBERS, Columns
from dqdata.errors import ColumnError, DataError
from dqdata.models import PREFERENCE
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._pairs import SPLITS, check_pairs, needs_pairs, pair_tokens, prepare_pairs
from dqdata_trainers._students import load_tokenizer, quantization

TAKEN = ("input_ids", "labels", "row", "stale")
"""Columns of tokenized rows."""


class RewardParams(TrlParams):
    targets: tuple[str, ...] = ()
    """Columns to predict; none: learn from pairs."""
    scale: float = Field(9.0, gt=0)
    """Largest value of a target; the model predicts target / scale."""


class Reward(Trainer[RewardParams]):
    """Reward model: pairwise with margins, or regression of judged columns."""

    kind = "reward"
    Params = RewardParams

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, "RewardConfig", ("remove_unused_columns",))

    def needs(self, split: str, have: Columns) -> None:
        if not self.params.targets:
            needs_pairs(self.kind, split, have)
            return
        if split not in SPLITS:
            raise ColumnError(f"reward has no use for a split {split!r}: it reads {' and '.join(SPLITS)}")
        have.require("messages", MESSAGES)
        for target in self.params.targets:
            if target in TAKEN:
                raise ColumnError(f"a target cannot be called {target!r}: select it under another name")
            have.require(target, *NUMBERS)

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        from dqdata_trainers._rows import check_chats

        check = check_chats if self.params.targets else check_pairs
        check(split, rows, model, self.params)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int]:
        from dqdata_trainers._rows import chat_tokens

        count = chat_tokens if self.params.targets else pair_tokens
        return count(rows, model, self.params)

    def scores(self) -> tuple[str, ...]:
        return self.params.targets or (PREFERENCE,)

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        return self._regression(data, out, run) if self.params.targets else self._pairwise(data, out, run)

    def _pairwise(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from trl import RewardConfig, RewardTrainer

        from dqdata_trainers._loop import fit

        params = self.params
        config = trl_config(RewardConfig, params, out, remove_unused_columns=True)
        path = run.model(params.model)
        tokenizer = load_tokenizer(path, params)
        prepared = {}
        for split in data.folders:
            extra = ("margin",) if "margin" in data.columns[split] else ()
            prepared[split] = prepare_pairs(data, split, tokenizer, params, out, extra)
            if extra:
                _check_margins(prepared[split].rows, split)
        notes = [note for part in prepared.values() for note in part.notes]
        whole = {split: _whole(part.rows, out / "tokens" / f"{split}-whole.arrow") for split, part in prepared.items()}
        trainer = built(
            RewardTrainer,
            model=path,
            args=config,
            train_dataset=whole["train"],
            eval_dataset=whole.get("eval"),
            processing_class=tokenizer,
            peft_config=self._lora(),
            quantization_config=quantization(params, whole=("score",)),
        )
        return fit(trainer, params, out, run, notes)

    def _regression(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from trl import RewardConfig

        from dqdata_trainers._loop import fit
        from dqdata_trainers._regression import RegressionTrainer, head_of, padded
        from dqdata_trainers._rows import prepare

        params = self.params
        # What TRL's own trainer does with these is not done here.
        fixed = {"center_rewards_coefficient": None, "activation_offloading": False, "label_smoothing_factor": 0.0}
        config = trl_config(RewardConfig, params, out, remove_unused_columns=False, **fixed)
        path = run.model(params.model)
        tokenizer = load_tokenizer(path, params)
        prepared = {split: prepare(data, split, tokenizer, params, out, params.targets) for split in data.folders}
        for split, part in prepared.items():
            _check_targets(part.rows, split, params)
        notes = [note for part in prepared.values() for note in part.notes]
        multiple = config.pad_to_multiple_of
        trainer = RegressionTrainer(
            model=head_of(path, params, config, self._lora(), quantization(params, whole=("score",))),
            args=config,
            train_dataset=prepared["train"].rows,
            eval_dataset=prepared["eval"].rows if "eval" in prepared else None,
            processing_class=tokenizer,
            data_collator=padded(tokenizer, params, multiple if isinstance(multiple, int) else None),
        )
        return fit(trainer, params, out, run, notes)

    def _lora(self) -> Any:
        if self.params.lora is None:
            return None
        config = self.params.lora.config("SEQ_CLS")
        config.modules_to_save = [*(config.modules_to_save or []), "score"]
        return config


def _whole(rows: Any, file: Path) -> Any:
    """Prompt and turn together, as the reward model reads them."""
    from dqdata_trainers._rows import map_once

    def join(row: Mapping[str, Any], index: int) -> dict[str, Any]:
        turns = {name: row["prompt_ids"] + row[name] for name in ("chosen_ids", "rejected_ids")}
        return {**turns, **({"margin": row["margin"]} if "margin" in row else {})}

    return map_once(rows, join, file)


def _check_margins(rows: Any, split: str) -> None:
    margins = rows.with_format("arrow")["margin"].to_pylist()
    for index, margin in enumerate(margins):
        if margin is None or not math.isfinite(margin):
            raise DataError(f"{split} split, {rows[index]['row']}: `margin` is {margin}; write 0 for none")


def _check_targets(rows: Any, split: str, params: RewardParams) -> None:
    for target in params.targets:
        values = rows.with_format("arrow")[target].to_pylist()
        wrong = [index for index, value in enumerate(values) if value is not None and not 0 <= value <= params.scale]
        if wrong:
            raise DataError(
                f"{split} split, {rows[wrong[0]]['row']}: {target} is {values[wrong[0]]}, outside 0 to "
                f"{params.scale:g}; set `scale` to the largest value"
            )
        if all(value is None for value in values):
            raise DataError(f"{split} split: every {target} is null")

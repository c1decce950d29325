"""Group relative policy optimisation with rewards from TOML.

    [trainers.rl]
    kind = "grpo"
    model = "trained:slow_sft@latest"
    data = "select prompt, answer, pass_rate from problems"
    difficulty = { column = "pass_rate", min = 0.1, max = 0.9 }
    rewards = [ { op = "verify_math" }, { shape = "format", weight = 0.1 } ]
    args = { num_generations = 8, max_completion_length = 4096, per_device_train_batch_size = 8 }

Rows need `prompt` (chat) or `question`, and what the rewards' operators read. vLLM for the rollouts, and everything
else of TRL's GRPOConfig, goes into `args`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from dqdata.columns import KEYS, MESSAGES, Columns
from dqdata.errors import ColumnError, DataError, InputError
from dqdata.ids import canonical, digest
from dqdata.models import check_messages, prompt_ids
from dqdata.thinking import opened_by
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._difficulty import Difficulty
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._rewards import ROW, Rewards, RewardTable
from dqdata_trainers._students import load_tokenizer, quantization


class GroupParams(TrlParams):
    """For trainers that sample several completions a prompt. `max_length` bounds the prompt; the completion is bounded
    by args.max_completion_length."""

    rewards: tuple[RewardTable, ...] = Field(min_length=1)
    """What a completion is rewarded for: verifiers, judges, reward models, shapes, each with a weight."""
    gate: str | None = None
    """Name of the reward that opens gated ones; by default the first operator's."""
    difficulty: Difficulty | None = None
    """Trains only on rows whose `column`, such as pass_rate or level, lies between `min` and `max`."""

    @model_validator(mode="after")
    def _no_cut_prompts(self) -> GroupParams:
        if self.on_too_long == "truncate":
            raise ValueError("on_too_long = 'truncate' would cut questions: use 'drop' or 'error'")
        return self


class GrpoParams(GroupParams):
    drop_equal_groups: bool = True
    """Leave groups whose rewards are all equal out of the loss: they teach nothing and dilute the rest."""
    resample: int = Field(0, ge=0, exclude_if=lambda times: times == 0)
    """How often another prompt is sampled in the place of a group whose rewards are all equal, before it is left out
    (dynamic sampling, DAPO)."""

    @model_validator(mode="after")
    def _drops_what_stays_equal(self) -> GrpoParams:
        if self.resample and not self.drop_equal_groups:
            raise ValueError("resample is for groups that drop_equal_groups leaves out: not with false")
        return self


class GroupTrainer(Trainer[Any]):
    """What GRPO and RLOO share."""

    config: ClassVar[str]
    """Name of TRL's class of settings."""

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, self.config, ("reward_weights", "remove_unused_columns"))

    def needs(self, split: str, have: Columns) -> None:
        if split not in ("train", "eval"):
            raise ColumnError(f"{self.kind} has no use for a split {split!r}: it reads train and eval")
        if "prompt" in have:
            have.require("prompt", MESSAGES)
        elif "question" not in have:
            raise ColumnError(f"needs column 'prompt' or 'question' (have: {', '.join(have)})")
        if self.params.difficulty is not None and split == "train":
            self.params.difficulty.needs(have)

    def models(self) -> tuple[str, ...]:
        rewards = [table.model for table in self.params.rewards if table.model is not None]
        return tuple(dict.fromkeys([self.params.model, *rewards]))

    def operators(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return tuple((table.op, table.params) for table in self.params.rewards if table.op is not None)

    def _fit(self, data: Data, out: Path, run: TrainRun, config_class: Any, trainer_class: Any) -> TrainResult:
        from dqdata_trainers._loop import fit

        params = self.params
        weights = [table.weight for table in params.rewards]
        config = trl_config(config_class, params, out, reward_weights=weights, remove_unused_columns=False)
        path = run.model(params.model)
        tokenizer = load_tokenizer(path, params)
        tokenizer.padding_side = "left"
        source = SourceRows(data)
        splits = {
            split: prepare_prompts(
                data, split, tokenizer, params, out, source, params.difficulty if split == "train" else None
            )
            for split in data.folders
        }
        notes = [note for _, found in splits.values() for note in found]
        for note in notes:
            run.log(note)

        first = splits["train"][0][0]
        asked = prompt_ids(tokenizer, first["prompt"], params.chat_template_kwargs)
        opened = bool(opened_by(str(tokenizer.decode(asked))))
        rewards = Rewards(params.rewards, params.gate, run, source, tokenizer.eos_token_id, opened)
        rewards.probe(first)
        trainer = built(
            trainer_class,
            model=path,
            reward_funcs=rewards.functions(),
            args=config,
            train_dataset=splits["train"][0],
            eval_dataset=splits["eval"][0] if "eval" in splits else None,
            processing_class=tokenizer,
            peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
            quantization_config=quantization(params),
        )
        return fit(trainer, params, out, run, notes)


class Grpo(GroupTrainer):
    """Group relative policy optimisation; rewards are operators, reward models and shapes."""

    kind = "grpo"
    config = "GRPOConfig"
    Params = GrpoParams

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from trl import GRPOConfig, GRPOTrainer

        from dqdata_trainers._groups import DroppingGrpo

        resampling = type("ResamplingGrpo", (DroppingGrpo,), {"resample": self.params.resample})
        trainer = resampling if self.params.drop_equal_groups else GRPOTrainer
        return self._fit(data, out, run, GRPOConfig, trainer)


class SourceRows:
    """Rows of all splits by one number, for the rewards: TRL gets the number alone."""

    def __init__(self, data: Data) -> None:
        self._splits = {split: data.dataset(split) for split in data.folders}
        self.first = dict(zip(self._splits, accumulate(map(len, self._splits.values()), initial=0), strict=False))

    def __call__(self, number: int) -> Mapping[str, Any]:
        split = max((name for name in self.first if self.first[name] <= number), key=lambda name: self.first[name])
        row: Mapping[str, Any] = self._splits[split][number - self.first[split]]
        return row


def prepare_prompts(
    data: Data,
    split: str,
    tokenizer: Any,
    params: TrlParams,
    out: Path,
    source: SourceRows,
    difficulty: Difficulty | None = None,
    keep: tuple[str, ...] = (),
) -> tuple[Any, tuple[str, ...]]:
    """Rows with `prompt`, ROW (the row's number in `source`) and the columns in `keep` (`prompt_tokens`), and notes
    about prompts that were left out as too easy, too hard or too long. Raises InputError."""
    from dqdata_trainers._rows import map_once, settle_long

    key = next((name for name in KEYS if name in data.columns[split]), None)
    first = source.first[split]
    chosen = difficulty.column if difficulty else None

    def encode(row: Mapping[str, Any], index: int) -> dict[str, Any]:
        name = f"{key} {row[key]}" if key else f"row {index}"
        prompt = row.get("prompt") or [{"role": "user", "content": row.get("question") or ""}]
        if not str(prompt[-1]["content"] or "").strip():
            raise InputError(f"{split} split, {name}: the question is empty")
        try:
            check_messages(prompt)
        except DataError as error:
            raise DataError(f"{split} split, {name}: `prompt`: {error}") from error
        ids = prompt_ids(tokenizer, prompt, params.chat_template_kwargs)
        made = {"prompt": prompt, "row": name, "prompt_tokens": len(ids), ROW: first + index}
        return made if chosen is None else {**made, "difficulty": row[chosen]}

    recipe = digest(
        data.queries[split], str(tokenizer.chat_template), canonical([params.chat_template_kwargs, first, chosen])
    )
    rows = map_once(data.dataset(split), encode, out / "tokens" / f"{split}-{recipe[:12]}.arrow")
    rows, left_out = difficulty.within(rows, split, "difficulty") if difficulty else (rows, ())
    kept, notes = settle_long(rows, rows.with_format("arrow")["prompt_tokens"].to_pylist(), split, params)
    return kept.select_columns(["prompt", ROW, *keep]), (*left_out, *notes)

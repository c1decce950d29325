"""Supervised fine-tuning on chats: the loss is the assistant's tokens alone, thinking and response.

    [trainers.slow_sft]
    kind = "sft"
    data = { train = "slow_thinking@latest", eval = "select * from heldout" }
    model = "Qwen/Qwen2.5-7B-Instruct"
    max_length = 16384
    args = { learning_rate = 2e-5, num_train_epochs = 3, packing = true }

Rows need `messages`, and `tools` where the chats call any. Before the first step every row is rendered and tokenized:
what the chat template would lose, a turn that doesn't end, and rows that don't fit stop it there, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import model_validator

from dqdata.columns import MESSAGES, NUMBERS, Columns
from dqdata.errors import ColumnError, InputError
from dqdata.models import Turns
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._students import load_tokenizer, quantization

UNWEIGHTED = ("packing", "padding_free", "loss_type", "label_smoothing_factor")
"""Args that a training with weights decides."""


class SftParams(TrlParams):
    turns: Turns = "auto"
    """Training rows of a chat with several turns of the assistant. auto: one, and one more for each turn that the chat
    template renders another way once a later turn follows, as where it drops the thinking of past turns. each: one for
    every turn, which ends with it. whole: one; what the template changes isn't trained on."""

    weight: str | None = None
    """Column with the weight of each row's loss: 0 or more, 1 as in plain SFT."""
    mixture: Mapping[str, float] = {}
    """Shares of the loss by the values of the column `mixture_by`, such as { math = 0.7, code = 0.3 }, whatever numbers
    of rows and tokens they have."""
    mixture_by: str = "source"
    """Column of the mixture."""

    @model_validator(mode="after")
    def _shares(self) -> SftParams:
        if any(not share > 0 for share in self.mixture.values()):
            raise ValueError("shares of `mixture` are above 0")
        if not self.mixture and self.mixture_by != type(self).model_fields["mixture_by"].default:
            raise ValueError("`mixture_by` means something only with `mixture`")
        return self

    @property
    def weighing(self) -> tuple[str, ...]:
        """Columns that decide on weights."""
        named = (self.weight, self.mixture_by if self.mixture else None)
        return tuple(dict.fromkeys(filter(None, named)))


class Sft(Trainer[SftParams]):
    """Supervised fine-tuning on the assistant's tokens, full or with LoRA."""

    kind = "sft"
    Params = SftParams

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, "SFTConfig", UNWEIGHTED if self.params.weighing else ())

    def needs(self, split: str, have: Columns) -> None:
        if split not in ("train", "eval"):
            raise ColumnError(f"sft has no use for a split {split!r}: it reads train and eval")
        have.require("messages", MESSAGES)
        if self.params.weight is not None:
            have.require(self.params.weight, *NUMBERS)
        if self.params.mixture:
            have.require(self.params.mixture_by)

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        from dqdata_trainers._rows import check_chats

        check_chats(split, rows, model, self.params, self.params.turns)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int]:
        from dqdata_trainers._rows import chat_tokens

        return chat_tokens(rows, model, self.params, self.params.turns)

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from trl import SFTConfig, SFTTrainer

        from dqdata_trainers._loop import fit
        from dqdata_trainers._rows import Prepared, prepare

        params = self.params
        fixed = {"packing": False, "padding_free": False, "loss_type": "nll"} if params.weighing else {}
        config = trl_config(SFTConfig, params, out, **fixed)
        _check_packing(config)
        # Packing and cutting are TRL's; without them the rows are ready as they are, and nothing is copied again.
        config.dataset_kwargs = {"skip_prepare_dataset": not config.packing and params.on_too_long != "truncate"}
        if config.padding_free and not config.packing and params.on_too_long != "truncate":
            config.max_length = None  # the rows are within it already, which TRL cannot know
        path = run.model(params.model)
        tokenizer = load_tokenizer(path, params)

        def prepared(split: str) -> Prepared:
            return prepare(data, split, tokenizer, params, out, params.weighing, turns=params.turns)

        train = prepared("train")
        held_out = prepared("eval") if "eval" in data.folders else None
        notes = train.notes + (held_out.notes if held_out else ())
        for note in notes:
            run.log(note)

        rows = {"train": train.rows, **({"eval": held_out.rows} if held_out else {})}
        kind: type[Any] = SFTTrainer
        if params.weighing:
            from dqdata_trainers._weights import WeightedTrainer, weighted

            kind = WeightedTrainer
            asked = (params.weight, params.mixture, params.mixture_by)
            rows = {split: weighted(part, split, *asked) for split, part in rows.items()}
        trainer = built(
            kind,
            model=path,
            args=config,
            train_dataset=rows["train"].remove_columns("row"),
            eval_dataset=rows["eval"].remove_columns("row") if held_out else None,
            processing_class=tokenizer,
            peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
            quantization_config=quantization(params),
        )
        return fit(trainer, params, out, run, notes)


def _check_packing(config: Any) -> None:
    """Packed examples must not see one another: bfd gives each its own positions, from which transformers masks the
    others out, with any attention. Raises InputError for what cuts examples at pack borders and mixes them."""
    if config.packing and config.packing_strategy == "wrapped":
        raise InputError(
            "args.packing_strategy = 'wrapped' lets examples of one pack see each other and cuts them where the pack "
            "is full: use 'bfd', the default"
        )

"""White-box distillation: the student learns the teacher's distribution over every next token, not its words alone.

    [trainers.mimic]
    kind = "distill"
    model = "Qwen/Qwen2.5-0.5B-Instruct"
    teacher = "Qwen/Qwen2.5-7B-Instruct"         # same vocabulary as the student
    data = "select messages from slow_thinking"
    kl_share = 0.5                                # loss = (1 - k) * LM + k * KL
    divergence = "forward"                        # or "reverse"

With on_policy = true the student writes the completions itself (rows need `prompt` or `question`), through TRL's
DistillationTrainer; its `beta`, between forward (0) and reverse (1) KL, is then in `args`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, InputError
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers.config import TrlParams, trl_config
from dqdata_trainers.pairs import SPLITS
from dqdata_trainers.students import load_tokenizer, quantization


class DistillParams(TrlParams):
    teacher: str
    """Named like `model`."""
    kl_share: float = Field(0.5, ge=0, le=1)
    divergence: Literal["forward", "reverse"] = "forward"
    """forward: KL(teacher | student), covers all that the teacher would say. reverse: KL(student | teacher), keeps to
    what it would say most."""
    temperature: float = Field(1.0, gt=0)
    on_policy: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> DistillParams:
        if self.on_policy and self.on_too_long == "truncate":
            raise ValueError("on_too_long = 'truncate' would cut questions: use 'drop' or 'error'")
        return self


class Distill(Trainer[DistillParams]):
    """White-box distillation by forward or reverse KL, on stored traces or on the student's own."""

    kind = "distill"
    Params = DistillParams

    def needs(self, split: str, have: Columns) -> None:
        if split not in SPLITS:
            raise ColumnError(f"distill has no use for a split {split!r}: it reads {' and '.join(SPLITS)}")
        if not self.params.on_policy:
            have.require("messages", MESSAGES)
        elif "prompt" not in have and "question" not in have:
            raise ColumnError(f"needs column 'prompt' or 'question' (have: {', '.join(have)})")

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.params.model, self.params.teacher)))

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        path, teacher = run.model(self.params.model), run.model(self.params.teacher)
        tokenizer = load_tokenizer(path, self.params)
        check_vocabulary(tokenizer, teacher, self.params.teacher)
        if self.params.on_policy:
            return self._on_policy(data, out, run, path, teacher, tokenizer)
        return self._on_traces(data, out, run, path, teacher, tokenizer)

    def _on_traces(self, data: Data, out: Path, run: TrainRun, path: str, teacher: str, tokenizer: Any) -> TrainResult:
        from trl import SFTConfig

        from dqdata_trainers.loop import fit
        from dqdata_trainers.mimic import MimicTrainer
        from dqdata_trainers.rows import prepare

        params = self.params
        config = trl_config(SFTConfig, params, out, packing=False)
        config.dataset_kwargs = {"skip_prepare_dataset": params.on_too_long != "truncate"}
        prepared = {split: prepare(data, split, tokenizer, params, out) for split in data.folders}
        notes = [note for part in prepared.values() for note in part.notes]
        trainer = MimicTrainer(
            model=path,
            args=config,
            train_dataset=prepared["train"].rows.remove_columns("row"),
            eval_dataset=prepared["eval"].rows.remove_columns("row") if "eval" in prepared else None,
            processing_class=tokenizer,
            peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
            quantization_config=quantization(params),
            teacher=teacher,
            kl_share=params.kl_share,
            divergence=params.divergence,
            temperature=params.temperature,
        )
        return fit(trainer, params, out, run, notes)

    def _on_policy(self, data: Data, out: Path, run: TrainRun, path: str, teacher: str, tokenizer: Any) -> TrainResult:
        from trl import DistillationConfig, DistillationTrainer

        from dqdata_trainers.grpo import prepare_prompts
        from dqdata_trainers.loop import fit

        params = self.params
        config = trl_config(DistillationConfig, params, out, temperature=params.temperature)
        tokenizer.padding_side = "left"
        splits = {split: prepare_prompts(data, split, tokenizer, params, out) for split in data.folders}
        trainer = DistillationTrainer(
            model=path,
            teacher_model=teacher,
            args=config,
            train_dataset=splits["train"][0].select_columns(["prompt"]),
            eval_dataset=splits["eval"][0].select_columns(["prompt"]) if "eval" in splits else None,
            processing_class=tokenizer,
            peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
            quantization_config=quantization(params),
        )
        return fit(trainer, params, out, run, [note for _, notes in splits.values() for note in notes])


def check_vocabulary(tokenizer: Any, teacher: str, name: str) -> None:
    """Raises InputError where the teacher's tokens aren't the student's: their distributions couldn't be compared."""
    from transformers import AutoTokenizer

    try:
        theirs = AutoTokenizer.from_pretrained(teacher).get_vocab()
    except (OSError, ValueError) as error:
        raise InputError(f"teacher {name!r} can't be loaded: {error}") from error
    ours = tokenizer.get_vocab()
    if ours != theirs:
        differ = sum(theirs.get(token) != number for token, number in ours.items())
        raise InputError(
            f"teacher {name!r} has another vocabulary ({len(theirs)} tokens, the student {len(ours)}; {differ} of "
            "the student's differ): take one of the same family, or train with kind = 'sft' on its traces"
        )

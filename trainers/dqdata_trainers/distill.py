"""White-box distillation: the student learns the teacher's distribution over every next token.

    [trainers.mimic]
    kind = "distill"
    model = "Qwen/Qwen2.5-0.5B-Instruct"
    teacher = "Qwen/Qwen2.5-7B-Instruct"         # same vocabulary as the student
    data = "select messages from slow_thinking"
    kl_share = 0.5                                # loss = (1 - k) * LM + k * KL
    divergence = "forward"                        # or "reverse"

Without `teacher` the distribution is what the teacher's endpoint returned with its answer, which `generate` keeps in
the column `top_logprobs`: no weights of the teacher are needed, only its tokenizer must be the student's.

    data = "select messages, top_logprobs from slow_thinking"

With on_policy = true the student writes the completions itself (rows need `prompt` or `question`), through TRL's
DistillationTrainer; its `beta`, between forward (0) and reverse (1) KL, is then in `args`. With several teachers each
row names its own in the column `teacher_id`:

    teachers = { math = "Qwen/Qwen3-32B", code = "trained:coder@latest" }
    on_policy = true

Before the first step vocabulary, end of turn, thinking mode and lengths of student and teachers are compared.
asynchronous = true generates and scores on vLLM servers (TRL's experimental trainer; weights travel by NCCL).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from dqdata.columns import MESSAGES, VOCABULARY, Columns
from dqdata.errors import ColumnError
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._pairs import SPLITS
from dqdata_trainers._stored import COLUMN
from dqdata_trainers._students import load_tokenizer, quantization
from dqdata_trainers._teachable import teacher_vocabulary


class DistillParams(TrlParams):
    teacher: str | None = None
    """Named like `model`; not given: the column `top_logprobs` is the teacher."""
    kl_share: float = Field(0.5, ge=0, le=1)
    """k in loss = (1 - k) * LM + k * KL: 0 learns from the words alone. Refused with `on_policy`."""
    divergence: Literal["forward", "reverse"] = "forward"
    """forward: KL(teacher | student), covers all that the teacher would say. reverse: KL(student | teacher), keeps to
    what it would say most. With `on_policy` it is `beta` in `args` that decides."""
    temperature: float = Field(1.0, gt=0)
    """Divides the logits of both models before the divergence; with `on_policy` the student also samples at it."""
    top_k: int | None = Field(None, ge=1)
    """Only the teacher's k likeliest tokens at each place, all others as one. They are computed before the training, by
    one process a node, and stored beside the rows: 8 bytes each; the teacher is unloaded then. By default the whole
    distribution, from a teacher that every process holds."""
    on_policy: bool = False
    """Learn on what the student writes itself, not on stored traces; needs `teacher` or `teachers`."""
    teachers: Mapping[str, str] = {}
    """Instead of `teacher`, with on_policy: models by the names that the column `teacher_id` gives them."""
    asynchronous: bool = False
    """With on_policy: the student's completions come from a vLLM server (`args.vllm_server_base_url`), the teachers'
    scores from others (`args.teacher_server_urls`, by `teacher_id`, or `default`); needs a GPU, vLLM and NCCL."""

    @model_validator(mode="after")
    def _consistent(self) -> DistillParams:
        if not self.on_policy and (self.teachers or self.asynchronous):
            raise ValueError("`teachers` and `asynchronous` mean something only with on_policy")
        if self.teacher is not None and self.teachers:
            raise ValueError("give either `teacher` or `teachers`")
        if self.asynchronous and self.load_in_4bit:
            raise ValueError("load_in_4bit does not go with `asynchronous`: its weights can't be sent to vLLM")
        if self.teacher is None and not self.teachers:
            if self.on_policy:
                raise ValueError("on_policy needs `teacher`: nobody stored what it would say of the student's words")
            if self.top_k is not None:
                raise ValueError("top_k needs `teacher`: the stored column has as many as `generate` kept")
            if self.divergence != "forward" or self.temperature != 1.0:
                raise ValueError("without `teacher` only divergence = 'forward' at temperature 1 can be computed")
            if self.on_too_long == "truncate":
                raise ValueError("without `teacher` rows can't be cut: use on_too_long = 'drop' or 'error'")
        if self.top_k is not None and self.divergence != "forward":
            raise ValueError("top_k computes the forward divergence alone: set divergence = 'forward', or leave it out")
        if self.on_policy:
            if self.on_too_long == "truncate":
                raise ValueError("on_too_long = 'truncate' would cut questions: use 'drop' or 'error'")
            for name in ("kl_share", "divergence", "top_k"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no meaning with on_policy: the loss there is `beta` in `args` alone")
        return self


class Distill(Trainer[DistillParams]):
    """White-box distillation by forward or reverse KL, on stored traces or on the student's own."""

    kind = "distill"
    Params = DistillParams

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        if self.params.on_policy:
            if self.params.asynchronous:
                check_args(self.params, "AsyncDistillationConfig")
            else:
                check_args(self.params, "DistillationConfig", ("temperature",))
        else:
            check_args(self.params, "SFTConfig", ("packing", "loss_type", "label_smoothing_factor"))

    def needs(self, split: str, have: Columns) -> None:
        if split not in SPLITS:
            raise ColumnError(f"distill has no use for a split {split!r}: it reads {' and '.join(SPLITS)}")
        if not self.params.on_policy:
            have.require("messages", MESSAGES)
            if self.params.teacher is None:
                self._needs_stored(have)
        elif "prompt" not in have and "question" not in have:
            raise ColumnError(f"needs column 'prompt' or 'question' (have: {', '.join(have)})")
        elif self.params.teachers:
            have.require("teacher_id", "VARCHAR")

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        from dqdata_trainers._rows import check_chats

        if not self.params.on_policy:
            check_chats(split, rows, model, self.params)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int] | None:
        from dqdata_trainers._rows import chat_tokens

        return None if self.params.on_policy else chat_tokens(rows, model, self.params)

    def _needs_stored(self, have: Columns) -> None:
        try:
            have.require(COLUMN, VOCABULARY[COLUMN].type)
        except ColumnError as error:
            raise ColumnError(
                f"{error}: distill without `teacher` reads what `generate` keeps with top_logprobs = 10; or name a "
                "`teacher` whose weights are here"
            ) from error

    def models(self) -> tuple[str, ...]:
        named = (self.params.model, self.params.teacher, *self.params.teachers.values())
        return tuple(dict.fromkeys(filter(None, named)))

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        path = run.model(self.params.model)
        tokenizer = load_tokenizer(path, self.params)
        if self.params.on_policy:
            from dqdata_trainers._on_policy import train_on_policy

            named = self.params.teachers or {"default": str(self.params.teacher)}
            teachers = {name: run.model(model) for name, model in named.items()}
            return train_on_policy(self.params, data, out, run, path, teachers, tokenizer)
        if self.params.teacher is None:
            return self._on_traces(data, out, run, path, None, tokenizer)
        teacher = run.model(self.params.teacher)
        teacher_vocabulary(tokenizer, teacher, self.params.teacher)
        return self._on_traces(data, out, run, path, teacher, tokenizer)

    def _on_traces(
        self, data: Data, out: Path, run: TrainRun, path: str, teacher: str | None, tokenizer: Any
    ) -> TrainResult:
        from trl import SFTConfig

        from dqdata_trainers._loop import fit
        from dqdata_trainers._mimic import MimicTrainer, StoredTrainer
        from dqdata_trainers._rows import prepare
        from dqdata_trainers._stored import beside
        from dqdata_trainers._teaching import likeliest_tokens

        params = self.params
        config = trl_config(SFTConfig, params, out, packing=False, loss_type="nll", label_smoothing_factor=0.0)
        config.dataset_kwargs = {"skip_prepare_dataset": params.on_too_long != "truncate"}
        extra = (COLUMN,) if teacher is None else ()
        prepared = {split: prepare(data, split, tokenizer, params, out, extra) for split in data.folders}
        notes = [note for part in prepared.values() for note in part.notes]
        rows = {split: part.rows for split, part in prepared.items()}
        kind: type[Any] = StoredTrainer
        own: dict[str, Any] = {}
        if teacher is None:
            rows = {split: beside(part, split, tokenizer, out) for split, part in rows.items()}
        elif params.top_k is not None:
            rows = likeliest_tokens(rows, teacher, params, config, out, run)
        else:
            kind, own = MimicTrainer, {"teacher": teacher, "divergence": params.divergence}
        trainer = built(
            kind,
            model=path,
            args=config,
            train_dataset=rows["train"].remove_columns("row"),
            eval_dataset=rows["eval"].remove_columns("row") if "eval" in rows else None,
            processing_class=tokenizer,
            peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
            quantization_config=quantization(params),
            kl_share=params.kl_share,
            temperature=params.temperature,
            **own,
        )
        return fit(trainer, params, out, run, notes)

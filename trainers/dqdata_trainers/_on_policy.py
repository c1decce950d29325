"""On-policy distillation from one teacher or from several, each for the prompts that name it, by TRL's trainers.

The loss of a batch is that of its completions under their own teacher: TRL's, computed for each teacher's rows and
summed, over one count of tokens (several teachers as in arXiv 2606.30406, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from trl import DistillationTrainer

from dqdata.errors import InputError
from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._mimic import load_teacher
from dqdata_trainers._saving import zero_stage
from dqdata_trainers._students import quantization
from dqdata_trainers._teachable import check_lengths, check_teacher

ID = "teacher_id"
"""Column that names the teacher of a prompt."""
PLACE = "teacher_place"
"""The teacher's place among the teachers, as TRL's rows have it."""


class TeachersTrainer(DistillationTrainer):  # type: ignore[misc]
    """TRL's DistillationTrainer with a teacher for each row."""

    def __init__(self, *args: Any, teachers: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, teacher_model=None, **kwargs)
        if zero_stage(self.args) == 3 or self.is_fsdp_enabled:
            raise InputError("several teachers can't be sharded: train without ZeRO-3 and FSDP, or with one `teacher`")
        self.teacher_names = list(teachers)
        self._teachers = [
            self.accelerator.prepare_model(
                load_teacher(path, self.model.dtype, self.accelerator.device), evaluation_mode=True
            )
            for path in teachers.values()
        ]

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if PLACE not in self._signature_columns:
            self._signature_columns.append(PLACE)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        made: dict[str, Any] = super()._generate_and_score_completions(inputs)
        places = torch.tensor([one[PLACE] for one in inputs], device=made["completion_ids"].device)
        return {**made, PLACE: places}

    def _compute_loss(self, unwrapped_student: Any, inputs: dict[str, Any], num_items_in_batch: Any) -> Any:
        mode = "train" if self.model.training else "eval"
        places, count = inputs[PLACE], len(inputs[PLACE])
        parts = []
        for place in places.unique(sorted=True).tolist():
            own = places == place
            rows = {
                name: value[own] if torch.is_tensor(value) and value.dim() and len(value) == count else value
                for name, value in inputs.items()
                if name != PLACE
            }
            self.teacher_model = self._teachers[place]
            loss, entropy, tokens = super()._compute_loss(unwrapped_student, rows, num_items_in_batch)
            share = loss.detach() * (1 if num_items_in_batch is None else num_items_in_batch)
            mean = share if num_items_in_batch is None else share / tokens.clamp(min=1)
            self._metrics[mode][f"kl_{self.teacher_names[place]}"].append(mean.item())
            parts.append((loss, entropy, tokens))
        self.teacher_model = None
        losses, entropies, tokens = zip(*parts, strict=True)
        whole = sum(tokens[1:], tokens[0])
        if num_items_in_batch is None:  # each is a mean over its own tokens
            weighted = [loss * number for loss, number in zip(losses, tokens, strict=True)]
            return sum(weighted[1:], weighted[0]) / whole.clamp(min=1), sum(entropies), whole
        return sum(losses[1:], losses[0]), sum(entropies), whole


def train_on_policy(
    params: Any, data: Data, out: Path, run: TrainRun, path: str, teachers: Mapping[str, str], tokenizer: Any
) -> TrainResult:
    """teachers: folders by the name that rows call them; one for all rows under the name `default`."""
    from dqdata_trainers._loop import fit
    from dqdata_trainers.grpo import SourceRows, prepare_prompts

    for name, folder in teachers.items():
        called = params.teachers.get(name, params.teacher)
        check_teacher(tokenizer, path, folder, called, params.chat_template_kwargs)
    tokenizer.padding_side = "left"
    source = SourceRows(data)
    splits: dict[str, Any] = {}
    notes: list[str] = []
    longest = 0
    for split in data.folders:
        rows, found = prepare_prompts(data, split, tokenizer, params, out, source, keep=("prompt_tokens",))
        longest = max(longest, *rows.with_format("arrow")["prompt_tokens"].to_pylist())
        own_rows = _placed(rows, split, source, list(teachers)) if params.teachers else rows.select_columns(["prompt"])
        splits[split] = own_rows
        notes += found
    config, kind, own = _trl(params, out, teachers)
    check_lengths(longest, config.max_completion_length, {"the student": path, **_called(params, teachers)})
    if not params.asynchronous:  # that trainer has neither an evaluation nor quantized weights
        own |= {"eval_dataset": splits.get("eval"), "quantization_config": quantization(params)}
    trainer = built(
        kind,
        model=path,
        args=config,
        train_dataset=splits["train"],
        processing_class=tokenizer,
        peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
        **own,
    )
    return fit(trainer, params, out, run, notes)


def _trl(params: TrlParams, out: Path, teachers: Mapping[str, str]) -> tuple[Any, Any, dict[str, Any]]:
    """The config, the class of the trainer, and what it takes beside the usual."""
    if params.asynchronous:  # type: ignore[attr-defined]
        from trl.experimental.async_distillation import AsyncDistillationConfig, AsyncDistillationTrainer

        config = trl_config(AsyncDistillationConfig, params, out)
        if set(config.teacher_server_urls) != set(teachers):
            raise InputError(
                f"args.teacher_server_urls names {', '.join(sorted(config.teacher_server_urls))}, and the teachers are "
                f"{', '.join(sorted(teachers))}: give each one the address of its vLLM server"
            )
        return config, AsyncDistillationTrainer, {}
    from trl import DistillationConfig

    config = trl_config(DistillationConfig, params, out, temperature=params.temperature)  # type: ignore[attr-defined]
    if params.teachers:  # type: ignore[attr-defined]
        return config, TeachersTrainer, {"teachers": teachers}
    return config, DistillationTrainer, {"teacher_model": next(iter(teachers.values()))}


def _called(params: Any, teachers: Mapping[str, str]) -> dict[str, str]:
    return {f"teacher {params.teachers.get(name, params.teacher)!r}": path for name, path in teachers.items()}


def _placed(rows: Any, split: str, source: Any, names: list[str]) -> Any:
    """The prompts with their teacher. Raises InputError that names a row with another."""
    from dqdata_trainers._rewards import ROW

    def place(row: Mapping[str, Any]) -> dict[str, Any]:
        name = source(row[ROW])[ID]
        if name not in names:
            raise InputError(
                f"{split} split, row {row[ROW] - source.first[split]}: {ID} is {name!r}, and the teachers are "
                f"{', '.join(names)}"
            )
        return {PLACE: names.index(name), ID: name}

    return rows.map(place, load_from_cache_file=False, keep_in_memory=True).select_columns(["prompt", PLACE, ID])

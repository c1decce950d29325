"""TRL's KTO on rows that are tokens already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trl import KTOConfig, KTOTrainer

from dqdata.errors import DataError, InputError
from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams, built, trl_config
from dqdata_trainers._pairs import last_turn
from dqdata_trainers._rows import Prepared, prepare, row_name
from dqdata_trainers._students import load_tokenizer, quantization


class UnpairedTrainer(KTOTrainer):  # type: ignore[misc]
    """Takes prompt_ids, completion_ids and label as they come."""

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, *_: Any, **__: Any) -> Any:
        if not self.calculate_KL:
            return dataset

        def shifted(rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
            return {"KL_completion_ids": [rows["completion_ids"][-1], *rows["completion_ids"][:-1]]}

        size = args.per_device_train_batch_size  # mismatched pairs are made within a batch, as TRL makes them
        return dataset.map(shifted, batched=True, batch_size=size, load_from_cache_file=False, keep_in_memory=True)


def train_unpaired(params: TrlParams, label: str, data: Data, out: Path, run: TrainRun) -> TrainResult:
    """label: the column that says whether a row is desirable."""
    from dqdata_trainers._loop import fit

    config = trl_config(KTOConfig, params, out)
    path = run.model(params.model)
    tokenizer = load_tokenizer(path, params)
    for split in data.folders:
        _check_labels(data, split, label)
    prepared = {split: prepare(data, split, tokenizer, params, out, (label,)) for split in data.folders}
    notes = [note for part in prepared.values() for note in part.notes]
    for note in notes:
        run.log(note)
    rows = {split: _completions(part, label) for split, part in prepared.items()}
    trainer = built(
        UnpairedTrainer,
        model=path,
        args=config,
        train_dataset=rows["train"],
        eval_dataset=rows.get("eval"),
        processing_class=tokenizer,
        peft_config=params.lora.config("CAUSAL_LM") if params.lora else None,
        quantization_config=quantization(params),
    )
    return fit(trainer, params, out, run, notes)


def _completions(prepared: Prepared, label: str) -> Any:
    """The last turn that is trained on, what is before it, and the label."""

    def encode(row: Mapping[str, Any]) -> dict[str, Any]:
        start, end = last_turn(row["labels"])
        ids = row["input_ids"]
        return {"prompt_ids": ids[:start], "completion_ids": ids[start:end], "label": row[label]}

    rows = prepared.rows
    return rows.map(encode, remove_columns=rows.column_names, load_from_cache_file=False, keep_in_memory=True)


def _check_labels(data: Data, split: str, label: str) -> None:
    values = data.dataset(split).with_format("arrow")[label].to_pylist()
    if None in values:
        place = values.index(None)
        where = row_name(split, data.dataset(split)[place], place)
        raise DataError(
            f"{where}: {label!r} is null ({values.count(None)} such rows of {len(values)}): leave out what nobody "
            f"could judge, with `where {label} is not null`"
        )
    if split == "train" and len(set(values)) < 2:
        kind = "desirable" if values and values[0] else "undesirable"
        raise InputError(f"train split: all {len(values)} rows are {kind} by {label!r}: kto needs both kinds")

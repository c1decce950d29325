"""The teacher's k likeliest tokens at each trained place, computed once before a training and stored with the rows.

    rows = likeliest_tokens(rows, teacher, params, config, out, run)      # adds top_ids and top_logprobs

One process a node loads the teacher, writes memory-mapped files that the others map, and unloads it: the training
itself holds the student alone, and later epochs do not run the teacher again. k tokens take 8 k bytes a trained token:
10 million tokens with k = 64 are 5 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from datasets import Features, List, Value

from dqdata.ids import canonical, digest
from dqdata.models import IGNORED
from dqdata.trainer import TrainRun
from dqdata_trainers._divergence import Head, hidden_states, likeliest
from dqdata_trainers._mimic import load_teacher
from dqdata_trainers._rows import map_once

if TYPE_CHECKING:
    from datasets import Dataset

    from dqdata_trainers.distill import DistillParams


def likeliest_tokens(
    rows: Mapping[str, Dataset], teacher: str, params: DistillParams, config: Any, out: Path, run: TrainRun
) -> dict[str, Dataset]:
    """rows: splits with input_ids, labels and row. Gives the same with top_ids and top_logprobs, lists of lists, empty
    where nothing is trained. A split that was written already is mapped as it is."""
    assert params.top_k is not None
    device = config.device
    state = PartialState()
    made: dict[str, Dataset] = {}
    model = head = None
    for split, part in rows.items():
        recipe = digest(part._fingerprint, teacher, canonical([params.top_k, params.temperature, params.max_length]))
        file = out / "tokens" / f"{split}-top-{recipe[:12]}.arrow"
        if state.is_local_main_process and model is None and not file.exists():
            run.log(f"the teacher's {params.top_k} likeliest tokens are computed once, before the first step")
            dtype = torch.bfloat16 if config.bf16 else torch.float32
            model = load_teacher(teacher, dtype, device)
            head = Head.of(model)
        put = partial(_with_top, model=model, head=head, params=params, device=device)
        made[split] = map_once(part, put, file, _features(part))
    return made


def _with_top(
    row: Mapping[str, Any], index: int, model: Any, head: Any, params: DistillParams, device: Any
) -> dict[str, Any]:
    cut = params.max_length if params.on_too_long == "truncate" else None
    ids = torch.tensor([row["input_ids"][:cut]], device=device)
    places = [place for place, label in enumerate(row["labels"][:cut]) if label != IGNORED and place > 0]
    with torch.no_grad():
        states = hidden_states(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})[0]
        numbers, values = likeliest(
            head, states[[place - 1 for place in places]], params.top_k or 1, params.temperature
        )
    top_ids: list[list[int]] = [[] for _ in row["input_ids"]]
    top_logprobs: list[list[float]] = [[] for _ in row["input_ids"]]
    for place, number, value in zip(places, numbers.tolist(), values.float().tolist(), strict=True):
        top_ids[place], top_logprobs[place] = number, value
    return {**row, "top_ids": top_ids, "top_logprobs": top_logprobs}


def _features(rows: Dataset) -> Features:
    added = {"top_ids": List(List(Value("int32"))), "top_logprobs": List(List(Value("float32")))}
    return Features({**rows.features, **added})

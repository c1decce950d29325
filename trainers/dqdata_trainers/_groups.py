"""TRL's GRPO with groups whose completions all earned the same left out of the loss, or sampled anew."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import torch
from trl import GRPOTrainer

from dqdata.errors import RunError

PROMPT, COMPLETION = ("prompt_ids", "prompt_mask"), ("completion_ids", "completion_mask")
MERGED = (*PROMPT, *COMPLETION, "advantages", "old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps",
          "importance_sampling_ratio", "tool_mask")  # fmt: skip
"""What TRL gives for each completion of a text model."""
IN_ALL = "num_items_in_batch"


class DroppingGrpo(GRPOTrainer):  # type: ignore[misc]
    """Groups of equal rewards have no advantage, but their tokens still count in the loss's denominator: here they
    are masked, after up to `resample` other prompts were tried in the place of each (dynamic sampling of DAPO, arXiv
    2503.14476)."""

    resample = 0

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return batch
        equal = first = self._equal(batch)
        for attempt in range(self.resample):
            if not equal.any():
                break
            batch, equal = self._sampled_anew(batch, equal, inputs, attempt)
        size = self.num_generations
        if self.resample:
            self._metrics["train"]["groups_resampled"].append((first & ~equal).float().mean().item())
        self._metrics["train"]["groups_dropped"].append(equal.float().mean().item())
        if not equal.all():
            rows = self._own(equal.repeat_interleave(size), batch)
            batch["completion_mask"] = batch["completion_mask"] * (~rows).unsqueeze(1).to(
                batch["completion_mask"].dtype
            )
        if self.resample or not equal.all():
            batch[IN_ALL] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        return batch

    def _equal(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """For each group of all ranks whether its rewards are all equal."""
        advantages = self.accelerator.gather(batch["advantages"])
        equal: torch.Tensor = advantages.view(-1, self.num_generations).eq(0).all(dim=1)
        return equal

    def _own(self, rows: torch.Tensor, batch: Mapping[str, Any]) -> torch.Tensor:
        """The part of this rank of what is known of every completion."""
        count = len(batch["advantages"])
        return rows[self.accelerator.process_index * count : (self.accelerator.process_index + 1) * count]

    def _sampled_anew(
        self, batch: dict[str, Any], equal: torch.Tensor, inputs: Any, attempt: int
    ) -> tuple[dict[str, Any], torch.Tensor]:
        """The batch with completions of other prompts in place of equal groups, where these are not equal too. One rank
        samples for these groups alone; several, which must all sample as much, for every group."""
        if strange := [name for name in batch if name not in (*MERGED, IN_ALL)]:
            raise RunError(f"resample knows batches of text alone, and this one has {strange[0]!r}: leave it out")
        size, alone = self.num_generations, self.accelerator.num_processes == 1
        groups = equal.nonzero().flatten().tolist() if alone else list(range(len(equal)))
        drawn = dict(zip(groups, self._other_prompts(inputs, len(groups), attempt), strict=True))
        start = 0 if alone else self.accelerator.process_index * len(batch["advantages"])
        places = [row for group in groups for row in range(group * size, (group + 1) * size)] if alone else [
            start + row for row in range(len(batch["advantages"]))
        ]  # fmt: skip
        fresh = super()._generate_and_score_completions([dict(drawn[place // size]) for place in places])
        better = ~self._equal(fresh)
        taken = torch.zeros_like(equal)
        taken[groups] = better
        taken &= equal
        old_rows = self._own(taken.repeat_interleave(size), batch)
        new_rows = self._own((taken[groups]).repeat_interleave(size), fresh)
        return _replaced(batch, old_rows, fresh, new_rows, self._tokenizer.pad_token_id), equal & ~taken

    def _other_prompts(self, inputs: Any, count: int, attempt: int) -> list[Any]:
        """Rows of the training set that are not in the batch, the same in every rank; any, where all are."""
        draw = random.Random(f"{self.args.seed}:{self.state.global_step}:{attempt}")
        used = [row["prompt"] for row in inputs]
        order = draw.sample(range(len(self.train_dataset)), len(self.train_dataset))
        if self.accelerator.num_processes == 1:
            others = [number for number in order if self.train_dataset[number]["prompt"] not in used]
            order = others or order
        return [self.train_dataset[order[place % len(order)]] for place in range(count)]


def _replaced(
    batch: Mapping[str, Any], old_rows: torch.Tensor, fresh: Mapping[str, Any], new_rows: torch.Tensor, pad: int
) -> dict[str, Any]:
    """`batch` with `new_rows` of another in the places of `old_rows`, all padded to one length: prompts on the left,
    completions on the right."""
    made = dict(batch)
    for name in MERGED:
        if name not in batch:
            continue
        old, new = batch[name], fresh[name]
        if old.dim() == 2:
            fill = pad if name in ("prompt_ids", "completion_ids") else 0
            width = max(old.shape[1], new.shape[1])
            old, new = (_padded(one, width, fill, left=name in PROMPT) for one in (old, new))
        made[name] = old.clone()
        made[name][old_rows] = new[new_rows]
    return made


def _padded(values: torch.Tensor, width: int, fill: int, *, left: bool) -> torch.Tensor:
    missing = width - values.shape[1]
    return torch.nn.functional.pad(values, (missing, 0) if left else (0, missing), value=fill)

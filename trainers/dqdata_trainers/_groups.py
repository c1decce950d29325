"""TRL's GRPO with groups left out whose completions all earned the same."""

from __future__ import annotations

from typing import Any

from trl import GRPOTrainer


class DroppingGrpo(GRPOTrainer):  # type: ignore[misc]
    """Groups of equal rewards have no advantage, but their tokens still count in the loss's denominator: here they
    are masked (dynamic sampling's filter of DAPO, arXiv 2503.14476, without sampling anew)."""

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return batch
        advantages = self.accelerator.gather(batch["advantages"])
        equal = advantages.view(-1, self.num_generations).eq(0).all(dim=1).repeat_interleave(self.num_generations)
        self._metrics["train"]["groups_dropped"].append(equal.float().mean().item())
        if equal.all():
            return batch
        rows = len(batch["advantages"])
        mine = equal[self.accelerator.process_index * rows : (self.accelerator.process_index + 1) * rows]
        batch["completion_mask"] = batch["completion_mask"] * (~mine).unsqueeze(1).to(batch["completion_mask"].dtype)
        batch["num_items_in_batch"] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        return batch

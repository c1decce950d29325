"""A reward model in this process: scores a chat that ends with the assistant's answer.

    [teachers.style]
    provider = "reward_model"
    model = "trained:style@latest"      # kind = "reward"; or a folder, or a hub name

An answer is a JSON object of scores: `{"rv": 3.2, "cd": 2.8}` of a model that was trained on `targets`,
`{"preference": 0.83}` of one trained on pairs. The step `score` makes columns of them. Scores enter the ledger as any
teacher's answers do, so a chat that was scored once isn't scored again.
"""

from __future__ import annotations

import json
import time
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.downloads import downloads_allowed
from dqdata.errors import DataError, PluginError, TeacherError
from dqdata.models import scores_in, wrong_model
from dqdata.teacher import Completion, Request, Usage
from dqdata.teachers.in_process import InProcess, InProcessParams, RequestQueue, Work, too_long

if TYPE_CHECKING:
    from dqdata.models import RewardModel


class RewardTeacher(InProcess[InProcessParams, "RewardModel"]):
    """Gives the scores of a reward model for a chat, inside this process."""

    provider = "reward_model"
    Params = InProcessParams

    @cached_property
    def scores(self) -> tuple[str, ...]:
        return _on_hub(self.ref.path, self.params.revision) if self.ref.kind == "hub" else self.ref.scores

    @property
    def context_tokens(self) -> int:
        """It writes nothing, so no budget need reserve room for an answer."""
        return 0

    def requires(self) -> tuple[str, ...]:
        return ("torch", "transformers")

    def check(self) -> None:
        if not self.scores:
            raise wrong_model(self.model)

    def load(self) -> RewardModel:
        import torch

        from dqdata.models import RewardModel

        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        if self.params.dtype != "auto":
            dtype = getattr(torch, self.params.dtype)
        revision = self.params.revision if self.ref.kind == "hub" else ""
        return RewardModel(
            self.ref.path,
            self.model,
            revision=revision,
            dtype=dtype,
            trust_remote_code=self.params.trust_remote_code,
            allow_pickle=self.params.allow_pickle,
        )

    def serve(self, model: RewardModel, queue: RequestQueue) -> None:
        limit = min((size for size in (model.context, self.params.context_tokens) if size), default=None)
        while (works := queue.take(self.params.batch_size, wait=True)) is not None:
            fitting: list[tuple[Work, list[int]]] = []
            for work in works:
                try:
                    ids = model.tokens([message._asdict() for message in work.request.messages])
                except Exception as error:  # of the chat template: it refuses this chat, and may take others
                    said = TeacherError(f"this chat can't be scored: {error}", kind="row", reason="bad_request")
                    queue.answer(work, error=said)
                    continue
                if limit is not None and len(ids) > limit:
                    queue.answer(work, error=too_long(len(ids), limit, self.model))
                else:
                    fitting.append((work, ids))
            if fitting:
                for (work, ids), scores in zip(fitting, model.read([ids for _, ids in fitting]), strict=True):
                    if all(map(isfinite, scores.values())):
                        queue.answer(work, (scores, len(ids)))
                    else:
                        strange = TeacherError(f"{self.model} gives {scores}", kind="row", reason="not_finite")
                        queue.answer(work, error=strange)

    async def complete(self, request: Request) -> Completion:
        if not request.messages or request.messages[-1].role != "assistant":
            raise TeacherError(
                "a reward model reads a chat that ends with the assistant's answer", kind="row", reason="bad_request"
            )
        began = time.monotonic()
        scores, tokens = await self.ask(request)
        return Completion(
            json.dumps(scores), "stop", Usage(tokens, 0), model=self.model, seconds=time.monotonic() - began
        )


def _on_hub(name: str, revision: str) -> tuple[str, ...]:
    """What a reward model of the hub gives, by its config, which is downloaded unless `without_downloads`. Raises
    DataError where that can't be had."""
    try:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
    except ImportError:
        raise PluginError(
            f"{name!r} needs the hub's client: pip install huggingface_hub", code="missing-extra"
        ) from None
    config = try_to_load_from_cache(name, "config.json", revision=revision or None)
    if not isinstance(config, str):
        if not downloads_allowed():
            at = f" --revision {revision}" if revision else ""
            raise DataError(
                f"the config of {name!r}, which says what scores it gives, is not on this machine, and nothing is "
                f"downloaded here: a run fetches it, and so does `hf download {name} config.json{at}`",
                code="not-downloaded",
            )
        try:
            config = hf_hub_download(name, "config.json", revision=revision or None)
        except Exception as error:
            raise DataError(
                f"{name!r} can't be had from the hub: {type(error).__name__}: {str(error).splitlines()[0]}; download "
                "it once while online, or name a folder"
            ) from error
    return scores_in(json.loads(Path(config).read_text(encoding="utf-8")))

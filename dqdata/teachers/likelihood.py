"""A causal language model in this process that reads a chat: how likely the assistant's tokens are, and their ranks.

    [teachers.student]
    provider = "likelihood"
    model = "Qwen/Qwen2.5-7B-Instruct"  # the student before training; or a folder, `trained:NAME@3`, a .gguf file

An answer is a JSON object: `{"nll": 0.71, "rank": 2.4, "tokens": 212, "step_nll": [0.9, 0.4]}`. The step `student_fit`
makes columns of it. The ledger holds it under the hash of the weights, so a model reads a chat once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dqdata import files
from dqdata.errors import InputError, TeacherError
from dqdata.ids import digest
from dqdata.models import LIKELIHOOD
from dqdata.params import LocalPath
from dqdata.teacher import Completion, Request, Usage, reward_model
from dqdata.teachers.in_process import InProcess, InProcessParams, RequestQueue, Work, template_hash, too_long

if TYPE_CHECKING:
    from dqdata.models import Likelihood, Reading, Tokens


class LikelihoodParams(InProcessParams):
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    """auto: bfloat16 on a GPU, float32 on a CPU. Half precision shifts ranks and makes them depend on a batch."""
    chat_template: LocalPath | None = None
    """Jinja file in place of the model's own chat template: the one that the student will be trained with."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """For the chat template, such as `{ enable_thinking = false }`."""


class LikelihoodTeacher(InProcess[LikelihoodParams, "Likelihood"]):
    """Reads chats with a causal language model, inside this process: likelihood and rank of the assistant's tokens."""

    provider = "likelihood"
    Params = LikelihoodParams

    @property
    def scores(self) -> tuple[str, ...]:
        return LIKELIHOOD

    @property
    def revision(self) -> str:
        """Template and precision change the numbers as the weights do."""
        template, dtype = self.params.chat_template, self.params.dtype
        own = digest("template", template.read_text(encoding="utf-8"))[:12] if template else ""
        precision = "" if dtype == "float32" else dtype
        kwargs = template_hash(self.params.chat_template_kwargs)
        return "+".join(filter(None, (super().revision, own, kwargs, precision)))

    @property
    def context_tokens(self) -> int | None:
        """It writes nothing, so no budget need reserve room for an answer."""
        return 0

    def requires(self) -> tuple[str, ...]:
        return ("torch", "transformers")

    def check(self) -> None:
        if self.ref.scores:
            raise reward_model(self.model, self.ref.scores)
        template = self.params.chat_template
        if template is not None and not template.is_file():
            raise InputError(f"chat_template {template}: there is no such file", code="missing-file")

    def load(self) -> Likelihood:
        import torch

        from dqdata.models import Likelihood, loadable

        params = self.params
        auto = "bfloat16" if torch.cuda.is_available() else "float32"
        return Likelihood(
            loadable(self.ref, files.cache_folder("unpacked")),
            revision=params.revision if self.ref.kind == "hub" else "",
            dtype=getattr(torch, auto if params.dtype == "auto" else params.dtype),
            chat_template=params.chat_template,
            chat_template_kwargs=params.chat_template_kwargs,
            trust_remote_code=params.trust_remote_code,
            allow_pickle=params.allow_pickle,
        )

    def serve(self, model: Likelihood, queue: RequestQueue) -> None:
        limit = min((size for size in (model.context, self.params.context_tokens) if size), default=None)
        while (works := queue.take(self.params.batch_size, wait=True)) is not None:
            fitting: list[tuple[Work, Tokens]] = []
            for work in works:
                try:
                    chat = model.tokens(_messages(work.request), work.request.tools or None)
                except Exception as error:  # of the chat template: it refuses this chat, and may take others
                    said = TeacherError(f"this chat can't be read: {error}", kind="row", reason="bad_request")
                    queue.answer(work, error=said)
                    continue
                size = len(chat.input_ids)
                if limit is not None and size > limit:
                    queue.answer(work, error=too_long(size, limit, self.model))
                else:
                    fitting.append((work, chat))
            readings = model.read([chat for _, chat in fitting])
            for (work, chat), reading in zip(fitting, readings, strict=True):
                self._answer(queue, work, reading, len(chat.input_ids))

    def _answer(self, queue: RequestQueue, work: Work, reading: Reading, tokens: int) -> None:
        if isfinite(reading.nll):
            queue.answer(work, (reading._asdict(), tokens))
        else:
            strange = f"{self.model} gives a negative log-likelihood of {reading.nll}"
            queue.answer(work, error=TeacherError(strange, kind="row", reason="not_finite"))

    async def complete(self, request: Request) -> Completion:
        began = time.monotonic()
        reading, tokens = await self.ask(request)
        return Completion(
            json.dumps(reading), "stop", Usage(tokens, 0), model=self.model, seconds=time.monotonic() - began
        )


def _messages(request: Request) -> list[Mapping[str, Any]]:
    return [{"role": one.role, "content": one.content, **one.more} for one in request.messages]

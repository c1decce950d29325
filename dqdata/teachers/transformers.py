"""A causal language model in this process through transformers, such as a trained student.

    [teachers.student]
    provider = "transformers"
    model = "trained:slow_sft@latest"   # or a folder, a .gguf file, smollm2-135m, a hub name

Requests that wait are written together, up to `batch_size`; one that ends makes room for the next at once. Each answer
has a seed, its ledger key where none is given: samples differ, and a rerun on the same machine gives the same texts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dqdata import files
from dqdata.errors import DqdataError, TeacherError
from dqdata.teacher import Completion, Request, reward_model
from dqdata.teachers import chat
from dqdata.teachers.in_process import InProcess, InProcessParams, RequestQueue, Work, template_hash, too_long
from dqdata.thinking import opened_by

if TYPE_CHECKING:
    from dqdata.models import Text, Writer

KNOWN_EXTRA = ("top_k", "chat_template_kwargs")


class TransformersParams(chat.ReadingParams, InProcessParams):
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """For the model's chat template, such as `{ enable_thinking = false }`."""


class Transformers(InProcess[TransformersParams, "Writer"]):
    """Answers with a causal language model through transformers, inside this process."""

    provider = "transformers"
    Params = TransformersParams

    @property
    def revision(self) -> str:
        return "+".join(filter(None, (super().revision, template_hash(self.params.chat_template_kwargs))))

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def requires(self) -> tuple[str, ...]:
        return ("torch", "transformers")

    def check(self) -> None:
        if self.ref.scores:
            raise reward_model(self.model, self.ref.scores)

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    def load(self) -> Writer:
        from dqdata.models import Writer, loadable

        params = self.params
        return Writer(
            loadable(self.ref, files.cache_folder("unpacked")),
            revision=params.revision if self.ref.kind == "hub" else "",
            dtype=params.dtype,
            context_tokens=params.context_tokens,
            keep_special=params.reasoning_tags or (),
            trust_remote_code=params.trust_remote_code,
            allow_pickle=params.allow_pickle,
        )

    def serve(self, model: Writer, queue: RequestQueue) -> None:
        model.run(_Texts(model, queue, self), self.params.batch_size)

    async def complete(self, request: Request) -> Completion:
        if strange := [name for name in request.sampling.extra if name not in KNOWN_EXTRA]:
            raise TeacherError(
                f"provider 'transformers' knows no {strange[0]!r} in `extra` (known: {', '.join(KNOWN_EXTRA)})",
                kind="fatal",
                reason="bad_request",
            )
        began = time.monotonic()
        data = await self.ask(request)
        made = chat.completion(data, request, self.params)
        return replace(made, model=self.model, seconds=time.monotonic() - began)


class _Texts:
    """The queue's requests as texts to write, and the texts as answers."""

    def __init__(self, writer: Writer, queue: RequestQueue, teacher: Transformers) -> None:
        self._writer, self._queue, self._teacher = writer, queue, teacher
        self._works: dict[Text, Work] = {}

    def take(self, room: int, wait: bool) -> Sequence[Text] | None:
        works = self._queue.take(room, wait)
        if works is None:
            return None
        begun = []
        for work in works:
            try:
                text = self._text(work)
            except Exception as error:  # of the template: it refuses this chat, and may take others
                said = error if isinstance(error, DqdataError) else None
                kind = TeacherError(f"the chat template refuses this chat: {error}", kind="row", reason="bad_request")
                self._queue.answer(work, error=said or kind)
                continue
            self._works[text] = work
            begun.append(text)
        return begun

    def ready(self) -> bool:
        return self._queue.ready()

    def done(self, text: Text) -> None:
        work = self._works.pop(text)
        if text.finish_reason == "too_long":
            error = too_long(text.prompt_tokens, self._writer.context, self._teacher.model)
            self._queue.answer(work, error=error)
        else:
            self._queue.answer(work, self._as_chat(text, work.request))

    def _text(self, work: Work) -> Text:
        from dqdata.models import Rules, Text

        request = work.request
        sampling, extra = request.sampling, request.sampling.extra
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        if request.schema is not None:
            messages[-1]["content"] += "\n\n" + chat.instruction(request.schema)
        kwargs = {**self._teacher.params.chat_template_kwargs, **extra.get("chat_template_kwargs", {})}
        seed = chat.seed(request)
        return Text(
            self._writer.prompt(messages, kwargs),
            Rules(
                sampling.max_tokens,
                sampling.temperature,
                sampling.top_p,
                extra.get("top_k"),
                int(self._teacher.key(request)[:13], 16) if seed is None else seed,
                sampling.stop,
                sampling.top_logprobs,
            ),
            lambda: not work.wanted or self._queue.closing,
        )

    def _as_chat(self, text: Text, request: Request) -> Mapping[str, Any]:
        """An answer in the chat-completions format. A template that opens the thinking leaves its tag in the prompt."""
        opened = opened_by(text.prompt, self._teacher.params.reasoning_tags)
        choice: dict[str, Any] = {"message": {"content": opened + text.text}, "finish_reason": text.finish_reason}
        if request.sampling.top_logprobs is not None:
            choice["logprobs"] = {"content": [self._logprob(*text.logprobs[place]) for place in range(len(text.ids))]}
        usage = {"prompt_tokens": text.prompt_tokens, "completion_tokens": len(text.ids)}
        return {"choices": [choice], "usage": usage}

    def _logprob(self, token: int, logprob: float, likeliest: Sequence[tuple[int, float]]) -> dict[str, Any]:
        word = self._writer.tokenizer.decode
        top = [{"token": word([one]), "logprob": chance} for one, chance in likeliest]
        return {"token": word([token]), "logprob": logprob, "top_logprobs": top}

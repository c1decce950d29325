"""Generates texts in batches: a finished text leaves the batch and a waiting one takes its place.

    writer = Writer("catalogs/models/slow_sft/0f3a1c5e7b90")
    writer.run(queue, batch_size=16)          # queue.take(room, wait) gives texts to begin, queue.done(text) gets them

`generate` of transformers does the work, in stretches. A stretch ends when a text ends or another may begin; then rows
of its key-value cache go and come, and the rest is not read again. Each text has rules of its own. What is drawn for it
depends on its seed and place alone, not on its neighbours, but for the rounding of a larger batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dqdata.errors import InputError
from dqdata.ids import digest
from dqdata.models.loading import loading, without_weights
from dqdata.models.names import scores_in
from dqdata.teacher import reward_model

UNBOUNDED = 1 << 20
"""Tokens of a text that nothing else bounds."""


@dataclass(frozen=True)
class Rules:
    """How a text is written. temperature 0: the likeliest token each time; None: as the model's own settings say, or 1.
    top_k 0 and top_p 1 leave nothing out; None as for the temperature. stop: words that end it, and aren't kept."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None


@dataclass(eq=False)
class Text:
    """One text: its prompt, and what came of it.

    finish_reason: "stop", "length", "too_long" (the prompt leaves no room), "unwanted" (by then `unwanted` says so).
    ids: its tokens, without the one that ended it. logprobs: for each token its own and the likeliest, where asked for.
    """

    prompt: str
    rules: Rules
    unwanted: Callable[[], bool] = lambda: False
    text: str = ""
    prompt_tokens: int = 0
    ids: list[int] = field(default_factory=list)
    finish_reason: str = ""
    logprobs: dict[int, tuple[int, float, list[tuple[int, float]]]] = field(default_factory=dict)
    limit: int = UNBOUNDED


class RequestQueue(Protocol):
    """Where texts come from and go to."""

    def take(self, room: int, wait: bool) -> Sequence[Text] | None:
        """Up to so many texts to begin; with `wait`, only once there is one. None: the end, whatever is unfinished."""
        ...

    def ready(self) -> bool:
        """Whether `take` would give anything now."""
        ...

    def done(self, text: Text) -> None: ...


@dataclass
class _Batch:
    """Rows at work, padded on the left; None for one that ended and couldn't leave. The cache holds all but the last
    token."""

    texts: list[Text | None]
    ids: Any
    mask: Any
    cache: Any = None

    @property
    def width(self) -> int:
        return int(self.ids.shape[1])


class Writer:
    """A model and its tokenizer. Raises InputError where they can't be loaded, or the model doesn't write."""

    def __init__(
        self,
        path: str,
        *,
        revision: str = "",
        dtype: str = "auto",
        context_tokens: int | None = None,
        keep_special: Sequence[str] | None = None,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
    ) -> None:
        """keep_special: special tokens of the tokenizer are left out of texts, unless one of these is among them; None
        keeps them all."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        at = loading(revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
        kind = getattr(torch, dtype) if dtype != "auto" else torch.bfloat16 if torch.cuda.is_available() else None
        try:
            config = AutoConfig.from_pretrained(path, **without_weights(at))
            if scores := scores_in(config.to_dict()):
                raise reward_model(path, scores)
            tokenizer = AutoTokenizer.from_pretrained(path, **without_weights(at))
            model = AutoModelForCausalLM.from_pretrained(path, dtype=kind or torch.float32, **at)
        except (OSError, ValueError) as error:
            raise InputError(f"model {path} can't be loaded: {error}") from error
        gpu = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        self._take(model.to(gpu or torch.device("cpu")), tokenizer, context_tokens, keep_special)

    @classmethod
    def over(cls, model: Any, tokenizer: Any) -> Writer:
        """Writes with a model that is in memory, where it is; it is put into evaluation mode."""
        writer = cls.__new__(cls)
        writer._take(model, tokenizer, None, None)
        return writer

    def _take(self, model: Any, tokenizer: Any, context_tokens: int | None, keep_special: Sequence[str] | None) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.device = model.device
        special = self.tokenizer.all_special_tokens
        self.bare = keep_special is not None and not any(word in special for word in keep_special)
        own = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.context = min((size for size in (own, context_tokens) if size), default=None)
        said = self.model.generation_config.eos_token_id
        self.ends = {self.tokenizer.eos_token_id, *(said if isinstance(said, list) else [said])} - {None}
        pads = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        self.pad = next(pad for pad in pads if pad is not None)

    def prompt(self, messages: Sequence[Mapping[str, str]], kwargs: Mapping[str, Any] | None = None) -> str:
        """A chat up to the model's turn. Raises InputError for a model without a chat template."""
        if not self.tokenizer.chat_template:
            raise InputError("the model has no chat template (a base model?), so it cannot answer questions")
        return str(
            self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, **(kwargs or {})
            )
        )

    def run(self, queue: RequestQueue, batch_size: int) -> None:
        """Writes until the queue says that it is the end."""
        import torch

        batch: _Batch | None = None
        with torch.inference_mode():
            while True:
                room = batch_size - len(batch.texts) if batch else batch_size
                if room and (batch is None or _joinable(batch)):
                    came = queue.take(room, batch is None)
                    if came is None:
                        return
                    if begun := self._begun(came, queue):
                        self._advance(begun, queue, once=True)
                        batch = _joined(batch, self._settled(begun, queue), self.pad)
                if batch is not None:
                    self._advance(batch, queue, once=False, room=batch_size > len(batch.texts))
                    batch = self._settled(batch, queue)

    def _begun(self, came: Sequence[Text], queue: RequestQueue) -> _Batch | None:
        """Prompts side by side; those that leave no room for an answer are done."""
        import torch

        begun: list[Text | None] = []
        prompts: list[list[int]] = []
        for text in came:
            ids = list(self.tokenizer(text.prompt, add_special_tokens=False)["input_ids"])
            room = UNBOUNDED if self.context is None else self.context - len(ids)
            text.prompt_tokens, text.limit = len(ids), min(text.rules.max_tokens or UNBOUNDED, room)
            if room < 1:
                text.finish_reason = "too_long"
                queue.done(text)
            else:
                begun.append(text)
                prompts.append(ids)
        if not begun:
            return None
        width = max(map(len, prompts))
        rows = [[self.pad] * (width - len(ids)) + ids for ids in prompts]
        masks = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
        return _Batch(begun, torch.tensor(rows, device=self.device), torch.tensor(masks, device=self.device))

    def _advance(self, batch: _Batch, queue: RequestQueue, *, once: bool, room: bool = False) -> None:
        """One stretch, at least a token long. room: another text may join, so it ends when one is there."""
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        before, alive = batch.width, [text for text in batch.texts if text is not None]

        def choose(ids: Any, scores: Any) -> Any:
            """All but the chosen tokens ruled out. Depends on the tokens so far alone: the library may undo a step."""
            chosen = scores.argmax(dim=-1)
            for row, text in enumerate(batch.texts):
                if text is not None:
                    place = len(text.ids) + ids.shape[1] - before
                    if (temperature := self._temperature(text.rules)) > 0:
                        chosen[row] = self._drawn(scores[row] / temperature, text.rules, place)
                    if text.rules.top_logprobs is not None:
                        text.logprobs[place] = _likeliest(scores[row], int(chosen[row]), text.rules.top_logprobs)
            ruled_out = torch.full_like(scores, -torch.inf)
            return ruled_out.scatter_(1, chosen[:, None], 0.0)

        def over(ids: Any, scores: Any, **_: Any) -> Any:
            new = ids[:, before:].tolist()
            ended = any(text is not None and self._end(text, new[row]) for row, text in enumerate(batch.texts))
            stop = ended or once or (room and queue.ready())
            return torch.full((len(new),), stop, dtype=torch.bool, device=ids.device)

        made = self.model.generate(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            **({"past_key_values": batch.cache} if batch.cache is not None else {}),
            max_new_tokens=max(text.limit - len(text.ids) for text in alive),
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            logits_processor=LogitsProcessorList([choose]),
            stopping_criteria=StoppingCriteriaList([over]),
            pad_token_id=self.pad,
            eos_token_id=sorted(self.ends) or None,
            return_dict_in_generate=True,
        )
        batch.ids, batch.cache = made.sequences, made.past_key_values
        batch.mask = torch.nn.functional.pad(batch.mask, (0, batch.width - before), value=1)
        for row, text in enumerate(batch.texts):
            if text is not None:
                new = batch.ids[row, before:].tolist()
                text.finish_reason = self._end(text, new) or ""
                text.ids += new

    def _settled(self, batch: _Batch, queue: RequestQueue) -> _Batch | None:
        """Hands over what ended. Its rows leave the batch where the cache allows it; None: none is left."""
        import torch

        for row, text in enumerate(batch.texts):
            if text is not None and text.finish_reason:
                if text.ids and text.ids[-1] in self.ends:
                    text.ids.pop()
                text.logprobs = {place: said for place, said in text.logprobs.items() if place < len(text.ids)}
                text.text = _cut(self._decoded(text.ids), text.rules.stop)
                batch.texts[row] = None
                queue.done(text)
        stay = [row for row, text in enumerate(batch.texts) if text is not None]
        if not stay:
            return None
        if len(stay) < len(batch.texts) and _joinable(batch):
            kept = torch.tensor(stay, device=self.device)
            mask = batch.mask[kept]
            first = int(mask.argmax(dim=1).min())
            batch.cache.batch_select_indices(kept)
            for layer in batch.cache.layers:
                layer.keys, layer.values = layer.keys[..., first:, :], layer.values[..., first:, :]
            texts = [batch.texts[row] for row in stay]
            return _Batch(texts, batch.ids[kept][:, first:], mask[:, first:], batch.cache)
        return batch

    def _end(self, text: Text, new: Sequence[int]) -> str | None:
        """Why a text ends with these tokens; None where it goes on."""
        if text.unwanted():
            return "unwanted"
        if new[-1] in self.ends:
            return "stop"
        if text.rules.stop:
            tail = max(map(len, text.rules.stop)) + 8  # no token is shorter than a character, but for parts of one
            said = self._decoded([*text.ids, *new][-tail:])
            if any(word in said for word in text.rules.stop):
                return "stop"
        return "length" if len(text.ids) + len(new) >= text.limit else None

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=self.bare))

    def _temperature(self, rules: Rules) -> float:
        if rules.temperature is not None:
            return rules.temperature
        own = self.model.generation_config
        return float(own.temperature) if own.do_sample and own.temperature is not None else 1.0

    def _drawn(self, scores: Any, rules: Rules, place: int) -> Any:
        """The token at a place of a text, by one number that seed and place give."""
        own = self.model.generation_config
        top_p = rules.top_p if rules.top_p is not None else (own.top_p if own.do_sample else None) or 1.0
        top_k = rules.top_k if rules.top_k is not None else (own.top_k if own.do_sample else None) or 0
        chances, order = scores.double().softmax(dim=-1), None
        if top_p < 1 or top_k > 0:
            chances, order = chances.sort(descending=True)
            chances = chances[: top_k or None]
            chances = chances[chances.cumsum(0) - chances < top_p * chances.sum()]
        heaped = chances.cumsum(0)
        number = int(digest("token", str(rules.seed), str(place))[:13], 16) / 16**13
        index = int((heaped <= number * heaped[-1]).sum())
        index = min(index, len(chances) - 1)
        return index if order is None else order[index]


def _joinable(batch: _Batch) -> bool:
    """Whether rows can come and go: every layer keeps all keys and values, and nothing else."""
    from transformers.cache_utils import DynamicLayer

    return batch.cache is not None and all(type(layer) is DynamicLayer for layer in batch.cache.layers)


def _joined(batch: _Batch | None, more: _Batch | None, pad: int) -> _Batch | None:
    """Two batches as one, the narrower padded on the left."""
    import torch

    if batch is None or more is None:
        return batch or more
    widths = [max(batch.width, more.width) - part.width for part in (batch, more)]

    def widened(tensors: Sequence[Any], value: int = 0, last: int = 0) -> Any:
        sides = zip(tensors, widths, strict=True)
        return torch.cat([torch.nn.functional.pad(one, (0, 0) * last + (wide, 0), value=value) for one, wide in sides])

    for mine, theirs in zip(batch.cache.layers, more.cache.layers, strict=True):
        mine.keys = widened((mine.keys, theirs.keys), last=1)
        mine.values = widened((mine.values, theirs.values), last=1)
    ids, mask = widened((batch.ids, more.ids), pad), widened((batch.mask, more.mask))
    return _Batch([*batch.texts, *more.texts], ids, mask, batch.cache)


def _likeliest(scores: Any, chosen: int, count: int) -> tuple[int, float, list[tuple[int, float]]]:
    """(token, its log-probability, the likeliest tokens with theirs)."""
    logs = scores.log_softmax(dim=-1)
    top = logs.topk(max(1, count))
    likeliest = list(zip(top.indices.tolist(), top.values.tolist(), strict=True))[:count]
    return chosen, float(logs[chosen]), likeliest


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text before the first of these words."""
    places = [place for word in stop if (place := text.find(word)) >= 0]
    return text[: min(places)] if places else text

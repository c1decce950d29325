"""Texts of uneven length: rows that leave and join the batch, against whole batches one after another.

    python bench/generation.py smollm2-135m --texts 24 --batch 8

Both go through `generate` of transformers, greedy, in one process and in turns; the peer waits for the longest text of
each batch, as a plain loop over batches does. Seconds are of the processor, so that other work beside it counts little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from dqdata import files
from dqdata.models import Rules, Text, Writer, loadable, resolve_model


class RequestQueue:
    def __init__(self, texts: Sequence[Text]) -> None:
        self.waiting, self.ended = list(texts), list[Text]()

    def take(self, room: int, wait: bool) -> list[Text] | None:
        taken, self.waiting = self.waiting[:room], self.waiting[room:]
        return None if wait and not taken else taken

    def ready(self) -> bool:
        return bool(self.waiting)

    def done(self, text: Text) -> None:
        self.ended.append(text)


def joined(writer: Writer, prompts: Sequence[str], limits: Sequence[int], batch: int) -> list[int]:
    """Tokens of each text."""
    texts = [Text(prompt, Rules(limit, 0.0)) for prompt, limit in zip(prompts, limits, strict=True)]
    writer.run(RequestQueue(texts), batch)
    return [len(text.ids) for text in texts]


def whole(writer: Writer, prompts: Sequence[str], limits: Sequence[int], batch: int) -> list[int]:
    """The same, each batch until its longest text ends."""
    import torch

    tokenizer, counts = writer.tokenizer, []
    for first in range(0, len(prompts), batch):
        some, most = prompts[first : first + batch], limits[first : first + batch]
        encoded = tokenizer(some, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        with torch.inference_mode():
            made = writer.model.generate(
                **encoded,
                max_new_tokens=max(most),
                do_sample=False,
                pad_token_id=writer.pad,
                eos_token_id=[*writer.ends],
            )
        for ids, limit in zip(made[:, encoded.input_ids.shape[1] :].tolist(), most, strict=True):
            ended = next((place for place, token in enumerate(ids) if token in writer.ends), len(ids))
            counts.append(min(ended, limit))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--texts", type=int, default=24)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--longest", type=int, default=96)
    parser.add_argument("--turns", type=int, default=2)
    asked = parser.parse_args()
    writer = Writer(loadable(resolve_model(asked.model, None, Path.cwd(), "bench"), files.cache_folder("unpacked")))
    questions = [f"Tell me about the number {number}." for number in range(asked.texts)]
    prompts = [writer.prompt([{"role": "user", "content": question}]) for question in questions]
    limits = [asked.longest if number % 4 == 0 else 4 + 5 * (number % 4) for number in range(asked.texts)]

    seconds: dict[str, list[float]] = {"whole": [], "joined": []}
    counts: dict[str, list[int]] = {}
    for _ in range(asked.turns):
        for name, way in (("whole", whole), ("joined", joined)):
            began = time.process_time()
            counts[name] = way(writer, prompts, limits, asked.batch)
            seconds[name].append(time.process_time() - began)
    peer = statistics.median(seconds["whole"])
    print(f"{asked.texts} texts, at most {asked.longest} tokens, every fourth long; {asked.batch} together")
    print(f"{'':24} {'tokens':>7} {'CPU s':>7} {'ratio':>6}")
    for name, label in (("whole", "whole batches"), ("joined", "rows leave and join")):
        middle = statistics.median(seconds[name])
        print(f"{label:24} {sum(counts[name]):7} {middle:7.1f} {middle / peer:6.2f}")


if __name__ == "__main__":
    main()

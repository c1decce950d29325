"""Peak memory of one white-box distillation step on a long row, by how the logits are computed.

    python bench/distill_memory.py --tokens 16384 --vocabulary 151936

Each way runs in a process of its own with two layers of 64 and a teacher of the same size, and reports the growth of
its resident memory above what it held before the step. `whole` holds the logits of the row at once and runs only up to
--whole-tokens; its figure for more tokens is the arithmetic printed beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

WAYS = ("whole", "chunks", "top_k")


def step(way: str, tokens: int, vocabulary: int) -> dict[str, float]:
    """Seconds, and gigabytes at the peak above the start, of a forward and a backward pass."""
    import resource

    import torch
    from dqdata_trainers import _divergence as d
    from torch.nn import functional
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=vocabulary, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=tokens, tie_word_embeddings=True,
    )  # fmt: skip
    student, teacher = LlamaForCausalLM(shape), LlamaForCausalLM(shape).requires_grad_(False)
    ids = torch.randint(0, vocabulary, (1, tokens))
    inputs, labels = {"input_ids": ids}, ids[0, 1:]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    if way == "whole":
        with torch.no_grad():
            theirs = teacher(**inputs, use_cache=False).logits[0, :-1]
        ours = student(**inputs, use_cache=False).logits[0, :-1]
        apart = d.divergence_of(ours, theirs, "forward", 1.0)
        loss = (functional.cross_entropy(ours.float(), labels, reduction="none") + apart).mean()
    else:
        head, theirs_head = d.Head.of(student), d.Head.of(teacher)
        with torch.no_grad():
            taught: Any = (d.hidden_states(teacher, inputs)[0, :-1],)
            if way == "top_k":
                taught = d.likeliest(theirs_head, taught[0], 64, 1.0)
        states = d.hidden_states(student, inputs)[0, :-1]

        def chunk(states: Any, labels: Any, *taught: Any) -> Any:
            logits = head(states)
            spoken = functional.cross_entropy(logits, labels, reduction="none")
            if way == "top_k":
                return ((spoken + d.stored_divergence(logits, *taught)).sum(),)
            with torch.no_grad():
                theirs = theirs_head(taught[0])
            return ((spoken + d.divergence_of(logits, theirs, "forward", 1.0)).sum(),)

        [total] = d.summed(chunk, d.chunk_of(vocabulary), states, labels, *taught)
        loss = total / len(labels)
    loss.backward()
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"gb": (peak - before) * 1024 / 1e9, "seconds": seconds, "loss": loss.item()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=16_384)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--whole-tokens", type=int, default=1_024)
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(step(given.way, given.tokens, given.vocabulary)))
        return
    one = given.vocabulary * 4 / 1e9
    print(f"one tensor of logits in full precision: {one * given.tokens:.1f} GB for {given.tokens} tokens")
    print("| way | tokens | peak above the start, GB | seconds | loss |\n|---|---:|---:|---:|---:|")
    for way in WAYS:
        for tokens in sorted({given.whole_tokens, given.whole_tokens if way == "whole" else given.tokens}):
            command = [sys.executable, __file__, "--way", way, "--tokens", str(tokens)]
            command += ["--vocabulary", str(given.vocabulary)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            made = json.loads(done.stdout.splitlines()[-1])
            print(f"| {way} | {tokens} | {made['gb']:.2f} | {made['seconds']:.0f} | {made['loss']:.4f} |", flush=True)


if __name__ == "__main__":
    main()

"""Peak memory of one white-box distillation step on a long row, by how the logits are computed.

    python bench/distill_memory.py --tokens 16384 --vocabulary 151936

    python bench/distill_memory.py --device cuda --layers 24 --hidden 896 --whole-tokens 16384

Each way runs in a process of its own with a teacher of the student's size (two layers of 64 unless told), and reports
how far its memory grows during the step above what it held before: resident memory, or what torch takes on the GPU
(models in bfloat16, layers computed again in the backward pass). `whole` holds the logits of the row at
once and runs only up to --whole-tokens; its figure for more tokens is the arithmetic printed beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

WAYS = ("whole", "chunks", "top_k")


def held(gpu: bool, peak: bool = False) -> int:
    """Bytes of this process: on a CPU the most that was resident so far, on the GPU what torch holds or held."""
    import torch

    if gpu:
        return int(torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def step(way: str, tokens: int, vocabulary: int, device: str, layers: int, hidden: int) -> dict[str, float]:
    """Seconds, and gigabytes at the peak above the start, of a forward and a backward pass. Models start at
    random, with heads of 64."""
    import torch
    from dqdata_trainers import _divergence as d
    from torch.nn import functional
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=hidden * 4, num_hidden_layers=layers,
        num_attention_heads=max(hidden // 64, 2), num_key_value_heads=2 - hidden // 64 % 2,
        max_position_embeddings=tokens, tie_word_embeddings=True,
    )  # fmt: skip
    gpu = device != "cpu"
    kind = {"device": device, "dtype": torch.bfloat16 if gpu else torch.float32}
    student, teacher = (LlamaForCausalLM(shape).to(**kind) for _ in range(2))
    teacher.requires_grad_(False)
    if gpu:
        student.gradient_checkpointing_enable()
        student.train()
    ids = torch.randint(0, vocabulary, (1, tokens)).to(device)
    inputs, labels = {"input_ids": ids}, ids[0, 1:]
    if gpu:  # its libraries are loaded and its weights have gradients before the measurement
        student(input_ids=ids[:, :64], use_cache=False).logits.float().mean().backward()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = held(gpu)
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
    worth = loss.item()
    seconds = time.monotonic() - began
    return {"gb": (held(gpu, peak=True) - before) / 1e9, "seconds": seconds, "loss": worth}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=16_384)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--whole-tokens", type=int, default=1_024)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    if given.way:
        size = (given.tokens, given.vocabulary, given.device, given.layers, given.hidden)
        print(json.dumps(step(given.way, *size)))
        return
    one = given.vocabulary * 4 / 1e9
    print(f"one tensor of logits in full precision: {one * given.tokens:.1f} GB for {given.tokens} tokens")
    print("| way | tokens | peak above the start, GB | seconds | loss |\n|---|---:|---:|---:|---:|")
    for way in WAYS:
        for tokens in sorted({given.whole_tokens, given.whole_tokens if way == "whole" else given.tokens}):
            command = [sys.executable, __file__, "--way", way, "--tokens", str(tokens)]
            command += ["--vocabulary", str(given.vocabulary), "--device", given.device]
            command += ["--layers", str(given.layers), "--hidden", str(given.hidden)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"| {way} | {tokens} | failed: {done.stderr.strip().splitlines()[-1][:200]} | | |", flush=True)
                continue
            made = json.loads(done.stdout.splitlines()[-1])
            print(f"| {way} | {tokens} | {made['gb']:.2f} | {made['seconds']:.0f} | {made['loss']:.4f} |", flush=True)


if __name__ == "__main__":
    main()

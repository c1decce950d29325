"""A small Llama that knows sums and products of numbers below 100 and problems of one operation, and no longer ones.

    python -m bench.controlled.model problems.jsonl base --hidden 128 --layers 4 --steps 1500

Its tokenizer is a byte-level BPE over the questions with each digit a token. Training is plain next-token prediction
on lines such as `47 - 19 = 28` and on chats about problems of one operation, as many tokens of each, in random order.
None of these problems is in a test split.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.controlled.problems import problem, splits_of

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
BATCH, LENGTH, RATE = 24, 96, 2e-3
"""Sequences of a step, their tokens, and the highest learning rate."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1500)
    given = parser.parse_args()
    tokenizer = tokenizer_of(given.problems)
    model = model_of(tokenizer, given.hidden, given.layers)
    loss = learn(model, tokenizer, given.steps)
    model.save_pretrained(given.folder)
    tokenizer.save_pretrained(given.folder)
    print(f"{sum(one.numel() for one in model.parameters()):,} parameters, last loss {loss:.3f}")


def tokenizer_of(problems: Path) -> PreTrainedTokenizerFast:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"\n"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    with problems.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(2000), strict=False)]
    bpe.train_from_iterator(
        [
            text
            for row in rows
            for text in (row["question"], row["reasoning"], row["response"], "user\n", "assistant\n")
        ],
        trainers.BpeTrainer(
            vocab_size=500, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def model_of(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int) -> LlamaForCausalLM:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=3 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            tie_word_embeddings=True,
        )
    )


def facts() -> list[str]:
    """Every sum, difference and product that a problem may ask for."""
    sums = [f"{a} + {b} = {a + b}" for a in range(1, 99) for b in range(1, 31) if a + b <= 99]
    differences = [f"{a} - {b} = {a - b}" for a in range(2, 100) for b in range(1, 31) if b < a]
    products = [f"{a} * {b} = {a * b}" for b in (2, 3) for a in range(1, 99 // b + 1)]
    return [*sums, *differences, *products * 10]


def tokens_of(tokenizer: PreTrainedTokenizerFast) -> Iterator[list[int]]:
    """Facts and chats in turn, without end: five lines of facts for each chat."""
    rng = random.Random(0)
    lines = [tokenizer(line + "\n", add_special_tokens=False)["input_ids"] for line in facts()]
    while True:
        for _ in range(5):
            yield rng.choice(lines)
        row, core = problem(rng, 1)
        if "train" in splits_of(str(row["structure"]), core):
            answer = f"<think>\n{row['reasoning']}\n</think>\n\n{row['response']}"
            turns = [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": answer}]
            yield tokenizer.apply_chat_template(turns, return_dict=False)


def learn(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int) -> float:
    """Trains on packed texts; the last loss, in nats a token."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.05)
    texts = tokens_of(tokenizer)
    stream: list[int] = []
    loss = torch.tensor(0.0)
    model.train()
    for step in range(steps):
        while len(stream) < BATCH * LENGTH:
            stream += next(texts)
        batch = torch.tensor(stream[: BATCH * LENGTH]).view(BATCH, LENGTH)
        stream = stream[BATCH * LENGTH :]
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}, loss {loss.item():.3f}", flush=True)
    return float(loss.item())


if __name__ == "__main__":
    main()

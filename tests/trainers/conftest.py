"""A tiny student that every trainer test shares: two layers of Llama and a tokenizer made from the test's own text."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat(question: str, reasoning: str, answer: str) -> list[dict[str, str]]:
    content = f"<think>\n{reasoning}\n</think>\n\n{answer}" if reasoning else answer
    return [{"role": "user", "content": question}, {"role": "assistant", "content": content}]


def additions(count: int, first: int = 0) -> list[dict[str, Any]]:
    rows = []
    for n in range(first, first + count):
        a, b = n % 7, n % 5
        rows.append(
            {
                "trace_id": f"t{n}",
                "question": f"What is {a} + {b}?",
                "answer": str(a + b),
                "messages": chat(f"What is {a} + {b}?", f"add {a} and {b}", f"The answer is {a + b}."),
            }
        )
    return rows


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Llama with 2 layers of 64 and a byte-level BPE of a few hundred tokens."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    text = [message["content"] for row in additions(40) for message in row["messages"]]
    bpe.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            tie_word_embeddings=True,
        )
    )
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tokenizer(tiny: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


@pytest.fixture
def data_of(tmp_path: Path) -> Callable[..., Any]:
    """Makes a trainer's Data out of lists of rows, written the way the engine writes them."""
    import pyarrow as pa

    from dqdata.columns import columns_of
    from dqdata.trainer import Data
    from dqdata.training.materialise import write_split

    def make(**splits: Sequence[Mapping[str, Any]]) -> Data:
        folders, columns, counts = {}, {}, {}
        for split, rows in splits.items():
            table = pa.Table.from_pylist(list(rows))
            folders[split] = tmp_path / "data" / split
            columns[split] = columns_of(table.schema)
            counts[split] = write_split(table.to_reader(), folders[split])
        return Data(folders, {split: f"select * from {split}@1" for split in splits}, columns, counts)

    return make


class PlainRun:
    """A TrainRun without an engine: paths as they are, operators refused."""

    def __init__(self, resume: Path | None = None) -> None:
        self.resume = resume
        self.messages: list[str] = []

    def model(self, name: str) -> str:
        return name

    def operator(self, name: str, params: Mapping[str, Any]) -> Any:
        raise AssertionError(f"no operator was expected, {name!r} was asked for")

    def log(self, message: str) -> None:
        self.messages.append(message)

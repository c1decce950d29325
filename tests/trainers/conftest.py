"""A tiny student that every trainer test shares: two layers of Llama and a tokenizer made from the test's own text."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("DQDATA_BF16", "0")  # not what this CPU has; DQDATA_BF16=1 runs the same tests in bfloat16
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import gc
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    """Leaves what trainers import out of garbage collections: each training makes some of a second each."""
    for name in ("datasets", "peft", "transformers.trainer", "trl.trainer.sft_trainer", "trl.trainer.grpo_trainer"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Socket of a process that has imported what training processes import; see warm.py."""
    with tempfile.TemporaryDirectory(prefix="warm-", dir="/tmp") as folder:  # a path of a socket has 107 bytes at most
        path = Path(folder) / "socket"
        process = subprocess.Popen([sys.executable, WARM, "serve", str(path)])
        deadline = time.monotonic() + 300
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        yield path
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def training_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of one rank are children of a warm process, except in tests marked slow, and on a GPU, whose libraries don't
    bear a fork."""
    if any(request.node.get_closest_marker(tier) is not None for tier in ("slow", "gpu")):
        return
    from dqdata.training import launch

    started = launch.guarded

    def warmed(command: Sequence[str], patience: float = float("inf")) -> list[str]:
        python, *worker, job = command
        assert worker == ["-m", "dqdata.training.worker"]
        path = request.getfixturevalue("warm")
        return started([python, "-S", "-E", WARM, "run", str(path), job], patience)

    monkeypatch.setattr(launch, "guarded", warmed)


BF16 = os.environ["DQDATA_BF16"] == "1"
SAME_STEP = 2e-2 if BF16 else 1e-4
"""Relative difference of two losses or gradients of one step that is computed in different pieces."""
WARM = str(Path(__file__).with_name("warm.py"))
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


@pytest.fixture(scope="session")
def teacher(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights of its own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("teacher")
    model = AutoModelForCausalLM.from_pretrained(tiny)
    torch.manual_seed(1)
    for weights in model.parameters():
        weights.data.add_(torch.randn_like(weights) * 0.05)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def told(tiny: Path) -> list[dict[str, Any]]:
    """Rows with the log-probabilities of a teacher that has learnt them a little."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dqdata.models import tokenize

    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModelForCausalLM.from_pretrained(tiny)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(4):
        for row in additions(8):
            tokens = tokenize(tokenizer, row["messages"])
            model(input_ids=torch.tensor([tokens.input_ids]), labels=torch.tensor([tokens.labels])).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return [{**row, "top_logprobs": stored(tokenizer, model, row["messages"], 8)} for row in additions(16)]


def stored(tokenizer: Any, model: Any, messages: list[dict[str, str]], k: int) -> list[dict[str, Any]]:
    """What an endpoint with this model would tell of the assistant's tokens: the k likeliest at each place."""
    import torch

    from dqdata.models import IGNORED, tokenize

    tokens = tokenize(tokenizer, messages)
    with torch.no_grad():
        logprobs = model(torch.tensor([tokens.input_ids])).logits[0].log_softmax(-1)
    answers = []
    for place, label in enumerate(tokens.labels):
        if label in (IGNORED, tokenizer.eos_token_id):
            continue
        values, ids = logprobs[place - 1].topk(k)
        top = [
            {"token": tokenizer.decode([i]), "logprob": v} for i, v in zip(ids.tolist(), values.tolist(), strict=True)
        ]
        own = {"token": tokenizer.decode([label]), "logprob": logprobs[place - 1, label].item()}
        answers.append({**own, "top": top})
    return answers


def pairs(count: int = 16, beta: float | None = None) -> list[dict[str, Any]]:
    """Preference pairs of additions; with `beta`, one of three times that size each."""
    rows = []
    for n in range(count):
        a, b = n % 7, n % 5
        question, *_ = chat(f"What is {a} + {b}?", "", "")
        row: dict[str, Any] = {
            "pair_id": f"p{n}",
            "prompt": [question],
            "chosen": chat("", f"add {a} and {b}", f"The answer is {a + b}.")[1:],
            "rejected": chat("", "no idea", f"{a - b - 1}")[1:],
        }
        rows.append(row if beta is None else {**row, "beta": beta * (1 + n % 3)})
    return rows


def losses(result: Any, name: str = "loss") -> list[float]:
    """A figure of each logged step of a training."""
    return [entry[name] for entry in result.history if name in entry]


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


def share_of_letters(text: str) -> float:
    return sum(char.isascii() and char.islower() for char in text) / max(1, len(text))


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

    def progress(self, done: int, total: int) -> None:
        pass


class LettersRun(PlainRun):
    """Binds one operator, which reports what share of the response's characters are small letters."""

    def operator(self, name: str, params: Any) -> Any:
        assert name == "letters"

        async def letters(rows: Any) -> Any:
            return [[{**row, "share": share_of_letters(row["text"])}] for row in rows]

        return letters


LETTERS = {"op": "letters", "column": "share"}

"""Exports one catalog of traces with reasoning and tools to every format, and counts the tokens that each target trains
on beside ours.

    python bench/exchange.py [--rows 1000] [--peers FOLDER]     # writes bench/exchange.json

The first five formats are read by the real library, each with the Python of its own environment in FOLDER/NAME/bin; a
library that is not there, or fails, is reported with its error. The others are read as their documentation says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

HERE = Path(__file__).resolve().parent
PEERS = {"llama-factory": "llamafactory", "ms-swift": "swift", "verl": "verl", "trl": "", "verifiers": "verifiers"}
SECONDS = 900
SPECIAL = ["<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]
TOOL = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Runs code.",
        "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
    },
}


def traces(rows: int) -> list[dict[str, Any]]:
    """Chats of products: thinking, a call, its result, thinking, an answer; one in four has no call."""
    made = []
    for n in range(rows):
        a, b = 12 + n % 89, 3 + n % 97
        call = {"name": "python", "arguments": json.dumps({"code": f"a, b = {a}, {b}\nprint(a * b)"})}
        chat: list[dict[str, Any]] = [{"role": "user", "content": f"What is {a} times {b}?"}]
        if n % 4:
            thought = f"I multiply {a} by {b} with the tool."
            calls = [{"id": "c0", "type": "function", "function": call}]
            chat.append({"role": "assistant", "content": None, "reasoning_content": thought, "tool_calls": calls})
            chat.append({"role": "tool", "content": str(a * b), "tool_call_id": "c0", "name": "python"})
        chat.append(
            {"role": "assistant", "content": f"The answer is {a * b}.", "reasoning_content": f"That gives {a * b}."}
        )
        made.append({"trace_id": f"t{n}", "answer": str(a * b), "messages": chat, "tools": json.dumps([TOOL])})
    return made


def tokenizer_folder(folder: Path, name: str) -> Path:
    """A byte-level tokenizer with the chat template of TRL that has this name, and a config of a tiny model."""
    import trl
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=bytewise, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.add_special_tokens({"additional_special_tokens": SPECIAL[:2]})
    made.add_tokens(SPECIAL[2:])
    template = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    made.chat_template = template.read_text(encoding="utf-8")
    made.save_pretrained(folder)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "vocab_size": len(made), **shape}
    config |= {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def learnt(rows: list[tuple[list[int], list[int]]], folder: Path) -> dict[str, Any]:
    """Counts of (ids, labels) rows, and the text under the loss without white space."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [tokenizer.decode([label for label in labels if label >= 0]) for _, labels in rows]
    return {
        "rows": len(rows),
        "trained_tokens": sum(label >= 0 for _, labels in rows for label in labels),
        "texts": sorted("".join(text.replace("<|im_end|>", "").split()) for text in texts),
    }


def own(messages: list[tuple[Any, Any]], folder: Path) -> dict[str, Any]:
    from transformers import AutoTokenizer

    from dqdata.models import tokenize_turns

    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [row for chat, tools in messages for row in tokenize_turns(tokenizer, chat, None, tools)]
    return learnt([(row.input_ids, row.labels) for row in rows], folder)


def back(folder: Path, to: str) -> list[tuple[Any, Any]]:
    """Messages and tools of a format as its documentation has them."""
    if to == "hf":
        import datasets

        rows = datasets.load_dataset(str(folder), split="train", cache_dir=str(folder.parent / "cache")).to_list()
        return [(row["messages"], row["tools"]) for row in rows]
    if to == "parquet":
        import pyarrow.parquet as pq

        return [(row["messages"], row["tools"]) for row in pq.read_table(folder / "data" / "train.parquet").to_pylist()]
    if to == "csv":
        import csv

        csv.field_size_limit(1 << 30)
        with (folder / "data" / "train.csv").open(encoding="utf-8", newline="") as file:
            return [(json.loads(row["messages"]), row["tools"] or None) for row in csv.DictReader(file)]
    file = folder / ("data/train.jsonl" if to == "jsonl" else "train.jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(row["messages"], row.get("tools")) for row in rows]


def peer(to: str, folder: Path, tokenizer: Path, python: Path) -> dict[str, Any]:
    """What the library counts, in its own environment."""
    out = folder.parent / f"{to}.json"
    script = HERE / "exchange_peers" / f"{to.replace('-', '_')}.py"
    words = [str(python), "-W", "ignore", str(script), str(folder), str(tokenizer), str(out)]
    environment = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "DISABLE_VERSION_CHECK": "1"}
    ended = subprocess.run(
        words, capture_output=True, text=True, timeout=SECONDS, env=environment, cwd=folder.parent, check=False
    )
    if ended.returncode or not out.exists():
        lines = [line for line in ended.stderr.strip().splitlines() if line.strip()]
        return {"error": lines[-1][:300] if lines else f"exit code {ended.returncode}"}
    told: dict[str, Any] = json.loads(out.read_text())
    if "chats" in told:  # a library that renders nothing itself
        return {**own([tuple(chat) for chat in told["chats"]], tokenizer), "version": told["version"]}
    rows = [(list(row[0]), list(row[1])) for row in told["rows"]]
    return {**learnt(rows, tokenizer), "version": told["version"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--peers", type=Path, help="folder of the libraries' environments")
    parser.add_argument("--out", type=Path, default=HERE / "exchange.json")
    given = parser.parse_args()
    from dqdata import open_store
    from dqdata.exchange.formats import NAMES

    report: dict[str, Any] = {"rows": given.rows, "template": "qwen3 (of TRL)", "formats": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = traces(given.rows)
        source = folder / "traces.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        catalogs = open_store(folder / "catalogs")
        catalogs.import_files([source], "traces", layout="openai")
        plain = tokenizer_folder(folder / "tokenizer", "qwen3")
        training = tokenizer_folder(folder / "training", "qwen3_training")
        ours = own([(row["messages"], row["tools"]) for row in rows], plain)
        report["ours"] = {"rows": ours["rows"], "trained_tokens": ours["trained_tokens"]}
        print(f"{'format':16}{'read by':24}{'rows':>8}{'trained tokens':>16}{'text':>10}")
        print(f"{'ours':16}{'dqdata':24}{ours['rows']:8,}{ours['trained_tokens']:16,}")
        for to in NAMES:
            catalogs.export_to("traces", to, folder / to)
            if to in PEERS:
                python = given.peers / PEERS[to] / "bin" / "python" if given.peers and PEERS[to] else None
                if to == "trl":
                    python = Path(sys.executable)
                found = {"error": "no environment"} if python is None or not python.exists() else peer(
                    to, folder / to, training if to in ("trl", "verl") else plain, python
                )  # fmt: skip
                reader = f"{to} {found.get('version', '')}".strip()
            else:
                found, reader = own(back(folder / to, to), plain), "its documentation"
            if "error" in found:
                report["formats"][to] = found
                print(f"{to:16}{found['error'][:64]}")
                continue
            same = found["texts"] == ours["texts"]
            report["formats"][to] = {
                "read_by": reader, "rows": found["rows"], "trained_tokens": found["trained_tokens"], "same_text": same,
            }  # fmt: skip
            text = "same" if same else "differs"
            print(f"{to:16}{reader:24}{found['rows']:8,}{found['trained_tokens']:16,}{text:>10}")
    given.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

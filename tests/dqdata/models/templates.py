"""Tokenizers with the chat templates that TRL ships, and chats to render with them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

ENDS = {"gptoss": "<|return|>", "gemma4": "<turn|>", "gemma": "<end_of_turn>", "llama3": "<|eot_id|>",
        "glm4moe": "<|user|>", "deepseek": "<｜end▁of▁sentence｜>"}  # fmt: skip
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|call|>", "<|end|>", "<|start|>", "<|observation|>", "<|tool_response>"]
TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "python",
                "description": "Runs code.",
                "parameters": {
                    "type": "object",
                    "properties": {"code": {"type": "string"}, "n": {"type": "integer"}},
                },
            },
        }
    ]
)
CODE = 'print("a<b")\nx = 6*7'


@functools.cache
def tokenizer_with(name: str, text: str | None = None) -> Any:
    """A byte-level tokenizer with TRL's template of this name, and the token that ends its family's turns."""
    import trl
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    end = next((token for family, token in ENDS.items() if name.startswith(family)), "<|im_end|>")
    made = PreTrainedTokenizerFast(tokenizer_object=bytewise, eos_token=end, bos_token="<bos>", pad_token="<pad>")
    made.add_special_tokens({"additional_special_tokens": [*SPECIAL, *ENDS.values()]})
    file = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    made.chat_template = text or file.read_text(encoding="utf-8")
    return made


def asked(text: str = "What is six by seven?") -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str | None, thought: str | None = None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "reasoning_content": thought, **more}


def call(code: str = CODE, name: str = "python") -> list[dict[str, Any]]:
    arguments = json.dumps({"code": code, "n": 3})
    return [{"id": "abcdefghi", "type": "function", "function": {"name": name, "arguments": arguments}}]


def result(text: str = "42 out") -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": "abcdefghi", "name": "python"}


ONE = [asked(), said("It is 42.", "Six by seven.")]
TAGGED = [asked(), said("<think>\nSix by seven.\n</think>\n\nIt is 42.")]
TWO = [*ONE, asked("Again?"), said("Still 42.", "Same as before.")]
TOOL = [asked(), said(None, "I run it.", tool_calls=call()), result(), said("It is 42.", "The tool says so.")]

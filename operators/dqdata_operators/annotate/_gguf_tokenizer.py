"""The tokenizer inside a GGUF model file, read from its header in a fraction of a second.

    >>> len(gguf_tokenizer(Path("smollm2.gguf")).encode("What is 2 + 2?"))
    8

Byte-pair tokenizers in the style of GPT-2 are read: those of SmolLM, Qwen and Llama 3.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CUTS = {
    "default": (),
    "gpt-2": (),
    "smollm": (r"\p{N}",),
    "qwen2": (rf"{CONTRACTIONS}|\p{{N}}|{REST}",),
    "llama-bpe": (rf"{CONTRACTIONS}|\p{{N}}{{1,3}}|{REST}",),
}
"""How the text of a GGUF model is cut before byte pairs are merged, by its `tokenizer.ggml.pre`."""

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""`struct` codes of GGUF's value types; 8 is a string, 9 an array."""
STRING, ARRAY = 8, 9
CONTROL = 3
"""Type of a token such as <|im_start|> in `tokenizer.ggml.token_type`."""


def gguf_tokenizer(path: Path) -> Tokenizer:
    """Raises DataError for a file that is no GGUF model, or whose tokenizer is of another kind."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

    header = read_header(path)
    model, cut = header.get("tokenizer.ggml.model"), header.get("tokenizer.ggml.pre", "default")
    if model != "gpt2" or cut not in CUTS:
        raise DataError(
            f"{path}: its tokenizer ({model}, {cut}) isn't one of those read here (gpt2: {', '.join(CUTS)}); "
            "give the model's tokenizer.json or hub name"
        )
    tokens: list[str] = header["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in header["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    split = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in CUTS[cut]]
    gpt2_cut = cut in ("default", "gpt-2", "smollm")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=gpt2_cut)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, byte_level])
    kinds = header.get("tokenizer.ggml.token_type", [])
    control = [token for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def read_header(path: Path) -> dict[str, Any]:
    """Metadata of a GGUF file (version 2 and later, little-endian) by key."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise DataError(f"{path} is no GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            try:
                return _Reader(raw).metadata()
            except (struct.error, KeyError, UnicodeDecodeError) as error:
                raise DataError(f"{path}: its GGUF header can't be read ({error}); is the file whole?") from error


class _Reader:
    """Walks the bytes of a header."""

    def __init__(self, raw: mmap.mmap) -> None:
        self.raw, self.at = raw, 8

    def metadata(self) -> dict[str, Any]:
        _tensors, count = self.number("Q"), self.number("Q")
        return {self.string(): self.value(self.number("I")) for _ in range(count)}

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.raw, self.at)
        self.at += struct.calcsize(f"<{code}")
        return value

    def string(self) -> str:
        size = self.number("Q")
        self.at += size
        return self.raw[self.at - size : self.at].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            return self.number(SCALARS[kind])
        inner, size = self.number("I"), self.number("Q")
        if inner in (STRING, ARRAY):
            return [self.value(inner) for _ in range(size)]
        values = struct.unpack_from(f"<{size}{SCALARS[inner]}", self.raw, self.at)
        self.at += struct.calcsize(f"<{size}{SCALARS[inner]}")
        return list(values)

"""All hashes: identities of problems and traces, fingerprints of steps.

    >>> problem_id("What is 2 + 2?", "4")[:8] == problem_id(" What  is 2 + 2? ", "4")[:8]
    True

Ids are 32 hexadecimal digits (128 bits of BLAKE2b): no collision is expected below 10^18 rows.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_IN_ORDER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(*parts: str) -> str:
    """Hash of the parts in order; each is prefixed by its length, so ("ab", "c") differs from ("a", "bc")."""
    said = bytearray()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        said += len(raw).to_bytes(8, "little")
        said += raw
    return hashlib.blake2b(said, digest_size=16).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value always gives the same text."""
    return _CANONICAL.encode(value)


def in_order(value: Any) -> str:
    """JSON without spaces whose keys stay in their order, where that says something: parts of a split."""
    return _IN_ORDER.encode(value)


def json_string(text: str) -> str:
    """The text as a JSON string, the same that `canonical` makes of it."""
    return encode_basestring(text)


def fingerprint(value: Mapping[str, Any]) -> str:
    """Identity of a recipe part: a step, a source, a pipeline."""
    return digest(canonical(value))


def normalise(text: str) -> str:
    """Unicode NFKC, runs of white space made one blank, ends stripped. Case stays, and `2³` becomes `23`: the scheme of
    stores that were made before `nfc`."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split())


def canonical_form(text: str) -> str:
    """Unicode NFC, runs of white space made one blank, ends stripped. `2³` stays another text than `23`."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


SCHEMES: dict[str, Callable[[str], str]] = {"nfkc": normalise, "nfc": canonical_form}
"""How texts are made one before a problem is named after them, by the name that a store keeps. A scheme never changes;
a better one gets a name of its own."""
DEFAULT_SCHEME = "nfc"
"""What new stores get."""


def problem_id(question: str, answer: str | None = None, tests: str | None = None, scheme: str = DEFAULT_SCHEME) -> str:
    """A problem is its normalised question, its reference answer and its tests. scheme: the store's, of SCHEMES."""
    same = SCHEMES[scheme]
    return digest("problem", same(question), same(answer or ""), tests or "")


def problem_ids(
    questions: pa.Array, answers: pa.Array, tests: pa.Array, scheme: str = DEFAULT_SCHEME
) -> list[str | None]:
    """`problem_id` of many rows, null where a question is null or blank. Arrays of text of one length; the messages
    that are hashed are built in Arrow, which takes a fifth of the time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [_same_texts(questions, scheme), _same_texts(answers, scheme), tests]
    message: list[pa.Array | pa.Scalar] = [pa.scalar(_length(len(b"problem")) + b"problem", pa.binary())]
    for part in parts:
        raw = pc.fill_null(part.cast(pa.large_binary()), b"")
        message += [_lengths(raw), raw]
    empty = pa.scalar(b"", pa.large_binary())
    joined = pc.binary_join_element_wise(*(one.cast(pa.large_binary()) for one in message), empty)
    known = pc.fill_null(pc.greater(pc.binary_length(parts[0]), 0), False).to_pylist()
    return [
        hashlib.blake2b(raw, digest_size=16).hexdigest() if there else None
        for raw, there in zip(joined.to_pylist(), known, strict=True)
    ]


def _length(size: int) -> bytes:
    return size.to_bytes(8, "little")


def _lengths(raw: pa.Array) -> pa.Array:
    """The length of each value as `digest` prefixes it: eight bytes, the lowest first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = pc.binary_length(raw).to_numpy(zero_copy_only=False).astype(np.dtype("<i8"))
    return pa.Array.from_buffers(pa.binary(8), len(sizes), [None, pa.py_buffer(sizes.tobytes())])


def _same_texts(texts: pa.Array, scheme: str) -> pa.Array:
    """The texts as the scheme makes them one. Plain ASCII with single blanks inside is so already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    odd = pc.fill_null(pc.match_substring_regex(texts, r"[^!-~ ]|  |^ | $"), False)
    if not pc.any(odd).as_py():
        return texts
    change = SCHEMES[scheme]
    return pc.replace_with_mask(texts, odd, pa.array(map(change, texts.filter(odd).to_pylist()), texts.type))


def foreign_id(source: str, given: str) -> str:
    """An id that came with imported rows, kept readable, with its source as the namespace."""
    return f"{source}:{given}"


def content_id(kind: str, source: str, content: str, occurrence: int) -> str:
    """A row known by nothing but what it holds: its source, its content as JSON, and which repetition of it it is.

    kind: the key it fills, such as "trace_id" for an imported trace (its problem_id is part of the content).
    """
    return digest(kind, source, content, str(occurrence))


def call_trace_id(problem: str, ledger_key: str) -> str:
    """A generated trace is its problem and the one call that made it."""
    return digest("trace", problem, ledger_key)


def child_id(parents: str | list[str], step: str, index: int) -> str:
    """The index-th row that a step made from these parents."""
    return digest("child", *([parents] if isinstance(parents, str) else parents), step, str(index))

"""LiveCodeBench's private tests: JSON, or base64 of zlib of a pickled JSON text.

>>> decoded('[{"input": "1", "output": "2"}]')
[{'input': '1', 'output': '2'}]
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from typing import Any

MOST_BYTES = 256 << 20
"""Bytes of tests after they were unpacked."""


class Undecodable(ValueError):
    """The text is neither JSON nor tests that were packed as LiveCodeBench does."""


class _PlainUnpickler(pickle.Unpickler):
    """Reads text, numbers, lists and dicts. A pickle that names a class or a function is refused, so none is called."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}; only plain data is read")


def decoded(text: str) -> Any:
    """The value. Raises Undecodable."""
    try:
        if text.lstrip()[:1] in ("[", "{"):
            return json.loads(text)
        packed = base64.b64decode(text, validate=True)
        stream = zlib.decompressobj()
        raw = stream.decompress(packed, MOST_BYTES)
        if stream.unconsumed_tail or not stream.eof:
            raise Undecodable(f"encoded tests of more than {MOST_BYTES >> 20} MiB, or cut off")
        value = _PlainUnpickler(io.BytesIO(raw)).load()
        return json.loads(value) if isinstance(value, str | bytes) else value
    except Undecodable:
        raise
    except (
        binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError,
        AttributeError, MemoryError, RecursionError, OverflowError,
    ) as error:  # fmt: skip
        raise Undecodable(f"tests that can't be decoded: {type(error).__name__}: {error}") from error

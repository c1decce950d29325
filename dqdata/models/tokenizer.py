"""A model's tokenizer without its weights: the folder of it, from what is on this machine.

>>> with tokenizer_folder(resolve_model("smollm2-135m", store, root, where), unpacked) as folder:
...     trainer.check_rows("train", rows, folder)

It is the tokenizer that a training has: of a GGUF file the one inside, of adapters their own or that of their base
model. Nothing is downloaded.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dqdata import files
from dqdata.ids import digest
from dqdata.models.names import ModelRef
from dqdata.models.weights import packed_tokenizer

SAVED = "tokenizer_config.json"


@contextmanager
def tokenizer_folder(ref: ModelRef, unpacked: Path) -> Iterator[str | None]:
    """Folder of the model's tokenizer, while the block runs; None for a hub model that was not downloaded whole.
    unpacked: where `loadable` keeps what it unpacks. Of a GGUF file that was not unpacked, the tokenizer alone is read,
    once, and kept in the user's cache, or where that cannot be written for as long as the block runs. Raises InputError
    for a GGUF file that can't be read."""
    if ref.kind == "folder":
        yield ref.path
    elif ref.kind == "hub":
        yield _downloaded(ref.path, ref.revision)
    elif (unpacked / ref.identity / SAVED).is_file():
        yield str(unpacked / ref.identity)
    elif ref.kind == "adapter":
        own = (Path(ref.path) / SAVED).is_file()
        yield ref.path if own else ref.base if Path(ref.base).is_dir() else _downloaded(ref.base, "")
    elif ref.kind == "gguf":
        with _packed(Path(ref.path), ref.identity) as folder:
            yield str(folder)
    else:
        yield None


@contextmanager
def _packed(file: Path, identity: str) -> Iterator[Path]:
    state = file.stat()
    reader = importlib.metadata.version("transformers")
    name = digest("tokenizer", identity, str(state.st_size), str(state.st_mtime_ns), reader)
    folder = files.cache_folder("tokenizers") / name
    if not folder.is_dir():
        parts = packed_tokenizer(file)  # the config decides which class the tokenizer is loaded as
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with files.lock(folder), files.whole_folder(folder) as unfinished:
                _save(parts, unfinished)
        except OSError:  # a cache that cannot be written
            with TemporaryDirectory() as temporary:
                _save(parts, Path(temporary))
                yield Path(temporary)
            return
    yield folder


def _save(parts: Iterable[Any], folder: Path) -> None:
    for part in parts:
        part.save_pretrained(folder)


def _downloaded(name: str, revision: str) -> str | None:
    """The folder of a hub model in this machine's cache; None where files of it are missing."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, SAVED, revision=revision or None)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    return str(folder) if any(folder.glob("*.safetensors")) else None

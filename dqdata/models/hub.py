"""Pins hub models to a commit, so that a recipe always means the same weights.

    >>> pinned(resolve_model("Qwen/Qwen2.5-0.5B-Instruct", None, root, where)).identity
    'Qwen/Qwen2.5-0.5B-Instruct@7ae557604adf67be50417f59c2c2f167def9a775'

A name may have a branch, tag or commit, `NAME@REVISION`. The commit is the one that this machine's cache has for it,
else the hub's: a model that was downloaded once stays what it was until its revision is named or its cache removed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from dqdata.errors import InputError
from dqdata.models.names import ModelRef

COMMIT = re.compile(r"[0-9a-f]{40}")
MAIN = "main"
IGNORED = ["*.onnx", "*.gguf", "*.h5", "*.msgpack", "*.pth", "original/*", "onnx/*", "openvino/*"]
"""Files of a repository that transformers does not load."""
SECONDS = 10
"""How long the hub may take to report a commit."""


def pinned(ref: ModelRef) -> ModelRef:
    """The same model at a commit; as it is where it is no hub model, or neither cache nor hub knows it, which whoever
    loads it reports."""
    if ref.kind != "hub":
        return ref
    commit = ref.revision if COMMIT.fullmatch(ref.revision) else _cached(ref) or _on_hub(ref)
    return replace(ref, revision=commit, identity=f"{ref.path}@{commit}") if commit else ref


def downloaded(ref: ModelRef) -> str:
    """Folder of the model's files at its commit. Raises InputError if they cannot be downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = partial(snapshot_download, repo_id=ref.path, revision=ref.revision, ignore_patterns=IGNORED)
    try:
        return str(wanted())
    except Exception as error:
        # Some releases of huggingface_hub (1.33) ask for a list of the files of a commit that lies in the cache whole.
        with suppress(LocalEntryNotFoundError):
            return str(wanted(local_files_only=True))
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{ref.path!r} at {ref.revision} can't be had from the hub: {reason}; download it once while online, or "
            "name a folder"
        ) from error


def _cached(ref: ModelRef) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(ref.path, "config.json", revision=ref.revision or MAIN)
    return Path(found).parent.name if isinstance(found, str) else None


def _on_hub(ref: ModelRef) -> str | None:
    from huggingface_hub import constants, model_info

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        return model_info(ref.path, revision=ref.revision or MAIN, timeout=SECONDS).sha
    except Exception:  # of the network, an account or a wrong name: the loading reports it
        return None

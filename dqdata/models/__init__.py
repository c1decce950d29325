"""Models by name: resolution, weights, chat templates, text generation.

>>> resolve_model("smollm2-135m", None, Path.cwd(), "trainers.sft").kind
'gguf'

names.py         what a model's name means           hashes.py, gguf.py   which weights these are
weights.py       GGUF unpacked, adapters merged      rendering.py         chats as tokens, by the model's template
hub.py           hub models at a commit              merging.py           adapters into the weights (imports torch)
generation.py    many texts at once                  reward_model.py      scores of chats (imports torch)
shapes.py        forms that chat templates expect     likelihood.py        how likely texts are (imports torch)
tokenizer.py     tokenizers without the weights
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dqdata.models.generation import RequestQueue, Rules, Text, Writer
from dqdata.models.hashes import folder_hash
from dqdata.models.hub import pinned
from dqdata.models.loading import SAFE
from dqdata.models.merging import merged
from dqdata.models.names import LIKELIHOOD, PREFERENCE, ModelRef, resolve_model, scores_in, wrong_model
from dqdata.models.rendering import (
    IGNORED,
    Messages,
    Tokens,
    Turns,
    check_messages,
    prompt_ids,
    render,
    tokenize,
    tokenize_turns,
)
from dqdata.models.weights import loadable

if TYPE_CHECKING:
    from dqdata.models.likelihood import Likelihood, Reading
    from dqdata.models.reward_model import RewardModel

__all__ = [
    "IGNORED",
    "LIKELIHOOD",
    "PREFERENCE",
    "SAFE",
    "Likelihood",
    "Messages",
    "ModelRef",
    "Reading",
    "RequestQueue",
    "RewardModel",
    "Rules",
    "Text",
    "Tokens",
    "Turns",
    "Writer",
    "check_messages",
    "folder_hash",
    "loadable",
    "merged",
    "pinned",
    "prompt_ids",
    "render",
    "resolve_model",
    "scores_in",
    "tokenize",
    "tokenize_turns",
    "wrong_model",
]


NEED_TORCH = {"Likelihood": "likelihood", "Reading": "likelihood", "RewardModel": "reward_model"}
"""Names whose modules need torch to be imported, with the module of each."""


def __getattr__(name: str) -> Any:
    if name not in NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{NEED_TORCH[name]}"), name)

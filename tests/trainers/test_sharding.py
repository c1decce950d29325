"""DeepSpeed and FSDP: unknown names refused; ZeRO-2, ZeRO-3 and FSDP train in two processes on the CPU."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from dqdata_trainers._config import TrlParams, trl_config
from dqdata_trainers._sharding import fsdp_config

from dqdata.catalog import Store
from dqdata.errors import InputError
from dqdata.project.tables import read_project
from dqdata.training.run import train

from .conftest import additions
from .test_train_verb import committed


def test_an_unknown_config_is_refused(tmp_path: Path) -> None:
    from trl import SFTConfig

    with pytest.raises(InputError, match=r"'zero4' is neither a file nor one of zero2, zero3; did you mean 'zero"):
        trl_config(SFTConfig, TrlParams(model="x", args={"deepspeed": "zero4"}), tmp_path)


def test_fsdp_needs_processes_and_whole_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import SFTConfig

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(InputError, match=r"there is one: `dqdata train --processes 2`"):
        trl_config(SFTConfig, TrlParams(model="x", args={"fsdp": True}), tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    pissa = {"extra": {"init_lora_weights": "pissa"}}
    with pytest.raises(InputError, match="fsdp with lora.extra.init_lora_weights = 'pissa': it changes the base"):
        trl_config(SFTConfig, TrlParams(model="x", args={"fsdp": True}, lora=pissa), tmp_path)
    assert fsdp_config(None, recompute=True, lora=None)["activation_checkpointing"] is True
    assert fsdp_config({"cpu_offload": True}, recompute=False, lora=None)["cpu_offload"] is True


needs_deepspeed = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="deepspeed isn't installed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        pytest.param('deepspeed = "zero2"', marks=needs_deepspeed),
        pytest.param('deepspeed = "zero3"', marks=needs_deepspeed),
        "fsdp = true",
    ],
)
@pytest.mark.parametrize("lora", [False, True], ids=["whole", "lora"])
def test_two_processes_share_the_state(tmp_path: Path, tiny: Path, how: str, lora: bool) -> None:
    committed(tmp_path / "catalogs", "sums", additions(16), tmp_path)
    project = tmp_path / "pipelines.toml"
    project.write_text(
        f"""
        [trainers.t]
        kind = "sft"
        data = "sums"
        model = "{tiny}"
        {"lora = { r = 8 }" if lora else ""}
        args = {{ learning_rate = 5e-3, max_steps = 6, logging_steps = 1, {how} }}
        """
    )
    with Store.open(tmp_path / "catalogs") as store:
        outcome = train(read_project(project), "t", store, processes=2)
    assert outcome.metrics["last_loss"] < outcome.metrics["first_loss"]

    from transformers import AutoModelForCausalLM

    model, loading = AutoModelForCausalLM.from_pretrained(outcome.path, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["mismatched_keys"], "the saved model is whole"
    before = AutoModelForCausalLM.from_pretrained(tiny).state_dict()
    after = model.state_dict()
    assert {name: weight.shape for name, weight in before.items()} == {n: weight.shape for n, weight in after.items()}
    trained = [name for name in before if "_proj" in name] if lora else list(before)
    assert trained and all(not before[name].equal(after[name]) for name in trained), (
        "every weight was trained, on both ranks"
    )
    assert outcome.metrics["reload_difference"] < 0.05
    assert (outcome.path / "adapter").is_dir() is lora
    assert json.loads((outcome.path / "config.json").read_text())["model_type"] == "llama"

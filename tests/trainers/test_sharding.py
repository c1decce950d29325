"""DeepSpeed by name: unknown names refused; ZeRO-2 and ZeRO-3 train in two processes on the CPU."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from dqdata_trainers.config import TrlParams, trl_config

from dqdata.catalog import Store
from dqdata.errors import InputError
from dqdata.project import read_project
from dqdata.training.run import train

from .conftest import additions
from .test_train_verb import committed


def test_an_unknown_config_is_refused(tmp_path: Path) -> None:
    from trl import SFTConfig

    with pytest.raises(InputError, match=r"'zero4' is neither a file nor one of zero2, zero3; did you mean 'zero"):
        trl_config(SFTConfig, TrlParams(model="x", args={"deepspeed": "zero4"}), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="deepspeed isn't installed")
@pytest.mark.parametrize("stage", ["zero2", "zero3"])
def test_two_processes_share_the_state(tmp_path: Path, tiny: Path, stage: str) -> None:
    committed(tmp_path / "catalogs", "sums", additions(16), tmp_path)
    project = tmp_path / "pipelines.toml"
    project.write_text(
        f"""
        [trainers.t]
        kind = "sft"
        data = "sums"
        model = "{tiny}"
        args = {{ learning_rate = 5e-3, max_steps = 6, logging_steps = 1, deepspeed = "{stage}" }}
        """
    )
    with Store.open(tmp_path / "catalogs") as store:
        outcome = train(read_project(project), "t", store, processes=2)
    assert outcome.metrics["last_loss"] < outcome.metrics["first_loss"]

    from transformers import AutoModelForCausalLM

    weights = AutoModelForCausalLM.from_pretrained(outcome.path).state_dict()
    assert weights["model.embed_tokens.weight"].shape[1] == 64, "the saved model is whole"
    assert json.loads((outcome.path / "config.json").read_text())["model_type"] == "llama"

"""distill: the student comes closer to the teacher, both divergences are right, foreign teachers are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.distill import Distill, DistillParams
from dqdata_trainers.sft import Sft, SftParams

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError

from .conftest import PlainRun, additions

FAST = {"learning_rate": 3e-3, "max_steps": 15, "per_device_train_batch_size": 4, "logging_steps": 1}


@pytest.fixture(scope="module")
def teacher(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights of its own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("teacher")
    model = AutoModelForCausalLM.from_pretrained(tiny)
    torch.manual_seed(1)
    for weights in model.parameters():
        weights.data.add_(torch.randn_like(weights) * 0.05)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
def test_the_student_comes_closer(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path, divergence: str
) -> None:
    params = DistillParams(model=str(tiny), teacher=str(teacher), kl_share=1.0, divergence=divergence, args=FAST)
    result = Distill(params).train(data_of(train=additions(16), eval=additions(4)), tmp_path / "out", PlainRun())
    apart = [entry["kl"] for entry in result.history if "kl" in entry]
    assert apart[-1] < apart[0] / 2 and result.metrics["eval_kl"] < apart[0] / 2


def test_without_kl_it_is_sft(tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    data = data_of(train=additions(16))
    distilled = Distill(DistillParams(model=str(tiny), teacher=str(teacher), kl_share=0.0, args=FAST))
    plain = Sft(SftParams(model=str(tiny), args=FAST))
    ours, theirs = (
        [entry["loss"] for entry in trainer.train(data, tmp_path / name, PlainRun()).history if "loss" in entry]
        for name, trainer in (("distill", distilled), ("sft", plain))
    )
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_divergences_by_hand() -> None:
    import torch
    from dqdata_trainers.mimic import divergence_of

    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]])
    forward = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    reverse = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert divergence_of(student, teacher, "forward", 1.0).item() == pytest.approx(forward, rel=1e-5)
    assert divergence_of(student, teacher, "reverse", 1.0).item() == pytest.approx(reverse, rel=1e-5)


def test_on_policy_trains_on_what_the_student_writes(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    args = {**FAST, "max_steps": 20, "max_completion_length": 8, "beta": 0.0}
    params = DistillParams(model=str(tiny), teacher=str(teacher), on_policy=True, args=args)
    rows = [{"question": row["question"]} for row in additions(8)]
    result = Distill(params).train(data_of(train=rows), tmp_path / "out", PlainRun())
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_a_foreign_vocabulary_is_refused(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    import shutil

    from transformers import AutoTokenizer

    foreign = tmp_path / "foreign"
    shutil.copytree(tiny, foreign)
    tokenizer = AutoTokenizer.from_pretrained(foreign)
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(foreign)
    with pytest.raises(InputError, match="has another vocabulary"):
        Distill(DistillParams(model=str(tiny), teacher=str(foreign), args=FAST)).train(
            data_of(train=additions(4)), tmp_path / "out", PlainRun()
        )


def test_wrong_columns_are_refused_by_name() -> None:
    with pytest.raises(ColumnError, match="'messages'"):
        Distill(DistillParams(model="x", teacher="y")).needs("train", Columns({"question": "VARCHAR"}))
    with pytest.raises(ColumnError, match="'prompt' or 'question'"):
        Distill(DistillParams(model="x", teacher="y", on_policy=True)).needs("train", Columns({"messages": "VARCHAR"}))
    assert Distill(DistillParams(model="x", teacher="y")).models() == ("x", "y")

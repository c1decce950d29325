"""ORPO, SimPO, KTO and length-normalised CogPO: losses by hand, what is refused, and that they learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, DataError, InputError
from dqdata.plugins import load

from .conftest import SAME_STEP, PlainRun, additions, losses, pairs

ONE_STEP = {"learning_rate": 0.0, "max_steps": 1, "logging_steps": 1, "per_device_train_batch_size": 4}


def judged(count: int = 4) -> list[dict[str, Any]]:
    return [{**row, "correct": n % 2 == 0} for n, row in enumerate(additions(count))]


@pytest.fixture
def trained(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    counter = iter(range(100))

    def run(kind: str, rows: list[dict[str, Any]], args: Any, **params: Any) -> Any:
        trainer = load("trainers", kind)
        table = trainer.Params(model=params.pop("model", str(tiny)), args={**ONE_STEP, **args}, **params)
        return trainer(table).train(data_of(train=rows), tmp_path / f"out{next(counter)}", PlainRun())

    return run


def logps(path: Path, prompt: list[int], turn: list[int]) -> list[float]:
    """Log-probability of each token of a turn after its prompt."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path).eval()
    with torch.no_grad():
        scores = model(torch.tensor([prompt + turn])).logits[0].log_softmax(-1)
    return [scores[len(prompt) + place - 1, token].item() for place, token in enumerate(turn)]


def encoded(tiny: Path, row: dict[str, Any]) -> dict[str, list[int]]:
    from dqdata_trainers._pairs import encode_pair
    from transformers import AutoTokenizer

    return encode_pair(AutoTokenizer.from_pretrained(tiny), row, {})


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value))


def both(tiny: Path, row: dict[str, Any]) -> tuple[float, float]:
    """Mean log-probabilities of the chosen and the rejected turn."""
    ids = encoded(tiny, row)
    chosen, rejected = (mean(logps(tiny, ids["prompt_ids"], ids[name])) for name in ("chosen_ids", "rejected_ids"))
    return chosen, rejected


def test_the_loss_of_orpo_by_hand(trained: Callable[..., Any], tiny: Path) -> None:
    rows = pairs(4)
    found = losses(trained("orpo", rows, {"beta": 0.3}))[0]
    expected = []
    for row in rows:
        chosen, rejected = both(tiny, row)
        odds = [value - math.log1p(-math.exp(value)) for value in (chosen, rejected)]
        expected.append(-chosen - 0.3 * log_sigmoid(odds[0] - odds[1]))
    assert found == pytest.approx(mean(expected), rel=SAME_STEP)


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_the_loss_of_simpo_by_hand(trained: Callable[..., Any], tiny: Path, alpha: float | None) -> None:
    rows = pairs(4)
    args = {"beta": 2.0, "simpo_gamma": 0.7, **({} if alpha is None else {"cpo_alpha": alpha})}
    found = losses(trained("simpo", rows, args))[0]
    turns = [both(tiny, row) for row in rows]
    expected = [-log_sigmoid(2.0 * (chosen - rejected) - 0.7) - (alpha or 0) * chosen for chosen, rejected in turns]
    assert found == pytest.approx(mean(expected), rel=SAME_STEP)


def test_cogpo_with_length_by_hand(trained: Callable[..., Any], tiny: Path, teacher: Path) -> None:
    """Of a student that has moved from its reference: the first step's loss of any student is log 2."""
    rows = pairs(4, beta=3.0)
    args = {"learning_rate": 1e-2, "max_steps": 2, "lr_scheduler_type": "constant"}
    results = [trained("cogpo", rows, args, length_normalized=way) for way in (False, True)]
    assert all(result.metrics["reload_difference"] < 1e-4 for result in results), "what is saved is what was trained"
    plain, normal = map(losses, results)
    assert plain[0] == pytest.approx(math.log(2), rel=1e-4) == pytest.approx(normal[0], rel=1e-4)
    assert abs(plain[1] - normal[1]) > 1e-3

    import torch
    from dqdata_trainers._preference import BetaTrainer
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig

    fixed = {"report_to": "none", "bf16": False, "gradient_checkpointing": False, "use_cpu": True}
    where = str(tiny.parent / "cogpo")
    config = DPOConfig(output_dir=where, loss_type=["sigmoid_norm"], per_device_train_batch_size=4, **fixed)
    from datasets import Dataset

    made = Dataset.from_list([{**encoded(tiny, row), "beta": row["beta"]} for row in rows])
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    student, reference = (AutoModelForCausalLM.from_pretrained(path) for path in (teacher, tiny))
    trainer = BetaTrainer(student, reference, args=config, train_dataset=made, processing_class=tokenizer)
    batch = trainer.data_collator(list(made))
    with torch.no_grad():
        found = float(trainer.compute_loss(trainer.model.eval(), batch))
    expected = []
    for row in rows:
        ids, margin = encoded(tiny, row), []
        for name in ("chosen_ids", "rejected_ids"):
            ours, theirs = (logps(path, ids["prompt_ids"], ids[name]) for path in (teacher, tiny))
            margin.append(mean(ours) - mean(theirs))
        expected.append(-log_sigmoid(row["beta"] * (margin[0] - margin[1])))
    assert found == pytest.approx(mean(expected), rel=1e-3)


def test_kto_on_right_and_wrong_traces(trained: Callable[..., Any]) -> None:
    first = losses(trained("kto", judged(), {}))[0]
    assert first == pytest.approx(0.5, rel=1e-4), "1 - sigmoid(0), before the first step"
    args = {"learning_rate": 5e-3, "max_steps": 12, "beta": 0.5}
    result = trained("kto", judged(8), args)
    assert losses(result)[-1] < 0.45
    flipped = [{**row, "right": not row["correct"]} for row in judged(8)]
    other = trained("kto", flipped, args, label="right")
    assert losses(other)[-1] < 0.45 and result.metrics["reload_difference"] < 1e-4


def test_orpo_and_simpo_learn(trained: Callable[..., Any]) -> None:
    for kind, args in (("orpo", {"beta": 1.0}), ("simpo", {"beta": 2.0})):
        result = trained(kind, pairs(8), {**args, "learning_rate": 5e-3, "max_steps": 10})
        assert losses(result)[-1] < losses(result)[0]
        assert losses(result, "rewards/margins")[-1] > losses(result, "rewards/margins")[0]


def test_what_is_refused(trained: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="train split, trace_id t1: 'correct' is null .1 such rows of 4"):
        trained("kto", [{**row, "correct": None if n == 1 else n == 0} for n, row in enumerate(additions(4))], {})
    with pytest.raises(InputError, match="all 4 rows are desirable by 'correct': kto needs both kinds"):
        trained("kto", [{**row, "correct": True} for row in additions(4)], {})
    kto = load("trainers", "kto")
    with pytest.raises(ColumnError, match="'correct' as BOOLEAN"):
        kto(kto.Params(model="x")).needs("train", Columns({"messages": MESSAGES, "correct": "VARCHAR"}))
    simpo = load("trainers", "simpo")
    with pytest.raises(InputError, match="loss_type can't be set"):
        simpo(simpo.Params(model="x", args={"loss_type": "hinge"})).check()
    orpo = load("trainers", "orpo")
    with pytest.raises(InputError, match="ORPOConfig has no such field; did you mean 'beta'"):
        orpo(orpo.Params(model="x", args={"betta": 1})).check()

"""SFT with weights: the loss equals a plain recomputation, mixtures have their shares, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.sft import Sft, SftParams

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, DataError, InputError

from .conftest import SAME_STEP, PlainRun, additions, chat, losses

ONE_STEP = {"learning_rate": 0.0, "max_steps": 1, "logging_steps": 1, "per_device_train_batch_size": 4}
WEIGHTS = (0.5, 2.0, 0.0, 3.25)


def rows_of(*weights: Any) -> list[dict[str, Any]]:
    rows = additions(len(weights))
    for n, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        row |= {"weight": weight, "source": "math" if n < 3 else "code"}
        row["messages"] = chat(row["question"], "add " * (1 + 4 * n), "It is so. " * (1 + n))
    return rows


@pytest.fixture
def loss(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> Callable[..., float]:
    counter = iter(range(100))

    def run(rows: list[dict[str, Any]], **params: Any) -> float:
        table = SftParams(model=str(tiny), args=ONE_STEP, **params)
        return losses(Sft(table).train(data_of(train=rows), tmp_path / f"out{next(counter)}", PlainRun()))[0]

    return run


@pytest.fixture(scope="module")
def plain(tiny: Path) -> list[list[float]]:
    """The loss of each trained token of each row, by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dqdata.models import IGNORED, tokenize

    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModelForCausalLM.from_pretrained(tiny).eval()
    found = []
    for row in rows_of(*WEIGHTS):
        tokens = tokenize(tokenizer, row["messages"])
        with torch.no_grad():
            scores = model(torch.tensor([tokens.input_ids])).logits[0].log_softmax(-1)
        trained = [(place, label) for place, label in enumerate(tokens.labels) if label != IGNORED]
        found.append([-scores[place - 1, label].item() for place, label in trained])
    return found


def test_a_weighted_step_by_hand(loss: Callable[..., float], plain: list[list[float]]) -> None:
    whole = sum(map(len, plain))
    expected = sum(weight * sum(row) for weight, row in zip(WEIGHTS, plain, strict=True)) / whole
    assert loss(rows_of(*WEIGHTS), weight="weight") == pytest.approx(expected, rel=SAME_STEP)
    same = loss(rows_of(1, 1, 1, 1), weight="weight")
    assert same == pytest.approx(sum(map(sum, plain)) / whole, rel=SAME_STEP) == pytest.approx(loss(rows_of(*WEIGHTS)))


def test_a_mixture_has_its_shares_of_the_tokens(loss: Callable[..., float], plain: list[list[float]]) -> None:
    maths, code = [value for row in plain[:3] for value in row], plain[3]
    expected = 0.25 * sum(maths) / len(maths) + 0.75 * sum(code) / len(code)
    shares = {"math": 1, "code": 3}
    assert loss(rows_of(*WEIGHTS), mixture=shares) == pytest.approx(expected, rel=SAME_STEP)
    factors = [0.25 * (len(maths) + len(code)) / len(maths)] * 3 + [0.75 * (len(maths) + len(code)) / len(code)]
    both = sum(w * f * sum(row) for w, f, row in zip(WEIGHTS, factors, plain, strict=True)) / (len(maths) + len(code))
    assert loss(rows_of(*WEIGHTS), mixture=shares, weight="weight") == pytest.approx(both, rel=SAME_STEP)


def test_what_is_refused(loss: Callable[..., float]) -> None:
    for weight in (None, -1.0, float("nan")):
        with pytest.raises(DataError, match="train split, trace_id t1: 'weight' is .*a number of 0 or more"):
            loss(rows_of(1.0, weight, 1.0, 1.0), weight="weight")
    with pytest.raises(InputError, match="shares of chat, math, and 'source' has the values code, math"):
        loss(rows_of(*WEIGHTS), mixture={"math": 1, "chat": 1})
    sft = Sft(SftParams(model="x", weight="weight", args={"packing": True}))
    with pytest.raises(InputError, match=r"args.packing can't be set"):
        sft.check()
    with pytest.raises(ColumnError, match="'weight' as a number"):
        sft.needs("train", Columns({"messages": MESSAGES, "weight": "VARCHAR"}))
    assert SftParams.model_validate(SftParams(model="x").model_dump()), "as a training process is given it"
    for params, says in (
        ({"mixture": {"a": 0}}, "above 0"),
        ({"mixture_by": "domain"}, "only with `mixture`"),
    ):
        with pytest.raises(ValueError, match=says):
            SftParams(model="x", **params)


@pytest.mark.parametrize("params", [{"weight": "weight"}, {"mixture": {"math": 0.7, "code": 0.3}}])
def test_the_saved_student_is_the_trained_one(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, params: dict[str, Any]
) -> None:
    args = {**ONE_STEP, "learning_rate": 5e-3, "max_steps": 6}
    table = SftParams(model=str(tiny), args=args, **params)
    result = Sft(table).train(data_of(train=rows_of(*WEIGHTS)), tmp_path / "out", PlainRun())
    assert losses(result)[-1] < losses(result)[0]
    assert result.metrics["reload_difference"] < 1e-4

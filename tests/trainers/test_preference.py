"""dpo, cogpo and reward: they learn, beta per pair is DPO when constant, bad pairs are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._pairs import encode_pair
from dqdata_trainers.cogpo import CogPo, CogPoParams
from dqdata_trainers.dpo import Dpo
from dqdata_trainers.reward import Reward, RewardParams

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, InputError

from .conftest import PlainRun, chat, losses, pairs

FAST = {"learning_rate": 3e-3, "max_steps": 10, "per_device_train_batch_size": 4, "logging_steps": 1}


def test_dpo_learns_to_prefer(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    data = data_of(train=pairs(), eval=pairs(8))
    result = Dpo(Dpo.Params(model=str(tiny), args=FAST)).train(data, tmp_path / "out", PlainRun())
    assert losses(result)[-1] < losses(result)[0]
    assert result.metrics["eval_rewards/accuracies"] == 1.0


def test_a_constant_beta_gives_the_losses_of_dpo(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rows = [{**row, "beta": 0.3} for row in pairs()]
    plain = Dpo(Dpo.Params(model=str(tiny), args={**FAST, "beta": 0.3}))
    own = CogPo(CogPoParams(model=str(tiny), args=FAST))
    by_config = plain.train(data_of(train=rows), tmp_path / "dpo", PlainRun())
    by_row = own.train(data_of(train=rows), tmp_path / "cogpo", PlainRun())
    assert losses(by_row) == pytest.approx(losses(by_config), abs=1e-7)
    assert losses(by_row, "rewards/margins") == pytest.approx(losses(by_config, "rewards/margins"), abs=1e-6)

    varied = own.train(data_of(train=pairs(beta=0.3)), tmp_path / "varied", PlainRun())
    assert losses(varied)[3:] != pytest.approx(losses(by_config)[3:], abs=1e-4), "and another beta gives others"


def test_the_loss_of_each_pair_has_its_own_beta(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    """One step of one pair at a time: -log sigmoid(beta * delta) for the beta of that very pair."""
    import math

    args = {**FAST, "per_device_train_batch_size": 1, "max_steps": 6, "learning_rate": 1e-3}
    rows = pairs(6, beta=0.2)
    result = CogPo(CogPoParams(model=str(tiny), args=args)).train(data_of(train=rows), tmp_path / "out", PlainRun())
    for entry in (entry for entry in result.history if "loss" in entry):
        expected = -math.log(1 / (1 + math.exp(-entry["rewards/margins"])))
        assert entry["loss"] == pytest.approx(expected, rel=1e-3)


def test_pairs_are_masked_and_bad_ones_refused(tokenizer: Any) -> None:
    row = pairs(1)[0]
    ids = encode_pair(tokenizer, row, {})
    assert tokenizer.decode(ids["prompt_ids"]).endswith("<|im_start|>assistant\n")
    assert tokenizer.decode(ids["chosen_ids"]) == row["chosen"][0]["content"] + "<|im_end|>"
    assert tokenizer.decode(ids["rejected_ids"]) == row["rejected"][0]["content"] + "<|im_end|>"
    with pytest.raises(InputError, match="`chosen` and `rejected` are the same"):
        encode_pair(tokenizer, {**row, "rejected": row["chosen"]}, {})
    with pytest.raises(InputError, match="`rejected` is empty"):
        encode_pair(tokenizer, {**row, "rejected": []}, {})


def test_bad_rows_are_named(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rows = pairs(4, beta=0.1)
    rows[2]["beta"] = 0.0
    with pytest.raises(InputError, match=r"train split: `beta` must be above 0 in every row; row 2 has 0.0"):
        CogPo(CogPoParams(model=str(tiny), args=FAST)).train(data_of(train=rows), tmp_path / "a", PlainRun())
    rows[1]["rejected"] = rows[1]["chosen"]
    with pytest.raises(InputError, match=r"train split, pair_id p1: `chosen` and `rejected` are the same"):
        Dpo(Dpo.Params(model=str(tiny), args=FAST)).train(data_of(train=rows), tmp_path / "b", PlainRun())
    rows = pairs(4, beta=0.1)
    rows[3]["rejected"] = [{"role": "assistant", "content": None}]
    with pytest.raises(InputError, match=r"train split, pair_id p3: turn 1, of the assistant, is null"):
        Dpo(Dpo.Params(model=str(tiny), args=FAST)).train(data_of(train=rows), tmp_path / "d", PlainRun())
    with pytest.raises(InputError, match=r"args\.loss_type can't be set"):
        params = CogPoParams(model=str(tiny), args={**FAST, "loss_type": ["ipo"]})
        CogPo(params).train(data_of(train=pairs(4, beta=0.1)), tmp_path / "c", PlainRun())


@pytest.mark.parametrize(
    ("trainer", "columns", "message"),
    [
        (Dpo(Dpo.Params(model="x")), {"prompt": MESSAGES, "chosen": MESSAGES}, "'rejected'"),
        (CogPo(CogPoParams(model="x")), dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES), "'beta'"),
        (Reward(RewardParams(model="x")), {"messages": MESSAGES}, "'prompt'"),
        (Reward(RewardParams(model="x", targets=("rv",))), {"messages": MESSAGES, "rc": "DOUBLE"}, "'rv'"),
        (Reward(RewardParams(model="x", targets=("rv",))), {"messages": MESSAGES, "rv": "VARCHAR"}, "'rv' as a number"),
    ],
)
def test_wrong_columns_are_refused_by_name(trainer: Any, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ColumnError, match=message):
        trainer.needs("train", Columns(columns))


def test_reward_model_ranks_pairs_and_margins_count(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    trainer = Reward(RewardParams(model=str(tiny), args={**FAST, "max_steps": 15}))
    result = trainer.train(data_of(train=pairs(), eval=pairs(8)), tmp_path / "out", PlainRun())
    assert losses(result)[-1] < losses(result)[0] / 2
    assert result.metrics["eval_accuracy"] == 1.0

    wide = data_of(train=[{**row, "margin": 4.0} for row in pairs()])
    margins = trainer.train(wide, tmp_path / "margin", PlainRun())
    assert losses(margins)[0] > losses(result)[0] + 2, "the better turn has to win by the margin"


def test_regression_predicts_what_the_judge_said(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for n in range(32):
        long = n % 2 == 0
        messages = chat(f"What is {n} + 1?", "add " * (12 if long else 2), str(n + 1))
        rows.append(
            {"trace_id": f"t{n}", "messages": messages, "rv": 8.0 if long else 1.0, "cd": 3.0 if n % 4 else None}
        )
    params = RewardParams(model=str(tiny), targets=("rv", "cd"), args={**FAST, "max_steps": 60})
    result = Reward(params).train(data_of(train=rows, eval=rows[:8]), tmp_path / "out", PlainRun())
    assert result.metrics["eval_mae_rv"] < 1.5 and result.metrics["eval_mae_cd"] < 1.5

    from transformers import AutoConfig

    assert AutoConfig.from_pretrained(result.model).dqdata_targets == ["rv", "cd"]
    rows[5]["rv"] = 11.0
    with pytest.raises(InputError, match=r"trace_id t5: rv is 11.0, outside 0 to 9"):
        Reward(params).train(data_of(train=rows), tmp_path / "wrong", PlainRun())

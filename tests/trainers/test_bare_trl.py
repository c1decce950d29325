"""KTO, ORPO and SimPO beside TRL as it is: the same rows, the same seed, the same loss at every step.

TRL gets the chats and tokenizes them itself. The template ends a turn with its end-of-turn token, so that neither side
adds tokens of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.plugins import load

from .conftest import SAME_STEP, TEMPLATE, PlainRun, additions, losses, pairs

STEPS = 5
ARGS: dict[str, Any] = {
    "learning_rate": 5e-3,
    "max_steps": STEPS,
    "logging_steps": 1,
    "per_device_train_batch_size": 4,
    "lr_scheduler_type": "constant",
}


@pytest.fixture(scope="module")
def student(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("student")
    shutil.copytree(tiny, folder, dirs_exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE.replace("<|im_end|>\n", "<|im_end|>")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def ours(student: Path, data_of: Callable[..., Any], tmp_path: Path) -> Callable[..., list[float]]:
    def run(kind: str, rows: list[dict[str, Any]], **args: Any) -> list[float]:
        trainer = load("trainers", kind)
        table = trainer.Params(model=str(student), args={**ARGS, **args}, max_length=256)
        result = trainer(table).train(data_of(train=rows), tmp_path / "ours", PlainRun())
        assert result.metrics["reload_difference"] < 1e-4
        return losses(result)

    return run


@pytest.fixture
def bare(student: Path, tmp_path: Path) -> Callable[..., list[float]]:
    def run(trainer_class: Any, config_class: Any, rows: list[dict[str, Any]], **args: Any) -> list[float]:
        from datasets import Dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer

        fixed = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "bf16": False, "save_strategy": "no"}
        where = {"output_dir": str(tmp_path / "bare"), "gradient_checkpointing": False, "max_length": 256, "seed": 42}
        trainer = trainer_class(
            model=AutoModelForCausalLM.from_pretrained(student),
            args=config_class(**fixed, **where, **ARGS, **args),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(student),
        )
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    return run


def chats(count: int) -> list[dict[str, Any]]:
    """Pairs whose turns differ in length from row to row."""
    rows = pairs(count)
    for n, row in enumerate(rows):
        row["chosen"] = [{"role": "assistant", "content": f"{'add them, ' * (n % 4)}{n} is the answer."}]
        row["rejected"] = [{"role": "assistant", "content": f"It may be {n + 3}{', or so' * (n % 3)}."}]
    return rows


def same(found: list[float], expected: list[float]) -> None:
    assert len(found) == len(expected) == STEPS and len(set(expected)) > 1, "the student moves"
    assert found == pytest.approx(expected, rel=SAME_STEP)


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
def test_kto(ours: Callable[..., list[float]], bare: Callable[..., list[float]], loss: str) -> None:
    from trl import KTOConfig, KTOTrainer

    rows = [{**row, "correct": n % 3 > 0} for n, row in enumerate(additions(20))]
    plain = [
        {"prompt": row["messages"][:-1], "completion": row["messages"][-1:], "label": row["correct"]} for row in rows
    ]
    expected = bare(KTOTrainer, KTOConfig, plain, beta=0.3, loss_type=loss, desirable_weight=1.5)
    same(ours("kto", rows, beta=0.3, loss_type=loss, desirable_weight=1.5), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.8])
def test_simpo(ours: Callable[..., list[float]], bare: Callable[..., list[float]], gamma: float) -> None:
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    rows = chats(20)
    plain = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    expected = bare(CPOTrainer, CPOConfig, plain, beta=2.0, simpo_gamma=gamma, loss_type="simpo", cpo_alpha=0.0)
    same(ours("simpo", rows, beta=2.0, simpo_gamma=gamma), expected)


def test_orpo(ours: Callable[..., list[float]], bare: Callable[..., list[float]]) -> None:
    """But for the likelihood of the chosen turn, which TRL takes over the tokens of prompts and turns of a batch, and
    ORPO (arXiv 2403.07691) over each turn."""
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    class OfTurns(ORPOTrainer):  # type: ignore[misc]
        def concatenated_forward(self, model: Any, batch: Any) -> tuple[Any, ...]:
            made = list(super().concatenated_forward(model, batch))
            made[4] = -made[0].mean()
            return tuple(made)

    rows = chats(20)
    plain = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    same(ours("orpo", rows, beta=0.4), bare(OfTurns, ORPOConfig, plain, beta=0.4))

"""Every trainer: the loss and gradient of a step are those of the bare library, however the step is split."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dqdata.plugins import found, load

from .conftest import BF16, LETTERS, SAME_STEP, LettersRun, additions, chat, losses, pairs, share_of_letters

SPLITS = ((4, 1), (2, 2), (1, 4))
"""Rows of a batch, and batches of a step."""
ONE_STEP = {"learning_rate": 0.0, "max_steps": 1, "logging_steps": 1, "max_grad_norm": 1e9}
SAMPLED = {"num_generations": 2, "max_completion_length": 12}


def uneven(count: int = 4) -> list[dict[str, Any]]:
    """Chats whose answers have from a few to many tokens."""
    return [
        {**row, "messages": chat(row["question"], "add " * (1 + 7 * n), f"It is {n}. " * (1 + n))}
        for n, row in enumerate(additions(count))
    ]


def rated() -> list[dict[str, Any]]:
    """Three of the eight targets are null, and not evenly."""
    scores = [(8.0, None), (1.0, 3.0), (None, None), (9.0, 0.0)]
    return [{**row, "rv": rv, "cd": cd} for row, (rv, cd) in zip(uneven(), scores, strict=True)]


def weighed() -> list[dict[str, Any]]:
    return [{**row, "w": (0.5, 2.0, 1.0, 3.0)[n], "source": "aab"[n % 3]} for n, row in enumerate(uneven())]


def judged() -> list[dict[str, Any]]:
    return [{**row, "correct": n % 2 == 0} for n, row in enumerate(uneven())]


def uneven_pairs(**columns: Any) -> list[dict[str, Any]]:
    rows = pairs(4, beta=0.2)
    for n, row in enumerate(rows):
        row["chosen"] = chat("", "add " * (1 + 5 * n), f"The answer is {n}.")[1:]
        row.update(columns)
    return rows


def taught() -> list[dict[str, Any]]:
    """Prompts of two teachers, which each batch of a step has in another share."""
    return [{**row, "teacher_id": "ours" if n == 1 else "theirs"} for n, row in enumerate(prompts())]


def prompts() -> list[dict[str, Any]]:
    return [{"question": row["question"] + " Add." * n} for n, row in enumerate(additions(4))]


class Case:
    """kind: of the trainer. rows: of one step. params: of its table."""

    def __init__(self, kind: str, rows: Any, args: Mapping[str, Any] | None = None, **params: Any) -> None:
        self.kind, self.rows, self.args, self.params = kind, rows, dict(args or {}), params

    def step(self, model: Path, data_of: Callable[..., Any], out: Path, rows: Any, split: tuple[int, int]) -> Any:
        """(loss, gradient norm) of one step that changes no weight."""
        kind = load("trainers", self.kind)
        batch, batches = split
        args = {**ONE_STEP, **self.args, "per_device_train_batch_size": batch, "gradient_accumulation_steps": batches}
        trainer = kind(kind.Params(model=str(model), args=args, **self.params))
        result = trainer.train(data_of(train=rows), out, LettersRun())
        return losses(result)[0], losses(result, "grad_norm")[0]


LORA = {"r": 4}
CASES = {
    "sft": Case("sft", uneven),
    "sft lora": Case("sft", uneven, lora=LORA),
    "sft dft": Case("sft", uneven, {"loss_type": "dft"}),
    "sft weights": Case("sft", weighed, weight="w", mixture={"a": 0.3, "b": 0.7}),
    "sft packed": Case("sft", uneven, {"padding_free": True}),
    "dpo": Case("dpo", uneven_pairs),
    "dpo ipo": Case("dpo", uneven_pairs, {"loss_type": ["ipo"]}),
    "dpo lora": Case("dpo", uneven_pairs, lora=LORA),
    "cogpo": Case("cogpo", uneven_pairs),
    "cogpo normalized": Case("cogpo", uneven_pairs, length_normalized=True),
    "orpo": Case("orpo", uneven_pairs),
    "orpo lora": Case("orpo", uneven_pairs, lora=LORA),
    "simpo": Case("simpo", uneven_pairs, {"beta": 2.0}),
    "simpo likelihood": Case("simpo", uneven_pairs, {"cpo_alpha": 1.0}),
    "kto": Case("kto", judged, {"loss_type": "apo_zero_unpaired"}),  # those of `kto` estimate a divergence of the batch
    "reward": Case("reward", uneven_pairs),
    "reward margin": Case("reward", lambda: uneven_pairs(margin=2.0)),
    "reward targets": Case("reward", rated, targets=("rv", "cd")),
    "reward targets lora": Case("reward", rated, targets=("rv", "cd"), lora=LORA),
    "grpo": Case("grpo", prompts, SAMPLED, rewards=[LETTERS]),
    "grpo whole": Case("grpo", prompts, SAMPLED, rewards=[LETTERS], drop_equal_groups=False),
    "grpo kl": Case("grpo", prompts, {**SAMPLED, "loss_type": "grpo", "beta": 0.1}, rewards=[LETTERS]),
    "rloo": Case("rloo", prompts, SAMPLED, rewards=[LETTERS]),
    "distill": Case("distill", uneven, teacher=True),
    "distill reverse": Case("distill", uneven, teacher=True, divergence="reverse", temperature=2.0),
    "distill lora": Case("distill", uneven, teacher=True, lora=LORA),
    "distill top k": Case("distill", uneven, teacher=True, top_k=5, temperature=2.0),
    "distill stored": Case("distill", None),
    "distill on policy": Case("distill", prompts, {"max_completion_length": 12}, teacher=True, on_policy=True),
    "distill teachers": Case("distill", taught, {"max_completion_length": 12}, teachers=True, on_policy=True),
}


def test_every_trainer_is_here() -> None:
    ours = {name for name, point in found("trainers").items() if point.value.startswith("dqdata_trainers.")}
    assert ours == {case.kind for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_a_step_does_not_depend_on_its_split(
    name: str, tiny: Path, teacher: Path, told: list[dict[str, Any]], data_of: Callable[..., Any], tmp_path: Path
) -> None:
    case = CASES[name]
    if case.params.get("teacher") is True:
        case.params["teacher"] = str(teacher)
    if case.params.get("teachers") is True:
        case.params["teachers"] = {"ours": str(tiny), "theirs": str(teacher)}
    rows = told[:3] + told[6:7] if case.rows is None else case.rows()
    whole, *parts = (
        case.step(tiny, data_of, tmp_path / f"{batch}x{batches}", rows, (batch, batches)) for batch, batches in SPLITS
    )
    assert whole[1] > 0, "a step without a gradient would prove nothing"
    for part in parts:
        assert part == pytest.approx(whole, rel=SAME_STEP, abs=1e-6)


CLOSED = (
    "{% for m in messages %}{{ '' if loop.first else '\\n' }}<|im_start|>{{ m.role }}\\n{{ m.content }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}\\n<|im_start|>assistant\\n{% endif %}"
)
"""Ends with the end of the turn: of a template that writes a line break after it TRL would learn that too."""


def bare(kind: str, model: Path, rows: Any, out: Path, teacher: Path) -> Any:
    """(loss, gradient norm) of the same step by TRL alone, from the rows as TRL takes them. For KTO, ORPO and SimPO see
    test_bare_trl."""
    import trl
    from datasets import Dataset
    from transformers import AutoTokenizer

    name = {"reward": "Reward", "distill": "Distillation"}.get(kind, kind.upper())
    module = trl if hasattr(trl, f"{name}Config") else importlib.import_module(f"trl.experimental.{name.lower()}")
    config, trainer = getattr(module, f"{name}Config"), getattr(module, f"{name}Trainer")
    more: dict[str, Any] = {"args": {}, "trainer": {}}
    if kind == "sft":
        rows = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows]
    elif kind in ("dpo", "reward"):
        rows = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    else:
        rows = [{"prompt": [{"role": "user", "content": row["question"]}]} for row in rows]
        more["args"] = {"max_completion_length": 12}
        if kind == "distill":
            more["trainer"] = {"teacher_model": str(teacher)}
        else:
            more["args"] |= {"num_generations": 2}
            more["trainer"] = {
                "reward_funcs": [lambda completions, **_: [share_of_letters(one[0]["content"]) for one in completions]]
            }
    args = config(
        output_dir=str(out), report_to="none", bf16=BF16, gradient_checkpointing=False, use_cpu=True, seed=42,
        per_device_train_batch_size=4, save_strategy="no", **ONE_STEP, **more["args"],
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = CLOSED
    dataset = Dataset.from_list(rows)
    made = trainer(model=str(model), args=args, train_dataset=dataset, processing_class=tokenizer, **more["trainer"])
    made.train()
    first = made.state.log_history[0]
    return first["loss"], first["grad_norm"]


@pytest.mark.parametrize("name", ["sft", "dpo", "reward", "grpo whole", "rloo", "distill on policy"])
def test_a_step_is_that_of_bare_trl(
    name: str, tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    case = CASES[name]
    if case.params.get("teacher") is True:
        case.params["teacher"] = str(teacher)
    rows = case.rows()
    theirs = bare(case.kind, tiny, rows, tmp_path / "bare", teacher)
    (tmp_path / "closed.jinja").write_text(CLOSED)
    case = Case(case.kind, case.rows, case.args, **case.params, chat_template=tmp_path / "closed.jinja")
    ours = case.step(tiny, data_of, tmp_path / "ours", rows, (4, 1))
    assert ours == pytest.approx(theirs, rel=2e-2 if BF16 else 1e-5)

"""Trainers that let the student write: its prompts are those of the chat template, whatever columns the data has."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._config import trl_config

from dqdata.errors import InputError
from dqdata.plugins import load

from .conftest import LETTERS, TEMPLATE, LettersRun, additions

ARGS = {"learning_rate": 1e-3, "max_steps": 2, "per_device_train_batch_size": 4, "max_completion_length": 6}
SWITCHED = TEMPLATE.replace(
    "assistant\n{% endif",
    "assistant\n{% if thinking is defined and not thinking %}<think>\n\n</think>\n{% endif %}{% endif",
)
"""Like templates whose `enable_thinking = false` writes an empty thought into the prompt."""
KINDS = {"grpo": {"rewards": [LETTERS]}, "rloo": {"rewards": [LETTERS]}, "distill": {"on_policy": True}}


def made(kind: str, tiny: Path, teacher: Path, **params: Any) -> Any:
    trainer = load("trainers", kind)
    own = {**KINDS[kind], **({"teacher": str(teacher)} if kind == "distill" else {})}
    args = {**ARGS, **({} if kind == "distill" else {"num_generations": 2})}
    return trainer(trainer.Params(**{"model": str(tiny), "args": args, **own, **params}))


@pytest.mark.parametrize("kwargs", [{}, {"thinking": False}, {"thinking": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_chat_template_kwargs_reach_the_rollouts(
    kind: str, kwargs: Any, tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from transformers import AutoTokenizer, LlamaForCausalLM

    prompts: set[str] = set()
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    generate = LlamaForCausalLM.generate

    def watched(self: Any, *args: Any, **more: Any) -> Any:
        prompts.update(tokenizer.batch_decode(more["input_ids"]))
        return generate(self, *args, **more)

    monkeypatch.setattr(LlamaForCausalLM, "generate", watched)
    template = tmp_path / "switched.jinja"
    template.write_text(SWITCHED)
    teacher = shutil.copytree(teacher, tmp_path / "teacher")  # of the student's family: with the same template
    shutil.copy(template, teacher / "chat_template.jinja")
    trainer = made(kind, tiny, teacher, chat_template=template, chat_template_kwargs=kwargs)
    trainer.train(data_of(train=[{"question": "1 + 1?"}] * 4), tmp_path / "out", LettersRun())
    assert prompts and all(prompt.endswith("</think>\n") is (kwargs == {"thinking": False}) for prompt in prompts)


def test_chat_template_kwargs_are_no_args(tmp_path: Path) -> None:
    from dqdata_trainers.grpo import GrpoParams
    from trl import GRPOConfig

    params = GrpoParams(model="x", rewards=[LETTERS], args={"chat_template_kwargs": {"a": 1}})
    with pytest.raises(InputError, match="args.chat_template_kwargs can't be set: write `chat_template_kwargs` beside"):
        trl_config(GRPOConfig, params, tmp_path)


NAMES = (
    "completion", "completions", "completion_ids", "prompts", "image", "images", "tools", "row", "prompt_tokens",
    "index", "trainer_state", "log_extra", "log_metric", "environment_factory", "input_ids", "labels", "text",
    "attention_mask", "response", "reasoning", "output_tokens", "finish_reason", "advantages", "prompt_ids",
    "chosen_ids", "split", "stale", "top_ids", "messages_text", "beta", "margin", "data", "dqdata_row", "difficulty",
)  # fmt: skip
"""Names of columns that the libraries, or the trainers, use for themselves."""


@pytest.mark.parametrize("kind", KINDS)
def test_columns_may_have_any_name(
    kind: str, tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [
        {**{name: f"{name} {n}" for name in NAMES}, "question": row["question"]} for n, row in enumerate(additions(4))
    ]
    seen: list[Any] = []

    class Watching(LettersRun):
        def operator(self, name: str, params: Any) -> Any:
            bound = super().operator(name, params)

            async def watched(rows: Any) -> Any:
                seen.extend(rows)
                return await bound(rows)

            return watched

    trainer = made(kind, tiny, teacher)
    trainer.train(data_of(train=rows, eval=rows), tmp_path / "out", Watching())
    if kind == "distill":
        return
    kept = [name for name in NAMES if name not in ("text", "response", "reasoning", "output_tokens", "finish_reason")]
    by_question = {row["question"]: row for row in rows}
    assert {row["question"] for row in seen} == set(by_question)
    for row in seen:
        assert {name: row[name] for name in kept} == {name: by_question[row["question"]][name] for name in kept}

"""On-policy distillation: several teachers, what is compared before the first step, and the asynchronous trainer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.distill import Distill, DistillParams
from dqdata_trainers.sft import Sft, SftParams

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError

from .conftest import SAME_STEP, TEMPLATE, PlainRun, additions, losses

ARGS = {"max_completion_length": 8, "per_device_train_batch_size": 4, "logging_steps": 1}
ONE_STEP = {**ARGS, "learning_rate": 0.0, "max_steps": 1}


@pytest.fixture(scope="module")
def other(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third model with the student's vocabulary."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(tiny, folder)
    model = AutoModelForCausalLM.from_pretrained(tiny)
    torch.manual_seed(2)
    for weights in model.parameters():
        weights.data.add_(torch.randn_like(weights) * 0.1)
    model.save_pretrained(folder)
    return folder


def prompts(*ids: str) -> list[dict[str, Any]]:
    rows = additions(len(ids))
    return [{"question": row["question"], "teacher_id": name} for row, name in zip(rows, ids, strict=True)]


@pytest.fixture
def step(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    counter = iter(range(100))

    def run(rows: list[dict[str, Any]], args: Any = ONE_STEP, **params: Any) -> Any:
        table = DistillParams(model=str(tiny), on_policy=True, args=args, **params)
        return Distill(table).train(data_of(train=rows), tmp_path / f"out{next(counter)}", PlainRun())

    return run


def test_each_prompt_learns_from_its_own_teacher(step: Callable[..., Any], teacher: Path, other: Path) -> None:
    """The completions of a step are the same whatever the teachers, so that losses of its rows add up."""
    rows = prompts("a", "b", "b", "b")
    alone = [losses(step(rows, teacher=str(one)))[0] for one in (teacher, other)]
    as_named = step(rows, teachers={"a": str(teacher), "b": str(other)})
    swapped = step(rows, teachers={"a": str(other), "b": str(teacher)})
    assert losses(as_named)[0] + losses(swapped)[0] == pytest.approx(sum(alone), rel=SAME_STEP)
    assert abs(losses(as_named)[0] - losses(swapped)[0]) > 1e-3
    same = step(rows, teachers={"a": str(teacher), "b": str(teacher)})
    assert losses(same)[0] == pytest.approx(alone[0], rel=SAME_STEP)
    assert {"kl_a", "kl_b"} <= set(as_named.history[0])


def test_the_divergence_from_both_teachers_falls(step: Callable[..., Any], teacher: Path, other: Path) -> None:
    rows = prompts(*("a", "b") * 4)
    args = {**ARGS, "learning_rate": 3e-3, "max_steps": 16, "beta": 0.0}
    result = step(rows, args, teachers={"a": str(teacher), "b": str(other)})
    for name in ("kl_a", "kl_b"):
        apart = losses(result, name)
        assert sum(apart[-4:]) < sum(apart[:4])


def test_rows_name_teachers_that_are_there(step: Callable[..., Any], teacher: Path) -> None:
    with pytest.raises(InputError, match="train split, row 2: teacher_id is 'c', and the teachers are a, b"):
        step(prompts("a", "b", "c", "a"), teachers={"a": str(teacher), "b": str(teacher)})
    trainer = Distill(DistillParams(model="x", teachers={"a": "y", "b": "z"}, on_policy=True))
    assert trainer.models() == ("x", "y", "z")
    with pytest.raises(ColumnError, match="'teacher_id'"):
        trainer.needs("train", Columns({"question": "VARCHAR"}))
    for params, says in (
        ({"teachers": {"a": "y"}}, "only with on_policy"),
        ({"teachers": {"a": "y"}, "teacher": "y", "on_policy": True}, "either `teacher` or `teachers`"),
        ({"asynchronous": True, "teacher": "y"}, "only with on_policy"),
    ):
        with pytest.raises(ValueError, match=says):
            DistillParams(model="x", **params)


def changed(source: Path, folder: Path, **config: Any) -> str:
    """A copy of a model with other settings: `template`, `eos_token`, or of its configuration."""
    from transformers import AutoTokenizer

    shutil.copytree(source, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if "template" in config:
        tokenizer.chat_template = config.pop("template")
    if "eos_token" in config:
        tokenizer.eos_token = config.pop("eos_token")
        for name in ("config.json", "generation_config.json"):
            settings = json.loads((folder / name).read_text())
            settings["eos_token_id"] = tokenizer.eos_token_id
            (folder / name).write_text(json.dumps(settings))
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, **config}))
    return str(folder)


def test_what_is_compared_before_the_first_step(step: Callable[..., Any], teacher: Path, tmp_path: Path) -> None:
    opened = TEMPLATE.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}")
    empty = opened.replace("<think>\n{% endif %}", "<think>\n\n</think>\n\n{% endif %}")
    ended = TEMPLATE.replace("<|im_end|>", "<|pad|>")
    rows = prompts("a", "a", "a", "a")
    for name, settings, says in (
        ("opened", {"template": opened}, "thinking mode: the student's prompt leaves .* ends with <think>"),
        ("empty", {"template": empty}, "thinking mode: .* ends with empty thinking"),
        ("ended", {"template": ended, "eos_token": "<|pad|>"}, "end of turn: the student ends with '<|im_end|>'"),
        ("short", {"max_position_embeddings": 16}, "lengths: teacher .* reads 16 tokens"),
    ):
        with pytest.raises(InputError, match=says.replace("|", r"\|")):
            step(rows, teacher=changed(teacher, tmp_path / name, **settings))
    template = tmp_path / "opened.jinja"
    template.write_text(opened)
    same = changed(teacher, tmp_path / "same", template=opened)
    assert losses(step(rows, teacher=same, chat_template=template))
    long = {**ONE_STEP, "max_completion_length": 600}
    with pytest.raises(InputError, match="lengths: the student reads 512 tokens.*max_completion_length to 4"):
        step(rows, long, teacher=str(teacher))


def test_a_student_whose_template_never_writes_its_end(step: Callable[..., Any], teacher: Path, tmp_path: Path) -> None:
    template = tmp_path / "never.jinja"
    template.write_text(TEMPLATE.replace("<|im_end|>", "<|pad|>"))
    with pytest.raises(InputError, match="end of turn: the student stops at"):
        step(prompts("a"), teacher=str(teacher), chat_template=template)


def test_the_asynchronous_trainer_is_checked_before_it_needs_a_server(step: Callable[..., Any], teacher: Path) -> None:
    """What it does with vLLM needs a GPU: test_gpu.py."""
    urls = {"default": "http://127.0.0.1:9", "more": "http://127.0.0.1:9"}
    with pytest.raises(InputError, match="teacher_server_urls names default, more, and the teachers are default"):
        step(prompts("a"), {"teacher_server_urls": urls}, teacher=str(teacher), asynchronous=True)
    table = DistillParams(model="x", teacher="y", on_policy=True, asynchronous=True, args={"teacher_top_q": 8})
    with pytest.raises(InputError, match="AsyncDistillationConfig has no such field; did you mean 'teacher_top_k'"):
        Distill(table).check()
    with pytest.raises(ValueError, match="load_in_4bit"):
        DistillParams(model="x", teacher="y", on_policy=True, asynchronous=True, load_in_4bit=True, lora={"r": 4})


def test_sft_and_on_policy_go_together(tiny: Path, data_of: Callable[..., Any], step: Callable[..., Any],
                                       tmp_path: Path) -> None:  # fmt: skip
    """The recipe: a teacher that was trained here teaches the student that it was trained from."""
    args = {"learning_rate": 5e-3, "max_steps": 20, "per_device_train_batch_size": 8, "logging_steps": 1}
    taught = Sft(SftParams(model=str(tiny), args=args)).train(data_of(train=additions(8)), tmp_path / "sft", PlainRun())
    own = {**ARGS, "learning_rate": 3e-3, "max_steps": 16, "beta": 0.0}
    result = step([{"question": row["question"]} for row in additions(8)], own, teacher=str(taught.model))
    assert sum(losses(result)[-4:]) < 0.7 * sum(losses(result)[:4])

"""Every key of every trainer's table changes what the library receives. The keys come from the params models: a new key
without a line here fails."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._config import OURS, TrlParams, trl_config
from dqdata_trainers._difficulty import Difficulty
from dqdata_trainers._lora import Lora
from dqdata_trainers._rewards import RewardTable
from pydantic import BaseModel

from dqdata.errors import InputError
from dqdata.plugins import found, load

from .conftest import LETTERS, TEMPLATE, LettersRun, additions, chat, pairs

SWITCHED = TEMPLATE.replace("{{ m.content }}", "{{ m.content }}{% if more is defined %} more{% endif %}")
KINDS: Mapping[str, Mapping[str, Any]] = {
    "sft": {},
    "dpo": {},
    "cogpo": {},
    "orpo": {},
    "simpo": {},
    "kto": {},
    "reward": {},
    "reward targets": {"targets": ("rv", "cd")},
    "grpo": {"rewards": [LETTERS]},
    "rloo": {"rewards": [LETTERS]},
    "distill": {"teacher": "TEACHER"},
    "distill on policy": {"teacher": "TEACHER", "on_policy": True},
}
SAMPLED = {"num_generations": 2, "per_device_train_batch_size": 2}


class Reached(Exception):
    """Carries what the library received out of a training that is about to begin."""

    def __init__(self, received: Any) -> None:
        self.received = received


def rows_for(kind: str) -> list[dict[str, Any]]:
    if kind in ("dpo", "cogpo", "orpo", "simpo", "reward"):
        rows = pairs(6, beta=0.1)
        rows[4]["chosen"] = chat("", "again and " * 20, "yes")[1:]
        return rows
    rows = [{**row, "rv": float(n), "cd": 1.0, "level": n, "pass_rate": n / 8} for n, row in enumerate(additions(6))]
    rows = [{**row, "source": "ab"[n % 2], "kind": "aab"[n % 3]} for n, row in enumerate(rows)]
    rows[4]["question"] += " Add." * 30
    rows[4]["messages"] = chat(rows[4]["question"], "again and again " * 20, "2")
    if kind == "kto":
        rows = [{**row, "correct": n % 2 == 0, "other": n % 3 == 0} for n, row in enumerate(rows)]
    if kind == "sft":
        rows[5]["messages"] += chat("And 1 more?", "", "3")
    return rows


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    for name in ("switched", "other"):
        (folder / f"{name}.jinja").write_text(SWITCHED + ("{# #}" if name == "other" else ""))
    return folder


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """What was received of tables that many keys are compared with."""
    return {}


@pytest.fixture
def receive(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    templates: Path,
) -> Callable[..., Any]:  # fmt: skip
    """What the library receives of a table: its trainer just before the first step, or the error of the table."""
    import transformers

    def stop(self: Any, *_: Any, **__: Any) -> None:
        raise Reached(self)

    monkeypatch.setattr(transformers.Trainer, "train", stop)
    counter = iter(range(1000))

    def run(kind: str, **params: Any) -> Any:
        trainer = load("trainers", kind.split()[0])
        table = {"model": str(tiny), "chat_template": templates / "switched.jinja", **KINDS[kind], **params}
        table = {key: str(teacher) if value == "TEACHER" else value for key, value in table.items()}
        if kind in ("grpo", "rloo"):
            table["args"] = {**SAMPLED, **table.get("args", {})}
        if table.get("on_policy"):
            table["args"] = {"max_completion_length": 16, **table.get("args", {})}
        try:
            data = data_of(train=rows_for(kind))
            trainer(trainer.Params(**table)).train(data, tmp_path / str(next(counter)), LettersRun())
        except Reached as reached:
            return reached.received
        except InputError as error:
            return error
        raise AssertionError("the training never reached the library")

    return run


def first_weight(trainer: Any) -> float:
    return float(next(trainer.model.parameters()).double().abs().sum())


def tokens(trainer: Any) -> Any:
    """Rows as the library has them, or the error that stops the training."""
    return str(trainer) if isinstance(trainer, InputError) else [str(row) for row in trainer.train_dataset]


def prompts_and_tokens(trainer: Any) -> Any:
    return tokens(trainer), getattr(trainer, "chat_template_kwargs", None)


def keeper_seconds(trainer: Any) -> float:
    [seconds] = [one.seconds for one in trainer.callback_handler.callbacks if type(one).__name__ == "Keeper"]
    return float(seconds)


def rewards_of(trainer: Any) -> Any:
    """What each reward function makes of three completions, and the weights."""
    texts = ("<think>a</think>b", "ABC def", "")
    called = {"prompts": [[]] * 3, "completions": list(texts), "completion_ids": [[5, 2], [5] * 9, [5]]}
    values = [function(**called, dqdata_row=[0, 1, 2]) for function in trainer.reward_funcs]
    return values, trainer.args.reward_weights, [function.__name__ for function in trainer.reward_funcs]


FAR = {"max_length": 60, "on_too_long": "drop"}
TABLE: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Callable[[Any], Any]]] = {
    # key: (the table without it, with it, where the library has it)
    "model": ({}, {"model": "TEACHER"}, first_weight),
    "args": ({}, {"args": {"learning_rate": 0.5}}, lambda trainer: trainer.args.learning_rate),
    "lora": ({}, {"lora": {"r": 3}}, lambda trainer: hasattr(trainer.model, "peft_config")),
    "turns": ({"turns": "whole"}, {"turns": "each"}, tokens),
    "max_length": ({"on_too_long": "drop"}, FAR, tokens),
    "on_too_long": ({**FAR, "on_too_long": "error"}, FAR, tokens),
    "chat_template": ({}, {"chat_template": "OTHER"}, lambda trainer: trainer.processing_class.chat_template),
    "chat_template_kwargs": ({}, {"chat_template_kwargs": {"more": True}}, prompts_and_tokens),
    "seed": ({}, {"seed": 7}, lambda trainer: trainer.args.seed),
    "checkpoint_minutes": ({}, {"checkpoint_minutes": 3}, keeper_seconds),
    "rewards": ({}, {"rewards": [{"shape": "format"}]}, rewards_of),
    "gate": (
        {"rewards": [{"shape": "length", "hard": 20, "gated": True}, LETTERS, {"shape": "format"}]},
        {"rewards": [{"shape": "length", "hard": 20, "gated": True}, LETTERS, {"shape": "format"}], "gate": "format"},
        rewards_of,
    ),
    "difficulty": ({}, {"difficulty": {"min": 0.3}}, tokens),
    "drop_equal_groups": ({}, {"drop_equal_groups": False}, lambda trainer: type(trainer).__name__),
    "resample": ({}, {"resample": 3}, lambda trainer: getattr(trainer, "resample", None)),
    "teacher": (
        {}, {"teacher": "STUDENT"},
        lambda trainer: float(next(trainer.teacher_model.parameters()).double().abs().sum()),
    ),
    "kl_share": ({}, {"kl_share": 0.9}, lambda trainer: trainer.kl_share),
    "divergence": ({}, {"divergence": "reverse"}, lambda trainer: trainer.divergence),
    "temperature": ({}, {"temperature": 2.0}, lambda trainer: trainer.temperature),
    "top_k": ({}, {"top_k": 3}, tokens),
    "on_policy": ({}, {"on_policy": True}, lambda trainer: type(trainer).__name__),
    "weight": ({}, {"weight": "rv"}, tokens),
    "mixture": ({}, {"mixture": {"a": 0.9, "b": 0.1}}, tokens),
    "mixture_by": (
        {"mixture": {"a": 0.9, "b": 0.1}}, {"mixture": {"a": 0.9, "b": 0.1}, "mixture_by": "kind"}, tokens,
    ),
    "label": ({}, {"label": "other"}, tokens),
    "length_normalized": ({}, {"length_normalized": True}, lambda trainer: trainer.args.loss_type),
    "targets": ({}, {"targets": ("cd",)}, lambda trainer: trainer.targets),
    "scale": ({}, {"scale": 12.0}, lambda trainer: trainer.scale),
    "lora.r": ({"lora": {"alpha": 4}}, {"lora": {"r": 3, "alpha": 4}}, lambda trainer: adapter(trainer).r),
    "lora.alpha": ({"lora": {}}, {"lora": {"alpha": 5}}, lambda trainer: adapter(trainer).lora_alpha),
    "lora.dropout": ({"lora": {}}, {"lora": {"dropout": 0.3}}, lambda trainer: adapter(trainer).lora_dropout),
    "lora.target_modules": (
        {"lora": {}}, {"lora": {"target_modules": ["q_proj"]}}, lambda trainer: adapter(trainer).target_modules,
    ),
    "lora.extra": ({"lora": {}}, {"lora": {"extra": {"use_dora": True}}}, lambda trainer: adapter(trainer).use_dora),
    "difficulty.column": (
        {"difficulty": {"min": 0.6}}, {"difficulty": {"min": 0.6, "column": "level"}}, tokens,
    ),
    "difficulty.min": ({"difficulty": {"max": 0.9}}, {"difficulty": {"max": 0.9, "min": 0.3}}, tokens),
    "difficulty.max": ({"difficulty": {"min": 0.1}}, {"difficulty": {"min": 0.1, "max": 0.3}}, tokens),
}  # fmt: skip
ELSEWHERE = {"load_in_4bit", "teachers", "asynchronous"}
"""Keys with a test of their own: below, and in test_on_policy.py."""
ONLY = {
    "reward": {"targets": None, "scale": None},
    "distill on policy": dict.fromkeys(("kl_share", "divergence", "top_k", "on_policy")),
}
"""Keys that another form of the same kind covers, or that are refused in this one."""


def adapter(trainer: Any) -> Any:
    return trainer.model.peft_config["default"]


def keys_of(kind: str) -> Iterator[str]:
    """All keys of a kind's table, those of tables in it as well, but for rewards, which have a test of their own."""
    params = load("trainers", kind.split()[0]).Params
    for name, info in params.model_fields.items():
        if name in ONLY.get(kind, {}):
            continue
        yield name
        for inner in (Lora, Difficulty):
            if inner in typing.get_args(info.annotation):
                yield from (f"{name}.{one}" for one in inner.model_fields)


CASES = [(kind, key) for kind in KINDS for key in keys_of(kind) if key not in ELSEWHERE]


def test_every_kind_is_here() -> None:
    ours = {name for name, point in found("trainers").items() if point.value.startswith("dqdata_trainers.")}
    assert ours == {kind.split()[0] for kind in KINDS}
    nested = {
        inner for kind in KINDS for info in load("trainers", kind.split()[0]).Params.model_fields.values()
        for inner in typing.get_args(info.annotation) if isinstance(inner, type) and issubclass(inner, BaseModel)
    }  # fmt: skip
    assert nested == {Lora, Difficulty, RewardTable}, "a table in the table, whose keys no test knows"


@pytest.mark.parametrize(("kind", "key"), CASES)
def test_each_key_reaches_the_library(
    kind: str, key: str, receive: Callable[..., Any], tiny: Path, teacher: Path, templates: Path, known: dict[str, Any]
) -> None:
    assert key in TABLE, f"no test knows the key {key!r} of {kind}: add where the library has it"
    without, with_it, look = TABLE[key]
    values = {"TEACHER": str(teacher), "STUDENT": str(tiny), "OTHER": templates / "other.jinja"}
    changed = {name: values.get(value, value) if isinstance(value, str) else value for name, value in with_it.items()}
    base = f"{kind} {without}"
    if base not in known:
        known[base] = receive(kind, **without)
    assert look(known[base]) != look(receive(kind, **changed))


@pytest.mark.parametrize("kind", KINDS)
def test_load_in_4bit_reaches_the_loading(
    kind: str, receive: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What loads the student's weights gets the quantization; packing itself needs a GPU."""
    import torch
    import transformers
    from dqdata_trainers import _hardware

    load = transformers.PreTrainedModel.from_pretrained.__func__

    def watched(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if (config := kwargs.get("quantization_config")) is not None:
            raise Reached(config)
        return load(cls, *args, **kwargs)

    monkeypatch.setattr(_hardware, "check_4bit", lambda **_: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", classmethod(watched))
    received = receive(kind, load_in_4bit=True, lora={"r": 4})
    assert received.load_in_4bit and received.bnb_4bit_quant_type == "nf4"
    assert received.llm_int8_skip_modules == (["score"] if kind.startswith("reward") else None)


REWARDS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "op": ({"shape": "format"}, LETTERS),
    "params": (LETTERS, {**LETTERS, "params": {"twice": True}}),
    "column": (LETTERS, {**LETTERS, "column": "length"}),
    "model": ({"shape": "format"}, {"model": "MODEL", "style": "rv"}),
    "style": ({"model": "MODEL", "style": "rv"}, {"model": "MODEL", "style": "cd"}),
    "student_cd": ({"model": "MODEL", "style": "cd"}, {"model": "MODEL", "style": "cd", "student_cd": 1}),
    "rv_target": ({"model": "MODEL", "style": "rv"}, {"model": "MODEL", "style": "rv", "rv_target": [[0, 3], [9, 4]]}),
    "shape": ({"shape": "length", "hard": 8}, {"shape": "overlong", "soft": 1, "hard": 8}),
    "pattern": ({"shape": "format"}, {"shape": "format", "pattern": "[A-Z]+ .*"}),
    "soft": ({"shape": "overlong", "soft": 1, "hard": 9}, {"shape": "overlong", "soft": 5, "hard": 10}),
    "hard": ({"shape": "length", "hard": 8}, {"shape": "length", "hard": 20}),
    "right": ({"shape": "cosine", "hard": 9}, {"shape": "cosine", "hard": 9, "right": [5.0, 4.0]}),
    "wrong": ({"shape": "cosine", "hard": 9}, {"shape": "cosine", "hard": 9, "wrong": [-5.0, -4.0]}),
    "exceeded": ({"shape": "cosine", "hard": 1}, {"shape": "cosine", "hard": 1, "exceeded": -3.0}),
    "weight": (LETTERS, {**LETTERS, "weight": 0.3}),
    "gated": ({"shape": "length", "hard": 9}, {"shape": "length", "hard": 9, "gated": True}),
    "name": (LETTERS, {**LETTERS, "name": "small"}),
}


@pytest.mark.parametrize("key", RewardTable.model_fields)
def test_each_key_of_a_reward_changes_what_the_library_calls(
    key: str, receive: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Predicts:
        def __init__(self, *_: Any) -> None: ...

        def scores(self, rows: Any) -> list[dict[str, float]]:
            return [{"rv": 2.0 + len(row["text"]) % 3, "cd": 5.0} for row in rows]

    class Run(LettersRun):
        def operator(self, name: str, params: Mapping[str, Any]) -> Any:
            async def letters(rows: Any) -> Any:
                share = [sum(map(str.islower, row["text"])) * (2 if params else 1) for row in rows]
                return [[{**row, "share": s, "length": -s}] for row, s in zip(rows, share, strict=True)]

            return letters

    monkeypatch.setattr("dqdata.models.RewardModel", Predicts, raising=False)
    monkeypatch.setattr("dqdata.models.reward_model.RewardModel", Predicts)
    monkeypatch.setitem(globals(), "LettersRun", Run)
    opens = {**LETTERS, "name": "opens"}  # the first operator, which opens what is gated
    seen = [rewards_of(receive("grpo", rewards=[table, opens])) for table in REWARDS[key]]
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"shape": "format", "hard": 4}, "`hard` has no meaning without shape = 'overlong', 'length' or 'cosine'"),
        ({"op": "x", "rv_target": [[0, 1]]}, "`rv_target` has no meaning without style = 'rv'"),
        ({"model": "m", "style": "rv", "rv_target": [[5, 1], [2, 3]]}, "points whose CD rises"),
        ({"model": "m", "params": {"a": 1}}, "`params` has no meaning without `op`"),
        ({"model": "m", "style": "rv", "student_cd": 1}, "`student_cd` has no meaning without style = 'cd'"),
        ({"shape": "length", "hard": 3, "pattern": "x"}, "`pattern` has no meaning without shape = 'format'"),
        ({"shape": "length", "hard": 3, "soft": 1}, "`soft` has no meaning without shape = 'overlong'"),
    ],
    ids=str,
)
def test_keys_of_a_reward_without_a_meaning_are_refused(table: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardTable(**table)


def test_a_gate_that_opens_nothing_is_refused(receive: Callable[..., Any]) -> None:
    assert "opens nothing" in str(receive("grpo", rewards=[LETTERS], gate="letters"))


CONFIGS = ("SFTConfig", "DPOConfig", "RewardConfig", "GRPOConfig", "RLOOConfig", "DistillationConfig")
NO_EFFECT_ALONE = {
    "deepspeed", "fsdp", "fsdp_config", "parallelism_config", "tf32", "optim_target_modules", "torch_compile_mode",
    "torch_compile_backend", "push_to_hub", "hub_strategy", "logging_dir", "use_cpu", "no_cuda", "jit_mode_eval",
    "bf16_full_eval", "fp16", "bf16", "log_level", "log_level_replica", "debug", "group_by_length",
    "liger_kernel_config",
    "gradient_checkpointing", "activation_checkpointing", "gradient_checkpointing_kwargs",
    "activation_checkpointing_kwargs", "generation_batch_size", "steps_per_generation", "num_generations",
    "per_device_train_batch_size", "load_best_model_at_end", "do_train", "do_eval", "eval_strategy",
    "include_for_metrics",
    "logging_strategy", "torch_compile", "report_to", "neftune_noise_alpha", "lr_scheduler_kwargs", "warmup_ratio",
    "output_dir", "project", "use_mps_device", "dataloader_prefetch_factor", "accelerator_config", "greater_is_better",
    "metric_for_best_model", "use_liger_kernel", "gradient_accumulation_steps", "num_generations_eval",
    "use_transformers_paged", "use_transformers_continuous_batching", "vllm_importance_sampling_cap",
    "auto_find_batch_size", "hub_model_id", "hub_token", "trackio_space_id", "skip_memory_metrics", "eval_delay",
    "torch_empty_cache_steps", "per_device_eval_batch_size", "logging_first_step", "ddp_backend", "loss_type",
    "transformers_continuous_batching_config", "log_completions_hub_repo", "logging_steps", "save_steps", "eval_steps",
}  # fmt: skip
"""Fields that the library derives from others, or accepts only beside others."""


@pytest.mark.parametrize("name", CONFIGS)
def test_each_field_of_args_is_that_of_the_config(name: str, tmp_path: Path) -> None:
    import trl

    kind = getattr(trl, name)
    checked = 0
    for field in dataclasses.fields(kind):
        default = field.default
        if not field.init or field.name in {*NO_EFFECT_ALONE, *OURS} or not isinstance(default, bool | int | float):
            continue
        value: Any = not default if isinstance(default, bool) else type(default)(default + 1)
        try:
            made = trl_config(kind, TrlParams(model="x", args={field.name: value}), tmp_path)
        except InputError as error:
            assert field.name in str(error) or "refuses" in str(error), error
            continue
        assert getattr(made, field.name) == value, field.name
        checked += 1
    assert checked > 30

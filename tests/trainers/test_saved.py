"""What is saved is what was trained: every trainer's model is loaded again, and one that differs is not recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.sft import Sft, SftParams

from dqdata.errors import InputError, RunError
from dqdata.plugins import load

from .conftest import LETTERS, LettersRun, PlainRun, additions, pairs

FAST = {"learning_rate": 3e-3, "max_steps": 3, "per_device_train_batch_size": 4, "logging_steps": 1}
SAMPLED = {"num_generations": 2, "max_completion_length": 8}


def rated() -> list[dict[str, Any]]:
    return [{**row, "rv": float(n % 9), "cd": None if n % 3 else 2.0} for n, row in enumerate(additions(8))]


def questions() -> list[dict[str, Any]]:
    return [{"question": row["question"]} for row in additions(8)]


TRAINERS: Mapping[str, tuple[str, Any, Mapping[str, Any], Mapping[str, Any]]] = {
    "sft": ("sft", lambda: additions(8), {}, {}),
    "dpo": ("dpo", lambda: pairs(8), {}, {}),
    "cogpo": ("cogpo", lambda: pairs(8, beta=0.2), {}, {}),
    "orpo": ("orpo", lambda: pairs(8), {}, {}),
    "simpo": ("simpo", lambda: pairs(8), {}, {}),
    "kto": ("kto", lambda: [{**row, "correct": n % 2 == 0} for n, row in enumerate(additions(8))], {}, {}),
    "reward": ("reward", lambda: pairs(8), {}, {}),
    "reward targets": ("reward", rated, {}, {"targets": ("rv", "cd")}),
    "grpo": ("grpo", questions, SAMPLED, {"rewards": [LETTERS]}),
    "rloo": ("rloo", questions, SAMPLED, {"rewards": [LETTERS]}),
    "distill": ("distill", lambda: additions(8), {}, {"teacher": True}),
    "distill top k": ("distill", lambda: additions(8), {}, {"teacher": True, "top_k": 5}),
    "distill stored": ("distill", None, {}, {}),
    "distill on policy": ("distill", questions, {"max_completion_length": 8}, {"teacher": True, "on_policy": True}),
}


@pytest.mark.parametrize("lora", [None, {"r": 4}], ids=["whole", "lora"])
@pytest.mark.parametrize("name", TRAINERS)
def test_the_saved_model_is_the_one_that_was_trained(
    name: str,
    lora: Any,
    tiny: Path,
    teacher: Path,
    told: list[dict[str, Any]],
    data_of: Callable[..., Any],
    tmp_path: Path,
) -> None:
    kind_name, rows, args, params = TRAINERS[name]
    kind = load("trainers", kind_name)
    params = {**params, **({"teacher": str(teacher)} if "teacher" in params else {})}
    trainer = kind(kind.Params(model=str(tiny), args={**FAST, **args}, lora=lora, **params))
    result = trainer.train(data_of(train=told[:8] if rows is None else rows()), tmp_path / "out", LettersRun())
    assert result.metrics["reload_difference"] < 1e-4
    assert (result.model / "adapter" / "adapter_config.json").exists() is (lora is not None)


EMBEDDINGS = [
    {"target_modules": ["embed_tokens"]},
    {"target_modules": ["embed_tokens", "q_proj"]},
    {"target_modules": ["q_proj"], "extra": {"modules_to_save": ["lm_head"]}},
    {"target_modules": ["q_proj"], "extra": {"modules_to_save": ["embed_tokens"]}},
    {"target_modules": ["q_proj"], "extra": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}},
]


@pytest.mark.parametrize("lora", EMBEDDINGS, ids=str)
def test_adapters_on_tied_embeddings_save_the_model_that_was_trained(
    lora: Mapping[str, Any], tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    args = {**FAST, "learning_rate": 5e-2, "max_steps": 5}
    sft = Sft(SftParams(model=str(tiny), args=args, lora={"r": 4, **lora}))
    result = sft.train(data_of(train=additions(16)), tmp_path / "out", PlainRun())
    assert result.metrics["reload_difference"] < 1e-4
    first, last = result.metrics["first_loss"], result.metrics["last_loss"]
    assert abs(first - last) > 1e-3, "an adapter that changed nothing would prove nothing"
    model = AutoModelForCausalLM.from_pretrained(result.model)
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    both = model.get_input_embeddings().weight.equal(model.get_output_embeddings().weight)
    assert model.config.tie_word_embeddings is tied and tied is both


FORMS: Mapping[str, Any] = {
    "alpha_pattern": {"q_proj": 64},
    "bias": "all",
    "ensure_weight_tying": True,
    "exclude_modules": ["v_proj"],
    "fan_in_fan_out": True,
    "init_lora_weights": "pissa",
    "layers_pattern": "layers",
    "layers_to_transform": [1],
    "modules_to_save": ["norm"],
    "rank_pattern": {"q_proj": 2},
    "target_parameters": ["gate_proj.weight"],
    "trainable_token_indices": [5, 6, 7],
    "use_dora": True,
    "use_rslora": True,
}
TOGETHER: Mapping[str, Any] = {
    "layers_pattern": {"layers_to_transform": [0]},
    "ensure_weight_tying": {"modules_to_save": ["embed_tokens"]},
}
STARTS = [False, "gaussian", "olora", "orthogonal", "pissa_niter_2"]


def test_every_field_of_peft_is_allowed_or_refused_with_a_reason() -> None:
    import dataclasses

    from dqdata_trainers._lora import ALLOWED, BESIDE, REFUSED, Lora
    from peft import LoraConfig

    fields = {field.name for field in dataclasses.fields(LoraConfig)}
    assert fields == {*ALLOWED, *BESIDE, *REFUSED} and len(fields) == len(ALLOWED) + len(BESIDE) + len(REFUSED)
    assert set(FORMS) == set(ALLOWED)
    for name in (*BESIDE, *REFUSED):
        with pytest.raises(InputError, match=rf"lora\.extra\.{name} can't be set: "):
            Lora(extra={name: 1}).config("CAUSAL_LM")
    with pytest.raises(InputError, match=r"init_lora_weights = 'eva' can't be set: it needs a pass"):
        Lora(extra={"init_lora_weights": "eva"}).config("CAUSAL_LM")


@pytest.mark.parametrize(("name", "value"), [*FORMS.items(), *(("init_lora_weights", start) for start in STARTS)])
def test_each_form_of_peft_saves_the_model_that_was_trained(
    name: str, value: Any, tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    model = tiny
    if name == "trainable_token_indices":  # TRL reads the output layer of tied embeddings itself
        model = tmp_path / "untied"
        whole = AutoModelForCausalLM.from_pretrained(tiny, tie_word_embeddings=False)
        whole.lm_head.weight.data = whole.model.embed_tokens.weight.data.clone()
        whole.save_pretrained(model)
        for file in tiny.glob("tokenizer*"):
            shutil.copy(file, model)
        shutil.copy(tiny / "chat_template.jinja", model)
    lora = {"r": 4, "target_modules": ["q_proj", "v_proj"], "extra": {name: value, **TOGETHER.get(name, {})}}
    args = {**FAST, "learning_rate": 2e-2}
    sft = Sft(SftParams(model=str(model), args=args, lora=lora))
    result = sft.train(data_of(train=additions(8)), tmp_path / "out", PlainRun())
    assert result.metrics["reload_difference"] < 1e-4
    before, after = (AutoModelForCausalLM.from_pretrained(path).state_dict() for path in (model, result.model))
    assert any(not before[key].equal(after[key]) for key in before)
    alone = name != "init_lora_weights" or str(value) in ("False", "gaussian", "orthogonal")
    assert (result.model / "adapter").is_dir() is alone, "other starts change the base, on which the adapter won't fit"


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"target_modules": ["lm_head"]}, "SFTTrainer refuses the table: .*`lm_head` is not supported"),
        ({"target_modules": ["no_such"]}, "SFTTrainer refuses the table: .*no_such"),
        ({"extra": {"layers_to_transform": [1]}}, "lora: peft refuses the table: `layers_to_transform`"),
        ({"extra": {"trainable_token_indices": [5]}}, "trainable_token_indices .* tied embeddings"),
    ],
    ids=str,
)
def test_adapters_that_cannot_work_are_refused_by_name(
    lora: Mapping[str, Any], message: str, tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        Sft(SftParams(model=str(tiny), args=FAST, lora=lora)).train(data_of(train=additions(8)), tmp_path, PlainRun())


def test_a_model_that_differs_is_not_recorded(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dqdata_trainers import _loop as loop
    from dqdata_trainers import _saving as saving

    def save_another(trainer: Any, folder: Path, **options: Any) -> None:
        saving.save(trainer, folder, **options)
        shutil.copy(tiny / "model.safetensors", folder / "model.safetensors")

    monkeypatch.setattr(loop, "save", save_another)
    args = {**FAST, "learning_rate": 5e-2}
    with pytest.raises(RunError, match=r"is not the one that was trained: the loss of row 0 .* It is not recorded"):
        Sft(SftParams(model=str(tiny), args=args)).train(data_of(train=additions(8)), tmp_path / "out", PlainRun())


def test_another_tokenizer_is_not_recorded(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dqdata_trainers import _loop as loop
    from dqdata_trainers import _saving as saving

    def save_another(trainer: Any, folder: Path, **options: Any) -> None:
        saving.save(trainer, folder, **options)
        (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")

    monkeypatch.setattr(loop, "save", save_another)
    with pytest.raises(RunError, match="tokenizer saved in .* writes another prompt"):
        Sft(SftParams(model=str(tiny), args=FAST)).train(data_of(train=additions(8)), tmp_path / "out", PlainRun())


@pytest.mark.parametrize(
    "wrong",
    [
        {"do_sample": False, "temperature": 0.6},
        {"do_sample": False, "top_p": 0.9},
        {"num_beams": 1, "early_stopping": True},
        {"do_sample": False, "typical_p": 0.5},
        {"num_beams": 1, "length_penalty": 2.0},
    ],
    ids=str,
)
def test_a_generation_config_that_cannot_be_saved_is_found_before_training(
    wrong: Mapping[str, Any], tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    told = json.loads((model / "generation_config.json").read_text())
    told.pop("pad_token_id")  # the tokenizer's is put in, and the changed config is checked when it is saved
    (model / "generation_config.json").write_text(json.dumps({**told, **wrong}))
    run = PlainRun()
    with pytest.raises(InputError, match=r"generation_config.json cannot be saved again.*copy of the model's folder"):
        Sft(SftParams(model=str(model), args=FAST)).train(data_of(train=additions(8)), tmp_path / "out", run)
    assert not any(message.startswith("step") for message in run.messages)


@pytest.mark.parametrize("lora", [None, {"r": 4}], ids=["whole", "lora"])
@pytest.mark.parametrize(
    ("accuracies", "best"),
    [((0.1, 0.9, 0.2), 4), ((0.1, 0.2, 0.9), 5), ((0.5, 0.5, 0.4), 2), ((0.0, 0.0, 0.0), 2)],
    ids=str,
)
def test_the_step_that_answers_best_is_kept(
    accuracies: tuple[float, ...], best: int, lora: Any, tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    """Measured after steps 2 and 4 and the last, 5; a later step that is no better does not take its place."""
    import torch
    from transformers import AutoModelForCausalLM

    ids = torch.arange(20)[None]
    logits: dict[int, Any] = {}

    class Measure:
        every_steps = 2

        def accuracy(self, model: Any, tokenizer: Any, step: int) -> float:
            with torch.no_grad():
                logits[step] = model.eval()(input_ids=ids).logits
            model.train()
            return accuracies[len(logits) - 1]

    run = PlainRun()
    run.evaluation = Measure()  # type: ignore[attr-defined]
    sft = Sft(SftParams(model=str(tiny), args={**FAST, "max_steps": 5, "learning_rate": 1e-2}, lora=lora))
    result = sft.train(data_of(train=additions(8)), tmp_path / "out", run)
    assert list(logits) == [2, 4, 5] and result.metrics["best_step"] == best
    with torch.no_grad():
        kept = AutoModelForCausalLM.from_pretrained(result.model)(input_ids=ids).logits.float()
    away = {step: float((kept - other.float()).abs().max()) for step, other in logits.items()}
    assert min(away, key=lambda step: away[step]) == best, away
    assert away[best] < 0.1 * min(far for step, far in away.items() if step != best), away
    assert [entry["eval_exact_match"] for entry in result.history if "eval_exact_match" in entry] == list(accuracies)
    assert f"kept: step {best} of 5" in result.notes[-1]

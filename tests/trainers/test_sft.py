"""sft: learns, masks everything but the assistant, refuses what would be lost, resumes and repeats itself exactly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.sft import Sft, SftParams

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, InputError
from dqdata.models import IGNORED, tokenize
from dqdata.trainer import whole_checkpoint

from .conftest import TEMPLATE, PlainRun, additions, chat, losses

FAST = {"learning_rate": 3e-3, "max_steps": 12, "per_device_train_batch_size": 4, "logging_steps": 1}


def trainer_of(tiny: Path, args: Mapping[str, Any] | None = None, **params: Any) -> Sft:
    return Sft(SftParams(model=str(tiny), args={**FAST, **(args or {})}, **params))


def test_loss_goes_down_and_the_saved_model_answers(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    data = data_of(train=additions(32), eval=additions(8))
    result = trainer_of(tiny, {"max_steps": 60}).train(data, tmp_path / "out", PlainRun())
    first, last = losses(result)[0], losses(result)[-1]
    assert last < first / 3
    assert result.metrics["eval_loss"] < first / 3

    tokenizer = AutoTokenizer.from_pretrained(result.model)
    model = AutoModelForCausalLM.from_pretrained(result.model)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "What is 1 + 1?"}],
                                         tokenize=False, add_generation_prompt=True)  # fmt: skip
    ids = tokenizer(text, return_tensors="pt")
    written = tokenizer.decode(model.generate(**ids, max_new_tokens=40, do_sample=False)[0][ids.input_ids.shape[1] :])
    assert written.startswith("<think>\nadd") and written.endswith("<|im_end|>")


def test_the_mask_covers_thinking_answer_and_eos_alone(tokenizer: Any) -> None:
    messages = chat("Was ist 2 + 3? 数え", "add 2 and 3, 数", "5")
    tokens = tokenize(tokenizer, messages)
    trained = [label for label in tokens.labels if label != IGNORED]
    assert tokenizer.decode(trained) == messages[-1]["content"] + "<|im_end|>"
    assert all(label in (IGNORED, token) for label, token in zip(tokens.labels, tokens.input_ids, strict=True))


def test_the_mask_of_several_turns_leaves_out_what_the_user_said(tokenizer: Any) -> None:
    messages = [*chat("1 + 1?", "", "2"), *chat("2 + 2?", "think", "4")]
    trained = [label for label in tokenize(tokenizer, messages).labels if label != IGNORED]
    assert tokenizer.decode(trained) == "2<|im_end|><think>\nthink\n</think>\n\n4<|im_end|>"


def test_an_opened_think_tag_in_the_prompt_is_not_trained_on(tokenizer: Any) -> None:
    tokenizer.chat_template = TEMPLATE.replace("assistant\n{% endif", "assistant\n<think>\n{% endif")
    trained = [label for label in tokenize(tokenizer, chat("1 + 1?", "easy", "2")).labels if label != IGNORED]
    assert tokenizer.decode(trained) == "easy\n</think>\n\n2<|im_end|>"


def test_a_template_that_strips_the_thinking_is_refused_by_row(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    stripping = tmp_path / "strip.jinja"
    stripping.write_text(TEMPLATE.replace("m.content", "m.content.split('</think>')[-1]"))
    trainer = trainer_of(tiny, chat_template=stripping)
    with pytest.raises(InputError, match=r"trace_id t0: the chat template loses the reasoning.*chat_template"):
        trainer.train(data_of(train=additions(4)), tmp_path / "out", PlainRun())


def test_a_turn_that_does_not_end_with_eos_is_refused(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    endless = tmp_path / "endless.jinja"
    endless.write_text(TEMPLATE.replace("<|im_end|>", ""))
    with pytest.raises(InputError, match=r"end-of-sequence token '<\|im_end\|>'.*never stop"):
        trainer_of(tiny, chat_template=endless).train(data_of(train=additions(4)), tmp_path / "out", PlainRun())


@pytest.mark.parametrize(
    ("turn", "content", "message"),
    [
        (1, None, "turn 1, of the assistant, is null"),
        (1, "", "turn 1, of the assistant, is empty"),
        (1, " \n\t", "turn 1, of the assistant, is empty"),
        (3, None, "turn 3, of the assistant, is null"),
        (0, None, "turn 0, of the user, is null"),
        (2, None, "turn 2, of the user, is null"),
    ],
)
def test_a_null_turn_is_refused_by_row(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, turn: int, content: str | None, message: str
) -> None:
    rows: list[dict[str, Any]] = [
        {**row, "messages": [*row["messages"], *chat("And 1 + 1?", "", "2")]} for row in additions(3)
    ]
    rows[2]["messages"][turn] = {**rows[2]["messages"][turn], "content": content}
    with pytest.raises(InputError, match=f"train split, trace_id t2: {message}"):
        trainer_of(tiny).train(data_of(train=rows), tmp_path / "out", PlainRun())


def test_wrong_columns_are_refused_by_name() -> None:
    sft = Sft(SftParams(model="x"))
    with pytest.raises(ColumnError, match=r"'messages'.*have: message"):
        sft.needs("train", Columns({"message": MESSAGES}))
    with pytest.raises(ColumnError, match="'messages' as a chat"):
        sft.needs("train", Columns({"messages": "VARCHAR"}))
    with pytest.raises(ColumnError, match="split 'tain'"):
        sft.needs("tain", Columns({"messages": MESSAGES}))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"learning_rat": 1e-5}, r"args.learning_rat: TRL's SFTConfig has no such field; did you mean 'learning_rate'"),
        ({"learning_rate": "1e-5"}, "args.learning_rate must be a number"),
        ({"max_length": 5}, "beside `args`"),
        ({"lr_scheduler_type": "sideways"}, "SFTConfig refuses them.*sideways"),
    ],
)
def test_wrong_args_are_refused(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, args: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trainer_of(tiny, args).train(data_of(train=additions(4)), tmp_path / "out", PlainRun())


def test_long_rows_are_named_and_settled_as_asked(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rows = additions(8)
    rows[3]["messages"] = chat("What is 1 + 1?", "again and again " * 30, "2")
    data = data_of(train=rows)
    with pytest.raises(InputError, match=r"1 of 8 rows are longer than max_length = 64: trace_id t3; the longest has"):
        trainer_of(tiny, max_length=64).train(data, tmp_path / "error", PlainRun())

    few = {"max_steps": 1}
    dropped = trainer_of(tiny, few, max_length=64, on_too_long="drop").train(data, tmp_path / "drop", PlainRun())
    assert "were dropped: trace_id t3" in dropped.notes[0]
    cut = trainer_of(tiny, few, max_length=64, on_too_long="truncate").train(data, tmp_path / "cut", PlainRun())
    assert "are cut: trace_id t3" in cut.notes[0]
    with pytest.raises(InputError, match=r"no row is left. Set max_length ="):
        trainer_of(tiny, max_length=8, on_too_long="drop").train(data, tmp_path / "none", PlainRun())


def test_lengths_are_told_by_verbosity(tiny: Path, data_of: Callable[..., Any], tmp_path: Path, tokenizer: Any) -> None:
    from dqdata_trainers._rows import prepare

    rows: list[dict[str, Any]] = [{**row, "rv": float(n % 2 * 5), "cd": None} for n, row in enumerate(additions(6))]
    rows[5]["messages"] = chat("What is 1 + 1?", "again and again " * 30, "2")
    params = SftParams(model=str(tiny), max_length=64, on_too_long="drop")
    by_rv, dropped = prepare(data_of(train=rows), "train", tokenizer, params, tmp_path).notes
    assert by_rv.startswith("train: tokens by rv, median and longest: 0: ") and by_rv.endswith("1 of 3 over 64")
    assert "trace_id t5" in dropped


@pytest.mark.parametrize("bf16", ["0", "1"])
def test_memory_is_estimated_and_too_much_is_said(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bf16: str
) -> None:
    from dqdata_trainers import _memory as memory
    from transformers import AutoModelForCausalLM

    monkeypatch.setenv("DQDATA_BF16", bf16)
    monkeypatch.setattr(memory, "free_bytes", lambda: 1e6)
    args = {"max_steps": 1, "per_device_train_batch_size": 16}  # the batch needs more than weights and optimizer
    result = trainer_of(tiny, args).train(data_of(train=additions(16)), tmp_path / "out", PlainRun())
    [note] = [note for note in result.notes if note.startswith("memory")]
    size = sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(tiny).parameters()) * 4 / 1e9
    assert f"weights {size:.2g}, gradients {size:.2g}, optimizer {2 * size:.2g}" in note
    assert "it may not fit" in note and "gradient_checkpointing = true" in note


def test_the_choice_of_bf16_can_be_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dqdata_trainers._config import trl_config
    from trl import SFTConfig

    def chosen(**args: Any) -> bool:
        return bool(trl_config(SFTConfig, SftParams(model="x", args=args), tmp_path).bf16)

    for forced in ("0", "1"):
        monkeypatch.setenv("DQDATA_BF16", forced)
        assert chosen() is (forced == "1") and chosen(bf16=True) and not chosen(bf16=False)
        assert not chosen(fp16=True), "one half precision at a time"
    monkeypatch.setenv("DQDATA_BF16", "yes")
    with pytest.raises(InputError, match="DQDATA_BF16 must be 0 or 1, got 'yes'"):
        chosen()


def test_lora_saves_a_merged_model_and_the_adapter(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    lora = {"r": 4, "target_modules": ["q_proj", "v_proj"], "extra": {"use_rslora": True}}
    result = trainer_of(tiny, lora=lora).train(data_of(train=additions(16)), tmp_path / "out", PlainRun())
    assert losses(result)[-1] < losses(result)[0]
    told = json.loads((result.model / "adapter" / "adapter_config.json").read_text())
    assert (told["r"], told["lora_alpha"], told["use_rslora"]) == (4, 8, True)
    assert set(told["target_modules"]) == {"q_proj", "v_proj"}
    assert (result.model / "adapter" / "adapter_model.safetensors").exists()
    before, after = (AutoModelForCausalLM.from_pretrained(path).state_dict() for path in (tiny, result.model))
    assert before.keys() == after.keys()
    changed = {name.split(".")[-2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"q_proj", "v_proj"}


def test_unknown_lora_field_is_refused(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lora.extra.lora_drpout.*lora_dropout"):
        trainer_of(tiny, lora={"extra": {"lora_drpout": 1}}).train(data_of(train=additions(4)), tmp_path, PlainRun())


def test_packed_examples_do_not_see_each_other(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    """The first loss of packs is that of the same rows side by side; a mask that lets them mix gives another."""
    import torch
    from dqdata_trainers._rows import prepare
    from transformers import AutoModelForCausalLM, AutoTokenizer

    data = data_of(train=additions(6))
    one_step = {"max_steps": 1, "per_device_train_batch_size": 6}
    apart = trainer_of(tiny, one_step).train(data, tmp_path / "apart", PlainRun())
    packed = trainer_of(tiny, {**one_step, "packing": True}).train(data, tmp_path / "packed", PlainRun())
    assert losses(packed) == pytest.approx(losses(apart), rel=1e-5)
    assert "max_length" not in packed.metrics and packed.metrics["num_tokens"] == apart.metrics["num_tokens"]

    params = SftParams(model=str(tiny))
    rows = prepare(data, "train", AutoTokenizer.from_pretrained(tiny), params, tmp_path / "tokens").rows
    model = AutoModelForCausalLM.from_pretrained(tiny)
    joined = torch.tensor([token for row in rows for token in row["input_ids"]])
    labels = torch.tensor([label for row in rows for label in [IGNORED, *row["labels"][1:]]])
    mixed = model(input_ids=joined[None], labels=labels[None]).loss.item()
    assert mixed != pytest.approx(losses(apart)[0], rel=1e-4), "rows that see each other would have been noticed"


def test_packing_that_mixes_examples_is_refused(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    args = {"packing": True, "packing_strategy": "wrapped"}
    with pytest.raises(InputError, match="'wrapped' lets examples of one pack see each other.*'bfd'"):
        trainer_of(tiny, args).train(data_of(train=additions(4)), tmp_path, PlainRun())


def test_four_bits_without_a_gpu_are_refused_before_anything_is_loaded(
    data_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    data = data_of(train=additions(4))
    with pytest.raises(InputError, match=r"load_in_4bit needs an NVIDIA GPU, and torch sees none here.*`lora` alone"):
        trainer_of(tmp_path / "no_model", lora={"r": 4}, load_in_4bit=True).train(data, tmp_path, PlainRun())
    with pytest.raises(InputError, match="load_in_4bit needs `lora`"):
        trainer_of(tmp_path / "no_model", load_in_4bit=True).train(data, tmp_path, PlainRun())


SCRIPT = """
import os, signal, sys
from pathlib import Path
from dqdata.trainer import Data
from dqdata_trainers.sft import Sft, SftParams

tiny, folder, out = map(Path, sys.argv[1:4])

class Run:
    resume = None
    def model(self, name): return name
    def progress(self, done, total): pass
    def log(self, message):
        if message.startswith("step 7/"):
            os.kill(os.getpid(), signal.SIGKILL)

columns = {"train": {"messages": "", "trace_id": ""}}
data = Data({"train": folder}, {"train": "select * from train@1"}, columns, {"train": 32})
args = {"learning_rate": 3e-3, "max_steps": 12, "per_device_train_batch_size": 4, "logging_steps": 1}
Sft(SftParams(model=str(tiny), args=args, checkpoint_minutes=0)).train(data, out, Run())
"""


def test_a_killed_run_resumes_to_the_same_losses(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    data = data_of(train=additions(32))
    straight = trainer_of(tiny, checkpoint_minutes=0).train(data, tmp_path / "straight", PlainRun())
    again = trainer_of(tiny).train(data, tmp_path / "again", PlainRun())
    assert losses(straight) == losses(again), "the same run twice gives the same losses"

    killed = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny), str(data.folders["train"]), str(killed)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    newest = whole_checkpoint(killed / "checkpoints")
    assert newest is not None and newest.name in ("checkpoint-6", "checkpoint-7")

    half_written = killed / "checkpoints" / "checkpoint-11"
    half_written.mkdir()
    assert whole_checkpoint(killed / "checkpoints") == newest

    resumed = trainer_of(tiny, checkpoint_minutes=0).train(data, killed, PlainRun(resume=newest))
    assert losses(resumed) == pytest.approx(losses(straight), rel=1e-6)

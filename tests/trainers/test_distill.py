"""distill: the student comes closer to the teacher, both divergences are right, foreign teachers are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.distill import Distill, DistillParams
from dqdata_trainers.sft import Sft, SftParams

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError

from .conftest import SAME_STEP, PlainRun, additions

FAST = {"learning_rate": 3e-3, "max_steps": 15, "per_device_train_batch_size": 4, "logging_steps": 1}


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
def test_the_student_comes_closer(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path, divergence: str
) -> None:
    params = DistillParams(model=str(tiny), teacher=str(teacher), kl_share=1.0, divergence=divergence, args=FAST)
    result = Distill(params).train(data_of(train=additions(16), eval=additions(4)), tmp_path / "out", PlainRun())
    apart = [entry["kl"] for entry in result.history if "kl" in entry]
    assert apart[-1] < apart[0] / 2 and result.metrics["eval_kl"] < apart[0] / 2


def test_without_kl_it_is_sft(tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    data = data_of(train=additions(16))
    distilled = Distill(DistillParams(model=str(tiny), teacher=str(teacher), kl_share=0.0, args=FAST))
    plain = Sft(SftParams(model=str(tiny), args=FAST))
    ours, theirs = (
        [entry["loss"] for entry in trainer.train(data, tmp_path / name, PlainRun()).history if "loss" in entry]
        for name, trainer in (("distill", distilled), ("sft", plain))
    )
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_divergences_by_hand() -> None:
    import torch
    from dqdata_trainers._divergence import divergence_of

    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]])
    forward = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    reverse = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert divergence_of(student, teacher, "forward", 1.0).item() == pytest.approx(forward, rel=1e-5)
    assert divergence_of(student, teacher, "reverse", 1.0).item() == pytest.approx(reverse, rel=1e-5)


def test_on_policy_trains_on_what_the_student_writes(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    args = {**FAST, "max_steps": 20, "max_completion_length": 8, "beta": 0.0}
    params = DistillParams(model=str(tiny), teacher=str(teacher), on_policy=True, args=args)
    rows = [{"question": row["question"]} for row in additions(8)]
    result = Distill(params).train(data_of(train=rows), tmp_path / "out", PlainRun())
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_a_foreign_vocabulary_is_refused(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    import shutil

    from transformers import AutoTokenizer

    foreign = tmp_path / "foreign"
    shutil.copytree(tiny, foreign)
    tokenizer = AutoTokenizer.from_pretrained(foreign)
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(foreign)
    with pytest.raises(InputError, match="has another vocabulary"):
        Distill(DistillParams(model=str(tiny), teacher=str(foreign), args=FAST)).train(
            data_of(train=additions(4)), tmp_path / "out", PlainRun()
        )


def test_wrong_columns_are_refused_by_name() -> None:
    with pytest.raises(ColumnError, match="'messages'"):
        Distill(DistillParams(model="x", teacher="y")).needs("train", Columns({"question": "VARCHAR"}))
    with pytest.raises(ColumnError, match="'prompt' or 'question'"):
        Distill(DistillParams(model="x", teacher="y", on_policy=True)).needs("train", Columns({"messages": "VARCHAR"}))
    assert Distill(DistillParams(model="x", teacher="y")).models() == ("x", "y")


def test_the_divergence_from_the_stored_ones_by_hand() -> None:
    import torch
    from dqdata_trainers._divergence import NONE, divergence_of, stored_divergence

    student = torch.tensor([[math.log(v) for v in (0.1, 0.2, 0.3, 0.4)]] * 2)
    ids = torch.tensor([[3, 0], [1, NONE]])
    logprobs = torch.tensor([[math.log(0.5), math.log(0.3)], [math.log(0.9), 0.0]])
    first = 0.5 * math.log(0.5 / 0.4) + 0.3 * math.log(0.3 / 0.1) + 0.2 * math.log(0.2 / 0.5)
    second = 0.9 * math.log(0.9 / 0.2) + 0.1 * math.log(0.1 / 0.8)
    assert stored_divergence(student, ids, logprobs).tolist() == pytest.approx([first, second], rel=1e-5)

    torch.manual_seed(0)
    ours, theirs = torch.randn(5, 12), torch.randn(5, 12)
    whole = divergence_of(ours, theirs, "forward", 1.0)
    values, ids = theirs.log_softmax(-1).topk(4)
    assert (stored_divergence(ours, ids, values) < whole).all(), "never more than the whole divergence"
    every = torch.arange(12).repeat(5, 1)
    assert stored_divergence(ours, every, theirs.log_softmax(-1)).tolist() == pytest.approx(whole.tolist(), abs=1e-4)


def test_stored_log_probabilities_teach_without_the_teacher(
    tiny: Path, told: list[dict[str, Any]], data_of: Callable[..., Any], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dqdata.models import IGNORED, tokenize

    params = DistillParams(model=str(tiny), kl_share=0.75, args={**FAST, "per_device_train_batch_size": 16})
    result = Distill(params).train(data_of(train=told, eval=told[:4]), tmp_path / "out", PlainRun())
    apart = [entry["kl"] for entry in result.history if "kl" in entry]
    assert apart[-1] < apart[0] / 2 and result.metrics["eval_kl"] < apart[0] / 2

    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModelForCausalLM.from_pretrained(tiny)
    texts = [tokenizer.decode([number]) for number in range(len(tokenizer))]
    loss, count = 0.0, 0
    for row in told:
        tokens = tokenize(tokenizer, row["messages"])
        with torch.no_grad():
            ours = model(torch.tensor([tokens.input_ids])).logits[0].log_softmax(-1)
        says = iter(row["top_logprobs"])
        for place, label in enumerate(tokens.labels):
            if label == IGNORED:
                continue
            count += 1
            if label == tokenizer.eos_token_id:
                loss -= ours[place - 1, label].item()
                continue
            one = next(says)
            likely = {entry["token"]: entry["logprob"] for entry in [*one["top"], one]}
            kl, p_rest, q_rest = 0.0, 1.0, 1.0
            for text, logprob in likely.items():
                p, q = math.exp(logprob), math.exp(ours[place - 1, texts.index(text)].item())
                kl, p_rest, q_rest = kl + p * math.log(p / q), p_rest - p, q_rest - q
            loss += 0.25 * -ours[place - 1, label].item() + 0.75 * (kl + p_rest * math.log(p_rest / q_rest))
    assert next(entry["loss"] for entry in result.history if "loss" in entry) == pytest.approx(loss / count, rel=1e-3)


def test_stored_tokens_that_do_not_fit_are_refused_by_row(
    tiny: Path, told: list[dict[str, Any]], data_of: Callable[..., Any], tmp_path: Path
) -> None:
    def refused(number: int, top_logprobs: Any, message: str) -> None:
        rows = [dict(row) for row in told[:4]]
        rows[2]["top_logprobs"] = top_logprobs
        out = tmp_path / str(number)
        with pytest.raises(InputError, match=rf"train split, trace_id t2: {message}"):
            Distill(DistillParams(model=str(tiny), args=FAST)).train(data_of(train=rows), out, PlainRun())

    right = told[2]["top_logprobs"]
    joined = {**right[4], "token": right[3]["token"] + right[4]["token"]}
    stranger = {**right[4], "top": [{"token": "zebra crossing", "logprob": -1.0}]}
    refused(0, [*right[:3], joined, *right[5:]], "teacher and student cut the text differently: after .*the student")
    refused(1, told[3]["top_logprobs"], "the chat doesn't hold the text that the teacher's tokens spell")
    refused(2, [*right[:4], stranger, *right[5:]], "the teacher's token 'zebra crossing' isn't a token of the student")
    refused(3, None, "`top_logprobs` is null")


def test_without_a_teacher_the_column_must_be_there() -> None:
    from dqdata.columns import MESSAGES, VOCABULARY

    distill = Distill(DistillParams(model="x"))
    assert distill.models() == ("x",)
    with pytest.raises(ColumnError, match=r"needs column 'top_logprobs'.*top_logprobs = 10; or name a `teacher`"):
        distill.needs("train", Columns({"messages": MESSAGES}))
    distill.needs("train", Columns({"messages": MESSAGES, "top_logprobs": VOCABULARY["top_logprobs"].type}))
    with pytest.raises(ValueError, match="only divergence = 'forward'"):
        DistillParams(model="x", divergence="reverse")
    with pytest.raises(ValueError, match="on_policy needs `teacher`"):
        DistillParams(model="x", on_policy=True)


STEP = {"learning_rate": 0.0, "max_steps": 1, "per_device_train_batch_size": 4, "logging_steps": 1}


def step(data: Any, out: Path, **params: Any) -> list[float]:
    """Loss, gradient norm, LM loss and divergence of one step that changes no weight."""
    result = Distill(DistillParams(args=STEP, **params)).train(data, out, PlainRun())
    first = result.history[0]
    return [first[name] for name in ("loss", "grad_norm", "lm_loss", "kl")]


@pytest.mark.parametrize("tokens", [1, 3, 7])
@pytest.mark.parametrize("keys", [{}, {"divergence": "reverse"}, {"top_k": 4}, {"temperature": 3.0}], ids=str)
def test_chunks_of_any_size_give_the_same_step(
    keys: dict[str, Any], tokens: int, tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from dqdata_trainers import _divergence

    data, models = data_of(train=additions(4)), {"model": str(tiny), "teacher": str(teacher)}
    whole = step(data, tmp_path / "whole", **models, **keys)
    monkeypatch.setattr(_divergence, "CHUNK_BYTES", 4 * 400 * tokens)
    assert step(data, tmp_path / "chunks", **models, **keys) == pytest.approx(whole, rel=SAME_STEP)


@pytest.mark.parametrize(
    "keys", [{}, {"divergence": "reverse"}, {"top_k": 4}, {}], ids=["forward", "reverse", "top k", "stored"]
)
def test_no_tensor_holds_the_vocabulary_at_more_places_than_a_chunk(
    keys: dict[str, Any], request: pytest.FixtureRequest, tiny: Path, teacher: Path, data_of: Callable[..., Any],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In training, its gradients, evaluation, and the teacher's pass before it."""
    import torch
    from dqdata_trainers import _divergence, _reload
    from torch.utils._python_dispatch import TorchDispatchMode
    from transformers import AutoConfig

    vocabulary = AutoConfig.from_pretrained(tiny).vocab_size
    places: dict[str, int] = {}

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            for one in made if isinstance(made, tuple | list) else (made,):
                if isinstance(one, torch.Tensor) and one.dim() and one.shape[-1] in (vocabulary, vocabulary + 1):
                    name = str(func)
                    places[name] = max(places.get(name, 0), one.numel() // one.shape[-1])
            return made

    if request.node.callspec.id == "stored":
        data, models = data_of(train=request.getfixturevalue("told")), {"model": str(tiny)}
    else:
        data = data_of(train=additions(4), eval=additions(2))
        models = {"model": str(tiny), "teacher": str(teacher)}
    monkeypatch.setattr(_divergence, "CHUNK_BYTES", 4 * vocabulary * 5)
    monkeypatch.setattr(_reload, "TOKENS", 5)  # whose rows are cut to 512 tokens
    with Watch():
        step(data, tmp_path / "watched", **models, **keys)
    computed = {name: count for name, count in places.items() if name not in ("aten.t.default", "aten.detach.default")}
    assert max(computed.values()) == 5, "views of the weights hold nothing; all else is a chunk"
    assert sum("softmax" in name or name.startswith("aten.mm") for name in computed) > 2, "the logits were seen"


def test_the_likeliest_tokens_approach_the_whole_distribution(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    data, models = data_of(train=additions(4)), {"model": str(tiny), "teacher": str(teacher), "kl_share": 1.0}
    whole = step(data, tmp_path / "whole", **models)
    apart = [step(data, tmp_path / str(k), **models, top_k=k)[3] for k in (1, 8, 64, 1000)]
    assert apart == sorted(apart) and apart[0] < apart[-1] * 0.9, "never more than the whole divergence"
    assert apart[-1] == pytest.approx(whole[3], rel=1e-3), "k of the whole vocabulary is the whole distribution"


def test_the_teacher_of_the_likeliest_tokens_runs_once(
    tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dqdata_trainers import _teaching

    loaded, run, load = [], PlainRun(), _teaching.load_teacher
    monkeypatch.setattr(_teaching, "load_teacher", lambda *args: loaded.append(1) or load(*args))
    args = {**FAST, "max_steps": 8, "per_device_train_batch_size": 8}
    params = DistillParams(model=str(tiny), teacher=str(teacher), top_k=8, kl_share=1.0, args=args)
    data = data_of(train=additions(16), eval=additions(4))
    result = Distill(params).train(data, tmp_path / "out", run)
    apart = [entry["kl"] for entry in result.history if "kl" in entry]
    assert apart[-1] < apart[0] and loaded == [1], "four epochs and an eval split, one load"
    Distill(params).train(data, tmp_path / "out", run)
    assert loaded == [1], "a training that goes on finds the stored tokens"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"top_k": 4}, "top_k needs `teacher`"),
        ({"teacher": "y", "top_k": 4, "divergence": "reverse"}, "top_k computes the forward divergence alone"),
        ({"teacher": "y", "on_policy": True, "kl_share": 0.9}, "kl_share has no meaning with on_policy"),
        ({"teacher": "y", "on_policy": True, "divergence": "reverse"}, "divergence has no meaning with on_policy"),
        ({"teacher": "y", "on_policy": True, "top_k": 3}, "top_k has no meaning with on_policy"),
    ],
    ids=str,
)
def test_keys_without_an_effect_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillParams(model="x", **keys)

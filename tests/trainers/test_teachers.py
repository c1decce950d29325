"""Models of this machine as teachers: `transformers` writes, `reward_model` scores, both by `trained:NAME` in a run."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.engine.result import RunResult
from dqdata.engine.run import run_pipeline
from dqdata.errors import InputError, PluginError, TeacherError
from dqdata.models import RewardModel
from dqdata.project.check import NoStore, check_project
from dqdata.project.instances import make_teacher
from dqdata.project.tables import TeacherTable, read_project
from dqdata.teacher import Limits, Message, Request, Sampling, Teacher
from dqdata.training.compare import compare
from dqdata.training.exact_match import Evaluate

from .conftest import additions

QUESTION = (Message("user", "What is 3 + 4?"),)


def teacher(provider: str, model: Path, **params: Any) -> Teacher[Any]:
    table = TeacherTable(
        name="t",
        provider=provider,
        limits=Limits(),
        params={"model": str(model), **params},
        root=model.parent,
        where="[teachers.t]",
    )
    return make_teacher(table, NoStore())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Folder of `talker`, whose answers vary, `style`, which predicts rv and cd, and `verdicts`, made on pairs."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("models")
    tokenizer = AutoTokenizer.from_pretrained(tiny)

    def made(name: str, model: Any, seed: int) -> None:
        torch.manual_seed(seed)
        with torch.no_grad():
            for which, weights in model.named_parameters():
                if "proj" in which or "score" in which:
                    weights.normal_(std=0.3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)

    talker = AutoModelForCausalLM.from_pretrained(tiny, tie_word_embeddings=False)
    torch.manual_seed(7)
    talker.lm_head.weight = torch.nn.Parameter(torch.randn_like(talker.lm_head.weight))
    made("talker", talker, 1)
    style = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=2)
    style.config.dqdata_targets, style.config.dqdata_scale = ["rv", "cd"], 9.0
    made("style", style, 2)
    made("verdicts", AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=1), 3)
    return folder


async def test_answers_of_many_requests_at_once(models: Path) -> None:
    talker = teacher("transformers", models / "talker", batch_size=3)
    assert (talker.model, talker.limits(Limits()).concurrency) == ("talker", 6)
    greedy = Request(QUESTION, Sampling(max_tokens=12, temperature=0.0))
    short = Request(QUESTION, Sampling(max_tokens=2, temperature=0.0))
    samples = [Request(QUESTION, Sampling(max_tokens=12), sample=sample) for sample in range(4)]
    first, again, cut, *drawn = await asyncio.gather(*map(talker.complete, (greedy, greedy, short, *samples)))
    assert first.response == again.response and first.response.startswith(cut.response) and cut.usage.output == 2
    assert (first.finish_reason, first.usage.input, first.usage.output) == ("length", cut.usage.input, 12)
    assert len({one.response for one in drawn}) == 4, "samples of one request differ"
    assert first.model == "talker" and first.seconds > 0

    told = await talker.complete(Request(QUESTION, Sampling(max_tokens=3, temperature=0.0, top_logprobs=2)))
    assert told.logprobs is not None and len(told.logprobs) == 3
    assert "".join(one["token"] for one in told.logprobs) == told.response and len(told.logprobs[0]["top"]) == 2
    asked = {"type": "object", "required": ["rv"]}
    judged = await talker.complete(Request(QUESTION, Sampling(max_tokens=3), schema=asked))
    assert judged.usage.input > first.usage.input + 20, "the schema is asked for in the prompt"
    with pytest.raises(TeacherError, match="more than talker reads \\(512\\)") as raised:
        await talker.complete(Request((Message("user", "add " * 600),), Sampling(max_tokens=3)))
    assert (raised.value.kind, raised.value.reason) == ("row", "context_too_long")
    with pytest.raises(TeacherError, match="knows no 'topk' in `extra`"):
        await talker.complete(Request(QUESTION, Sampling(extra={"topk": 3})))

    endless = asyncio.create_task(talker.complete(Request(QUESTION, Sampling(temperature=1.0))))
    await asyncio.sleep(0)
    endless.cancel()
    await talker.close()
    other = teacher("transformers", models / "talker", batch_size=1)
    alone = [await other.complete(one) for one in samples[:2]]
    assert [one.response for one in alone] == [one.response for one in drawn[:2]], "neighbours change nothing"
    await other.close()


async def test_thinking_is_told_from_the_response(models: Path, tmp_path: Path) -> None:
    """A template that opens the thinking: what is written is thinking until it closes."""
    folder = shutil.copytree(models / "talker", tmp_path / "thinker")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant\n{% endif", "assistant\n<think>{% endif"))
    thinker = teacher("transformers", folder)
    made = await thinker.complete(Request(QUESTION, Sampling(max_tokens=8, temperature=0.0)))
    assert made.reasoning and made.response == ""
    assert thinker.revision != teacher("transformers", models / "talker").revision
    await thinker.close()


async def test_what_cannot_be_loaded_ends_every_call_with_the_cause(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = shutil.copytree(models / "talker", tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"cut short")
    for folder, error, says in (
        (broken, TeacherError, "transformers broke: SafetensorError"),
        (models / "talker", PluginError, r"provider 'transformers' needs torch and transformers .*pip install"),
    ):
        if error is PluginError:
            monkeypatch.setitem(sys.modules, "torch", None)
        asked = teacher("transformers", folder)
        with pytest.raises(error, match=says):
            await asked.complete(Request(QUESTION))
        await asked.close()


def test_scores_in_half_precision_are_not_rounded(models: Path) -> None:
    """Of a sum of weights in bfloat16 that is rounded to it too, some seven bits are left."""
    import torch

    chats = [row["messages"] for row in additions(5)]
    for name in ("style", "verdicts"):
        whole, half = (RewardModel(str(models / name), name, dtype=kind) for kind in (torch.float32, torch.bfloat16))
        with torch.inference_mode():
            seen = [half.model(input_ids=torch.tensor([half.tokens(chat)])).logits[0] for chat in chats]
        assert all(scores.dtype == torch.float32 for scores in seen)
        assert all((scores != scores.bfloat16().float()).any() for scores in seen)
        for chat in chats:
            [near], [exact] = (model.read([model.tokens(chat)]) for model in (half, whole))
            assert near == pytest.approx(exact, rel=0.3, abs=0.5)


async def test_figures_are_those_of_the_model(models: Path) -> None:
    chats = [row["messages"] for row in additions(5)]
    requests = [Request(tuple(Message(**turn) for turn in chat)) for chat in chats]
    for name, scores in (("style", ("rv", "cd")), ("verdicts", ("preference",))):
        scorer = teacher("reward_model", models / name, batch_size=2)
        assert scorer.scores == scores
        made = await asyncio.gather(*map(scorer.complete, requests))
        model = RewardModel(str(models / name), name)
        for one, chat in zip(made, chats, strict=True):
            assert json.loads(one.response) == pytest.approx(model.read([model.tokens(chat)])[0], abs=1e-4)
            assert one.usage == (len(model.tokens(chat)), 0, 0, False)
        assert len({one.response for one in made}) == 5
        with pytest.raises(TeacherError, match="ends with the assistant's answer"):
            await scorer.complete(Request(QUESTION))
        await scorer.close()


PROJECT = """
[teachers.student]
provider = "transformers"
model = "trained:student"
[teachers.style]
provider = "reward_model"
model = "trained:style@latest"
[teachers.verdicts]
provider = "reward_model"
model = "trained:verdicts@1"

[pipelines.attempts]
from = "sums.jsonl"
steps = [
  { op = "generate", teacher = "student", n = 2, temperature = 0.9, max_tokens = 12, on_truncated = "keep" },
]
[pipelines.rates]
from = "sums.jsonl"
steps = [ { op = "pass_rate", student = "student", n = 4, max_tokens = 12 } ]
[pipelines.scored]
from = "traces.jsonl"
max_failed_rate = 0.5
budget_tokens = 1_000_000
steps = [
  { op = "to_messages" }, { op = "score", model = "style" }, { op = "score", id = "pairs", model = "verdicts" }
]
"""


def made(folder: Path, models: Path) -> Path:
    """A project in this folder and its store, which holds the three models. Returns the store's folder."""
    rows = additions(4)
    asked = [{"question": row["question"], "answer": row["answer"]} for row in rows]
    long = [" ".join(["2 and 2"] * count) for count in (1, 2, 200)]
    traces = [{"question": rows[0]["question"], "reasoning": text, "response": "4"} for text in long]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (folder / "traces.jsonl").write_text("".join(json.dumps(trace) + "\n" for trace in traces))
    (folder / "pipelines.toml").write_text(PROJECT)
    with Store.open(folder / "catalogs") as opened:
        for name, model in (("student", "talker"), ("style", "style"), ("verdicts", "verdicts")):
            trained(opened, name, models / model)
    return folder / "catalogs"


@pytest.fixture
def store(tmp_path: Path, models: Path) -> Iterator[Store]:
    with Store.open(made(tmp_path, models)) as opened:
        yield opened


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Store]:
    """For those who only look."""
    with Store.open(made(tmp_path_factory.mktemp("standing"), models), read_only=True) as opened:
        yield opened


def trained(store: Store, name: str, folder: Path) -> None:
    place = Path("models") / name / f"{len(store.models(name)) + 1:012}"
    shutil.copytree(folder, store.path / place)
    store.record_model({"name": name, "path": str(place)})


def run(store: Store, name: str) -> RunResult:
    return run_pipeline(read_project(store.path.parent / "pipelines.toml"), name, store, workers=1)


def test_a_student_answers_and_a_newer_one_answers_again(store: Store, models: Path) -> None:
    first = run(store, "attempts")
    assert (first.rows_out, first.calls["made"]) == (8, 8)
    said = store.query("select teacher, count(distinct response) as texts from attempts group by 1").read_all()
    assert said.to_pylist() == [{"teacher": "trained:student@1", "texts": 8}]
    assert run(store, "attempts").unchanged

    rates = run(store, "rates")
    assert (rates.rows_out, rates.calls["made"]) == (4, 16), "fresh samples, in blocks of four"
    assert store.query("select distinct pass_by, pass_n from rates").read_all().to_pylist() == [
        {"pass_by": "trained:student@1", "pass_n": 4}
    ]

    trained(store, "student", models / "talker")
    assert run(store, "attempts").unchanged, "the same weights under a new number give the same rows"
    changed = models.parent / "changed"
    shutil.rmtree(changed, ignore_errors=True)
    shutil.copytree(models / "talker", changed)
    config = json.loads((changed / "generation_config.json").read_text())
    (changed / "generation_config.json").write_text(json.dumps({**config, "repetition_penalty": 1.3}))
    trained(store, "student", changed)
    newer = run(store, "attempts")
    assert (newer.version, newer.calls["made"]) == (2, 8)
    assert store.version("attempts", 2).recipe["teachers"]["student"]["model"] == "trained:student@3"


def test_eval_asks_a_student_of_the_project(store: Store) -> None:
    project = read_project(store.path.parent / "pipelines.toml")
    evaluate = Evaluate(data="select question, answer from attempts", max_new_tokens=4, limit=3)
    run(store, "attempts")
    [first] = compare(project, store, ["teacher:student"], evaluate)
    assert (first.score.total, first.score.answers[0].tokens) == (3, 4)
    changed = shutil.copytree(store.path / "models" / "student" / f"{1:012}", store.path / "changed")
    (changed / "extra.txt").touch()
    trained(store, "student", changed)
    compare(project, store, ["teacher:student"], evaluate)
    assert len([one for one in (store.work / "eval").iterdir() if one.is_dir()]) == 2, "a newer model answers anew"
    with pytest.raises(InputError, match="eval 'teacher:style': trained:style@1 is a reward model"):
        compare(project, store, ["teacher:style"], evaluate)


def test_a_listing_imports_no_torch() -> None:
    names = "dqdata.teachers.transformers, dqdata.teachers.reward_model"
    told = f"import sys, {names}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0


def test_traces_are_scored_once_and_a_long_one_is_rejected(store: Store, models: Path) -> None:
    first = run(store, "scored")
    assert (first.rows_in, first.rows_out, dict(first.failed)) == (3, 2, {"context_too_long": 1})
    assert first.calls["made"] == 4, "two models, two rows that fit"
    rows = store.query("select * from scored order by length(reasoning)").read_all().to_pylist()
    style, verdicts = (RewardModel(str(models / name), name) for name in ("style", "verdicts"))
    for row in rows:
        scores = style.read([style.tokens(row["messages"])])[0]
        assert (row["score_rv"], row["score_cd"]) == pytest.approx((scores["rv"], scores["cd"]), abs=1e-4)
        assert row["score"] == pytest.approx(
            verdicts.read([verdicts.tokens(row["messages"])])[0]["preference"], abs=1e-4
        )
        assert row["score_by"] == "trained:verdicts@1"
    [reject] = store.query("select reason, detail from scored__rejects").read_all().to_pylist()
    assert reject["reason"] == "context_too_long" and "trained:style@1 reads (512)" in reject["detail"]

    project = store.path.parent / "pipelines.toml"
    project.write_text(
        project.read_text().replace('{ op = "to_messages" },', '{ op = "to_messages" }, { op = "length" },')
    )
    again = run(store, "scored")
    assert (again.version, again.calls["made"], again.calls["cached"]) == (2, 0, 4), (
        "what was scored isn't scored again"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ('student = "student"', 'student = "style"'),
            r"step 1 \(pass_rate\): teacher 'style' \(provider 'reward_model'\) gives rv, cd and",
        ),
        (
            ('model = "style" }', 'judge = "style" }'),
            r"step 2 \(score\): teacher 'style' .*gives rv, cd.*`model` of a step",
        ),
        (
            ('model = "style" }', 'model = "student" }'),
            r"teacher 'student' \(provider 'transformers'\) writes text.*`judge`",
        ),
        (
            ('model = "style" }', 'model = "style", judge = "student" }'),
            "give `judge`, a teacher that writes, or `model`",
        ),
        (('model = "style" }', 'model = "style", rubric = "short" }'), "`rubric` instructs a judge"),
        (('{ op = "to_messages" }, ', ""), "put a step `to_messages` before"),
        (('"trained:student"', '"trained:style"'), r"\[teachers.student\]: trained:style@1 is a reward model"),
        (('"trained:style@latest"', '"trained:student"'), r"\[teachers.style\]: trained:student@1 is no reward model"),
        (('"trained:style@latest"', '"trained:stile"'), r"no model 'stile' was trained here; did you mean 'style'"),
    ],
)
def test_wrong_uses_are_refused_by_name(standing: Store, change: tuple[str, str], says: str) -> None:
    path = standing.path.parent / "pipelines.toml"
    assert change[0] in PROJECT
    path.write_text(PROJECT.replace(*change))
    problems, _ = check_project(read_project(path), standing)
    with pytest.raises(InputError, match=says):
        raise InputError("\n".join(problems))


def test_what_a_model_will_give_is_known_before_it_is_trained(tmp_path: Path) -> None:
    trainer = '[trainers.style]\nkind = "reward"\ndata = "select * from told"\nmodel = "x/y"\ntargets = ["depth"]\n'
    text = PROJECT.replace(
        '{ op = "score", id = "pairs", model = "verdicts" }', '{ op = "filter", where = "score_depth > 3" }'
    )
    (tmp_path / "pipelines.toml").write_text(text + trainer)
    (tmp_path / "traces.jsonl").write_text(json.dumps({"question": "a", "reasoning": "b", "response": "c"}) + "\n")
    problems, _ = check_project(read_project(tmp_path / "pipelines.toml"), NoStore(), ["scored"])
    assert problems == []
    (tmp_path / "pipelines.toml").write_text(text.replace("score_depth", "score_rv") + trainer)
    [problem] = check_project(read_project(tmp_path / "pipelines.toml"), NoStore(), ["scored"])[0]
    assert "score_rv" in problem and "score_depth" in problem

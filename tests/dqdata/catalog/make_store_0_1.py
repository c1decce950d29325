"""Makes data/store_0_1.tar.xz: a project with a store as version 0.1 leaves it, which every later version must open.

    git worktree add ../dqdata-0.1 1284b55                   # the version whose store it is
    cp tests/dqdata/catalog/make_store_0_1.py ../dqdata-0.1/tests/dqdata/catalog/
    cd ../dqdata-0.1 && python -m venv .venv && .venv/bin/pip install -e '.[train,curation]' -c constraints.txt
    .venv/bin/python tests/dqdata/catalog/make_store_0_1.py store_0_1.tar.xz

Everything goes through the command line of that version, against an endpoint on loopback with scripted answers. Where
answers depend on the machine (a trained model's), they are kept as they fell out. What is in it, by catalog:

problems    two versions: the source's file grew in between; rejects of a filter, and of problems with one id: version
            0.1 took questions for equal whose Unicode NFKC is (`2²` and `22`)
traces      two versions, of one and two samples; a refused request, one that was answered at the second attempt
graded      two votes of a judge with a JSON schema, chats; tiny_sft is trained on it
unlike      near duplicates by an embedding endpoint, whose vectors are kept in embeddings.sqlite
batched     answers of a batch
lossy       a version with rows missing, made with --allow-partial
unfinished  no version: the checkpoints of a run that stopped as a request failed
student     answers of the trained model, whose ledger keys hold the hash of its weights
problems, of the profile `trial`: a store inside the store, with the same ledger
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiohttp import web
from batch_loopback import BatchLoopback

PROBLEMS = [
    ("What is 1 + 2?", "3"),
    ("Wie viel ist  3 + 4 ?", "7"),
    ("小明有5个苹果，又买了6个，一共多少个？", "11"),
    ("What is 22 + 0?", "22"),
    ("What is 2² + 0?", "22"),
    ("Hm?", "1"),
    ("What is the café's 7 + 8?", "15"),
    ("What is the cafe\u0301's 7 + 8?", "15"),
    ('Say "9 + 1" \\ in\ta number \U0001f9ee.', "10"),
    ("Refuse to add 1 + 1.", "2"),
]
LATER = [
    ("What is the sum 1 + 2 ?", "3"),
    ("What is 10 + 20?", "30"),
    ("Stumble over 20 + 22.", "42"),
]

PROJECT = """
[store]
path = "catalogs"

[teachers.r1]
provider = "openai"
base_url = "URL"
model = "r1"
price = { input = 0.5, output = 2.0 }

[teachers.impatient]
provider = "openai"
base_url = "URL"
model = "impatient"
max_attempts = 1

[teachers.judge]
provider = "openai"
base_url = "URL"
model = "judge"
revision = "2026-01"

[teachers.batch]
provider = "openai_batch"
base_url = "URL"
model = "r1"
api_key = "sk-none"
gather_seconds = 0.2
poll_seconds = 0.2

[teachers.student]
provider = "transformers"
model = "trained:tiny_sft@latest"

[pipelines.problems]
from = "problems.jsonl"
steps = [ { op = "filter", where = "length(question) > 5", reason = "short" } ]

[pipelines.traces]
from = "problems"
max_failed_rate = 0.5
steps = [
  { op = "generate", teacher = "r1", prompt = "prompts/solve.md", n = SAMPLES, temperature = 0.6, seed = 3,
    max_tokens = 64, stop = ["END"] },
  { op = "verify_math" },
]

[pipelines.graded]
from = "select * from traces where correct"
steps = [
  { op = "grade", judge = "judge", votes = 2, temperature = 1.0, alpha = 1.0, prompt = "prompts/grade.md" },
  { op = "to_messages" },
]

[pipelines.unlike]
from = "problems"
steps = [ { op = "dedup", column = "question", method = "semantic", threshold = 0.9, embedding = "URL#letters" } ]

[pipelines.batched]
from = "select * from problems where answer != '2'"
steps = [ { op = "generate", teacher = "batch", prompt = "prompts/solve.md", draw = "batch", max_tokens = 64 } ]

[pipelines.lossy]
from = "problems"
max_failed_rate = 0.5
steps = [ { op = "generate", teacher = "impatient", prompt = "prompts/solve.md", draw = "lossy", top_p = 0.9 } ]

[pipelines.unfinished]
from = "problems"
max_failed_rate = 0.5
steps = [
  { op = "generate", teacher = "impatient", prompt = "prompts/solve.md", draw = "unfinished", extra = { top_k = 20 } },
]

[pipelines.student]
from = "select * from problems order by problem_id limit 2"
steps = [ { op = "generate", teacher = "student", prompt = "prompts/solve.md", max_tokens = 6, on_truncated = "keep" } ]

[trainers.tiny_sft]
kind = "sft"
data = "graded@latest"
model = "student"
max_length = 512
args = { learning_rate = 1e-2, max_steps = 2, per_device_train_batch_size = 2, logging_steps = 1 }

[profiles.trial.pipelines]
problems = { steps = { filter = { where = "length(question) > 20" } } }
"""

SOLVE = "=== system\nThink, then answer.\n=== user\n{{question}}\n"
GRADE = "=== user\nHow long and how hard is this? {{problem}}\n{{trace}}\nAnswer with rv and cd, 0 to 9, as JSON.\n"


class Endpoint(BatchLoopback):
    """Adds the last two numbers of a question; grades; embeds by counting letters; finishes a batch at once."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = self.said
        self.stumbled: set[str] = set()

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/v1/embeddings", self.embed)
        return app

    def said(self, body: dict[str, Any]) -> Any:
        text = str(body["messages"][-1]["content"])
        if body["model"] == "judge":
            if "response_format" not in body:
                raise AssertionError(f"a judge is asked for JSON by a schema: {body}")
            return json.dumps({"rv": len(text) % 10, "cd": 1 + len(text) % 3})
        if text.startswith("Refuse"):
            return web.HTTPBadRequest(text='{"error": {"message": "content policy"}}', content_type="application/json")
        if text.startswith("Stumble") and (body["model"] == "impatient" or text not in self.stumbled):
            self.stumbled.add(text)
            return web.HTTPInternalServerError(text="no room")
        numbers = [int(number) for number in "".join(c if c in "0123456789" else " " for c in text).split()]
        total = sum(numbers[-2:])
        wrong = (body.get("seed", 1) + len(text)) % 4 == 0
        return {
            "role": "assistant",
            "reasoning_content": f"I add {numbers[-2:]} … é \U0001f914",
            "content": f"It is \\boxed{{{total + wrong}}}.",
        }

    async def embed(self, request: web.Request) -> web.Response:
        texts = (await request.json())["input"]
        made = [[float(text.lower().count(letter)) + 0.1 for letter in "abcdefghimnostw"] for text in texts]
        data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(made)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return web.json_response({"object": "list", "model": "letters", "data": data, "usage": usage})

    def _result(self, line: dict[str, Any]) -> dict[str, Any]:
        made = super()._result(line)
        message = made["response"]["body"]["choices"][0]["message"]
        message.update(message["content"])
        return made

    async def _create(self, request: web.Request) -> web.Response:
        made = await super()._create(request)
        self.finish()
        return made


def student(folder: Path) -> None:
    """A Llama of one layer of 8 and a byte-level tokenizer: some kilobytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    words = {word: at for at, word in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    bpe = Tokenizer(models.BPE(vocab=words, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = LlamaConfig(vocab_size=len(words), max_position_embeddings=512, tie_word_embeddings=True, **sizes, **ids)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write(folder: Path, url: str, problems: list[tuple[str, str]], samples: int) -> None:
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in problems]
    (folder / "problems.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "pipelines.toml").write_text(PROJECT.replace("URL", url).replace("SAMPLES", str(samples)))


def dqdata(folder: Path, *words: str, code: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dqdata", *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    print("$ dqdata", *words, f"\n{done.stdout}{done.stderr}", file=sys.stderr)
    if done.returncode != code:
        raise SystemExit(f"dqdata {' '.join(words)} ended with {done.returncode}")


def make(folder: Path, endpoint: Endpoint) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "solve.md").write_text(SOLVE)
    (folder / "prompts" / "grade.md").write_text(GRADE)
    student(folder / "student")
    write(folder, endpoint.url, PROBLEMS, 1)
    dqdata(folder, "run", "problems", "-q")
    dqdata(folder, "run", "traces", "-q")
    write(folder, endpoint.url, PROBLEMS + LATER, 2)
    for name in ("problems", "traces", "graded", "unlike", "batched"):
        dqdata(folder, "run", name, "-q")
    dqdata(folder, "run", "lossy", "-q", "--allow-partial")
    dqdata(folder, "run", "unfinished", "-q", code=1)
    dqdata(folder, "train", "tiny_sft", "-q")
    dqdata(folder, "run", "student", "-q")
    dqdata(folder, "run", "problems", "-q", "--profile", "trial")
    for file in folder.rglob("*"):
        if file.name == "curves.png" or file.suffix == ".lock":
            file.unlink()


def main() -> None:
    endpoint = Endpoint()
    endpoint.start()
    try:
        with tempfile.TemporaryDirectory() as above:
            folder = Path(above) / "store_0_1"
            folder.mkdir()
            make(folder, endpoint)
            with tarfile.open(sys.argv[1], "w:xz", preset=9) as tar:
                tar.add(folder, folder.name)
    finally:
        endpoint.stop()
    print(f"{sys.argv[1]}: {Path(sys.argv[1]).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

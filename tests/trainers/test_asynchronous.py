"""Asynchronous distillation without a GPU: TRL's trainer and its rollout process, real models behind servers that speak
what TRL asks of vLLM's, and weights that travel within this process instead of by NCCL."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.distill import Distill, DistillParams

from dqdata.errors import InputError

from .conftest import PlainRun, additions, losses

STEPS, ROWS = 16, 4


class Server:
    """A model behind /v1/completions: samples of a prompt of token ids, or log-probabilities of the prompt."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.lock = threading.Lock()
        self.asked: list[dict[str, Any]] = []
        made = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def answer(self, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.answer({"data": [{"id": "model", "max_model_len": 512}]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer({"choices": [made.choice(asked)]})

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def choice(self, asked: dict[str, Any]) -> dict[str, Any]:
        import torch

        with self.lock, torch.no_grad():
            self.asked.append(asked)
            if "prompt_logprobs" in asked:
                return {"prompt_logprobs": self.scores(asked["prompt"], asked["prompt_logprobs"])}
            drawn = torch.Generator().manual_seed(asked["seed"])
            made: list[int] = []
            answer = self.model(torch.tensor([asked["prompt"]]), use_cache=True)
            while True:
                shares = (answer.logits[0, -1] / asked["temperature"]).softmax(-1)
                made.append(int(torch.multinomial(shares, 1, generator=drawn)))
                if made[-1] == self.model.config.eos_token_id or len(made) == asked["max_tokens"]:
                    return {"token_ids": made}
                answer = self.model(torch.tensor([made[-1:]]), past_key_values=answer.past_key_values, use_cache=True)

    def scores(self, ids: list[int], k: int) -> list[Any]:
        import torch

        logprobs = self.model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        own = logprobs.gather(1, torch.tensor(ids[1:])[:, None])
        ranks = (1 + (logprobs > own).sum(-1)).tolist()
        found: list[Any] = [None]
        for token, (logprob,), rank, *top in zip(
            ids[1:], own.tolist(), ranks, *(part.tolist() for part in logprobs.topk(k)), strict=True
        ):
            likeliest = {
                str(one): {"logprob": value, "rank": n} for n, (value, one) in enumerate(zip(*top, strict=True), 1)
            }
            found.append(likeliest | {str(token): {"logprob": logprob, "rank": rank}})
        return found


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Server]]:
    """Starts servers; the first is the student's, and gets the weights that the trainer sends."""
    from trl.experimental.async_distillation import async_distillation_trainer, async_rollout_worker

    begun: list[Server] = []

    class Transfer:
        """In the place of NCCL."""

        def __init__(self, vllm_client: Any, weight_update_info: dict[str, Any], weight_sync_timeout: int) -> None:
            self.client, self.names = vllm_client, weight_update_info["names"]

        def init_weight_transfer(self) -> None:
            self.client.wait_for_server_ready()

        def send_weights(self, weights: Iterator[tuple[str, Any]]) -> None:
            state = begun[0].model.state_dict()
            sent = [name for name, value in weights if state[name].copy_(value.detach()) is not None]
            assert sent == self.names

        def pause(self) -> None:
            begun[0].lock.acquire()

        def resume(self) -> None:
            begun[0].lock.release()

        def destroy(self) -> None:
            pass

    monkeypatch.setattr(async_rollout_worker, "is_vllm_available", lambda: True)
    monkeypatch.setattr(async_distillation_trainer, "WeightTransferClient", Transfer)
    monkeypatch.setattr(async_distillation_trainer, "get_peak_flops_per_device", lambda *_: None)  # asks for a GPU

    def start(folder: Path) -> Server:
        begun.append(Server(folder))
        return begun[-1]

    yield start
    for one in begun:
        one.http.shutdown()
        one.http.server_close()


def args_of(student: Server, **teachers: str) -> dict[str, Any]:
    return {
        "vllm_server_base_url": student.url,
        "teacher_server_urls": teachers,
        "teacher_top_k": 20,
        "max_completion_length": 8,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": ROWS,
        "token_budget": 0,
        "model_init_kwargs": {"attn_implementation": "sdpa"},
        "learning_rate": 1e-2,
        "max_steps": STEPS,
        "logging_steps": 1,
        "dtype": "float32",
    }


def test_the_student_comes_nearer_to_its_teachers(
    servers: Callable[[Path], Server], tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    student, one, two = servers(tiny), servers(teacher), servers(teacher)
    rows = [{"question": row["question"], "teacher_id": "ab"[n % 2]} for n, row in enumerate(additions(16))]
    table = DistillParams(
        model=str(tiny),
        teachers={"a": str(teacher), "b": str(teacher)},
        on_policy=True,
        asynchronous=True,
        args=args_of(student, a=one.url, b=two.url),
    )
    result = Distill(table).train(data_of(train=rows), tmp_path / "out", PlainRun())
    found = losses(result)
    assert len(found) == STEPS and sum(found[-4:]) < 0.7 * sum(found[:4])
    assert result.metrics["reload_difference"] < 1e-4
    assert len(student.asked) >= STEPS * ROWS and one.asked and two.asked
    from transformers import AutoModelForCausalLM

    before = AutoModelForCausalLM.from_pretrained(tiny).state_dict()
    served = student.model.state_dict()
    assert any(not served[name].equal(before[name]) for name in served), "the server has weights of the training"


def test_each_teacher_needs_its_server(tiny: Path, teacher: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    args = {"teacher_server_urls": {"a": "http://127.0.0.1:1"}, "max_completion_length": 8}
    table = DistillParams(
        model=str(tiny), teachers={"a": str(teacher), "b": str(teacher)}, on_policy=True, asynchronous=True, args=args
    )
    rows = [{"question": row["question"], "teacher_id": "a"} for row in additions(4)]
    with pytest.raises(InputError, match="names a, and the teachers are a, b"):
        Distill(table).train(data_of(train=rows), tmp_path / "out", PlainRun())

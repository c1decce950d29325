"""A model of the Hub that this machine does not have: a check fetches nothing, and says what is missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dqdata.models import gguf

Invoke = Callable[..., tuple[int, str, str]]
PROJECT = """
[teachers.small]
provider = "llamacpp"
model = "{model}"

[pipelines.p]
from = {{ source = "problems", rows = 3 }}
steps = [ {{ op = "generate", teacher = "small", max_tokens = 9 }} ]
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that were asked of the Hub, which has nothing; an empty cache."""
    pytest.importorskip("huggingface_hub")
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", at)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", at)  # of functions that are no methods, since its import
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", at + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("model", "fetched"),
    [
        ("hf:some/where/model-q4.gguf", "hf download some/where model-q4.gguf`"),
        ("hf:some/where/model-q4.gguf@v2", "hf download some/where model-q4.gguf --revision v2`"),
        ("hf:some/where/deep/er/x.gguf", "hf download some/where deep/er/x.gguf`"),
    ],
)
def test_check_and_plan_fetch_no_model(
    dqdata: Invoke, tmp_path: Path, hub: list[str], model: str, fetched: str
) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "pipelines.toml").write_text(PROJECT.format(model=model))
    code, out, _ = dqdata("check", "--json")
    found = json.loads(out)
    assert code == 1 and found["codes"] == ["not-downloaded"] and fetched in found["problems"][0]
    assert "[teachers.small]" in found["problems"][0]
    code, _, error = dqdata("plan", "p")
    assert code == 2 and "error[not-downloaded]" in error and fetched in error
    assert not hub, "nothing was asked"
    code, _, error = dqdata("run", "p", "-q")
    assert code == 2 and "can't be had from the hub" in error
    assert hub, "a run does fetch it"


def test_a_model_that_was_fetched_is_found(dqdata: Invoke, tmp_path: Path, hub: list[str]) -> None:
    pytest.importorskip("xllamacpp")
    commit = "0123456789" * 4
    folder = tmp_path / "hub" / "models--some--where"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "small.gguf").symlink_to(gguf.locate(gguf.BUNDLED))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    (tmp_path / "pipelines.toml").write_text(PROJECT.format(model="hf:some/where/small.gguf"))
    assert dqdata("check")[0] == 0
    assert dqdata("plan", "p")[0] == 0
    assert not hub


@pytest.mark.needs("torch", "transformers")
@pytest.mark.parametrize("provider", ["transformers", "reward_model"])
def test_check_and_plan_fetch_no_weights_tokenizer_or_template(
    dqdata: Invoke, tmp_path: Path, hub: list[str], provider: str
) -> None:
    """Of teachers that load a model themselves, and of the student of a trainer."""
    uses = {"transformers": '{ op = "generate", teacher = "small", max_tokens = 9 }',
            "reward_model": '{ op = "score", judge = "small" }'}[provider]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "2+2?", "response": "4"}))
    (tmp_path / "pipelines.toml").write_text(f"""
[teachers.small]
provider = "{provider}"
model = "some/where"

[pipelines.p]
from = "rows.jsonl"
steps = [ {uses}, {{ op = "to_messages" }} ]

[trainers.t]
kind = "sft"
model = "some/where@v2"
data = {{ train = "p@latest" }}
""")
    missing = {"transformers": [], "reward_model": ["not-downloaded"]}[
        provider
    ]  # its config says which columns it makes
    code, out, _ = dqdata("check", "--json")
    assert json.loads(out)["codes"] == missing, out
    code, _, error = dqdata("plan", "p")
    assert (code, "`hf download some/where config.json`" in error) == ((2, True) if missing else (0, False)), error
    assert not hub, "nothing was asked"


@pytest.mark.needs("datasets")
def test_of_a_data_set_check_and_plan_ask_for_the_commit_alone(
    dqdata: Invoke, tmp_path: Path, hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)  # taken from the environment when it was imported
    (tmp_path / "pipelines.toml").write_text("""
[pipelines.p]
from = "hf:some/rows"
steps = [{ op = "filter", where = "length(question) > 3" }]
""")
    for command in (("check",), ("plan", "p")):
        code, _, error = dqdata(*command)
        assert code and "some/rows" in error, error
    assert {path for path in hub if "rows" in path} == {"/api/datasets/some/rows"}, hub

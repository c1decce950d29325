"""`dqdata export trained:NAME`: a folder that loads as it is, GGUF through a converter, refusals."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.catalog import Store

Run = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path, tiny: Path) -> Path:
    path = tmp_path / "catalogs"
    with Store.open(path) as opened:
        shutil.copytree(tiny, path / "models" / "t" / "1")
        (path / "models" / "t" / "1" / "metrics.json").write_text("{}")
        opened.record_model({"name": "t", "path": "models/t/1"})
    return path


@pytest.fixture
def run(store: Path, command_line: Callable[..., Any]) -> Run:
    """Runs `dqdata export ARGUMENTS`, and returns what it prints; its error where `code` is not 0."""

    def invoke(*arguments: str, code: int = 0) -> str:
        done = command_line("export", *arguments, "--store", store)
        assert done.code == code, done
        return str(done.error if code else done.out)

    return invoke


def test_the_folder_loads_and_the_command_is_told(store: Path, run: Run, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "served model"
    told = json.loads(run("trained:t", "-o", str(out), "--json"))
    assert told["command"] == f"vllm serve '{out}'"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "1"}], tokenize=False, add_generation_prompt=True)
    ids = tokenizer(chat, return_tensors="pt")
    assert model.generate(**ids, max_new_tokens=2).shape[1] == ids.input_ids.shape[1] + 2
    assert not (out / "metrics.json").exists() and not list(tmp_path.glob(".served*"))
    assert f"serve    vllm serve {tmp_path}/again" in run("trained:t@1", "-o", str(tmp_path / "again"))


def test_gguf_goes_through_the_converter(
    store: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    monkeypatch.setenv("PATH", str(bin_))
    target = tmp_path / "t.gguf"
    refused = run("trained:t", "-o", str(target), code=2)
    assert re.search(r"needs llama.cpp's convert_hf_to_gguf.py.*put that folder on PATH", refused)

    script = bin_ / "convert_hf_to_gguf.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "assert (Path(sys.argv[1]) / 'model.safetensors').exists() and sys.argv[2] == '--outfile'\n"
        "Path(sys.argv[3]).write_bytes(b'GGUF')\n"
    )
    run("trained:t", "-o", str(target))
    assert target.read_bytes() == b"GGUF"

    script.write_text("raise SystemExit('Model LlamaForCausalLM is not supported')")
    failed = run("trained:t", "-o", str(tmp_path / "u.gguf"), code=1)
    assert re.search("made no file.*\n.*is not supported", failed)
    assert not list(tmp_path.glob("*u.gguf*"))


def test_refusals(store: Path, run: Run, tmp_path: Path) -> None:
    refused = run("trained:u", "-o", str(tmp_path / "x"), code=2)
    assert re.search("no model 'u' was trained here.*have: t", refused)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert "is there already" in run("trained:t", "-o", str(tmp_path / "full"), code=2)
    (store / "models" / "t" / "1" / "model.safetensors").unlink()
    assert re.search(r"can't be served: .* lacks weights", run("trained:t", "-o", str(tmp_path / "x"), code=1))


def test_models_that_do_not_write_text_are_served_otherwise(store: Path, run: Run, tmp_path: Path) -> None:
    config = store / "models" / "t" / "1" / "config.json"
    plain = json.loads(config.read_text())
    config.write_text(json.dumps({**plain, "architectures": ["LlamaForSequenceClassification"]}))
    assert "--runner pooling" in run("trained:t", "-o", str(tmp_path / "judge"))
    config.write_text(json.dumps({**plain, "dqdata_targets": ["rv"]}))
    assert json.loads(run("trained:t", "-o", str(tmp_path / "figures"), "--json"))["command"] is None

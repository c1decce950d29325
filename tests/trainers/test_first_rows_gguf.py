"""`dqdata check` renders first rows with the tokenizer inside a GGUF file, and says what `train` would say."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.sft import Sft, SftParams

from dqdata.cli import main
from dqdata.errors import InputError
from dqdata.models import loadable, resolve_model
from dqdata.models import tokenizer as tokenizers
from dqdata.models import weights as packed

from .conftest import TEMPLATE, additions, chat, pairs
from .gguf_files import write_gguf
from .test_train_verb import committed

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
CALLS = "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}"
WITH_CALLS = TEMPLATE.replace("{{ m.content }}", "{{ m.content or '' }}" + CALLS)
LOSING = TEMPLATE.replace("m.content", "m.content.split('</think>')[-1]")
OPEN = TEMPLATE.replace("{{ m.content }}<|im_end|>", "{{ m.content }}")
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
CUT = TEMPLATE.replace("{{ m.content }}", "{{ m.content[:20] }}")


def tooled(n: int = 2) -> list[dict[str, Any]]:
    turns = [
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It is 3."},
    ]
    whole = [{"tool_calls": None, "tool_call_id": None, **turn} for turn in turns]
    return [{"trace_id": f"t{i}", "messages": whole} for i in range(n)]


def with_system() -> list[dict[str, Any]]:
    row = additions(1)[0]
    return [{**row, "messages": [{"role": "system", "content": "Be short."}, *chat("1 + 1?", "", "2")]}]


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What `dqdata check` says of a trainer with this student; empty where all is in order."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def check(model: Path, rows: Sequence[Mapping[str, Any]], keys: str = 'kind = "sft"') -> str:
        if not (tmp_path / "catalogs").exists():
            committed(tmp_path / "catalogs", "sums", rows, tmp_path)
        project = tmp_path / "pipelines.toml"
        project.write_text(f'[trainers.student]\n{keys}\ndata = "select * from sums"\nmodel = "{model}"\n')
        capsys.readouterr()
        code = main(["check", "-p", str(project)])
        said = " ".join(capsys.readouterr().err.split())
        assert (code == 1) == ("error[" in said and "pipelines.toml [trainers.student]" in said), said
        return said if code else ""

    return check


def of_training(model: Path, rows: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """What a training says of the same rows, with the weights unpacked; empty where it can begin."""
    try:
        unpacked = loadable(resolve_model(str(model), None, folder, "here"), folder / "unpacked")
        Sft(SftParams(model=str(model))).check_rows("train", rows, unpacked)
    except InputError as error:
        return " ".join(str(error).split())
    return ""


@pytest.mark.parametrize(
    "template, more, rows, reason",
    [
        pytest.param(TEMPLATE, {}, additions(3), "", id="all_is_written"),
        pytest.param(WITH_CALLS, {}, tooled(), "", id="calls_are_written"),
        pytest.param(LOSING, {}, additions(3), "the chat template loses the reasoning", id="reasoning_dropped"),
        pytest.param(TEMPLATE, {}, tooled(), "loses the tool call 'add'", id="calls_dropped"),
        pytest.param(None, {}, additions(3), "has no chat template (a base model?)", id="no_template"),
        pytest.param(TEMPLATE, {"eos": "<|pad|>"}, additions(3), "the student would never stop", id="another_eos"),
        pytest.param(OPEN, {}, additions(3), "doesn't end the assistant's turn", id="turn_left_open"),
        pytest.param(NO_SYSTEM + TEMPLATE, {}, with_system(), "System role not supported", id="template_refuses"),
        pytest.param(CUT, {}, additions(3), "the assistant's response isn't", id="answer_cut"),
        pytest.param(TEMPLATE, {"arch": "rwkv9"}, additions(3), "architecture rwkv9 is not supp", id="architecture"),
    ],
)
def test_check_says_of_a_gguf_file_what_a_training_says(
    tmp_path: Path, tiny: Path, checked: Callable[..., str], template: str, more: dict[str, str], rows: Any, reason: str
) -> None:
    model = write_gguf(tiny, tmp_path / "student.gguf", template, **more)
    said, expected = checked(model, rows), of_training(model, rows, tmp_path)
    assert reason in said
    assert bool(expected) == bool(reason)
    assert expected in said


def test_the_end_of_a_turn_is_what_the_file_says(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoTokenizer

    model = write_gguf(tiny, tmp_path / "student.gguf", TEMPLATE)
    _, right = packed.packed_tokenizer(model)
    real = AutoTokenizer.from_pretrained

    def mistaken(*given: Any, **more: Any) -> Any:
        tokenizer = real(*given, **more)
        tokenizer.eos_token = "<|im_start|>"
        return tokenizer

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", mistaken)
    _, read = packed.packed_tokenizer(model)
    assert (read.eos_token, read.eos_token_id) == (right.eos_token, right.eos_token_id) != ("<|im_start|>", None)
    assert read.eos_token == "<|im_end|>"


@pytest.mark.parametrize("left", [6, 40, 3_000, -200_000])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, tiny: Path, checked: Callable[..., str], left: int) -> None:
    whole = write_gguf(tiny, tmp_path / "whole.gguf", TEMPLATE).read_bytes()
    model = tmp_path / "cut.gguf"
    model.write_bytes(whole[:left])
    assert f"{model} can't be read as a GGUF model" in checked(model, additions(2))


def test_no_weights_are_unpacked_and_the_tokenizer_is_read_once(
    tmp_path: Path, tiny: Path, checked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_gguf(tiny, tmp_path / "student.gguf", TEMPLATE)
    read: list[Path] = []

    def reading(file: Path) -> Any:
        read.append(file)
        return packed.packed_tokenizer(file)

    monkeypatch.setattr(tokenizers, "packed_tokenizer", reading)
    assert checked(model, additions(2)) == ""
    assert not list((tmp_path / "catalogs").rglob("*.safetensors"))
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert checked(model, additions(2)) == ""
    assert read == [model]

    before = model.stat()
    write_gguf(tiny, model, LOSING)  # another template under the same name
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
    assert "loses the reasoning" in checked(model, additions(2))
    assert checked(model, additions(2), f'kind = "sft"\nchat_template = "{_file(tmp_path, TEMPLATE)}"') == ""


def test_a_cache_that_cannot_be_written_does_not_matter(
    tmp_path: Path, tiny: Path, checked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    model = write_gguf(tiny, tmp_path / "student.gguf", LOSING)
    assert "loses the reasoning" in checked(model, additions(2))


def test_pairs_are_rendered_too(tmp_path: Path, tiny: Path, checked: Callable[..., str]) -> None:
    rows = pairs(3)
    assert checked(write_gguf(tiny, tmp_path / "good.gguf", TEMPLATE), rows, 'kind = "dpo"') == ""
    assert "pair_id p0" in checked(write_gguf(tiny, tmp_path / "losing.gguf", LOSING), rows, 'kind = "dpo"')


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path, tiny: Path, checked: Callable[..., str]) -> None:
    student = tmp_path / "student"
    shutil.copytree(tiny, student, ignore=shutil.ignore_patterns("tokenizer*", "chat_template*"))
    assert "its tokenizer can't be loaded" in checked(student, additions(2))


def _file(folder: Path, template: str) -> Path:
    path = folder / "template.jinja"
    path.write_text(template)
    return path

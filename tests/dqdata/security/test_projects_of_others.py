"""A pipelines.toml, a model folder and texts of models that somebody else made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dqdata.errors import InputError, ProjectError
from dqdata.project.paths import ALLOWED, outside_paths
from dqdata.project.tables import read_project
from dqdata.training.card import code, plain
from tests.dqdata.security.conftest import Invoke

PATHS = {
    "prompt": (
        "[pipelines.p]\nfrom = {{ source = 'problems', rows = 2 }}\n"
        "steps = [{{ op = 'generate', teacher = 't', prompt = '{}' }}]\n",
        "steps.1.prompt",
    ),
    "source": ("[pipelines.p]\nfrom = {{ source = 'files', path = '{}' }}\n", "from.path"),
    "from": ("[pipelines.p]\nfrom = '{}'\n", "pipelines.p.from"),
    "list of files": ("[pipelines.p]\nfrom = ['{}', 'b.jsonl']\n", "from.1"),
    "teacher": ("[teachers.t]\nprovider = 'replay'\nmodel = 'm'\nledger = '{}'\n", "teachers.t.ledger"),
    "interpreter": ("[teachers.t]\nprovider = 'vllm'\nmodel = 'm'\npython = '{}'\n", "teachers.t.python"),
    "store": ("[store]\npath = '{}'\n", "store.path"),
    "profile": (
        "[profiles.x.pipelines.p]\nfrom = '{}'\n[pipelines.p]\nfrom = 'a.jsonl'\n",
        "profiles.x.pipelines.p.from",
    ),
    "trainer": ("[trainers.t]\nkind = 'sft'\nmodel = '{}'\ndata = 'p'\n", "trainers.t.model"),
}
OUTSIDE = ["../../x.jsonl", "/etc/hostname", "~/x.jsonl", "a/../../x.jsonl", "../**/*.jsonl", "linked/x.jsonl"]


def project(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pipelines.toml").write_text(text)
    return folder / "pipelines.toml"


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("kind", PATHS)
def test_a_path_out_of_the_project_is_named(kind: str, path: str, tmp_path: Path) -> None:
    text, where = PATHS[kind]
    file = project(tmp_path / "project", text.format(path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.jsonl").touch()
    (file.parent / "linked").symlink_to(tmp_path / "elsewhere")
    found = outside_paths(file)
    assert len(found) == 1 and where in found[0] and repr(path) in found[0], found


@pytest.mark.parametrize(
    "path", ["linked/*.jsonl", "data/*.jsonl", "data/**/*.jsonl", "da?a/[x].jsonl", "*/x.jsonl", "data/deep/*/x.jsonl"]
)
def test_a_glob_with_links_out_of_the_project_is_named(path: str, tmp_path: Path) -> None:
    file = project(tmp_path / "project", PATHS["source"][0].format(path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.jsonl").touch()
    deep = file.parent / "data" / "deep"
    deep.mkdir(parents=True)
    (file.parent / "linked").symlink_to(elsewhere)
    (file.parent / "data" / "x.jsonl").symlink_to(elsewhere / "x.jsonl")
    (deep / "y").symlink_to(elsewhere)
    found = outside_paths(file)
    assert len(found) == 1 and repr(path) in found[0] and "elsewhere" in found[0], found


@pytest.mark.parametrize("path", ["a.jsonl", "data/*.jsonl", "./data/../b.jsonl", "x..y.jsonl", "...", "select 1 / 2"])
def test_a_path_inside_is_not(path: str, tmp_path: Path) -> None:
    assert not outside_paths(project(tmp_path, PATHS["source"][0].format(path)))


def test_check_warns_and_says_how_to_allow(tmp_path: Path, dqdata: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "What is 1 + 1?", "answer": "2"}\n')
    file = project(tmp_path / "project", "[pipelines.p]\nfrom = '../rows.jsonl'\n")
    done = dqdata("check", "-p", str(file))
    assert (
        done.code == 0
        and "warning[outside-path]: " in done.error
        and "../rows.jsonl" in done.error
        and ALLOWED in done.error
    )
    said = json.loads(dqdata("check", "-p", str(file), "--json").out)
    assert said["ok"] and len(said["warnings"]) == 1
    monkeypatch.setenv(ALLOWED, str(tmp_path))
    assert "warning" not in dqdata("check", "-p", str(file)).error
    monkeypatch.setenv(ALLOWED, "")
    for verb in (["check"], ["plan", "p"], ["run", "p"]):
        refused = dqdata(*verb, "-p", str(file))
        assert refused.code == 2 and "../rows.jsonl" in refused.error, refused


NAMES = ["../../x", "a/b", "..", ".hidden", "a\\\\b", "a\\u0000b", "x" * 101, "a\\nb"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipelines", "teachers", "trainers", "profiles", "step id"])
def test_names_cannot_leave_their_folder(kind: str, name: str, tmp_path: Path) -> None:
    if kind == "step id":
        text = f'[pipelines.p]\nfrom = "a.jsonl"\nsteps = [{{ op = "pii", id = "{name}" }}]\n'
    else:
        text = f'[{kind}."{name}"]\n'
    with pytest.raises(ProjectError, match="a name has no slash"):
        read_project(project(tmp_path, text))


@pytest.mark.parametrize("into", ["../x", "a/b", "A", "", "a b", "dq_x"])
def test_a_catalog_is_no_path(into: str, tmp_path: Path, dqdata: Invoke) -> None:
    project(tmp_path, f'[pipelines.p]\nfrom = "a.jsonl"\ninto = "{into}"\n')
    assert dqdata("check").code == 2


def test_weights_that_run_code_are_not_loaded(tmp_path: Path) -> None:
    """A pickle with a canary, and a config that names Python of its own."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from dqdata.models import Writer

    canary = tmp_path / "canary"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return Path.touch, (canary,)  # type: ignore[return-value]

    pickled, coded = tmp_path / "pickled", tmp_path / "coded"
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_layer": 1,
        "n_head": 1,
        "n_embd": 8,
        "vocab_size": 8,
    }
    for folder in (pickled, coded):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text(
            json.dumps(
                {
                    "version": "1.0",
                    "added_tokens": [],
                    "model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"},
                }
            )
        )
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    torch.save({"x": Bomb()}, pickled / "pytorch_model.bin")
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    (coded / "config.json").write_text(json.dumps({**config, **own}))
    (coded / "own.py").write_text(f"from pathlib import Path\nPath({str(canary)!r}).touch()\n")
    for folder in (pickled, coded):
        with pytest.raises(InputError, match="can't be loaded"):
            Writer(str(folder))
        assert not canary.exists()


def test_chat_templates_run_in_a_sandbox(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from jinja2.exceptions import SecurityError
    from transformers.utils.chat_template_utils import render_jinja_template

    canary = tmp_path / "canary"
    for template in (
        "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__ }}",
        "{{ messages.append(1) }}",
        "{{ (messages | map(attribute='__class__') | list)[0].mro() }}",
    ):
        with pytest.raises((SecurityError, Exception)) as refused:
            render_jinja_template(
                conversations=[[{"role": "user", "content": "x"}]],
                chat_template=template.replace("CANARY", str(canary)),
            )
        assert "Security" in type(refused.value).__name__ or "Undefined" in type(refused.value).__name__
        assert not canary.exists()


def test_cards_show_texts_as_they_are() -> None:
    for text in (
        "<script>alert(1)</script>",
        "![x](http://evil/x.png)",
        "[click](javascript:x)",
        "a | b\n\n# Heading",
        "`code` **bold**",
        "</details><img src=x onerror=y>",
        "~~gone~~ <!-- hidden -->",
    ):
        shown = plain(text)
        assert "\n" not in shown and "<" not in shown
        assert not [mark for mark in "*[]()!|`#" if mark in shown.replace(f"\\{mark}", "")]
    for text in ("a`b", "``", "x\n```\n# y", "select '|'"):
        line = code(text)
        ticks = line[: len(line) - len(line.lstrip("`"))]
        assert "\n" not in line and line.endswith(ticks) and ticks not in line[len(ticks) : -len(ticks)].strip()


def test_a_terminal_obeys_no_row(tmp_path: Path, dqdata: Invoke) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"question": "\x1b]0;owned\x07 red \x1b[31m \x9b31m"}) + "\n")
    assert dqdata("import", str(rows), "--into", "p", "--store", str(tmp_path / "catalogs")).code == 0
    shown = dqdata("sql", "select question from p", "--store", str(tmp_path / "catalogs")).out
    assert "red" in shown and not [one for one in "\x1b\x07\x9b" if one in shown]

"""A pipelines.toml, a model folder and texts of models that somebody else made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from dqdata.errors import InputError, ProjectError
from dqdata.project.paths import ALLOWED, outside_paths
from dqdata.project.tables import read_project
from dqdata.training.card import Made, code, plain, write_card
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


def test_of_a_glob_that_matches_much_the_first_files_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project(tmp_path / "project", PATHS["source"][0].format("data/*.jsonl"))
    (file.parent / "data").mkdir()
    (file.parent / "data" / "x.jsonl").symlink_to(tmp_path / "x.jsonl")
    assert outside_paths(file)
    monkeypatch.setattr("dqdata.project.paths._MOST_MATCHES", 0)
    assert not outside_paths(file)


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
        assert refused.code == (1 if verb[0] == "check" else 2) and "../rows.jsonl" in refused.error, refused


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
    assert dqdata("check").code == 1


def test_chat_templates_run_in_a_sandbox(tmp_path: Path) -> None:
    """Every chat is rendered by `dqdata.models.rendering`, for training, checks and prompts alike."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from dqdata.models import prompt_ids, tokenize

    canary = tmp_path / "canary"
    plain_words = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain_words, eos_token="</s>", unk_token="[UNK]")
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    for template in (
        "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__ }}",
        "{{ messages.append(1) }}",
        "{{ (messages | map(attribute='__class__') | list)[0].mro() }}",
    ):
        tokenizer.chat_template = template.replace("CANARY", str(canary))
        for render in (lambda: prompt_ids(tokenizer, chat[:1]), lambda: tokenize(tokenizer, chat)):
            with pytest.raises(InputError, match=r"refuses the chat \((Security|Undefined)Error"):
                render()
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


def test_a_card_escapes_notes_figures_and_names(tmp_path: Path) -> None:
    evil = "</details><script>x</script> ![p](http://evil/p.png)\n# Heading"
    model = SimpleNamespace(kind="hub", identity="0" * 12)
    plan = SimpleNamespace(
        name="m", table=SimpleNamespace(kind="sft"), models={f"a`{evil}": model}, fingerprint="f" * 12, splits={},
        questions=None, params={"args": evil}, processes=1,
    )  # fmt: skip
    made = Made(plan, None, {"loss": 1.5, evil: evil}, [evil], {"torch": "2"})  # type: ignore[arg-type]
    write_card(made, tmp_path, None)
    text = (tmp_path / "README.md").read_text()
    head, page = text.split("\n---\n", 1)
    before, recipe = page.split("```json", 1)
    shown = re.sub(r"(`+) .*? \1", "", before) + recipe.split("```", 1)[1]
    assert head.startswith("---") and shown.count("evil") == 3
    assert "<script" not in shown and "![p]" not in shown and "\n# Heading" not in text
    assert recipe.split("```", 1)[0].count("\n# ") == 0


def test_a_terminal_obeys_no_row(tmp_path: Path, dqdata: Invoke) -> None:
    """Not in its values, and not in names of columns and of keys of messages, which are data of others too."""
    evil = "\x1b]0;owned\x07 red \x1b[31m \x9b31m \u202ekrad\u2066"
    rows, store = tmp_path / "rows.jsonl", ("--store", str(tmp_path / "catalogs"))
    chat = [{"role": "user", "content": "q", f"key{evil}": 1}, {"role": "assistant", "content": "a"}]
    rows.write_text(json.dumps({"messages": chat, f"column{evil}": evil}) + "\n")
    shown = [dqdata("import", str(rows), "--into", "p", *store)]
    shown += [
        dqdata(*words, *store) for words in (("sql", "from p"), ("show", "p"), ("log", "p"), ("sql", "select x from p"))
    ]
    text = "".join(one.text for one in shown)
    assert text.count("red") >= 4 and "key" in shown[0].out
    assert not [one for one in "\x1b\x07\x9b\u202e\u2066" if one in text]

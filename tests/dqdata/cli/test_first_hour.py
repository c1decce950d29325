"""What a new user does: init with every template, show, explain, doctor, ops, completion."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import vllm_stand_in

from tests.loopback import Loopback

Invoke = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("template", ["local", "openai", "vllm", "code", "import"])
def test_a_template_is_a_project_in_order(
    dqdata: Invoke, tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    (tmp_path / ".gitignore").write_text("*.log")
    code, out, _ = dqdata("init", "--template", template)
    assert code == 0 and "next:  dqdata run" in out
    assert (tmp_path / ".gitignore").read_text().splitlines() == ["*.log", "/catalogs/"]
    assert (tmp_path / "pipelines.toml").read_text().startswith("#:schema ./pipelines.schema.json")
    assert json.loads((tmp_path / "pipelines.schema.json").read_text())["properties"]["pipelines"]
    code, _, error = dqdata("check")
    assert code == 0 or "pip install" in out, error
    assert dqdata("init", "--template", template)[0] == 2


def test_what_is_missing_is_one_command(dqdata: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    _, out, _ = dqdata("init", "x", "--template", "openai")
    assert "first: export OPENAI_API_KEY=" in out and "next:  cd x && dqdata run quickstart" in out


@pytest.mark.parametrize(("template", "pipeline", "rows"), [("code", "programs", 2), ("import", "problems", 2)])
def test_what_init_prints_as_next_works(dqdata: Invoke, template: str, pipeline: str, rows: int) -> None:
    dqdata("init", "--template", template)
    code, out, error = dqdata("run", pipeline, "-q")
    assert code == 0, error
    assert f"{pipeline}@1: {rows} rows from 3" in out
    code, out, _ = dqdata("show", pipeline, "--limit", "1")
    assert code == 0 and out.count("-- ") == 1 and f"{rows} rows" in out


def test_the_openai_template_makes_verified_rows(dqdata: Invoke, tmp_path: Path, loopback: Loopback) -> None:
    from tests.test_quickstart import adds_up

    dqdata("init", "--template", "openai")
    file = tmp_path / "pipelines.toml"
    text = file.read_text().replace("https://api.openai.com/v1", loopback.url)
    file.write_text(text.replace('api_key = { env = "OPENAI_API_KEY" }\n', ""))
    loopback.answer = adds_up
    code, out, error = dqdata("run", "quickstart", "-q")
    assert code == 0, error
    assert "not_correct" in out


def test_the_vllm_template_makes_verified_rows_with_a_server_that_speaks_as_vllm_does(
    dqdata: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    vllm_stand_in.install(packages, version="0.11.0")
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", str(packages))
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))

    _, out, _ = dqdata("init", "mine", "--template", "vllm")
    assert "first:" not in out, "nothing is missing"
    monkeypatch.chdir(tmp_path / "mine")
    for word in ("next:", "then:"):  # what was printed is done
        [line] = [line for line in out.splitlines() if line.startswith(word)]
        command = line.removeprefix(word).strip().removeprefix("cd mine && ").split()
        assert command[0] == "dqdata"
        code, _, error = dqdata(*command[1:])
        assert code == 0, error
    rows = json.loads(dqdata("show", "quickstart", "--limit", "100", "--json")[1])
    assert rows["total"] >= 20, "verified ones"
    assert all(row["correct"] for row in rows["rows"])
    asked = dqdata("sql", "select count(*) as calls from ledger.calls", "--json")[1]
    assert "800" in asked, "four answers to each of 200 problems"
    for line in (tmp_path / "noted").read_text().splitlines():
        options = json.loads(line)["options"]
        assert options[options.index("--max-model-len") + 1] == "4096"


def test_a_hint_holds_for_the_project_and_profile_of_the_run(
    dqdata: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dqdata("init", "deep down", "--template", "import")
    file = tmp_path / "deep down" / "pipelines.toml"
    file.write_text(file.read_text() + "\n[profiles.small.pipelines.problems]\nseed = 3\n")
    where = ("-p", "deep down", "--profile", "small")
    for words in (("run", "problems", "-q"), ("preview", "problems")):
        code, out, error = dqdata(*words, *where)
        assert code == 0, error
        [hint] = [line for line in out.splitlines() if line.strip().startswith(("look", "next"))]
        command = shlex.split(hint.split(maxsplit=1)[1])
        assert command[-4:] == ["-p", str(file), "--profile", "small"]
        code, _, error = dqdata(*command[1:])
        assert code == 0, error


def test_show_gives_one_row_and_rejects_by_reason(dqdata: Invoke) -> None:
    dqdata("init", "--template", "code")
    dqdata("run", "programs", "-q")
    [first, _] = json.loads(dqdata("show", "programs", "--json")[1])["rows"]
    code, out, _ = dqdata("show", "programs@1", "--row", first["trace_id"][:8])
    assert code == 0 and first["trace_id"] in out
    rejects = json.loads(dqdata("show", "programs", "--rejects", "--json")[1])
    assert rejects["total"] == 1 and rejects["rows"][0]["reason"] == "not_correct"


def test_ops_finds_plug_ins_of_every_group_by_name(dqdata: Invoke) -> None:
    for name, group in (("verify_math", "operator"), ("sft", "trainer"), ("openai", "teacher"), ("problems", "source")):
        code, out, _ = dqdata("ops", name)
        assert code == 0 and f"{name} ({group})" in out
    made = json.loads(dqdata("ops", "verify_math", "--json")[1])
    assert set(made["columns"]["reads"]) == {"answer", "response"}
    assert {"verdict", "correct"} <= set(made["columns"]["makes"])
    assert "boxed" in made["example"]
    assert json.loads(dqdata("ops", "generate", "--json")[1])["columns"]["reads"] == ["question"]


@pytest.mark.parametrize(
    ("name", "reads", "makes"),
    [
        ("expand", {"question"}, {"seed_id"}),
        ("refine", {"question"}, {"seed_id"}),
        ("grade", {"question", "rv_length"}, {"rv", "cd"}),
        ("judge_contamination", {"contamination", "contamination_text"}, {"contamination_verdict"}),
        ("pairs", {"correct", "fit"}, {"chosen", "rejected"}),
        ("sample", set(), set()),
        ("join", set(), {"level"}),
    ],
)
def test_ops_shows_columns_in_and_out(dqdata: Invoke, name: str, reads: set[str], makes: set[str]) -> None:
    columns = json.loads(dqdata("ops", name, "--json")[1])["columns"]
    assert reads <= set(columns["reads"]) and makes <= set(columns["makes"])


def test_every_operator_shows_its_columns() -> None:
    from dqdata.plugins import found, load
    from dqdata.project.columns_used import columns_used

    built_in = [name for name, point in found("operators").items() if point.value.startswith("dqdata_operators.")]
    assert len(built_in) > 30
    assert not [name for name in built_in if columns_used(load("operators", name)) is None]


@pytest.mark.parametrize(
    ("name", "reads"),
    [("sft", {"messages"}), ("dpo", {"prompt", "chosen", "rejected"}), ("grpo", {"prompt"}), ("reward", {"chosen"})],
)
def test_ops_shows_what_a_trainer_reads(dqdata: Invoke, name: str, reads: set[str]) -> None:
    assert reads <= set(json.loads(dqdata("ops", name, "--json")[1])["columns"]["reads"])
    shown = dqdata("ops", name)[1]
    assert "columns of the rows, for the example" in shown and f'kind = "{name}"' in shown


@pytest.mark.parametrize("group", ["operators", "trainers", "teachers", "sources"])
def test_every_built_in_plug_in_has_an_example(dqdata: Invoke, group: str) -> None:
    from dqdata.plugins import claims

    ours = ("dqdata.", "dqdata_operators.", "dqdata_trainers.")
    named = claims(group).items()  # type: ignore[arg-type]
    built_in = [name for name, points in named if len(points) == 1 and points[0].value.startswith(ours)]
    shown = {name: json.loads(dqdata("ops", name, "--group", group, "--json")[1]) for name in built_in}
    assert not [name for name, one in shown.items() if not one["example"] or not one["does"]]


@pytest.mark.parametrize(
    "code", ["unknown-key", "error[unknown-key]:", "truncated", "contaminated_exact", "filtered by x = 1"]
)
def test_explain(dqdata: Invoke, code: str) -> None:
    done, out, _ = dqdata("explain", code)
    assert done == 0 and "What to do:" in out
    assert dqdata("explain", "truncatd")[0] == 2


def test_doctor_names_what_is_missing_and_asks_endpoints_only_with_ping(
    dqdata: Invoke, tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    (tmp_path / "pipelines.toml").write_text(
        f'[teachers.a]\nprovider = "openai"\nbase_url = "{loopback.url}"\nmodel = "m"\n'
        'api_key = { env = "NOT_SET_HERE" }\n'
        '[teachers.b]\nprovider = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    )
    _, out, _ = dqdata("doctor", "--json")
    found = {one["part"]: one for one in json.loads(out)["findings"]}
    assert {"python", "dqdata", "sandbox", "gpu", "disk", "project", "store", "plug-ins"} <= set(found)
    assert found["key NOT_SET_HERE"]["fix"] == "export NOT_SET_HERE=..."
    assert not any(part.startswith("endpoint") for part in found)
    code, out, _ = dqdata("doctor", "--ping", "--json")
    found = {one["part"]: one for one in json.loads(out)["findings"]}
    assert found["endpoint b"]["state"] == "bad" and code == 1
    assert found["operator broken_import"]["state"] == "bad"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["run", "pl"], "plain_one"),
        (["build", "tr"], "trained_one"),
        (["run", "x", "--profile", "ti"], "tiny"),
        (["ops", "verify_m"], "verify_math"),
        (["apply", "ded"], "dedup"),
        (["explain", "unknown-k"], "unknown-key"),
    ],
)
def test_completion_names_what_the_project_has(tmp_path: Path, words: list[str], name: str) -> None:
    (tmp_path / "pipelines.toml").write_text(
        "[pipelines.plain_one]\nfrom = 'x'\n[trainers.trained_one]\nkind = 'sft'\ndata = 'x'\n[profiles.tiny]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'dqdata'; from dqdata.cli import main; sys.exit(main())"],
        cwd=tmp_path,
        env={
            **os.environ,
            "_DQDATA_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["dqdata", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"plain,{name}" in done.stdout.split()


@pytest.mark.parametrize(
    ("system", "version", "refused"),
    [
        ("linux", (3, 11), False),
        ("linux", (3, 14), False),
        ("darwin", (3, 13), False),
        ("win32", (3, 12), True),
        ("linux", (3, 10), True),
        ("linux", (3, 15), True),
    ],
)
def test_systems_are_supported_or_refused_with_the_reason(system: str, version: tuple[int, int], refused: bool) -> None:
    from dqdata.platforms import refusal

    assert bool(refusal(system, version)) is refused

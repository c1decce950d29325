"""`dqdata train`: from a catalog to a recorded model, with exact match before and after; stops, resumes, refuses."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dqdata.catalog import Store
from dqdata.cli import main
from dqdata.columns import arrow_schema, columns_of
from dqdata.errors import InputError, ProjectError, RunError
from dqdata.project.tables import read_project
from dqdata.training.run import train

from .conftest import additions

PROJECT = """
[trainers.tiny_sft]
kind = "sft"
data = {{ train = "sums@latest" }}
model = "{model}"
{keys}
args = {{ learning_rate = 1e-2, max_steps = {steps}, per_device_train_batch_size = 5, logging_steps = 1 }}
"""


def committed(store: Path, catalog: str, rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    table = pa.Table.from_pylist(list(rows))
    columns = columns_of(table.schema)
    file = folder / f"{catalog}.parquet"
    pq.write_table(table.cast(arrow_schema(columns)), file)
    with Store.open(store) as opened:
        opened.commit(catalog, rows=[file], rejects=[], columns=columns, fingerprint=catalog, recipe={}, run_id="test")


@pytest.fixture
def project(tmp_path: Path, tiny: Path) -> Path:
    committed(tmp_path / "catalogs", "sums", additions(5), tmp_path)
    return written(tmp_path, tiny)


def written(folder: Path, model: Path | str, keys: str = "", steps: int = 4) -> Path:
    path = folder / "pipelines.toml"
    path.write_text(PROJECT.format(model=model, keys=keys, steps=steps))
    return path


STAGES = """
[trainers.stage1]
kind = "sft"
data = "select * from sums where list_contains(stages, 1) order by trace_id"
model = "{model}"
evaluate = {{ data = "select question, answer from sums order by trace_id limit 5", max_new_tokens = 40 }}
allow_leaks = true
args = {{ learning_rate = 1e-2, max_steps = 150, per_device_train_batch_size = 5, logging_steps = 1 }}

[trainers.stage2]
kind = "sft"
data = "select * from sums where list_contains(stages, 2) order by trace_id"
model = "trained:stage1@latest"
args = {{ learning_rate = 1e-3, max_steps = 3, per_device_train_batch_size = 5, logging_steps = 1 }}
"""


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> tuple[Path, dict[str, Any]]:
    """A project of two stages whose first is trained, and what the command told of it."""
    folder = tmp_path_factory.mktemp("stages")
    rows = [{**row, "stages": [1, 2] if n < 2 else [1] if n < 5 else [2]} for n, row in enumerate(additions(8))]
    committed(folder / "catalogs", "sums", rows, folder)
    path = folder / "pipelines.toml"
    path.write_text(STAGES.format(model=tiny))
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["train", "stage1", "--json", "-p", str(path)]) == 0
    return path, json.loads(printed.getvalue())


@pytest.fixture
def own_stages(first_stage: tuple[Path, dict[str, Any]], tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of it, for tests that train another version of a stage."""
    path, told = first_stage
    return shutil.copytree(path.parent, tmp_path / "stages") / path.name, told


def test_trains_scores_and_records(first_stage: tuple[Path, dict[str, Any]], tiny: Path) -> None:
    project, told = first_stage
    assert told["model"] == "trained:stage1@1"
    assert told["before"]["correct"] == 0 and told["before"]["total"] == 5
    assert told["after"]["correct"] >= 4, told["after"]
    assert told["metrics"]["last_loss"] < told["metrics"]["first_loss"]

    with Store.open(project.parent / "catalogs") as store:
        [model] = store.models("stage1")
        recipe = json.loads(model["recipe"])
        assert 'from "sums@1" where' in json.loads(model["data"])["train"]
        assert model["base_model"] == str(tiny) and model["trainer"] == "sft"
        assert recipe["params"]["args"]["learning_rate"] == 1e-2 and recipe["libraries"]["trl"]
        assert json.loads(model["metrics"])["after_accuracy"] == told["after"]["accuracy"]
        assert not list((store.work / "train").glob("stage1-*/")), "the work folder goes once the model is recorded"

        again = train(read_project(project), "stage1", store)
        assert again.unchanged and again.version == 1

        steps = store.query(
            "select step, value from dq_metrics where model = 'stage1' and version = 1 and name = 'loss' order by step"
        ).read_all()
        assert steps["step"].to_pylist() == list(range(1, 151))
        assert steps["value"][0].as_py() == told["metrics"]["first_loss"]

    card = (Path(told["path"]) / "README.md").read_text()
    assert f"starting from `{tiny}`" in card and "`sums@1`: 8 rows" in card and "| after_accuracy |" in card
    assert (Path(told["path"]) / "curves.png").read_bytes().startswith(b"\x89PNG") and "(curves.png)" in card
    assert any(note.startswith("memory: about") for note in told["notes"]) and "memory: about" in card


def test_a_curriculum_is_a_chain_of_trainers(
    first_stage: tuple[Path, dict[str, Any]], command_line: Callable[..., Any]
) -> None:
    project, told = first_stage
    checked = json.loads(command_line("check", "--json", "-p", project).out)
    assert (checked["ok"], checked["checked"], checked["problems"]) == (True, ["stage1", "stage2"], [])

    with Store.open(project.parent / "catalogs") as store:
        second = train(read_project(project), "stage2", store)
        [model] = store.models("stage2")
    assert second.metrics["first_loss"] < told["metrics"]["first_loss"] / 2, "it starts from the first stage's weights"
    recipe = json.loads(model["recipe"])
    assert list(recipe["models"]) == ["trained:stage1@latest"]
    assert recipe["models"]["trained:stage1@latest"]["path"] == told["path"], "which version it was is written down"


@pytest.mark.slow
def test_the_model_answers_while_it_trains(own_stages: tuple[Path, dict[str, Any]]) -> None:
    project, _ = own_stages
    with Store.open(project.parent / "catalogs") as store:
        keys = ["args.max_steps=60", "evaluate.every_steps=20"]
        told = train(read_project(project), "stage1", store, keys=keys)
        [model] = [one for one in store.models("stage1") if one["version"] == told.version]
        steps = store.query(
            f"select step, value from dq_metrics where model = 'stage1' and version = {told.version} and "
            "name = 'eval_exact_match' order by step"
        ).read_all()
    assert steps["step"].to_pylist() == [20, 40, 60]
    best = max(steps["value"].to_pylist())
    assert told.after is not None and told.after.accuracy == pytest.approx(best)
    assert json.loads(model["metrics"])["best_exact_match"] == pytest.approx(best)


@pytest.mark.slow
def test_each_stage_of_a_curriculum_is_evaluated(own_stages: tuple[Path, dict[str, Any]]) -> None:
    """Before the second stage the model scores what it did after the first."""
    project, told = own_stages
    evaluate = "evaluate={ data = 'select question, answer from sums order by trace_id limit 5', max_new_tokens = 40 }"
    with Store.open(project.parent / "catalogs") as store:
        second = train(read_project(project), "stage2", store, keys=[evaluate, "allow_leaks=true", "args.max_steps=2"])
    assert second.before is not None and second.after is not None
    assert second.before.correct == told["after"]["correct"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("trained:stage1@latest", "trained:stage2"), "a cycle: stage2 -> stage2"),
        (("trained:stage1@latest", "trained:stage3"), r"\[trainers.stage2\] 'trained:stage3': .*did you mean 'stage"),
        (("max_new_tokens", "max_tokens"), r"\[trainers.stage1\] evaluate: unknown key 'max_tokens'.*max_new_tokens"),
        (("max_new_tokens = 40", "samples = 4"), "4 samples at temperature 0 are all the same"),
        (("max_new_tokens = 40", "verify = 'vrfy'"), r"\[trainers.stage1\] evaluate verify: no operator 'vrfy'"),
        (("(stages, 2)", "(stags, 2)"), r"\[trainers.stage2\] data.train: .*stags"),
        (("evaluate = { data", "chat_template = 'no.jinja'\nevaluate = { data"), "no file .*no.jinja"),
    ],
)
def test_check_finds_what_training_would_refuse(
    tmp_path: Path, tiny: Path, command_line: Callable[..., Any], change: tuple[str, str], message: str
) -> None:
    rows = [{**row, "stages": [1]} for row in additions(2)]
    committed(tmp_path / "catalogs", "sums", rows, tmp_path)
    path = tmp_path / "pipelines.toml"
    path.write_text(STAGES.format(model=tiny).replace(*change))
    done = command_line("check", "--json", "-p", path)
    assert done.code == 1 and re.search(message, done.out + done.error), done


def test_keys_of_the_table_come_from_the_command_line(project: Path, tiny: Path) -> None:
    keys = ["args.max_steps=2", "args.learning_rate=5e-3", "seed=7", "lora={ r = 2 }", "args.lr_scheduler_type=linear"]
    with Store.open(project.parent / "catalogs") as store:
        told = train(read_project(project), "tiny_sft", store, keys=keys)
        [model] = store.models("tiny_sft")
        params = json.loads(model["recipe"])["params"]
        assert train(read_project(project), "tiny_sft", store, keys=keys).unchanged
    assert params["args"] == {
        "learning_rate": 5e-3, "max_steps": 2, "per_device_train_batch_size": 5, "logging_steps": 1,
        "lr_scheduler_type": "linear",
    }  # fmt: skip
    assert params["seed"] == 7 and params["lora"]["r"] == 2
    assert (told.path / "adapter" / "adapter_model.safetensors").is_file(), "adapters are kept with the model"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("args.learning_rat=1", "args.learning_rat: TRL's SFTConfig has no such field"),
        ("max_lenght=5", "unknown key 'max_lenght'; did you mean 'max_length'"),
        ("args.learning_rate", "isn't KEY=VALUE"),
        ("=5", "isn't KEY=VALUE"),
        ("model.name=x", "'model' is no table but "),
        ("kind=dpo", "`kind` can't be set here"),
        ("data.train=sums@9", "data.train: .*sums.*9"),
    ],
)
def test_a_wrong_key_of_the_command_line_is_refused(
    project: Path, command_line: Callable[..., Any], key: str, message: str
) -> None:
    done = command_line("train", "tiny_sft", key, "-q", "-p", project)
    assert done.code == 2 and re.search(message, done.error), done


@pytest.mark.parametrize(
    ("keys", "model", "message"),
    [
        ("max_lenght = 5", None, r"\[trainers.tiny_sft\]: unknown key 'max_lenght'; did you mean 'max_length'"),
        ("", "trained:tiny_stf", "no model 'tiny_stf' was trained here"),
        ("", "./nowhere", "no model at .*nowhere"),
        ("chat_template = 'none.jinja'", None, r"key 'chat_template': no file .*none.jinja"),
        ("evaluate = { data = 'select question from sums' }", None, r"evaluate.data: needs column 'answer'"),
        ("evaluate = { data = 'sums', max_tokens = 5 }", None, r"unknown key 'max_tokens'.*max_new_tokens"),
        ("evaluate = { data = 'sums', verify = 'verify_maths' }", None, r"evaluate verify: no operator 'verify_maths'"),
        (
            "evaluate = { data = 'sums', verify_params = { tol = 1 } }",
            None,
            r"evaluate verify: unknown parameter 'tol'",
        ),
        ("lora = { rank = 4 }", None, r"lora.rank"),
    ],
)
def test_a_wrong_table_is_refused_before_anything_runs(
    project: Path, tiny: Path, keys: str, model: str | None, message: str
) -> None:
    written(project.parent, model or tiny, keys)
    with Store.open(project.parent / "catalogs") as store, pytest.raises(InputError, match=message):
        train(read_project(project), "tiny_sft", store)


def test_wrong_columns_and_versions_name_the_split(project: Path) -> None:
    text = project.read_text()
    with Store.open(project.parent / "catalogs") as store:
        project.write_text(text.replace("sums@latest", "select question from sums"))
        with pytest.raises(ProjectError, match=r"\[trainers.tiny_sft\] data.train: needs column 'messages'"):
            train(read_project(project), "tiny_sft", store)
        project.write_text(text.replace("sums@latest", "sums@7"))
        with pytest.raises(ProjectError, match=r"data.train: .*sums.*7"):
            train(read_project(project), "tiny_sft", store)


@pytest.mark.slow
def test_an_error_in_the_process_comes_back_as_it_was(
    project: Path, tiny: Path, command_line: Callable[..., Any]
) -> None:
    written(project.parent, tiny, "max_length = 8")
    done = command_line("train", "tiny_sft", "-q", "-p", project)
    assert done.code == 2 and "5 of 5 rows are longer than max_length = 8" in done.error


def test_sigterm_leaves_a_checkpoint_and_the_next_run_goes_on(project: Path, tiny: Path) -> None:
    written(project.parent, tiny, steps=400)
    first = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from dqdata.cli import main; sys.exit(main())",
            "train",
            "tiny_sft",
            "-p",
            str(project),
        ],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert first.stderr is not None
    told = []
    for line in first.stderr:
        told.append(line)
        if line.startswith("step 3/"):
            first.send_signal(signal.SIGINT)
    assert first.wait(60) == 130
    assert re.search("`dqdata train tiny_sft( -p [^`]+)?` goes on from here", told[-1])

    [folder] = (project.parent / "catalogs" / "work" / "train").glob("tiny_sft-*/")
    [checkpoint] = (folder / "checkpoints").glob("checkpoint-*")
    at = int(checkpoint.name.rpartition("-")[2])
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    assert 3 <= at < 400 and len([entry for entry in state["log_history"] if "loss" in entry]) == at


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_command_takes_its_processes_with_it(processes: int, project: Path, tiny: Path) -> None:
    """Ranks, their guards, and whatever the ranks started leave the process table: what is left could use the CPU."""
    written(project.parent, tiny, steps=100_000)
    main = "import sys; from dqdata.cli import main; sys.exit(main())"
    arguments = ["train", "tiny_sft", "-p", str(project), "--processes", str(processes)]
    first = subprocess.Popen([sys.executable, "-c", main, *arguments], stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    helpers: set[int] = set()
    for line in first.stderr:
        if "step 2/" in line:
            helpers = _descendants(first.pid)
            assert len(helpers) >= 2 * processes, "a guard and a rank each"
            with Store.open(project.parent / "catalogs") as store, pytest.raises(RunError, match="another process"):
                train(read_project(project), "tiny_sft", store, processes=processes)
            first.kill()
            break
    first.wait()
    first.stderr.close()
    deadline = time.monotonic() + 60
    while (left := {pid for pid in helpers if _runs(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert helpers and not left


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    todo = [pid]
    while todo:
        for file in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            children = {int(child) for child in file.read_text().split()} - found
            found |= children
            todo += children
    return found


def _runs(pid: int) -> bool:
    """Whether a process is there and can still use the CPU: no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
def test_two_processes_train_together(project: Path, tiny: Path) -> None:
    with Store.open(project.parent / "catalogs") as store:
        outcome = train(read_project(project), "tiny_sft", store, processes=2)
    assert outcome.metrics["processes"] == 2
    assert outcome.metrics["last_loss"] < outcome.metrics["first_loss"]

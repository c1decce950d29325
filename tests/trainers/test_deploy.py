"""`dqdata deploy`: files that serve a model, and the check of an endpoint against the recorded accuracy."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from loopback import Loopback

from dqdata.catalog import Store

from .conftest import additions
from .test_train_verb import committed

Run = Callable[..., Any]
EVALUATE = {"data": "sums", "max_new_tokens": 16, "chat_template_kwargs": {"enable_thinking": False}}
QUERY = 'select * from "sums@1" order by trace_id'


@pytest.fixture
def project(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with `trained:Slow-T@1`, which was right in 6 of 8, and `trained:bare@1`, which nobody measured."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text("")
    committed(tmp_path / "catalogs", "sums", additions(8), tmp_path)
    with Store.open(tmp_path / "catalogs") as store:
        for name in ("Slow-T", "bare"):
            folder = tmp_path / "catalogs" / "models" / name / "1"
            shutil.copytree(tiny, folder)
            record: dict[str, Any] = {"name": name, "path": f"models/{name}/1", "recipe": {}, "metrics": {}}
            if name == "Slow-T":
                record["recipe"] = {"evaluate": EVALUATE, "evaluate_query": QUERY}
                record["metrics"] = {"after_accuracy": 0.75}
            store.record_model(record)
    return tmp_path


@pytest.fixture
def served(loopback: Loopback) -> Loopback:
    """An endpoint that is right in six of the eight sums."""

    def answer(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        row = next(row for row in additions(8) if row["question"] == asked)
        return f"The answer is {row['answer'] if row['trace_id'] not in ('t0', 't1') else 99}."

    loopback.answer = answer
    return loopback


def test_the_files_agree_with_each_other_and_leave_no_blank_unnamed(project: Path, command_line: Run) -> None:
    done = command_line(
        "deploy", "trained:Slow-T", "-o", "out", "--gpus", "2", "--context", "4096", "--port", "9001", "--json"
    )
    assert done.code == 0, done
    told = json.loads(done.out)
    assert {file.name for file in (project / "out").iterdir()} == set(told["files"])
    assert (project / "out" / "model" / "config.json").is_file()
    script = (project / "out" / "serve.sh").read_text()
    command = shlex.split(script.rpartition("exec ")[2])
    assert command[:5] == ["vllm", "serve", "./model", "--served-model-name", "slow_t_1"]
    assert subprocess.run(["sh", "-n", project / "out" / "serve.sh"], check=False).returncode == 0
    compose = yaml.safe_load((project / "out" / "compose.yaml").read_text())
    [service] = compose["services"].values()
    devices = service["deploy"]["resources"]["reservations"]["devices"]
    assert service["ports"] == ["127.0.0.1:9001:9001"] and devices[0]["count"] == 2
    assert "vllm" not in service["command"], "the image's entry point is `vllm serve`"
    eas = json.loads((project / "out" / "service.json").read_text())
    assert eas["metadata"]["name"] == "slow_t_1" and eas["containers"][0]["port"] == 9001
    started = shlex.split(eas["containers"][0]["script"])
    for options in (command, started, ["vllm", "serve", *service["command"]]):
        assert options[options.index("--tensor-parallel-size") + 1] == "2"
        assert options[options.index("--max-model-len") + 1] == "4096"
    assert sorted(told["blanks"]) == [
        "cloud.computing.instances[0].type",
        "metadata.workspace_id",
        "storage[0].oss.path",
    ]
    assert all(f"<{blank}>" in (project / "out" / "service.json").read_text() for blank in told["blanks"])

    filled = ("--bucket", "oss://b/m/", "--instance", "ecs.gn7i-c8g1.2xlarge", "--workspace", "7", "--name", "Ours")
    told = json.loads(command_line("deploy", "trained:Slow-T@1", "-o", "full", *filled, "--json").out)
    assert told["blanks"] == [] and "<" not in (project / "full" / "service.json").read_text()
    assert json.loads((project / "full" / "service.json").read_text())["metadata"]["name"] == "ours"


def test_an_endpoint_that_answers_as_the_model_did(project: Path, command_line: Run, served: Loopback) -> None:
    done = command_line("deploy", "trained:Slow-T", "--check", served.url, "--json", "-q")
    assert done.code == 0, done
    told = json.loads(done.out)
    assert (told["correct"], told["total"], told["recorded"], told["agrees"]) == (6, 8, 0.75, True)
    assert served.asked[0]["model"] == "slow_t_1"
    assert served.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
    served.answer = lambda body: "The answer is 99."
    done = command_line("deploy", "trained:Slow-T", "--check", served.url, "-q")
    assert done.code == 1 and "not the same model" in done.out, "answers of an earlier check are not taken"
    assert len(served.asked) == 16


def test_a_key_goes_to_the_endpoint_and_is_not_shown(
    project: Path, command_line: Run, served: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.key = "sk-0123456789abcdef"
    monkeypatch.setenv("ENDPOINT_KEY", served.key)
    few = ("--limit", "2", "--key-env", "ENDPOINT_KEY", "-q")
    assert command_line("deploy", "trained:Slow-T", "--check", served.url, *few).code in (0, 1)
    assert len(served.asked) == 2
    monkeypatch.setenv("ENDPOINT_KEY", "sk-fedcba9876543210")
    done = command_line("deploy", "trained:Slow-T", "--check", served.url, *few)
    assert done.code == 1 and "sk-fedc" not in done.out + done.error and "401" in done.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trained:nobody",), "no model 'nobody' was trained here"),
        (("trained:bare", "-o", "pipelines.toml"), "is there already"),
        (("trained:bare", "-o", "catalogs"), "is there already"),
        (("trained:bare", "--bucket", "s3://b"), "is no place in OSS"),
        (("trained:bare", "--check", "http://127.0.0.1:9/v1"), "was trained without `evaluate`"),
        (
            ("trained:Slow-T", "--check", "http://127.0.0.1:9/v1", "--key-env", "NO_SUCH_KEY"),
            "'NO_SUCH_KEY' is not set",
        ),
    ],
)
def test_refusals(project: Path, command_line: Run, arguments: tuple[str, ...], message: str) -> None:
    done = command_line("deploy", *arguments, "-q")
    assert done.code == 2 and message in done.error, done
    assert sorted(file.name for file in project.iterdir()) == ["catalogs", "pipelines.toml", "sums.parquet"]

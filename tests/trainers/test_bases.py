"""Models to start from: kept adapters, and hub models at one commit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers.sft import Sft, SftParams

from dqdata.errors import InputError, ProjectError
from dqdata.models import loadable, pinned, resolve_model

from .conftest import PlainRun, additions

FAST = {"learning_rate": 2e-2, "max_steps": 3, "per_device_train_batch_size": 4, "logging_steps": 1}
COMMITS = ("1" * 40, "2" * 40)


def weights(path: str | Path) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM

    return dict(AutoModelForCausalLM.from_pretrained(path).state_dict())


@pytest.fixture
def adapter(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> Path:
    """Kept adapters, in a folder apart from the model that they were merged into."""
    result = Sft(SftParams(model=str(tiny), args=FAST, lora={"r": 4})).train(
        data_of(train=additions(8)), tmp_path / "out", PlainRun()
    )
    shutil.copytree(result.model / "adapter", tmp_path / "kept")
    return tmp_path / "kept"


def test_kept_adapters_are_a_model(adapter: Path, tiny: Path, tmp_path: Path) -> None:
    ref = resolve_model(str(adapter), None, tmp_path, "here")
    assert (ref.kind, ref.base) == ("adapter", str(tiny))
    folder = loadable(ref, tmp_path / "cache")
    made, merged = weights(folder), weights(tmp_path / "out" / "model")
    assert merged and all(made[name].allclose(merged[name], atol=1e-6) for name in merged)
    assert any(not made[name].equal(before) for name, before in weights(tiny).items())
    assert loadable(ref, tmp_path / "cache") == folder, "merged once"

    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 99}))
    assert resolve_model(str(adapter), None, tmp_path, "here").identity != ref.identity


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_model_name_or_path": "./gone"}, r"here \(base of .*kept\).*no model at .*gone"),
        ({"base_model_name_or_path": None}, "has no base_model_name_or_path"),
        ({"task_type": "SEQ_CLS"}, "has task_type 'SEQ_CLS'"),
    ],
    ids=str,
)
def test_adapters_without_their_base_are_refused(
    adapter: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ProjectError, match=message):
        resolve_model(str(adapter), None, tmp_path, "here")


@pytest.fixture
def hub(tiny: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with two commits of a model; `main` is the second, the tag `v1` the first."""
    from huggingface_hub import constants

    repository = tmp_path / "hub" / "models--some--model"
    for commit, source in zip(COMMITS, (tiny, teacher), strict=True):
        shutil.copytree(source, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMITS[1])
    (repository / "refs" / "v1").write_text(COMMITS[0])
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return repository


@pytest.mark.parametrize(
    ("name", "commit"),
    [
        ("some/model", COMMITS[1]),
        ("some/model@main", COMMITS[1]),
        ("some/model@v1", COMMITS[0]),
        (f"some/model@{COMMITS[0]}", COMMITS[0]),
        (f"some/model@{COMMITS[1]}", COMMITS[1]),
    ],
)
def test_a_hub_model_is_pinned_to_a_commit(hub: Path, tmp_path: Path, name: str, commit: str) -> None:
    ref = pinned(resolve_model(name, None, tmp_path, "here"))
    assert (ref.path, ref.revision, ref.identity) == ("some/model", commit, f"some/model@{commit}")
    assert Path(loadable(ref, tmp_path / "cache")) == hub / "snapshots" / commit


def test_a_commit_in_the_cache_is_loaded_where_the_hub_is_asked_in_vain(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    real = huggingface_hub.snapshot_download

    def asking(**given: Any) -> Any:
        if given.get("local_files_only"):
            return real(**given)
        raise huggingface_hub.errors.OfflineModeIsEnabled("Cannot reach the list of files: offline mode is enabled")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", asking)
    ref = pinned(resolve_model("some/model@v1", None, tmp_path, "here"))
    assert Path(loadable(ref, tmp_path / "cache")) == hub / "snapshots" / COMMITS[0]
    absent = pinned(resolve_model(f"some/model@{'3' * 40}", None, tmp_path, "here"))
    with pytest.raises(InputError, match="'some/model' at 3{40} can't be had from the hub: .*offline mode is enabled"):
        loadable(absent, tmp_path / "cache")


def test_a_later_main_is_another_model(hub: Path, tmp_path: Path) -> None:
    before = pinned(resolve_model("some/model", None, tmp_path, "here"))
    (hub / "refs" / "main").write_text(COMMITS[0])
    assert pinned(resolve_model("some/model", None, tmp_path, "here")).identity != before.identity


def test_a_revision_that_cannot_be_had_is_named(hub: Path, tmp_path: Path) -> None:
    ref = pinned(resolve_model(f"some/model@{'3' * 40}", None, tmp_path, "here"))
    with pytest.raises(InputError, match="'some/model' at 3{40} can't be had from the hub: .*name a folder"):
        loadable(ref, tmp_path / "cache")
    with pytest.raises(InputError, match="'some/model' at v9 can't be had"):
        loadable(pinned(resolve_model("some/model@v9", None, tmp_path, "here")), tmp_path / "cache")

"""`dqdata publish`: the folder that `datasets` and mlcroissant read, the card, licences, keys, and the upload."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_server import TOKEN, HubServer
from publish_project import KEY, lines

from dqdata.errors import InputError, RunError
from dqdata.publish.hub import connected, refuse_files_of_others, upload

Invoke = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.needs("datasets", "huggingface_hub")


@pytest.fixture(scope="module")
def folder(project: Path) -> Path:
    from dqdata.api.catalogs import open_store

    made = open_store(project / "catalogs").publish("traces@1", project / "public", title="Sums | of *two*")
    assert made.rows == {split: made.rows[split] for split in ("part_1", "part_2")}
    assert sum(made.rows.values()) == 10
    assert made.licenses == ("cc-by-4.0", "mit")
    return project / "public"


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    import yaml

    head, text = (folder / "README.md").read_text(encoding="utf-8").removeprefix("---\n").split("---\n", 1)
    return yaml.safe_load(head), text


def test_datasets_reads_what_the_catalog_holds(folder: Path, project: Path, tmp_path: Path) -> None:
    import datasets

    from dqdata.api.catalogs import open_store

    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    found = {row["trace_id"]: row for part in loaded.values() for row in part}
    rows = {row["trace_id"]: row for row in open_store(project / "catalogs").catalog("traces@1").polars().to_dicts()}
    assert found == rows
    assert {row["split"].replace(" ", "_") for row in loaded["part_1"]} == {"part_1"}
    assert all("I add <b>them</b> & look" in str(row["messages"]) for row in found.values())


def test_the_card_is_what_the_hub_reads(folder: Path) -> None:
    from huggingface_hub import DatasetCard

    head, _ = card_of(folder)
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == head["license"] == ["cc-by-4.0", "mit"]
    assert head["pretty_name"] == "Sums | of *two*"
    assert head["size_categories"] == ["n<1K"]
    assert {"dqdata", "synthetic", "reasoning"} <= set(head["tags"])
    splits = {one["split"]: one["path"] for one in head["configs"][0]["data_files"]}
    assert splits == {"part_1": "data/part_1-*.parquet", "part_2": "data/part_2-*.parquet"}


def test_the_card_says_where_rows_come_from_and_what_became_of_them(folder: Path, project: Path) -> None:
    _, text = card_of(folder)
    assert r"| algebra@1: files: algebra.jsonl | [mit](https://spdx.org/licenses/MIT.html) | 5 |" in text
    assert (
        "| geometry@1: files: geometry.jsonl | [cc-by-4.0](https://creativecommons.org/licenses/by/4.0/) | 5 |" in text
    )
    assert "| sage | sage-1 | scripted |" in text
    assert "| 2 | filter | filtered by correct |" in text
    assert "### algebra@1" in text and "### traces@1" in text
    assert re.search(r"\| traces@1 \| sage-1 \| 12 \|", text), "calls and cost"
    assert "written by language models (sage-1)" in text
    assert "# Sums \\| of \\*two\\*" in text
    assert str(project) not in (folder / "README.md").read_text() + (folder / "croissant.json").read_text()


@pytest.mark.needs("mlcroissant")
def test_mlcroissant_reads_the_rows_of_each_split(folder: Path) -> None:
    import mlcroissant
    import pyarrow.parquet as pq

    described = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not described.metadata.issues.errors
    document = json.loads((folder / "croissant.json").read_text())
    assert document["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert document["rai:dataLimitations"] and document["rai:personalSensitiveInformation"]
    for split in ("part_1", "part_2"):
        rows = pq.read_table(folder / "data" / f"{split}-00000-of-00001.parquet").to_pylist()
        found = list(described.records(split))
        assert [one[f"{split}/trace_id"].decode() for one in found] == [row["trace_id"] for row in rows]
        chats = [[said[f"{split}/messages/content"].decode() for said in one[f"{split}/messages"]] for one in found]
        assert chats == [[said["content"] for said in row["messages"]] for row in rows]


def test_licences_are_followed_refused_and_accepted(project: Path, command_line: Invoke, tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text(lines([{"question": "1 + 1?", "answer": "2"}]))
    assert command_line("import", str(tmp_path / "more.jsonl"), "--into", "more", "-q")[0] == 0
    code, _, error = command_line("publish", "more", "never")
    assert code == 2 and "error[unstated-license]" in error
    assert "more@1" in error and "1 row here" in error and "dqdata tag more@1 --license" in error
    code, _, error = command_line("publish", "traces@1", "never", "--license", "cc0-1.0")
    assert code == 2 and "error[license-conflict]" in error and "asks for credit" in error and "5 rows here" in error
    assert command_line("tag", "more", "--license", "cc-by-nd-4.0")[0] == 0
    code, _, error = command_line("publish", "more", "never")
    assert code == 2 and "forbids to publish what was made from it" in error
    assert not Path("never").exists()
    code, said, _ = command_line("publish", "more", "accepted", "--accept-licenses")
    assert code == 0 and "warning: cc-by-nd-4.0 forbids" in said
    head, text = card_of(project / "accepted")
    assert head["license"] == "cc-by-nd-4.0" and "**Warning:** cc-by-nd-4.0 forbids" in text
    code, _, error = command_line("tag", "traces", "--license", "mit")
    assert code == 2 and "algebra@1, geometry@1" in error
    assert command_line("tag", "more", "--license", "mitt")[0] == 2


@pytest.mark.needs("rapidfuzz", "wordllama")
def test_what_a_step_only_compares_with_binds_nobody(project: Path, command_line: Invoke) -> None:
    for name in ("benchmark", "clean"):
        assert command_line("run", name, "-q", "--engine", "inline")[0] == 0
    from dqdata.catalog import Store
    from dqdata.publish.terms import terms

    with Store.open(project / "catalogs", read_only=True) as store:
        found = terms(store, "clean", 1)
    assert found.ids == ("mit",)
    assert [(one.version, one.compared) for one in found.origins] == [("algebra@1", False), ("benchmark@1", True)]


def test_a_pipeline_refuses_licences_that_it_does_not_allow(project: Path, command_line: Invoke) -> None:
    code, _, error = command_line("run", "only_mit", "-q")
    assert code == 2 and "error[license-conflict]" in error and "geometry@1" in error and "cc-by-4.0" in error
    assert "algebra@1" not in error


def test_a_licence_stated_later_is_recorded_without_a_new_version(project: Path, command_line: Invoke) -> None:
    text = (project / "pipelines.toml").read_text()
    (project / "pipelines.toml").write_text(text.replace('license = "MIT"', 'license = "apache-2.0"'))
    code, said, _ = command_line("run", "algebra", "-q", "--json")
    assert code == 0 and json.loads(said)["version"] == 1 and json.loads(said)["unchanged"]
    assert "licence apache-2.0" in command_line("lineage", "algebra")[1]
    (project / "pipelines.toml").write_text(text)
    assert command_line("run", "algebra", "-q")[0] == 0
    assert "licence mit" in command_line("lineage", "traces")[1]


def test_rows_with_keys_are_refused_and_no_key_is_said(project: Path, command_line: Invoke, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": f"Use {KEY}"}, {"role": "assistant", "content": "ok"}]
    (tmp_path / "chats.jsonl").write_text(lines([{"messages": chat, "id": "x"}, {"messages": chat[1:] * 2, "id": "y"}]))
    options = ["--into", "chats", "--layout", "openai", "--license", "mit", "-q"]
    assert command_line("import", str(tmp_path / "chats.jsonl"), *options)[0] == 0
    code, said, error = command_line("publish", "chats", "never")
    assert code == 2 and "error[key-in-rows]" in error and "1 rows" in error and "messages" in error
    assert KEY not in said + error and not Path("never").exists()


def test_an_upload_is_one_commit_that_replaces_the_data_of_the_one_before(
    project: Path, folder: Path, command_line: Invoke, hub: HubServer
) -> None:
    code, said, error = command_line("publish", "algebra", "hf:acme/sums", "--private", "--json")
    assert code == 0, error
    assert json.loads(said)["url"] == f"{hub.url}/datasets/acme/sums" and len(json.loads(said)["commit"]) == 40
    assert "acme/sums" in hub.private and hub.commits["acme/sums"] == ["algebra@1 by dqdata"]
    assert b'load_dataset("acme/sums"' in hub.files["acme/sums"]["README.md"]
    assert json.loads(hub.files["acme/sums"]["croissant.json"])["url"] == f"{hub.url}/datasets/acme/sums"
    assert not list((project / "catalogs").rglob("publish-*"))
    api = connected()
    refuse_files_of_others(api, "acme/sums")
    upload(api, "acme/sums", folder, "traces@1 by dqdata")
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert {name: data for name, data in hub.files["acme/sums"].items() if name != ".gitattributes"} == files


def test_large_files_go_by_xet_where_its_client_is_installed(
    project: Path, folder: Path, command_line: Invoke, xet: HubServer
) -> None:
    code, _, error = command_line("publish", "algebra", "hf:acme/sums")
    assert code == 0, error
    upload(connected(), "acme/sums", folder, "traces@1 by dqdata")
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert {name: data for name, data in xet.files["acme/sums"].items() if name != ".gitattributes"} == files
    assert xet.commits["acme/sums"] == ["algebra@1 by dqdata", "traces@1 by dqdata"]
    assert any("/v1/xorbs/" in call for call in xet.calls) and not any("/lfs/" in call for call in xet.calls)


@pytest.mark.parametrize("client", ["hub", "xet"])
def test_an_upload_of_many_files_is_one_commit_too(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    server: HubServer = request.getfixturevalue(client)
    if importlib.util.find_spec("huggingface_hub._upload_pipeline"):  # where `upload_folder` commits what it has
        monkeypatch.setattr("huggingface_hub._upload_pipeline.MAX_COMMIT_INTERVAL", 0.0)
    (tmp_path / "many" / "data").mkdir(parents=True)
    for n in range(300):
        (tmp_path / "many" / "data" / f"train-{n:05}.json").write_text(f'{{"n": {n}}}')
    upload(connected(), "acme/many", tmp_path / "many", "many@1 by dqdata")
    assert server.commits["acme/many"] == ["many@1 by dqdata"]
    (tmp_path / "many" / "data" / "train-00007.json").unlink()
    upload(connected(), "acme/many", tmp_path / "many", "many@2 by dqdata")
    assert server.commits["acme/many"] == ["many@1 by dqdata", "many@2 by dqdata"]
    assert len(server.files["acme/many"]) == 299 + len([".gitattributes"])


@pytest.mark.parametrize("fail", [{"/xet-write-token/": 403}, {"/v1/xorbs/": 401}, {"/v1/shards": 403}])
def test_a_token_that_xet_refuses_leaves_nothing(folder: Path, xet: HubServer, fail: dict[str, int]) -> None:
    xet.fail = fail
    with pytest.raises(InputError, match="HF_TOKEN") as error:
        upload(connected(), "acme/refused", folder, "x")
    assert TOKEN not in str(error.value) and not xet.commits["acme/refused"]


def test_files_of_others_stay(command_line: Invoke, project: Path, hub: HubServer) -> None:
    hub.files["acme/theirs"] = {"README.md": b"mine", "data/train.csv": b"a"}
    code, _, error = command_line("publish", "algebra", "hf:acme/theirs")
    assert code == 2 and "has files" in error and hub.files["acme/theirs"]["README.md"] == b"mine"


@pytest.mark.parametrize(
    ("fail", "kind", "named"),
    [
        ({"/commit/": 503}, RunError, "tries again"),
        ({"/create": 403}, InputError, "HF_TOKEN"),
        ({"/tree/": 401}, InputError, "HF_TOKEN"),
        ({"/validate-yaml": 422}, InputError, "refuses"),
    ],
)
def test_what_the_hub_refuses_leaves_nothing_and_no_token_in_messages(
    folder: Path, hub: HubServer, fail: dict[str, int], kind: type[Exception], named: str
) -> None:
    hub.fail = fail
    with pytest.raises(kind, match=named) as error:
        upload(connected(), "acme/new", folder, "x")
    assert TOKEN not in str(error.value) and not hub.commits.get("acme/new")


@pytest.mark.parametrize("target", ["hf:", "hf:rows", "hf:a/b/c", "hf:acme/../x", "hf:acme/a--b"])
def test_names_that_are_none_are_refused_before_anything(
    project: Path, command_line: Invoke, hub: HubServer, target: str
) -> None:
    code, _, error = command_line("publish", "algebra", target)
    assert code == 2 and "hf:OWNER/NAME" in error and not hub.calls


def test_without_a_token_nothing_is_sent(
    project: Path, command_line: Invoke, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    code, _, error = command_line("publish", "algebra", "hf:acme/rows")
    assert code == 2 and "HF_TOKEN" in error and not hub.calls


def test_a_folder_that_holds_something_stays(folder: Path, command_line: Invoke) -> None:
    before = sorted(folder.rglob("*"))
    code, _, error = command_line("publish", "traces@1", str(folder))
    assert code == 2 and "error[unwritable-file]" in error and sorted(folder.rglob("*")) == before

"""`dqdata build` over trainers: a model depends on its data and on the models it starts from."""

from __future__ import annotations

import json
from pathlib import Path

from dqdata.catalog import Store
from dqdata.project.tables import read_project
from dqdata.training.build import build, plan_build

from .conftest import additions

PROJECT = """
[pipelines.sums]
from = "sums.jsonl"

[trainers.first]
kind = "sft"
data = "sums@latest"
model = "{model}"
args = {{ learning_rate = 1e-2, max_steps = {steps}, per_device_train_batch_size = 5 }}

[trainers.second]
kind = "sft"
data = "sums@1"
model = "trained:first@latest"
args = {{ learning_rate = 1e-2, max_steps = 1, per_device_train_batch_size = 5 }}

[teachers.own]
provider = "transformers"
model = "trained:first"

[pipelines.asked]
from = "select question, answer from sums@1"
steps = [ {{ op = "generate", teacher = "own", max_tokens = 2, on_truncated = "keep" }} ]

[trainers.third]
kind = "sft"
data = "sums@1"
model = "trained:first@1"
args = {{ learning_rate = 1e-2, max_steps = 1, per_device_train_batch_size = 5 }}
"""


def test_models_are_made_after_their_data_and_again_when_it_changed(tmp_path: Path, tiny: Path) -> None:
    file = tmp_path / "pipelines.toml"

    def written(steps: int, rows: int) -> None:
        file.write_text(PROJECT.format(model=tiny, steps=steps))
        (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in additions(rows)))

    def asked(*names: str) -> dict[str, str]:
        """Why each node would be made; empty for those that stand."""
        nodes = plan_build(read_project(file), names, store)
        return {node.name: "" if node.made else node.why for node in nodes}

    written(steps=1, rows=5)
    with Store.open(tmp_path / "catalogs") as store:
        assert asked("second") == {"sums": "never run", "first": "depends on sums", "second": "depends on first"}
        told = build(read_project(file), ["first"], store, report=lambda node: None)
        assert [(node.name, node.made, node.built) for node in told] == [
            ("sums", "sums@1", True),
            ("first", "trained:first@1", True),
        ]
        again = build(read_project(file), ["first"], store, report=lambda node: None)
        assert [(node.made, node.built) for node in again] == [("sums@1", False), ("trained:first@1", False)]
        assert asked("asked") == {"first": "", "sums": "", "asked": "never run"}
        [*_, last] = build(read_project(file), ["asked"], store, report=lambda node: None)
        assert (last.made, last.rows, last.built) == ("asked@1", 5, True)
        assert store.version("asked", 1).recipe["teachers"]["own"]["model"] == "trained:first@1"
        assert asked("asked")["asked"] == "", "it stands until its model changes"
        assert asked("second") == {"sums": "", "first": "", "second": "never trained"}

    written(steps=2, rows=5)
    with Store.open(tmp_path / "catalogs") as store:
        assert asked("first") == {"sums": "", "first": "other keys since trained:first@1"}
        assert asked("second")["second"] == "depends on first"
        assert asked("third") == {"third": "never trained"}
        assert asked("asked")["asked"] == "depends on first"

    written(steps=1, rows=6)
    with Store.open(tmp_path / "catalogs") as store:
        assert asked("first") == {"sums": "other rows come in since sums@1", "first": "depends on sums"}

"""What a version was made from, up to files and teachers, and what was made from it, down to trained models.

found = lineage(store, "traces", 3)
[node.name for node in found.walk("up")]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dqdata.history.rows import dicts
from dqdata.ledger.choice import has_ledger
from dqdata.refs import TRAINED
from dqdata.sql import literal, versions_read

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.catalog.records import Version


class Calls(NamedTuple):
    """Calls to one teacher that a run made and paid for. cost_usd: 0 where the teacher has no price."""

    teacher: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


@dataclass
class Node:
    """A version (`traces@3`), a trained model (`trained:sft@1`) or a source (`files: problems.jsonl`). up: what it was
    made from; down: what was made from it. A node that occurs a second time in a tree has no branches there.
    readable: false for a version that was dropped, whose record stays, and for what the store never had."""

    name: str
    kind: Literal["catalog", "model", "source"]
    about: str = ""
    readable: bool = True
    calls: list[Calls] = field(default_factory=list)
    up: list[Node] = field(default_factory=list)
    down: list[Node] = field(default_factory=list)

    def walk(self, way: Literal["up", "down"]) -> Iterator[Node]:
        """This node and all that it is connected with in this direction, depth first."""
        yield self
        for node in self.up if way == "up" else self.down:
            yield from node.walk(way)


def lineage(store: Store, catalog: str, version: int) -> Node:
    """The tree of one version in both directions. Raises QueryError for an unknown version."""
    store.version(catalog, version)
    graph = _Graph(store)
    node = graph.upwards(f"{catalog}@{version}", set())
    node.down = graph.downwards(node.name, set())
    return node


class _Graph:
    """Reads of all versions and models of a store, from their recipes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks = store.marks()
        self._versions = {f"{one.catalog}@{one.version}": one for one in store.versions(dropped=True)}
        self._models = {f"{TRAINED}{one['name']}@{one['version']}": one for one in store.models()}
        self._reads: dict[str, list[str]] = {name: _inputs(one.recipe) for name, one in self._versions.items()}
        folders = {str(one["path"]): name for name, one in self._models.items()}
        self._reads |= {name: _model_inputs(one, folders) for name, one in self._models.items()}

    def upwards(self, name: str, seen: set[str]) -> Node:
        node = self._node(name)
        if name in seen:
            return node
        seen.add(name)
        node.up = [self.upwards(one, seen) for one in self._reads.get(name, ())]
        if (version := self._versions.get(name)) is not None and (origin := source_name(version.recipe)):
            node.up.append(Node(origin, "source", self._license(version)))
        return node

    def _license(self, version: Version) -> str:
        stated = self._marks.licenses.get((version.catalog, version.version)) or version.recipe.get("license")
        return f"licence {stated}" if stated else "no licence stated"

    def downwards(self, name: str, seen: set[str]) -> list[Node]:
        found = []
        for reader, inputs in self._reads.items():
            if name in inputs:
                node = self._node(reader)
                if reader not in seen:
                    seen.add(reader)
                    node.down = self.downwards(reader, seen)
                found.append(node)
        return found

    def _node(self, name: str) -> Node:
        if (version := self._versions.get(name)) is not None:
            about = f"{version.rows:,} rows, {version.rejects:,} rejects, {version.created_at:%Y-%m-%d %H:%M} UTC"
            state = self._marks.state(version.catalog, version.version)
            about += {"": "", "dropped": ", dropped", "gone": ", dropped and removed"}[state]
            return Node(name, "catalog", about, not state, _calls(self._store, version))
        if (model := self._models.get(name)) is not None:
            return Node(name, "model", f"{model['trainer']} of {model['base_model']}")
        return Node(name, "model" if name.startswith(TRAINED) else "catalog", "not in this store", False)


def _inputs(recipe: Mapping[str, Any]) -> list[str]:
    """Versions and trained models that a pipeline read."""
    found = list(recipe.get("inputs", ()))
    for step in recipe.get("steps", ()):
        found += step.get("inputs", ())
    models = (str(teacher.get("model", "")) for teacher in (recipe.get("teachers") or {}).values())
    found += [model for model in models if model.startswith(TRAINED)]
    return list(dict.fromkeys(found))


def _model_inputs(model: Mapping[str, Any], folders: Mapping[str, str]) -> list[str]:
    """Versions that a training read, and the trained models that it started from or used. folders: of all models, to
    their names with versions, since a recipe may call one `trained:NAME@latest`."""
    recipe = json.loads(model["recipe"] or "{}")
    queries = [*(recipe.get("data") or {}).values(), recipe.get("evaluate_query")]
    found = [name for query in queries if query for name in versions_read(str(query))]
    used = [str(one.get("path", "")) for one in (recipe.get("models") or {}).values()]
    found += [name for path in used for folder, name in folders.items() if path.endswith(folder)]
    return list(dict.fromkeys(found))


def source_name(recipe: Mapping[str, Any]) -> str:
    """A source that is no catalog: its kind and what it names."""
    source = recipe.get("source") or {}
    if not source or source.get("kind") == "sql":
        return ""
    params = source.get("params") or {}
    named = params.get("path") or params.get("name") or params.get("tasks") or ""
    if isinstance(named, list) and all(isinstance(one, str) for one in named):
        named = ", ".join(named)
    return f"{source['kind']}: {named if isinstance(named, str) else json.dumps(named)}".rstrip(": ")


def _calls(store: Store, version: Version) -> list[Calls]:
    if not version.run_id or not has_ledger(store.ledger_place):
        return []
    sql = (
        "select teacher, model, count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(cost_usd) "
        f"from ledger.calls where run_id = {literal(version.run_id)} group by all order by all"
    )
    return [Calls(*row.values()) for row in dicts(store, sql)]

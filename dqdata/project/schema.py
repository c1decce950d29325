"""The JSON Schema of pipelines.toml, for editors and checkers: the tables, and the parameters of every plug-in.

    $ dqdata schema -o pipelines.schema.json          # and in pipelines.toml: #:schema ./pipelines.schema.json

It is draft 7, which TOML language servers read. It says what a table may hold; that columns, files and names fit
together is what `dqdata check` finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from dqdata.errors import PluginError
from dqdata.plugins import Group, found, load
from dqdata.project.experiments import ExperimentKeys
from dqdata.project.pipeline_keys import PipelineKeys
from dqdata.project.store_table import StoreTable
from dqdata.project.tables import (
    ALLOW_LEAKS,
    EVALUATE,
    EngineTable,
    EvaluationKeys,
    SandboxTable,
)
from dqdata.teacher import Limits

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
ENVIRONMENT: Schema = {
    "type": "object",
    "properties": {"env": {"type": "string", "description": "Name of an environment variable."}},
    "required": ["env"],
    "additionalProperties": False,
}


def project_schema(evaluate: type[BaseModel] | None = None) -> Schema:
    """The schema over everything that is installed here. evaluate: what `evaluate` of a trainer may hold."""
    return _Builder(evaluate).project()


class _Builder:
    def __init__(self, evaluate: type[BaseModel] | None) -> None:
        self._definitions: dict[str, Schema] = {}
        self._evaluate = {} if evaluate is None else self._model(evaluate, "evaluate")

    def project(self) -> Schema:
        tables = {
            "store": self._model(StoreTable, "store"),
            "engine": self._model(EngineTable, "engine"),
            "sandbox": self._model(SandboxTable, "sandbox"),
            "teachers": _named(self._teacher()),
            "pipelines": _named(self._pipeline()),
            "trainers": _named(self._trainer()),
            "evaluations": _named(self._evaluation()),
            "experiments": _named(self._model(ExperimentKeys, "experiment")),
            "profiles": _named(self._profile()),
        }
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "pipelines.toml of dqdata",
            "type": "object",
            "properties": tables,
            "additionalProperties": False,
            "definitions": self._definitions,
        }

    def _pipeline(self) -> Schema:
        keys = self._pipeline_keys()
        keys["properties"]["steps"] = {
            "description": "Operators that are applied to the rows, in this order.",
            "type": "array",
            "items": self._chosen("operators", "op", {"id": TEXT}),
        }
        keys["required"] = ["from"]  # `into` is the pipeline's own name where it is not given
        return keys

    def _pipeline_keys(self) -> Schema:
        """A pipeline without its steps."""
        keys = self._model(PipelineKeys, "pipeline")
        source = self._chosen("sources", "source", {})
        keys["properties"] = {
            "from": {
                "description": "SQL, a catalog, a file or glob, a list of files, hf:NAME, or a source with its keys.",
                "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": TEXT, "minItems": 1}, source],
            },
            **keys["properties"],
        }
        return keys

    def _teacher(self) -> Schema:
        return self._chosen("teachers", "provider", self._model(Limits, "limits")["properties"], environment=True)

    def _trainer(self) -> Schema:
        data = {"anyOf": [TEXT, {"type": "object", "additionalProperties": TEXT}]}
        keys = {"data": data, EVALUATE: self._evaluate, ALLOW_LEAKS: {"type": "boolean"}}
        chosen = self._chosen("trainers", "kind", keys)
        chosen["required"] = ["kind", "data"]
        return chosen

    def _evaluation(self) -> Schema:
        """The keys of `evaluate`, and those of an evaluation; `data` or `benchmark`."""
        own = self._model(EvaluationKeys, "evaluation")
        keys = {**self._evaluate.get("properties", {}), **own["properties"]}
        return {
            "type": "object",
            "properties": keys,
            "additionalProperties": False,
            "oneOf": [{"required": ["data"]}, {"required": ["benchmark"]}],
        }

    def _profile(self) -> Schema:
        """What a profile changes: some keys of each table. After the tables, whose definitions it reads."""
        pipeline = self._pipeline_keys()
        pipeline["properties"]["steps"] = _named({"type": "object"})
        pipeline.pop("required", None)
        teacher = {"anyOf": [TEXT, self._keys_of("teachers")]}
        return {
            "type": "object",
            "properties": {
                "teachers": _described("Tables or names of teachers in place of others.", teacher),
                "models": _described("Names of models in place of others, wherever the project has them.", TEXT),
                "pipelines": _described("Keys of pipelines; `steps.ID` has parameters of a step by its id.", pipeline),
                "trainers": _described("Keys of trainers.", self._keys_of("trainers")),
                "evaluations": _described("Keys of evaluations.", _changed_keys(self._evaluation()["properties"])),
            },
            "additionalProperties": False,
        }

    def _keys_of(self, group: Group) -> Schema:
        """The keys that any plug-in of a group has; any at all where one can't be imported."""
        places = [f"{group}.{name}" for name in found(group)]
        if not all(place in self._definitions for place in places):
            return {"type": "object"}
        return _changed_keys(sorted({key for place in places for key in self._definitions[place]["properties"]}))

    def _chosen(self, group: Group, key: str, beside: Mapping[str, Schema], *, environment: bool = False) -> Schema:
        """A table whose `key` names a plug-in, which has its own keys beside those of every plug-in."""
        kinds = dict(self._plugins(group))
        choices = [
            {
                "if": {"properties": {key: {"const": name}}, "required": [key]},
                "then": {"$ref": f"#/definitions/{place}"},
            }
            for name, place in kinds.items()
            if place
        ]
        for place in filter(None, kinds.values()):
            owned = self._definitions[place]
            own = owned["properties"]
            if environment:
                own = {name: {"anyOf": [schema, ENVIRONMENT]} for name, schema in own.items()}
            owned["properties"] = {key: TEXT, **beside, **own}
        return {"type": "object", "properties": {key: {"enum": list(kinds)}}, "required": [key], "allOf": choices}

    def _plugins(self, group: Group) -> Iterator[tuple[str, str]]:
        """Name and definition of every plug-in of a group; an empty definition for one that can't be imported."""
        for name in found(group):
            try:
                kind = load(group, name)
            except PluginError:
                yield name, ""
                continue
            place = f"{group}.{name}"
            self._definitions[place] = self._model(kind.Params, place)
            self._definitions[place]["description"] = (kind.__doc__ or "").strip().partition("\n")[0]
            yield name, place

    def _model(self, model: type[BaseModel], place: str) -> Schema:
        """The schema of a model in the terms of TOML; models inside it become definitions."""
        try:
            schema = model.model_json_schema(ref_template=f"#/definitions/{place}.{{model}}")
        except PydanticInvalidForJsonSchema:
            names: Schema = {field.alias or name: {} for name, field in model.model_fields.items()}
            return {"type": "object", "properties": names, "additionalProperties": False}
        for name, inner in schema.pop("$defs", {}).items():
            self._definitions[f"{place}.{name}"] = _in_toml(inner)
        plain: Schema = _in_toml(schema)
        plain.setdefault("properties", {})
        return plain


def _named(body: Schema) -> Schema:
    return {"type": "object", "additionalProperties": body}


def _described(text: str, body: Schema) -> Schema:
    return {"description": text, **_named(body)}


def _changed_keys(properties: Iterable[str]) -> Schema:
    """A table laid over another one: its keys are known, its values are judged where both are one."""
    return {"type": "object", "properties": {name: {} for name in properties}, "additionalProperties": False}


def _in_toml(schema: Any) -> Any:
    """TOML has no null: `false` replaces it. Titles and `null` defaults hold no information."""
    if isinstance(schema, list):
        return [_in_toml(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "null":
        return {"const": False}
    if "prefixItems" in schema:  # draft 7 calls them items
        schema = {**schema, "items": schema["prefixItems"]}
    kept = {}
    for key, value in schema.items():
        if (key in ("title", "prefixItems") and isinstance(value, str | list)) or (key == "default" and value is None):
            continue
        if key == "properties":
            kept[key] = {name: _in_toml(inner) for name, inner in value.items()}
        else:
            kept[key] = _in_toml(value) if key not in ("default", "const", "enum") else value
    return kept

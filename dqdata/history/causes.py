"""Compares the recipes of two versions: inputs, source, seed, steps, parameters, prompts, teachers, code, libraries.

    >>> causes(store.version("traces", 1).recipe, store.version("traces", 2).recipe)
    [Cause(kind='prompt', place='step 1 (generate)', what='solve.md', before='...', after='...')]

Pure functions over JSON. A part that one recipe lacks, as those of dqdata 0.1 do,
is not compared.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

Recipe = Mapping[str, Any]


class Cause(NamedTuple):
    """One difference of two recipes. kind: input, source, seed, limit, mode, step added, step removed, steps reordered,
    operator, parameter, prompt, teacher, code, library. place: where in the recipe; what: the key or file name.
    before, after: values as text, of a prompt whole; "" where one side has none."""

    kind: str
    place: str
    what: str
    before: str
    after: str

    @property
    def changed_lines(self) -> list[str]:
        """Of a prompt: lines removed (`-`) and added (`+`), without context."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0)
        return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def causes(before: Recipe, after: Recipe) -> list[Cause]:
    """Every difference that can change rows, in the order of the pipeline; library versions last."""
    found = [*_source(before, after)]
    pairs, moved = _paired(before.get("steps", ()), after.get("steps", ()))
    if moved:
        found.append(Cause("steps reordered", "steps", "", _order(before), _order(after)))
    for old, new in pairs:
        found += _step(old, new, before, after)
    return [*found, *_libraries(before, after)]


def _source(before: Recipe, after: Recipe) -> Iterator[Cause]:
    old, new = before.get("source") or {}, after.get("source") or {}
    if old.get("kind") != new.get("kind"):
        yield Cause("source", "from", "source", str(old.get("kind", "")), str(new.get("kind", "")))
    else:
        for key, was, now in _differences(old.get("params") or {}, new.get("params") or {}):
            yield Cause("source", "from", key, was, now)
    inputs = list(_inputs("from", before, after))
    yield from inputs
    for key in ("seed", "limit", "mode"):
        if before.get(key) != after.get(key) and key in before and key in after:
            yield Cause(key, "pipeline", key, _text(before[key]), _text(after[key]))
    same = old == new and not inputs
    if same and before.get("source_fingerprint") != after.get("source_fingerprint") and "source_fingerprint" in before:
        yield Cause(
            "input",
            "from",
            "content of the source",
            str(before["source_fingerprint"]),
            str(after.get("source_fingerprint", "")),
        )


def _inputs(place: str, before: Recipe, after: Recipe) -> Iterator[Cause]:
    """Versions of catalogs that were read, by name of the catalog."""
    if "inputs" not in before or "inputs" not in after:
        return
    old, new = _by_name(before["inputs"]), _by_name(after["inputs"])
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Cause("input", place, name, ", ".join(old.get(name, ())), ", ".join(new.get(name, ())))


def _by_name(inputs: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in inputs:
        found.setdefault(one.partition("@")[0], []).append(one)
    return found


Numbered = tuple[int, Mapping[str, Any]]


def _paired(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[Numbered | None, Numbered | None]], bool]:
    """Steps of both recipes side by side, by their ids, in the order of the newer recipe; and whether the common ones
    stand in another order."""
    old = {str(step.get("id")): (number, step) for number, step in enumerate(before, 1)}
    new = {str(step.get("id")): (number, step) for number, step in enumerate(after, 1)}
    common_old = [name for name in old if name in new]
    common_new = [name for name in new if name in old]
    pairs: list[tuple[Numbered | None, Numbered | None]] = [(old.get(name), step) for name, step in new.items()]
    pairs += [(step, None) for name, step in old.items() if name not in new]
    return pairs, common_old != common_new


def _order(recipe: Recipe) -> str:
    return ", ".join(str(step.get("id")) for step in recipe.get("steps", ()))


def _step(old: Numbered | None, new: Numbered | None, before: Recipe, after: Recipe) -> Iterator[Cause]:
    if old is None or new is None:
        number, step = old or new  # type: ignore[misc]  # a pair has one of them at least
        kind = "step removed" if new is None else "step added"
        params = _text({name: value for name, value in step.get("params", {}).items() if value is not None})
        texts = ("", params) if old is None else (params, "")
        yield Cause(kind, f"step {number} ({step.get('op')})", str(step.get("id")), *texts)
        return
    (_, was), (number, now) = old, new
    place = f"step {number} ({now.get('op')})"
    if was.get("op") != now.get("op"):
        yield Cause("operator", place, "op", str(was.get("op")), str(now.get("op")))
        return
    if was.get("version") != now.get("version"):
        yield Cause("operator", place, "version", str(was.get("version")), str(now.get("version")))
    prompts = {*(was.get("prompts") or {})} & {*(now.get("prompts") or {})}
    for key, old_value, new_value in _differences(was.get("params") or {}, now.get("params") or {}):
        file = PurePath(new_value).name
        if not (
            file in prompts and PurePath(old_value).name == file
        ):  # only its folder differs; texts are compared below
            yield Cause("parameter", place, key, old_value, new_value)
    yield from _prompts(place, was.get("prompts") or {}, now.get("prompts") or {})
    yield from _teachers(place, was, now, before, after)
    yield from _inputs(place, was, now)
    code, new_code = was.get("code") or {}, now.get("code") or {}
    for name in sorted({*code} & {*new_code}):
        if code[name] != new_code[name]:
            yield Cause("code", place, name, str(code[name]), str(new_code[name]))


def _prompts(place: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Cause]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Cause("prompt", place, name, old.get(name, ""), new.get(name, ""))


def _teachers(
    place: str, was: Mapping[str, Any], now: Mapping[str, Any], before: Recipe, after: Recipe
) -> Iterator[Cause]:
    """Teachers that the step names under the same name in both recipes, but that are another model."""
    old, new = before.get("teachers") or {}, after.get("teachers") or {}
    named = {*_strings(was.get("params"))} & {*_strings(now.get("params"))}
    for name in sorted(named & {*old} & {*new}):
        if differ := list(_differences(old[name], new[name])):
            one = ", ".join(f"{key} {had or '(none)'}" for key, had, _ in differ)
            other = ", ".join(f"{key} {has or '(none)'}" for key, _, has in differ)
            yield Cause("teacher", place, name, one, other)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _libraries(before: Recipe, after: Recipe) -> Iterator[Cause]:
    old, new = before.get("versions") or {}, after.get("versions") or {}
    for name in sorted({*old, *new}) if old and new else ():
        if old.get(name) != new.get(name):
            yield Cause("library", "installation", name, str(old.get(name, "")), str(new.get(name, "")))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in dict.fromkeys((*new, *old)):
        before, after = old.get(key), new.get(key)
        if before != after:
            yield key, _text(before), _text(after)
        elif isinstance(before, Mapping) and isinstance(after, Mapping) and list(before) != list(after):
            yield f"order of {key}", ", ".join(before), ", ".join(after)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)

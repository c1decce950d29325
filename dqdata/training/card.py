"""The model card: README.md in a model's folder, from the model's record.

    write_card(Made(plan, store, metrics, notes, libraries), folder, picture="curves.png")

It lies among the model's files before the model is recorded, because what starts from the model is fingerprinted with
all of them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import DqdataError
from dqdata.masking import masker
from dqdata.refs import catalog_ref, owner
from dqdata.sql import base_tables, parsed
from dqdata.training.plan import TrainPlan

if TYPE_CHECKING:
    from dqdata.catalog import Store, Version


@dataclass(frozen=True)
class Made:
    """metrics: final values. notes: remarks on rows. libraries: name to version."""

    plan: TrainPlan
    store: Store
    metrics: Mapping[str, Any]
    notes: Sequence[str]
    libraries: Mapping[str, str]


def write_card(made: Made, folder: Path, picture: str | None) -> None:
    """picture: file with the curves in the same folder; None says that there is none, and why."""
    text = masker.hide("\n".join(_lines(made, picture)) + "\n")
    (folder / "README.md").write_text(text, encoding="utf-8")


def _lines(made: Made, picture: str | None) -> Iterator[str]:
    plan = made.plan
    base, start = next(iter(plan.models.items()))
    yield "---"
    yield "library_name: transformers"
    if start.kind == "hub":
        yield f"base_model: {json.dumps(base)}"
    yield f"tags: [dqdata, {plan.table.kind}]"
    yield "---"
    yield f"# {plan.name}"
    yield ""
    yield f"Trained with dqdata: `{plan.table.kind}`, starting from {code(base)}. Recipe `{plan.fingerprint[:12]}`; "
    yield f"`select * from dq_models where name = '{plan.name}'` gives its version and the whole recipe."
    yield ""
    yield from _section(
        "Models", [f"{code(name)} ({ref.kind}, `{ref.identity[:12]}`)" for name, ref in plan.models.items()]
    )
    yield from _data(made)
    yield "## Recipe"
    yield ""
    yield "```json"
    yield json.dumps({**plan.params, "processes": plan.processes}, indent=2, ensure_ascii=False, default=str)
    yield "```"
    yield ""
    yield from _figures(made)
    yield "## Curves"
    yield ""
    yield (
        f"![loss by step]({picture})" if picture else "No picture: matplotlib wasn't installed, or no loss was logged."
    )
    yield f"Every metric of every step: `select * from dq_metrics where model = '{plan.name}'`."
    yield ""
    yield from _section("Notes", [plain(note) for note in made.notes])
    yield from _section("Made with", [f"{library} {version}" for library, version in made.libraries.items()])


def _data(made: Made) -> Iterator[str]:
    plan = made.plan
    queries = {split: part.query for split, part in plan.splits.items()}
    if plan.questions is not None:
        queries["evaluate"] = plan.questions.query
    yield from _section("Data", [f"{plain(split)}: {code(query)}" for split, query in queries.items()])
    tables = (node["table_name"] for query in queries.values() for node in base_tables(parsed(query)))
    pinned = dict.fromkeys((owner(ref.name), ref.version) for ref in map(catalog_ref, tables) if ref is not None)
    catalogs = [_catalog(made.store, name, version) for name, version in pinned if version is not None]
    yield from _section("Catalogs", catalogs)


def _catalog(store: Store, name: str, number: int) -> str:
    """One line on where a catalog's rows come from: its size, steps and teachers."""
    try:
        version = store.version(name, number)
    except DqdataError as error:
        return f"`{name}@{number}`: {plain(str(error))}"
    return f"`{name}@{number}`: {version.rows:,} rows{_history(version)}; recipe `{version.fingerprint[:12]}`"


def _history(version: Version) -> str:
    steps = " → ".join(plain(str(step["op"])) for step in version.recipe.get("steps", ()))
    teachers = ", ".join(plain(str(t["model"])) for t in dict(version.recipe.get("teachers", {})).values())
    return (f"; {steps}" if steps else "") + (f"; teachers: {teachers}" if teachers else "")


def _figures(made: Made) -> Iterator[str]:
    yield "## Metrics"
    yield ""
    yield "| metric | value |"
    yield "|---|---:|"
    for name, value in sorted(made.metrics.items()):
        shown = f"{value:.6g}" if isinstance(value, int | float) else plain(str(value))
        yield f"| {plain(str(name))} | {shown} |"
    yield ""


def plain(text: str) -> str:
    """The text as one line that Markdown and HTML show as it is: names, notes and errors may hold what models wrote. An
    underscore inside a word is text in Markdown, and stays."""
    return re.sub(
        r"([\\`*{}\[\]()#+!|~>-]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", html.escape(" ".join(text.split()), quote=False)
    )


def code(text: str) -> str:
    """The text as one line of code, within more backticks than it has in a row."""
    line = " ".join(text.split()).replace("|", "¦")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def _section(title: str, entries: Sequence[str]) -> Iterator[str]:
    """A heading and a list; nothing where there are no entries."""
    if entries:
        yield f"## {title}"
        yield ""
        yield from (f"- {entry}" for entry in entries)
        yield ""

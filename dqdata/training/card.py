"""The model card: README.md in a model's folder, written from what the model was really made from.

    write_card(Made(plan, store, metrics, notes, libraries), folder, picture="curves.png")

It lies among the model's files before the model is recorded, because what starts from the model is fingerprinted with
all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import DqdataError
from dqdata.training.plan import TrainPlan

if TYPE_CHECKING:
    from dqdata.catalog import Store, Version

PINNED = re.compile(r'"([a-z][a-z0-9_]*?)(?:__rejects)?@(\d+)"')
"""A catalog's version in a query whose versions are pinned."""


@dataclass(frozen=True)
class Made:
    """metrics: final figures. notes: what was said of rows. libraries: name to version."""

    plan: TrainPlan
    store: Store
    metrics: Mapping[str, Any]
    notes: Sequence[str]
    libraries: Mapping[str, str]


def write_card(made: Made, folder: Path, picture: str | None) -> None:
    """picture: file with the curves in the same folder; None says that there is none, and why."""
    (folder / "README.md").write_text("\n".join(_lines(made, picture)) + "\n", encoding="utf-8")


def _lines(made: Made, picture: str | None) -> Iterator[str]:
    plan = made.plan
    base, start = next(iter(plan.models.items()))
    yield "---"
    yield "library_name: transformers"
    if start.kind == "hub":
        yield f"base_model: {base}"
    yield f"tags: [dqdata, {plan.table.kind}]"
    yield "---"
    yield f"# {plan.name}"
    yield ""
    yield f"Trained with dqdata: `{plan.table.kind}`, starting from `{base}`. Recipe `{plan.fingerprint[:12]}`; "
    yield f"`select * from dq_models where name = '{plan.name}'` gives its version and the whole recipe."
    yield ""
    yield from _section(
        "Models", [f"`{name}` ({ref.kind}, `{ref.identity[:12]}`)" for name, ref in plan.models.items()]
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
    yield f"Every figure of every step: `select * from dq_metrics where model = '{plan.name}'`."
    yield ""
    yield from _section("Notes", made.notes)
    yield from _section("Made with", [f"{library} {version}" for library, version in made.libraries.items()])


def _data(made: Made) -> Iterator[str]:
    plan = made.plan
    queries = {split: part.query for split, part in plan.splits.items()}
    if plan.questions is not None:
        queries["evaluate"] = plan.questions.query
    yield from _section("Data", [f"{split}: `{' '.join(query.split())}`" for split, query in queries.items()])
    pinned = dict.fromkeys(match for query in queries.values() for match in PINNED.findall(query))
    yield from _section("Catalogs", [_catalog(made.store, name, int(version)) for name, version in pinned])


def _catalog(store: Store, name: str, number: int) -> str:
    """One line on where a catalog's rows come from: its size, steps and teachers."""
    try:
        version = store.version(name, number)
    except DqdataError as error:
        return f"`{name}@{number}`: {error}"
    return f"`{name}@{number}`: {version.rows:,} rows{_history(version)}; recipe `{version.fingerprint[:12]}`"


def _history(version: Version) -> str:
    steps = " → ".join(str(step["op"]) for step in version.recipe.get("steps", ()))
    teachers = ", ".join(str(t["model"]) for t in dict(version.recipe.get("teachers", {})).values())
    return (f"; {steps}" if steps else "") + (f"; teachers: {teachers}" if teachers else "")


def _figures(made: Made) -> Iterator[str]:
    yield "## Figures"
    yield ""
    yield "| figure | value |"
    yield "|---|---:|"
    for name, value in sorted(made.metrics.items()):
        yield f"| {name} | {value:.6g} |" if isinstance(value, int | float) else f"| {name} | {value} |"
    yield ""


def _section(title: str, entries: Sequence[str]) -> Iterator[str]:
    """A heading and a list; nothing where there are no entries."""
    if entries:
        yield f"## {title}"
        yield ""
        yield from (f"- {entry}" for entry in entries)
        yield ""

"""The card of a published version: README.md with the YAML that the Hub reads, from the recipes of the version and of
everything that it was made from.

Texts of models, prompts and servers are escaped; of a path on this machine the last part alone is written.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from dqdata.codes import CODES
from dqdata.columns import VOCABULARY, Columns
from dqdata.exchange.card import hub_yaml
from dqdata.history.dataset import Dataset
from dqdata.history.dataset_page import cell, code, line, mermaid, said, yield_by_step
from dqdata.licenses import LICENSES, OTHER, license_of
from dqdata.masking import masker
from dqdata.publish.terms import Terms

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGER = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))
LONGEST_PROMPT = 6000
"""Characters of a prompt that the card quotes."""
PATH = re.compile(r"(?<![\w./:<-])(?:~|/[\w.@+-]+)(?:/[\w.@+ -]+)+")
"""A path with a folder of its own, not the part of an address behind its host."""
TASKS = {"text-generation": ("messages", "response", "chosen"), "question-answering": ("question",)}


def card(
    made: Sequence[Dataset],
    terms: Terms,
    rows: Mapping[str, int],
    files: Mapping[str, str],
    *,
    title: str,
    repository: str,
) -> str:
    """made: the versions that the published one was made from, itself last. rows, files: by split. repository: its
    name on the Hub, or the folder's."""
    version = made[-1]
    parts = [
        f"---\n{_head(version, terms, rows, files, title)}---\n",
        f"# {cell(title)}\n",
        *(f"{text}\n" for text in _about(version)),
        _section("Data", [*_data(version.columns, rows), *_loading(repository, rows)]),
        _section("Sources and licences", _licenses(terms)),
        _section("Teachers", _teachers(made)),
        _section("How it was made", [text for one in made for text in _making(one)]),
        _section("Prompts", _prompts(made)),
        _section("Cost", _cost(made)),
        _section("Checks", _checks(version)),
        _section("Limits", [f"- {text}" for text in limits(made, terms)]),
        _section("Personal data", [personal(version)]),
        _section("Reproduction", _reproduction(version)),
    ]
    return masker.hide("\n".join(part for part in parts if part))


def limits(made: Sequence[Dataset], terms: Terms) -> list[str]:
    """What a user of the rows must know, in sentences."""
    version = made[-1]
    found = []
    if teachers := {_teacher(one) for each in made for one in _of(each.version.recipe).values()}:
        found.append(
            f"Texts were written by language models ({', '.join(sorted(teachers))}) and may be wrong or biased; the "
            "terms of these models may limit what the rows may be used for."
        )
    counts = {one.column: one.rows for one in version.values}
    for column, value, what in (
        ("verdict", "unverifiable", "have a verdict that the rules could not reach"),
        ("verdict", "incorrect", "have a verdict that they are wrong"),
        ("correct", "(null)", "were not verified"),
    ):
        if count := counts.get(column, {}).get(value):
            found.append(f"{count:,} of {version.version.rows:,} rows {what} (`{column}`).")
    if "verdict" not in version.columns and "correct" not in version.columns:
        found.append("The rows have no verdict: their answers were not checked.")
    failed = sum(one.rows for each in made for one in each.reasons if one.kind == "failed")
    if failed:
        found.append(f"{failed:,} rows failed for technical reasons and are missing.")
    if version.version.partial:
        found.append("The version is partial: rows that another run could save are left out.")
    if broken := [str(one["name"]) for one in version.checks if not one["passed"]]:
        found.append(f"Checks that failed: {', '.join(broken)}.")
    return [*found, *(f"Licences: {text}." for text in terms.warnings)]


def personal(version: Dataset) -> str:
    """What is known of personal data in the rows, in one sentence or two."""
    flags = {one.column: one.rows.get("true", 0) for one in version.values if one.column.startswith("pii_")}
    if not flags:
        return "No step looked for personal data. Rows with shapes of API keys are not published."
    found = ", ".join(f"{column.removeprefix('pii_')} in {count:,} rows" for column, count in flags.items())
    return f"Patterns were looked for by rules, which miss some and flag others wrongly: {found}."


def size_of(rows: int) -> str:
    """The Hub's name of a size."""
    return next((name for most, name in (*SIZES, *LARGER) if rows < most), "n>1T")


def _head(version: Dataset, terms: Terms, rows: Mapping[str, int], files: Mapping[str, str], title: str) -> str:
    tags = ["dqdata", *(["synthetic"] if version.tree.calls or _of(version.version.recipe) else [])]
    if "reasoning" in version.columns or "messages" in version.columns:
        tags.append("reasoning")
    tasks = [task for task, names in TASKS.items() if any(name in version.columns for name in names)]
    head: dict[str, Any] = {**_license(terms), "pretty_name": title}
    head |= {"size_categories": [size_of(sum(rows.values()))], "task_categories": tasks, "tags": tags}
    languages = {one.column: one.rows for one in version.values}.get("language", {})
    if known := sorted(value for value in languages if 2 <= len(value) <= 3 and value.isalpha()):
        head["language"] = known
    return hub_yaml({"default": files}, head)


def _license(terms: Terms) -> dict[str, Any]:
    if not terms.ids:
        return {"license": "unknown"}
    own = [one for one in terms.ids if one not in LICENSES]
    if own:
        names = ", ".join(one.removeprefix(f"{OTHER}:") for one in own)
        return {"license": OTHER, "license_name": "-".join(names.lower().split())}
    return {"license": terms.ids[0] if len(terms.ids) == 1 else list(terms.ids)}


def _about(version: Dataset) -> Iterator[str]:
    one = version.version
    yield (
        f"{one.rows:,} rows, version {one.version} of the catalog `{one.catalog}`, made on {one.created_at:%Y-%m-%d} "
        "with dqdata."
    )
    if one.message:
        yield cell(one.message)


def _data(columns: Columns, rows: Mapping[str, int]) -> Iterator[str]:
    yield line(("split", "rows"))
    yield line(("---", "---:"))
    yield from (line((cell(split), f"{count:,}")) for split, count in rows.items())
    yield ""
    yield line(("column", "type", "meaning"))
    yield line(("---", "---", "---"))
    for name, kind in columns.items():
        meaning = VOCABULARY[name].meaning if name in VOCABULARY else ""
        yield line((cell(name), cell(kind), cell(meaning)))


def _loading(repository: str, rows: Mapping[str, int]) -> Iterator[str]:
    yield ""
    yield "```python"
    yield "from datasets import load_dataset"
    yield ""
    yield f"rows = load_dataset({json.dumps(repository)}, split={json.dumps(next(iter(rows)))})"
    yield "```"


def _licenses(terms: Terms) -> Iterator[str]:
    if not terms.ids:
        yield "The licence of the whole is not known: see below what is missing."
    elif len(terms.ids) == 1:
        yield f"The whole is published under {_linked(terms.ids[0])}."
    else:
        yield f"Each row keeps the licence of its source: {', '.join(map(_linked, terms.ids))}."
    yield ""
    yield line(("source", "licence", "rows here"))
    yield line(("---", "---", "---:"))
    for one in terms.origins:
        what = f"{one.version}: {shareable(one.source)}"
        rows = "compared with, none" if one.compared else "unknown" if one.rows is None else f"{one.rows:,}"
        yield line((cell(what), _linked(one.license) if one.license else "not stated", rows))
    if terms.warnings:
        yield ""
        yield from (f"- **Warning:** {cell(text)}" for text in terms.warnings)


def _linked(name: str) -> str:
    url = license_of(name).url
    return f"[{cell(name)}]({url})" if url else cell(name)


def _teachers(made: Sequence[Dataset]) -> list[str]:
    rows = dict.fromkeys(
        (cell(name), cell(_teacher(one)), cell(str(one.get("provider", ""))), cell(str(one.get("revision") or "")))
        for each in made
        for name, one in _of(each.version.recipe).items()
    )
    head = [line(("name", "model", "provider", "revision")), line(["---"] * 4)]
    return [*head, *map(line, rows)] if rows else ["No model wrote or judged any of the rows."]


def _of(recipe: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return recipe.get("teachers") or {}


def _teacher(one: Mapping[str, Any]) -> str:
    return str(shareable(str(one.get("model", ""))))


def _making(one: Dataset) -> Iterator[str]:
    yield f"### {one.name}"
    yield ""
    yield f"{one.version.rows:,} rows, {one.version.rejects:,} rejected."
    if not one.steps:
        yield ""
        return
    yield "```mermaid"
    yield "flowchart LR"
    yield from (shareable(text) for text in mermaid(one))
    yield "```"
    yield ""
    yield line(("step", "operator", "parameters", "dropped", "failed", "rows after it at most"))
    yield line(["---"] * 3 + ["---:"] * 3)
    counts = {step: rest for step, *rest in yield_by_step(one)}
    for step in one.steps:
        params = json.dumps(shareable(said(step.get("params", {}))), ensure_ascii=False, default=str)
        yield line((cell(str(step["id"])), cell(str(step["op"])), cell(params), *counts.get(str(step["id"]), "   ")))
    if one.reasons:
        yield ""
        yield line(("rejected", "step", "reason", "meaning"))
        yield line(["---:", "---", "---", "---"])
    for why in one.reasons:
        meaning = CODES[why.reason].meaning if why.reason in CODES else ""
        yield line((f"{why.rows:,}", cell(why.step), cell(why.reason), cell(meaning)))
    yield ""


def _prompts(made: Sequence[Dataset]) -> Iterator[str]:
    seen: set[str] = set()
    for one in made:
        for step in one.steps:
            for name, text in dict(step.get("prompts") or {}).items():
                if text in seen:
                    continue
                seen.add(text)
                yield f"<details><summary>{html.escape(name)} ({html.escape(one.name)}, {step['id']})</summary>"
                yield ""
                cut = text if len(text) <= LONGEST_PROMPT else f"{text[:LONGEST_PROMPT]}\n[{len(text):,} characters]"
                yield _fenced(cut)
                yield ""
                yield "</details>"
                yield ""


def _fenced(text: str) -> str:
    """The text as it is, within a fence that it cannot close."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}text\n{text}\n{ticks}"


def _cost(made: Sequence[Dataset]) -> Iterator[str]:
    calls = [(one, call) for one in made for call in one.tree.calls]
    if not calls:
        yield "No call of a model is on record for these rows."
        return
    yield line(("version", "model", "calls", "tokens in", "tokens out", "USD"))
    yield line(["---"] * 2 + ["---:"] * 4)
    for one, call in calls:
        numbers = (f"{call.calls:,}", f"{call.input_tokens:,}", f"{call.output_tokens:,}", f"{call.cost_usd:,.4f}")
        yield line((one.name, cell(str(shareable(call.model))), *numbers))
    total = sum(call.cost_usd for _, call in calls)
    yield line(("**all**", "", f"{sum(call.calls for _, call in calls):,}", "", "", f"{total:,.4f}"))


def _checks(version: Dataset) -> list[str]:
    return [
        f"- {cell(str(one['name']))}: {'passed' if one['passed'] else 'failed'} ({code(str(one['sql']))})"
        for one in version.checks
    ]


def _reproduction(version: Dataset) -> Iterator[str]:
    libraries = version.version.recipe.get("versions") or {}
    yield f"Recipe `{version.version.fingerprint}`."
    if libraries:
        yield f"Made with {', '.join(f'{name} {number}' for name, number in libraries.items())}."
    yield f"`dqdata rebuild {version.name}` in the store it comes from makes the same rows again."


def _section(title: str, lines: Iterable[str]) -> str:
    """A heading with what is below it; nothing where that is nothing."""
    text = "\n".join(lines).strip()
    return f"## {title}\n\n{text}\n" if text else ""


def shareable(value: Any) -> Any:
    """The value with the last part alone of every path that begins at the root or at a home, for names of folders say
    who worked where."""
    if isinstance(value, Mapping):
        return {key: shareable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shareable(inner) for inner in value]
    if isinstance(value, str):
        return PATH.sub(lambda found: PurePath(found.group(0)).name, value)
    return value

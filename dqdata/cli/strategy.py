"""`dqdata strategy EVALUATION`: which mode of thinking models chose, and whether it was the right one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import finite, json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say
from dqdata.errors import InputError

if TYPE_CHECKING:
    from dqdata.reports.strategy import Band, Choice, Share, Strategies, Strategy


@click.command()
@click.argument("evaluation")
@click.option("--model", "models", multiple=True, help="Only this one; may be given several times.")
@click.option("--by", help="Difficulty of a question: a column of the answers, or SQL that gives a number.")
@click.option(
    "--at",
    type=(float, float),
    help="Difficulties from which short, and from which long thinking is right, as in the operator adapt.",
)
@click.option("--margin", type=float, default=1.0, show_default=True, help="How near to a boundary is looked at.")
@click.option(
    "--short-tokens",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Tokens of the longest answer that counts as short thinking.",
)
@click.option("--traces", help="Catalog or query with further traces, among which the shortest correct one may be.")
@click.option("--unanswerable", help="Catalog or query with answers to questions that cannot be answered.")
@click.option("--abstained", help="SQL over these that is true where an answer states that there is none.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for report.md, results.json, modes.svg.")
@project_option
@store_option
@json_option
def command(
    evaluation: str,
    models: tuple[str, ...],
    by: str | None,
    at: tuple[float, float] | None,
    margin: float,
    short_tokens: int,
    traces: str | None,
    unanswerable: str | None,
    abstained: str | None,
    output: Path | None,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Show which mode of thinking models chose (none, short, long), by difficulty, and what that wasted.

    EVALUATION is one that `dqdata eval` measured, or a catalog or query with response, reasoning and correct."""
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"{output} is no folder", code="file-exists")
    if abstained is not None and unanswerable is None:
        raise InputError("--abstained is for the rows of --unanswerable", code="usage")
    found = open_catalogs(project, store).strategy(
        evaluation,
        models=models,
        by=by,
        at=at,
        margin=margin,
        short_tokens=short_tokens,
        traces=traces,
        unanswerable=unanswerable,
        abstained=abstained,
    )
    if output is not None:
        _write(found, output)
    if as_json:
        print_json(finite(found.as_json()))
    else:
        say("\n".join(_plain(found)))


def _plain(found: Strategies) -> Iterator[str]:
    yield f"{found.evaluation}: modes of thinking; short is up to {found.short_tokens:,} tokens ({found.tokens})"
    for one in found.models:
        yield one.model
        yield f"  {'':14} {'answers':>8} {'none':>6} {'short':>6} {'long':>6} {'correct':>8} {'tokens':>8}"
        for band in (one.whole, *one.bands):
            yield _line(band, "" if band is one.whole else f"{found.by} ")
        yield from (f"  {line}" for line in _said(one))


def _line(band: Band, by: str) -> str:
    modes = " ".join(f"{share:6.1%}" for share in band.modes.values())
    label = (by + band.label)[-14:]
    return f"  {label:14} {band.answers:8,} {modes} {band.accuracy:8.1%} {band.tokens:8,.0f}"


def _said(one: Strategy) -> Iterator[str]:
    """Everything but the table, as sentences."""
    yield _chosen("the mode of the shortest correct trace", one.needed)
    if one.by_rule is not None:
        yield _chosen("the mode of the rule", one.by_rule)
    for edge in one.boundaries:
        yield (
            f"at boundary {edge.at:g}: right {_share(edge.right)}; below {_modes(edge.below)}; above "
            f"{_modes(edge.above)}"
        )
    if one.waste is not None:
        median = one.waste.a_correct.p50
        half = "" if median != median else f"; half of the correct answers waste {median:,.0f} or more"
        yield (
            f"wasted: {one.waste.wasted:,} of {one.waste.tokens:,} tokens ({one.waste.share:.1%}) beyond the shortest "
            f"correct traces{half}"
        )
    if (lost := one.unanswerable) is not None:
        ratio = "" if lost.ratio is None else f", {lost.ratio:.2f} times those of the evaluation"
        ends = "" if lost.ratio_low is None else f" [{lost.ratio_low:.2f}, {lost.ratio_high:.2f}]"
        yield (
            f"unanswerable: {lost.answers:,} answers, {_modes(lost.modes)}; {lost.tokens.mean:,.0f} tokens"
            f"{ratio}{ends}, {lost.cut:,} cut off"
        )
        if lost.abstained is not None:
            tokens = [
                "-" if mean is None else f"{mean:,.0f} tokens" for mean in (lost.abstained_tokens, lost.other_tokens)
            ]
            yield f"unanswerable: says so in {_share(lost.abstained)}, by {tokens[0]}; else {tokens[1]}"


def _chosen(what: str, choice: Choice) -> str:
    unknown = f"; not known for {choice.unknown:,} answers" if choice.unknown else ""
    return (
        f"chose {what}: {_share(choice.right)}, thought too little {choice.too_little:.1%}, too much "
        f"{choice.too_much:.1%}{unknown}"
    )


def _share(share: Share | None) -> str:
    return "-" if share is None else f"{share.share:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _modes(modes: Mapping[str, float]) -> str:
    return ", ".join(f"{mode} {share:.1%}" for mode, share in modes.items()) or "no answer"


def _markdown(found: Strategies) -> Iterator[str]:
    yield f"# {found.evaluation}: modes of thinking\n"
    yield f"Short thinking is an answer of up to {found.short_tokens:,} tokens ({found.tokens}).\n"
    yield "| model | difficulty | questions | answers | none | short | long | correct | tokens |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for one in found.models:
        for band in (one.whole, *one.bands):
            cells = (
                *(one.model.replace("|", "\\|"), band.label, f"{band.questions:,}", f"{band.answers:,}"),
                *(f"{share:.1%}" for share in band.modes.values()),
                *(f"{band.accuracy:.1%}", f"{band.tokens:,.0f}"),
            )
            yield f"| {' | '.join(cells)} |"
    for one in found.models:
        yield f"\n## {one.model}\n"
        yield from (f"- {line}" for line in _said(one))
        for name, choice in (("shortest correct trace", one.needed), ("rule", one.by_rule)):
            if choice is not None and choice.chosen:
                yield f"\n| right by {name} | none | short | long |\n|---|---:|---:|---:|"
                for mode, shares in choice.chosen.items():
                    yield f"| {mode} | {' | '.join(f'{share:.1%}' for share in shares.values())} |"
    yield "\n![modes by difficulty](modes.svg)"


def _write(found: Strategies, folder: Path) -> None:
    from dqdata.reports.svg import stacked

    folder.mkdir(parents=True, exist_ok=True)
    rows = [(f"{one.model} {band.label}", band.modes) for one in found.models for band in (one.bands or [one.whole])]
    (folder / "modes.svg").write_text(stacked(f"{found.evaluation}: modes", rows), encoding="utf-8")
    (folder / "report.md").write_text("\n".join(_markdown(found)) + "\n", encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(finite(found.as_json()), indent=1) + "\n", encoding="utf-8")

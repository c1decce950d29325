"""`dqdata efficiency EVALUATION`: accuracy against tokens and seconds, as distributions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import finite, json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say
from dqdata.errors import InputError

if TYPE_CHECKING:
    from dqdata.reports.efficiency import Efficiency, Efficient, Profile
    from dqdata.statistics import Spread


@click.command()
@click.argument("evaluation")
@click.option("--model", "models", multiple=True, help="Only this one; may be given several times.")
@click.option("--against", help="The model that the others are compared with; the first that was measured by default.")
@click.option(
    "--by", multiple=True, help="Column whose values are shown apart, such as level; may be given several times."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for report.md, results.json and pictures."
)
@project_option
@store_option
@json_option
def command(
    evaluation: str,
    models: tuple[str, ...],
    against: str | None,
    by: tuple[str, ...],
    output: Path | None,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Show what the accuracy of models costs in tokens and seconds, as distributions, whole and by group.

    EVALUATION is one that `dqdata eval` measured; its answers are in eval_EVALUATION."""
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"{output} is no folder", code="file-exists")
    found = open_catalogs(project, store).efficiency(evaluation, models=models, against=against, by=by)
    if output is not None:
        _write(found, output)
    if as_json:
        print_json(finite(found.as_json()))
    else:
        say("\n".join(_plain(found)))


def _plain(found: Efficiency) -> Iterator[str]:
    yield f"{found.evaluation}: accuracy with its 95% interval; tokens and seconds as mean, 10%, 50%, 90%, 99%"
    for one in found.models:
        yield one.model
        yield from _profile("  ", one.whole)
        if one.tokens_ratio is not None:
            p = "" if one.p_adjusted is None else f", p = {one.p_adjusted:.3g}"
            yield (
                f"  {one.tokens_ratio:.2f} times the tokens of {found.against} [{one.ratio_low:.2f}, "
                f"{one.ratio_high:.2f}], accuracy {one.difference:+.1%}{p}"
            )
        for column, groups in one.groups.items():
            for value, profile in groups.items():
                yield f"  {column} {value}"
                yield from _profile("    ", profile)


def _profile(indent: str, one: Profile) -> Iterator[str]:
    each = "-" if one.tokens_a_correct is None else f"{one.tokens_a_correct:,.0f}"
    answers = f"{one.questions:,} questions, {one.answers:,} answers"
    yield f"{indent}{one.accuracy:6.1%}  [{one.low:.1%}, {one.high:.1%}]  {answers}"
    yield f"{indent}tokens   {_spread(one.tokens, 0)}; {each} a correct answer, {one.cut:,} cut off"
    if one.seconds.mean == one.seconds.mean:
        yield f"{indent}seconds  {_spread(one.seconds, 2)}"


def _spread(one: Spread, digits: int) -> str:
    return "  ".join(f"{value:,.{digits}f}" for value in one)


def _markdown(found: Efficiency) -> Iterator[str]:
    yield f"# {found.evaluation}: accuracy against tokens and seconds\n"
    heads = "model group questions accuracy 95%_interval tokens 10% 50% 90% correct wrong a_correct_answer seconds"
    yield f"| {' | '.join(head.replace('_', ' ') for head in heads.split())} |"
    yield "|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for one in found.models:
        yield _row(one, "all", one.whole)
        for column, groups in one.groups.items():
            for value, profile in groups.items():
                yield _row(one, f"{column} {value}", profile)
    yield f"\nTokens and seconds are means over answers, with quantiles; compared with {found.against}:\n"
    for one in found.models:
        if one.tokens_ratio is not None:
            yield (
                f"- {one.model}: {one.tokens_ratio:.2f} times the tokens [{one.ratio_low:.2f}, {one.ratio_high:.2f}], "
                f"accuracy {one.difference:+.1%}"
                + ("" if one.p_adjusted is None else f", p = {one.p_adjusted:.3g} (Holm)")
            )
    yield "\n![accuracy by tokens](tokens.svg)\n![distribution of tokens](distribution.svg)"


def _row(one: Efficient, group: str, profile: Profile) -> str:
    spread = [f"{value:,.0f}" for value in profile.tokens[:4]]
    parts = [
        f"{value:,.0f}" if value == value else "" for value in (profile.correct_tokens.mean, profile.wrong_tokens.mean)
    ]
    each = "" if profile.tokens_a_correct is None else f"{profile.tokens_a_correct:,.0f}"
    seconds = f"{profile.seconds.mean:.2f}" if profile.seconds.mean == profile.seconds.mean else ""
    cells = (
        *(one.model.replace("|", "\\|"), group.replace("|", "\\|"), str(profile.questions), f"{profile.accuracy:.1%}"),
        *(f"{profile.low:.1%} to {profile.high:.1%}", *spread, *parts, each, seconds),
    )
    return f"| {' | '.join(cells)} |"


def _write(found: Efficiency, folder: Path) -> None:
    from dqdata.reports.svg import Point, Spread5, scatter, spreads

    folder.mkdir(parents=True, exist_ok=True)
    points = []
    for one in found.models:
        groups = [profile for values in one.groups.values() for profile in values.values()] or [one.whole]
        points += [Point(one.model, each.tokens.mean, each.accuracy, each.low, each.high) for each in groups]
    rows = [
        Spread5(label, one.tokens.p10, one.tokens.p50, one.tokens.p90, one.tokens.p99)
        for each in found.models
        for label, one in [
            (each.model, each.whole),
            *(
                (f"  {column} {value}", profile)
                for column, values in each.groups.items()
                for value, profile in values.items()
            ),
        ]
    ]
    (folder / "tokens.svg").write_text(scatter(found.evaluation, points, "mean tokens of an answer"), encoding="utf-8")
    (folder / "distribution.svg").write_text(
        spreads(f"{found.evaluation}: tokens of an answer", rows), encoding="utf-8"
    )
    (folder / "report.md").write_text("\n".join(_markdown(found)) + "\n", encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(finite(found.as_json()), indent=1) + "\n", encoding="utf-8")

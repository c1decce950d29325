"""`dqdata compare`: scores of all models that were measured, by evaluation, beside published ones."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.history.scores import Board, Scored

WIDTH = 80


@click.command()
@click.argument("evaluations", nargs=-1, metavar="[EVALUATION]...")
@click.option("--model", "models", multiple=True, help="Only this one; may be given several times.")
@click.option("--against", help="The model that the others are compared with; the first that was measured by default.")
@click.option("--published/--no-published", default=True, help="Scores that others published on the same benchmark.")
@click.option("--markdown", is_flag=True, help="Tables in Markdown.")
@project_option
@store_option
@json_option
def command(
    evaluations: tuple[str, ...],
    models: tuple[str, ...],
    against: str | None,
    published: bool,
    markdown: bool,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Print the newest score of each model, with 95% intervals and paired tests.

    Published scores are quoted with their source; their samples, temperature and length are those of the source."""
    boards = open_catalogs(project, store).compare(*evaluations, models=models, against=against, published=published)
    if as_json:
        print_json({"evaluations": [asdict(board) for board in boards]})
        return
    if not boards:
        say("no model was measured yet: `dqdata eval MODEL --on BENCHMARK` does it")
    for board in boards:
        say("\n".join(_markdown(board) if markdown else _plain(board)))


def _plain(board: Board) -> Iterator[str]:
    yield board.evaluation
    width = max([len(row.model) for row in board.rows] + [len(one.model) for one in board.published])
    for row in board.rows:
        yield f"  {row.model:{width}}  {row.accuracy:6.1%}  [{row.low:.1%}, {row.high:.1%}]"
        yield f"  {'':{width}}  {_about(row)}"
        if row.p_value is not None:
            yield f"  {'':{width}}  p = {row.p_value:.3g} against {board.against}"
    if board.published:
        yield "  published:"
    for number, one in enumerate(board.published):
        yield f"  {one.model:{width}}  {one.score:5.1f}%  [{_sources(board).index(one.source) + 1}]"
        yield from textwrap.wrap(one.note, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
        if number == len(board.published) - 1:
            for place, source in enumerate(_sources(board), 1):
                yield from textwrap.wrap(f"[{place}] {source}", WIDTH, initial_indent="  ", subsequent_indent=" " * 6)


def _markdown(board: Board) -> Iterator[str]:
    yield f"### {board.evaluation}\n"
    yield "| model | pass@1 | 95% interval | questions × samples | tokens | p | source |"
    yield "|---|---:|---|---:|---:|---:|---|"
    for row in board.rows:
        p_value = "" if row.p_value is None else f"{row.p_value:.3g}"
        yield (
            f"| {_cell(row.model)} | {row.accuracy:.1%} | {row.low:.1%} to {row.high:.1%} | {row.questions} × "
            f"{row.samples} | {row.tokens:.0f} | {p_value} | {row.answers} |"
        )
    for one in board.published:
        yield f"| {one.model} | {one.score:.1f}% | | | | | {one.source}{'; ' + one.note if one.note else ''} |"
    if any(row.p_value is not None for row in board.rows):
        yield f"\np: of the difference from {_cell(board.against)}, paired by question."
    yield ""


def _about(row: Scored) -> str:
    majority = "" if row.majority is None else f", maj@{row.samples} {row.majority:.1%}"
    samples = "" if row.samples == 1 else f", {row.samples} samples each"
    return f"{row.questions} questions{samples}{majority}, {row.tokens:.0f} tokens an answer"


def _sources(board: Board) -> Sequence[str]:
    return list(dict.fromkeys(one.source for one in board.published))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

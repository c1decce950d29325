"""Writes the pages of docs/ that come from the code: `make docs`. With --check names those that have drifted.

cli.md        every verb's --help          operators.md  every plug-in with its parameters
columns.md    the vocabulary of columns          codes.md      codes of errors and rejects
types.md      what rows hold of each type        api.md        what `import dqdata` offers
keys.md       keys of pipelines.toml             tables.md     tables of a store
tutorial.md   what `dqdata new operator` writes  architecture.md  its list of modules
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import references
from public_api import api_page

from dqdata.arrow_types import ARROW
from dqdata.cli import VERBS
from dqdata.cli import dqdata as group
from dqdata.cli.new import OPERATOR_KINDS, files_of
from dqdata.cli.ops import example_of
from dqdata.codes import CODES, KINDS
from dqdata.columns import KEYS, REJECTS, VOCABULARY
from dqdata.plugins import found, load
from dqdata.project.columns_used import columns_used
from dqdata.project.parameters import described
from dqdata.types import DUCKDB

HERE = Path(__file__).parent
GROUPS = (
    ("operators", "Operators", "`op = NAME` in a step"),
    ("sources", "Sources", "`from = { source = NAME, ... }`"),
    ("teachers", "Teachers", "`provider = NAME` in a teacher"),
    ("trainers", "Trainers", "`kind = NAME` in a trainer"),
)


EXIT_CODES = """## Exit codes

| code | meaning |
|---|---|
| 0 | Done. Warnings change nothing of it. |
| 1 | Work that began could not go on; the same command usually goes on from there. Or a command found what it looks \
for: `check` and `check --leaks` problems, `verify` and `ledger verify` damage, `rebuild` and `test` other rows, \
`doctor` something bad. |
| 2 | The input is wrong and nothing ran. `check` gives it where nothing can be checked: no such file, no TOML, no \
such name or profile. |
| 130, 143 | Ctrl-C, SIGTERM. |
| 141 | Whoever read standard output closed it. |

"""
COMPLETION = """## Completion in the shell

Tab completes verbs, options, pipelines, trainers, profiles, catalogs, plug-ins and codes, once the shell knows how:

```sh
eval "$(_DQDATA_COMPLETE=bash_source dqdata)"    # in ~/.bashrc
eval "$(_DQDATA_COMPLETE=zsh_source dqdata)"     # in ~/.zshrc, after compinit
_DQDATA_COMPLETE=fish_source dqdata | source     # in ~/.config/fish/config.fish
```"""


def cli() -> str:
    """Each verb's help, as a terminal of 100 columns shows it."""
    pages = [
        "# The command line",
        "Made by `make docs` from the commands themselves.",
        _help(group, "dqdata"),
        EXIT_CODES + COMPLETION,
    ]
    for verb in VERBS:
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        pages.append(f"## dqdata {verb}\n\n{_help(command, f'dqdata {verb}')}")
    return "\n\n".join(pages) + "\n"


def _help(command: click.Command, name: str) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=100, max_content_width=100, help_option_names=["-h", "--help"]
    )
    return f"```\n{command.get_help(context)}\n```"


def operators() -> str:
    """Every built-in plug-in: what it is for, and its parameters with their defaults."""
    pages = [
        "# Plug-ins",
        "Made by `make docs` from the code. `dqdata ops NAME` shows one of them, yours included. "
        "What an operator reads and makes is that of its example, or of its defaults.",
    ]
    for group_name, title, use in GROUPS:
        pages.append(f"## {title}\n\n{use}")
        for name, point in found(group_name).items():  # type: ignore[arg-type]
            if not point.value.startswith(("dqdata.", "dqdata_operators.", "dqdata_trainers.")):
                continue
            kind = load(group_name, name)  # type: ignore[arg-type]
            used = _columns_and_example(kind) if group_name == "operators" else ""
            pages.append(f"### {name}\n\n{inspect.getdoc(kind)}\n\n{used}{_parameters(kind)}".rstrip())
    return "\n\n".join(pages) + "\n"


def _columns_and_example(kind: type) -> str:
    """Columns that an operator reads and makes with the parameters of its example, and the example."""
    used, example = columns_used(kind), example_of(kind)
    parts = []
    if used is not None:
        removed = f" Removes {_names(used.removes)}." if used.removes else ""
        parts.append(f"Reads {_names(used.reads)}. Makes {_names(used.makes)}.{removed}")
    if example:
        parts.append(f"```text\n{example}\n```")
    return "".join(f"{part}\n\n" for part in parts)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "no column of its own"


def _parameters(kind: type) -> str:
    rows = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    for one in described(kind.Params):  # type: ignore[attr-defined]
        value = one.default.replace(sys.executable, "this Python")
        cells = (f"`{one.name}`", one.type, f"`{value}`" if value else "required", one.meaning)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) if len(rows) > 2 else ""


def columns() -> str:
    """The vocabulary, and the fixed columns of rejects."""
    rows = [f"| `{name}` | `{known.type}` | {known.meaning} |" for name, known in VOCABULARY.items()]
    rejects = ", ".join(f"`{name}`" for name in REJECTS)
    return "\n".join(
        [
            "# Columns",
            "",
            "Made by `make docs` from `dqdata/columns.py`. Operators that make other columns name them themselves.",
            "",
            f"A table's key is the first of {', '.join(f'`{key}`' for key in KEYS)} that it has.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
            *rows,
            "",
            f"Every `NAME__rejects` has {rejects}; `row` is the row as JSON: `(row->>'question')`.",
            "",
        ]
    )


def codes() -> str:
    """Every stable code: what it means and what to do."""
    pages = [
        "# Troubleshooting by code",
        "Every error, warning and rejected row has a code. An error prints `error[CODE]: ...` with file, table and "
        "step. A row that was not kept has its code in the column `reason` of `NAME__rejects`: "
        "`dqdata show NAME --rejects` counts them, `dqdata why ID` explains one row.",
        "`dqdata explain CODE` shows one entry of this page, and codes of your own operators; `dqdata doctor` looks "
        "at Python, extras, sandbox, GPU, keys, disk and endpoints. Texts of messages change between releases, codes "
        "keep their meaning. Made by `make docs` from `dqdata/codes.py`.",
    ]
    for kind, title in KINDS.items():
        rows = [f"| `{name}` | {one.meaning} | {one.action} |" for name, one in CODES.items() if one.kind == kind]
        pages.append(
            f"## {title[0].upper()}{title[1:]}\n\n| code | cause | what to do |\n|---|---|---|\n" + "\n".join(rows)
        )
    own = sorted(
        f"| `{reason}` | `{name}` | {meaning} |"
        for name, point in found("operators").items()
        if point.value.startswith("dqdata_operators.")
        for reason, meaning in load("operators", name).reasons.items()
    )
    pages.append(
        "## Reject: reasons of one operator alone\n\n| code | operator | cause |\n|---|---|---|\n" + "\n".join(own)
    )
    return "\n\n".join(pages) + "\n"


def types() -> str:
    """The tables of types: of DuckDB, and of what sources give as Arrow."""
    pages = [
        "# Types",
        "Made by `make docs` from `dqdata/types.py` and `dqdata/arrow_types.py`.",
        TYPES,
        "| DuckDB | what rows hold | Arrow | polars | |\n|---|---|---|---|---|\n"
        + "\n".join(
            f"| {_code(rule.name)} | {_held(rule.how, rule.to)} | {_code(rule.arrow)} | {_code(rule.polars)} | "
            f"{rule.note.replace('|', chr(92) + '|')} |"
            for rule in DUCKDB
        ),
        "## What sources give\n\nSources give Arrow data. Types that this table does not list are those above.",
        "| Arrow | what rows hold | |\n|---|---|---|\n"
        + "\n".join(
            f"| {rule.name} | {_held('converted' if rule.to else 'refused', rule.to)} | {rule.note} |" for rule in ARROW
        ),
        FORMATS,
    ]
    return "\n\n".join(pages) + "\n"


def _held(how: str, to: str) -> str:
    return f"converted to `{to}`" if how == "converted" else how


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


TYPES = """\
A column has one type of DuckDB from its source to the catalog. A type is *kept* if a value comes back the same from
DuckDB, Arrow, polars, Parquet and Python. Other types are *converted* where rows enter, that is from a source, in the
result of a step `sql`, or in the result of a query. Nested types are converted inside. A type that is *refused* is
found when planning, before any call; the message names the column and the cast to write.

SQL runs in UTC everywhere: `x::DATE` of an instant is the same on every machine."""

FORMATS = """\
## Files

| | JSONL, JSON | CSV |
|---|---|---|
| whole numbers | every digit; past 64 bits they are read as DECIMAL(38,0) | the same |
| whole numbers beside fractions | DOUBLE; one whose digits DOUBLE can't hold is an error that names its line | text |
| decimals | every digit is written; read as DOUBLE, or exactly with `types = { x = "DECIMAL(38,10)" }` | the same |
| NaN, infinity | null | `nan`, `inf` |
| BLOB | base64 | base64 |
| dates and times | ISO 8601, read as text | as DuckDB writes them, read as text |
| MAP | a list of {key, value} | JSON text |
| LIST, STRUCT | list, object | JSON text |
| null and empty text | null, "" | nothing, `""`; in a file of one column a null is an empty line: passed over |
| years past 9999, infinity (queries alone) | text, for the whole column | text |

`dqdata export x -o x.json` writes a list of records, which `dqdata import` and `datasets` read. Parquet keeps every
type that rows hold.

## Names

A column needs a name that is not blank, can be written as UTF-8, has no NUL, and differs from the others in more than
small and capital letters, as SQL takes `A` for `a`. Rename one with `columns = { good_name = "name in the file" }` in
`from`. Fields of objects follow the same rules; an object whose keys are data is read as text with
`types = { x = "VARCHAR" }`."""


def tutorial() -> str:
    """An operator of one's own, by the package that `dqdata new operator` writes."""
    parts = [TUTORIAL]
    for path, text in files_of("shorter", "row").items():
        if text and path.endswith((".py", ".toml")):
            language = "python" if path.endswith(".py") else ""
            parts.append(f"`{path}`:\n\n```{language}\n{text.rstrip()}\n```")
    parts.append(OTHER_KINDS)
    for kind in ("batch", "call", "table"):
        text = files_of("mine", kind)["src/dqdata_mine/__init__.py"]
        parts.append(f"### --kind {kind}: {OPERATOR_KINDS[kind]}\n\n```python\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def architecture() -> str:
    """The page with its list of modules made anew; the rest is written by hand."""
    text = (HERE / "architecture.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(MODULES[0])
    _, _, after = rest.partition(MODULES[1])
    return f"{before}{MODULES[0]}\n```\n{_modules()}\n```\n{MODULES[1]}{after}"


def _modules() -> str:
    """Folders and files of the product with the first sentence of their docstrings, helpers left out."""
    lines: list[str] = []
    for package in ("dqdata", "operators/dqdata_operators", "trainers/dqdata_trainers"):
        root = HERE.parent / package
        lines.append(f"{package}/")
        for file in sorted(root.rglob("*.py"), key=lambda file: (file.parent != root, file.parts)):
            inner = file.relative_to(root)
            private = file.name.startswith("_") and file.name != "__init__.py"
            if private or inner == Path("__init__.py") or "inside" in inner.parts:
                continue
            name = f"{inner.parent}/" if file.name == "__init__.py" else str(inner)
            lines.append(f"  {name:{WIDTH}} {_first_sentence(file)}".rstrip())
    return "\n".join(lines)


def _first_sentence(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", first, maxsplit=1)[0].rstrip(":.")


TUTORIAL = """# An operator of your own

Made by `make docs` from the package that `dqdata new operator` writes, whose test passes as it is.

```
$ dqdata new operator shorter
$ cd dqdata-shorter
$ pip install -e '.[dev]'
$ python -m pytest
$ dqdata ops shorter
```

Once it is installed, `{ op = "shorter", most = 80 }` is a step of any pipeline, and a change of its code makes the
step's rows anew. `columns` returns what the step needs and adds, and is called when planning: an error there costs no
call. `process` does the work. A row that is not kept is a `Reject` with a short reason, which `NAME__rejects` holds; an
exception fails its row alone."""
OTHER_KINDS = """## Other kinds

`dqdata.testing` runs an operator of any kind with the plan, the row accounting and the ledger of a real run; a script
answers in a teacher's place."""
SUMMARY = (
    "Reasoning datasets for distillation, and training on them: pipelines in TOML, verified and graded traces, "
    "versions of catalogs read with SQL, trainers built on TRL."
)
MODULES = ("<!-- modules -->", "<!-- /modules -->")
WIDTH = 28
PAGES = {
    "tutorial.md": tutorial,
    "api.md": api_page,
    "cli.md": cli,
    "operators.md": operators,
    "columns.md": columns,
    "types.md": types,
    "codes.md": codes,
    "keys.md": references.keys,
    "tables.md": references.tables,
    "architecture.md": architecture,
}


def llms(made: Mapping[str, str]) -> str:
    """llms.txt: every page in the order of the site, with its title and first sentence (https://llmstxt.org).

    made: the generated pages."""
    out = ["# dqdata", "", f"> {SUMMARY}"]
    nav = tomllib.loads((HERE.parent / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    for entry in nav:
        [(title, pages)] = entry.items() if isinstance(entry, dict) else [("Docs", [entry])]
        out += ["", f"## {title}", "", *(_entry(made, page) for page in pages)]
    return "\n".join(out) + "\n"


def _entry(made: Mapping[str, str], page: str) -> str:
    text = made.get(page) or (HERE / page).read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    paragraph = next((one for one in rest.split("\n\n") if re.match(r"\s*(?!Made by|```)[A-Z`]", one)), "")
    first = re.split(r"(?<=[.])\s", " ".join(paragraph.split()))[0].rstrip(":")
    return f"- [{title.lstrip('# ')}]({page}){f': {first}' if first else ''}"


if __name__ == "__main__":
    made = {name: page() for name, page in PAGES.items()}
    made["llms.txt"] = llms(made)
    if "--check" in sys.argv:
        sys.exit(
            ", ".join(
                name
                for name in made
                if not (HERE / name).is_file() or (HERE / name).read_text(encoding="utf-8") != made[name]
            )
            or 0
        )
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")

"""Runs the recipes of pipelines.toml and says what each step did to rows; for the profile tiny, in docs/recipes.md.

python docs/recipes.py                                # tiny: about a minute of one core; writes the table of the page
python docs/recipes.py --profile cpu --folder out     # another profile: prints its table; started again, it goes on
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.errors import DqdataError
from dqdata.project.graph import build_order
from dqdata.project.plan import make_plan
from dqdata.project.tables import Project, read_project
from dqdata.sql import quoted

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "recipes.md"
BEGIN, END = "<!-- rows -->", "<!-- end -->"


def copied(folder: Path, profile: str) -> Project:
    """The repository's project in a folder of its own. Model files beside it are linked."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("prompts", "examples/tiny"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "pipelines.toml", folder)
    for file in ROOT.glob("*.gguf"):
        if not (folder / file.name).exists():
            (folder / file.name).symlink_to(file)
    return read_project(folder / "pipelines.toml", profile)


def recipes(project: Project) -> list[str]:
    """Names of the recipes' pipelines, each after what it reads."""
    return [name for name in build_order(project) if name in project.pipelines and not name.startswith("quickstart")]


def table(project: Project, store: Store) -> str:
    """A line for each step. dropped: rows by reason. filled: rows of the result in which the step set a column, or of
    its own result where it changed one."""
    lines = ["| recipe | step | rows that it dropped | rows that it filled in |", "|---|---|---|---|"]
    for name in recipes(project):
        if store.latest(project.pipelines[name].into) is None:
            lines.append(f"| {name} | - | not made | - |")
        else:
            lines += _steps(project, store, name)
    return "\n".join(lines)


def _steps(project: Project, store: Store, name: str) -> Iterator[str]:
    plan = make_plan(project, name, store)
    into = plan.pipeline.into
    rejected: dict[str, Counter[str]] = {}
    for row in _rows(store, f"select step, reason, count(*)::bigint as n from {into}__rejects group by all"):
        rejected.setdefault(str(row["step"]), Counter())[str(row["reason"])] += int(str(row["n"]))
    total = _count(store, f"select count(*) as n from {into}")
    have = set(_rows(store, f"select * from {into} limit 1")[0]) if total else set()
    before = set(plan.columns)
    for place, step in enumerate(plan.steps):
        added = sorted((set(step.after) - before) & have)
        before = set(step.after)
        dropped = rejected.get(step.spec.id, Counter())
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "-"
        filled = "-"
        if added:
            given = " or ".join(f"{quoted(column)} is not null" for column in added)
            count = _count(store, f"select count(*) as n from {into} where {given}")
            filled = f"{count} of {total}: {', '.join(added)}"
        elif not dropped:
            filled = _changed(project, store, name, place)
        yield f"| {name} | {step.spec.id} | {reasons} | {filled} |"


def _changed(project: Project, store: Store, name: str, place: int) -> str:
    """Rows that are others after the step at this place than before it: the recipe up to there is run, with the answers
    of the ledger."""
    pipeline = project.pipelines[name]
    sides = []
    for steps, into in ((place, f"{name}__before"), (place + 1, f"{name}__after")):
        part = pipeline.model_copy(update={"name": into, "into": into, "steps": pipeline.steps[:steps]})
        made = run_pipeline(project.model_copy(update={"pipelines": {**project.pipelines, into: part}}), into, store)
        have = store.schema(into, made.version)
        sides.append(into)
    before, after = sides
    columns = ", ".join(map(quoted, have))
    others = f"select {columns} from {after} except all select {columns} from {before}"
    count = _count(store, f"select count(*) as n from ({others})")
    return f"{count} of {_count(store, f'select count(*) as n from {after}')} changed"


def _rows(store: Store, query: str) -> list[dict[str, object]]:
    return list(store.query(query).read_all().to_pylist())


def _count(store: Store, query: str) -> int:
    return int(str(_rows(store, query)[0]["n"]))


def written(text: str, rows: str) -> str:
    """The page with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{rows}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--folder", type=Path, help="keep the project here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = copied(given.folder or Path(scratch), given.profile)
        with Store.open(project.store) as store:
            for name in recipes(project):
                try:
                    run_pipeline(project, name, store)
                except DqdataError as error:  # a weak model may leave a recipe without rows: the table says so
                    if given.profile == "tiny":
                        raise
                    print(f"{name}: {error}", file=sys.stderr)
            made = table(project, store)
    if given.profile == "tiny":
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    else:
        print(made)


if __name__ == "__main__":
    main()

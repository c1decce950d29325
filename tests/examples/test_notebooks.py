"""The notebooks of examples/ run from their first cell to the last, by the public API, and are kept without outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NAMES = ("first_dataset", "rejects", "compare_students")
SHOWN = {
    "first_dataset": ("'made': 24", "<td>24</td><td>24</td>", "dataset_info.json", "What is 1 + 2?"),
    "rejects": ("truncated", "duplicate", "slow_thinking"),
    "compare_students": ("teacher:after", "teacher:before", "eval_products"),
}
"""What the outputs of each hold."""


def cells(name: str) -> list[dict[str, Any]]:
    notebook: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_these_are_the_notebooks() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_no_output_and_imports_the_public_package_alone(name: str) -> None:
    for cell in cells(name):
        assert cell["outputs"] == [] and cell["execution_count"] is None
        for module in re.findall(r"^(?:import|from) (\S+)", "".join(cell["source"]), re.MULTILINE):
            assert not module.startswith("dqdata."), module


@pytest.mark.slow
@pytest.mark.needs("nbclient", "ipykernel")
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(FOLDER)}}).execute()
    shown = "".join(
        text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for text in (output.get("text", ""), *map(str, output.get("data", {}).values()))
    )
    for expected in SHOWN[name]:
        assert expected in shown, expected

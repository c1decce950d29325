"""Checks `args` against the fields of TRL's configs without importing TRL, which takes seconds and torch.

    check_args(params, "SFTConfig")          # InputError: args.learning_rte: TRL's SFTConfig has no such field; ...

The classes are dataclasses; their fields are read from the source of the installed package.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Collection
from pathlib import Path

from dqdata.errors import InputError, nearest
from dqdata_trainers._config import OURS, TrlParams

REQUIRED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
"""Distributions that every trainer over TRL needs."""


def check_args(params: TrlParams, config: str, fixed: Collection[str] = ()) -> None:
    """Raises InputError for all names in `args` that the config class lacks, that dqdata decides, or, in `fixed`, that
    this trainer decides."""
    known = fields_of(config)
    problems = [f"args.{name} can't be set: {OURS[name]}" for name in params.args if name in OURS]
    problems += [f"args.{name} can't be set: this trainer decides it" for name in params.args if name in fixed]
    problems += [
        f"args.{name}: TRL's {config} has no such field{nearest(name, known)}"
        for name in params.args
        if known and name not in known and name not in OURS
    ]
    if problems:
        raise InputError("; ".join(problems))


@functools.cache
def fields_of(config: str) -> frozenset[str]:
    """Names of the fields of a config class of TRL and of its bases; empty where its source is not found."""
    classes: dict[str, ast.ClassDef] = {}
    for file in _sources():
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                classes[node.name] = node
    found: set[str] = set()
    todo = [config]
    while todo:
        name = todo.pop()
        if name not in classes:
            return frozenset()
        found |= {
            line.target.id
            for line in classes[name].body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and _is_field(line)
        }
        todo += [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
    return frozenset(found)


def _is_field(line: ast.AnnAssign) -> bool:
    shown = ast.unparse(line)
    return "ClassVar" not in shown and "init=False" not in shown


def _sources() -> list[Path]:
    """Files that define TRL's configs and the class that they extend."""
    trl, transformers = _folder("trl"), _folder("transformers")
    if trl is None or transformers is None:
        return []
    ours = [trl / "experimental" / name / f"{name}_config.py" for name in ("async_distillation", "cpo", "orpo")]
    return [*sorted((trl / "trainer").glob("*_config.py")), *ours, transformers / "training_args.py"]


def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None

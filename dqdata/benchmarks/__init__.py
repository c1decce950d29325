"""Public benchmarks by name: where they are published, and how their fields become rows.

>>> find("gsm8k").hub
'openai/gsm8k'
>>> find("gsm8k").row({"question": "2 + 2?", "answer": "Add.\\n#### 4"}, 0, "row 1")["answer"]
'4'
"""

from __future__ import annotations

from dqdata.benchmarks.layout import Benchmark
from dqdata.benchmarks.mathematics import MATHEMATICS
from dqdata.benchmarks.programs import PROGRAMS
from dqdata.benchmarks.science import SCIENCE
from dqdata.errors import ProjectError, nearest

BENCHMARKS: dict[str, Benchmark] = {one.name: one for one in (*MATHEMATICS, *SCIENCE, *PROGRAMS)}

__all__ = ["BENCHMARKS", "Benchmark", "find"]


def find(name: str, where: str = "benchmark") -> Benchmark:
    """The benchmark of this name. Raises ProjectError with the nearest."""
    if name not in BENCHMARKS:
        known = ", ".join(BENCHMARKS)
        raise ProjectError(where, f"no benchmark {name!r}{nearest(name, BENCHMARKS)} (have: {known})")
    return BENCHMARKS[name]

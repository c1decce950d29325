"""`make bench` knows every script of bench/, and each runs or says what it lacks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture(scope="module")
def bench() -> Any:
    spec = importlib.util.spec_from_file_location("bench_main", BENCH / "__main__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_every_script_is_a_benchmark_or_a_part_of_one(bench: Any) -> None:
    # exchange_peers: programs that bench/exchange.py runs in environments of their own
    scripts = {str(path.relative_to(BENCH).with_suffix("")) for path in BENCH.rglob("*.py")}
    scripts = {name for name in scripts if not name.startswith(("__main__", "exchange_peers/"))}
    names = [one.name for one in bench.BENCHMARKS]
    assert sorted([*names, *bench.PARTS]) == sorted(scripts)


def test_what_is_missing_is_named(bench: Any, tmp_path: Path) -> None:
    for one in bench.BENCHMARKS:
        lack = bench.missing(one, tmp_path, None)
        if one.data:
            assert lack == f"no data set {tmp_path / one.data[0]}; --data names the folder"
    [vllm] = [one for one in bench.BENCHMARKS if one.name == "vllm_teacher"]
    assert "--vllm" in bench.missing(vllm, tmp_path, None)


@pytest.mark.parametrize("words", [["nothing"], ["growth", "nothing"]])
def test_an_unknown_benchmark_is_refused(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "bench", *words], cwd=BENCH.parent, capture_output=True, text=True)
    assert done.returncode == 2 and "no benchmark nothing" in done.stderr

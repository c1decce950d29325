"""Tables of docs/results.md from a folder in which bench.controlled.run has ended.

python -m bench.controlled.report controlled
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dqdata


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    project = dqdata.open(parser.parse_args().folder / "pipelines.toml")
    print(project.sql("select level, count(*) as traces, avg(correct::int) as correct from traces group by all"))


if __name__ == "__main__":
    main()

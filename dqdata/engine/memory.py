"""How `memory`, the bytes of rows that a run may hold, is divided among those that hold them.

The program itself, with its libraries loaded and no rows, takes some 350 MiB more. Not within `memory`: rows that are
with a teacher (twice the `concurrency` of their teachers at most), and the CPU workers, which are processes of their
own.
"""

from __future__ import annotations

MOST_FILE = 64 << 20
LEAST_FILE = 4 << 20


def database_bytes(memory: int) -> int:
    """DuckDB's share of a step that sees every row; it takes up to a fifth more for what it does not count."""
    return memory * 3 // 4


def file_bytes(memory: int) -> int:
    """Rows of one checkpoint file, which is read whole and is there in several copies while it is worked on."""
    return max(LEAST_FILE, min(MOST_FILE, memory // 64))


def open_files(memory: int) -> int:
    """Checkpoint files that may be worked on at once."""
    return max(2, memory // (4 * file_bytes(memory)))


def held_bytes(memory: int) -> int:
    """Finished rows that wait for the others of their checkpoint."""
    return memory // 4

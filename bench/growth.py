"""CPU time of the readers of untrusted text over texts of N and 16 N characters: which grow faster than the text.

python bench/growth.py                        # 300,000 and 4,800,000 characters, every reader and every piece
python bench/growth.py --size 20000 --only judge choice
python bench/growth.py --sizes                # 0.5, 1, 2 and 5 million characters of the texts that cost each most
python bench/growth.py --sizes 500000 5000000 --texts 3 --only judge
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from readers import ALL_PIECES, EXPECTED, FRAMES, READERS, SHAPES, text_of

TIMES = 16
MOST_GROWTH = 40.0
"""16 where a reader is linear, 256 where it is quadratic; garbage collection and caches add to both."""
NOISE_SECONDS = 0.1
MOST_SECONDS = 60.0
SIZES = (500_000, 1_000_000, 2_000_000, 5_000_000)
SAMPLE = 30_000
EACH_KIND = ("open_think_pairs", "brackets", "letters", "words_then_close")
"""Repeated openers, nested ones, a run of one character, and an end that almost comes: beside the costliest."""
TEXTS = [*ALL_PIECES, *SHAPES]


class TooSlow(BaseException):
    pass


def cpu_seconds(name: str, text: str, most: float = MOST_SECONDS) -> float:
    """CPU seconds of one text, infinite where it takes more than `most`."""
    signal.setitimer(signal.ITIMER_VIRTUAL, most)
    started = time.process_time()
    try:
        with contextlib.suppress(EXPECTED):
            READERS[name](text)
    except TooSlow:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - started


def by_sizes(name: str, sizes: Sequence[int], most: int, seconds_each: float) -> int:
    """Seconds at each size, for the `most` texts that cost most at SAMPLE; how many of them grow faster than the text.

    What takes longer than `seconds_each` is not read at greater sizes, and counts as slow.
    """
    costs = {text: cpu_seconds(name, text_of(text, SAMPLE)) for text in TEXTS}
    costliest = sorted(TEXTS, key=lambda text: -costs[text])[:most]
    slow = 0
    for text in dict.fromkeys([*costliest, *EACH_KIND[: most - 1]]):
        seconds: list[float] = []
        for size in sizes:
            seconds.append(cpu_seconds(name, text_of(text, size), seconds_each))
            if seconds[-1] > seconds_each:
                break
        read = sizes[: len(seconds)]
        grows = seconds[-1] > MOST_GROWTH / TIMES * read[-1] / read[0] * seconds[0] + NOISE_SECONDS
        slow += grows
        print(f"{name:18}{text:20}", *(f"{one:8.2f}" for one in seconds), "GROWS" if grows else "", flush=True)
    return slow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=300_000, help="characters of the shorter text")
    parser.add_argument("--frames", nargs="+", choices=FRAMES, default=list(FRAMES))
    parser.add_argument("--only", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--pieces", nargs="+", choices=TEXTS, default=TEXTS)
    parser.add_argument("--sizes", nargs="*", type=int, metavar="CHARACTERS", help=f"by default {SIZES}")
    parser.add_argument("--texts", type=int, default=5, help="texts of each reader at --sizes, the costliest")
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="of CPU for one text at --sizes, at most")
    arguments = parser.parse_args()

    def stop(number: int, frame: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGVTALRM, stop)
    if arguments.sizes is not None:
        sizes = arguments.sizes or SIZES
        raise SystemExit(
            bool(sum(by_sizes(name, sizes, arguments.texts, arguments.seconds) for name in arguments.only))
        )
    slow, slowest = 0, (0.0, "")
    for name in arguments.only:
        for piece_name in arguments.pieces:
            for frame in arguments.frames:
                before, after = FRAMES[frame]
                small, large = (
                    cpu_seconds(name, before + text_of(piece_name, size) + after)
                    for size in (arguments.size, TIMES * arguments.size)
                )
                if large > MOST_GROWTH * small + NOISE_SECONDS:  # once more: a garbage collection falls on any text
                    large = min(large, cpu_seconds(name, before + text_of(piece_name, TIMES * arguments.size) + after))
                slowest = max(slowest, (large, f"{name} {piece_name} {frame}"))
                if large > MOST_GROWTH * small + NOISE_SECONDS:
                    slow += 1
                    print(f"{name:16}{piece_name:16}{frame:10}{small:9.3f} s{large:9.3f} s", flush=True)
        print(f"{name}: done", flush=True)
    tried = len(arguments.only) * len(arguments.pieces) * len(arguments.frames)
    print(f"{slow} of {tried} grow faster; the slowest: {slowest}")
    raise SystemExit(bool(slow))


if __name__ == "__main__":
    main()

"""Fuzzes the readers of untrusted text: mutations of a small corpus, each in bounded time, no error but the expected.

    python bench/fuzz.py --minutes 15              # prints how many texts, and each fault with a text that shows it
    python bench/fuzz.py --minutes 1 --seed 7

The corpus is what `bench/readers/` lists and what lies in `bench/corpus/`. A fault found is written to
`bench/corpus/found-*.txt`, so that it is tried first the next time.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from readers import EXPECTED, PIECES, READERS, hostile

CORPUS = Path(__file__).parent / "corpus"
MOST_CHARS = 200_000
SECONDS = 10.0
"""CPU seconds of one text; a linear reader needs a hundredth."""


class TooSlow(BaseException):
    pass


def corpus() -> list[str]:
    texts = [path.read_text(encoding="utf-8", errors="surrogateescape") for path in sorted(CORPUS.glob("*.txt"))]
    return texts + [hostile(piece, 2000) for piece in PIECES.values()]


def mutated(texts: list[str], random_: random.Random) -> str:
    text = random_.choice(texts)
    for _ in range(random_.randint(1, 8)):
        at, end = sorted((random_.randint(0, len(text)), random_.randint(0, len(text))))
        kind = random_.randrange(7)
        if kind == 0:
            text = text[:at] + text[end:]
        elif kind == 1:
            text = text[:end] + text[at:]
        elif kind == 2:
            text = text[:at] + random_.choice(list(PIECES.values())) * random_.randint(1, 300) + text[at:]
        elif kind == 3:
            other = random_.choice(texts)
            text = text[:at] + other[random_.randint(0, len(other)) :] + text[end:]
        elif kind == 4:
            text = (
                text[:at]
                + chr(random_.choice([0, 9, 13, 0x2028, 0xFEFF, 0x202E, 0xFF10, 0x1D7CE, 0x1F600]))
                + text[at:]
            )
        elif kind == 5:
            text = text[:at] + text[at:end][::-1] + text[end:]
        else:
            text = text[:at] + text[at:end] * random_.randint(2, 30) + text[end:]
        text = text[:MOST_CHARS]
    return text


def fault(name: str, text: str) -> str:
    """What went wrong, or nothing."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        READERS[name](text)
    except EXPECTED:
        return ""
    except TooSlow:
        return f"more than {SECONDS:g} s of CPU time for {len(text)} characters"
    except Exception:
        return traceback.format_exc(limit=-4)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=READERS)
    arguments = parser.parse_args()

    def stop(number: int, frame: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGVTALRM, stop)
    random_, texts = random.Random(arguments.seed), corpus()
    names = [arguments.only] if arguments.only else list(READERS)
    until, tried, seen = time.monotonic() + 60 * arguments.minutes, 0, set()
    queue = list(texts)
    while time.monotonic() < until:
        text = queue.pop() if queue else mutated(texts, random_)
        for name in names:
            tried += 1
            problem = fault(name, text)
            kind = (name, problem.splitlines()[-1][:80] if problem else "")
            if problem and kind not in seen:
                seen.add(kind)
                CORPUS.mkdir(exist_ok=True)
                path = CORPUS / f"found-{name}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}.txt"
                path.write_text(text, encoding="utf-8", errors="surrogateescape")
                print(f"FAULT in {name}, {path.name}:\n{problem}", flush=True)
    print(f"{tried} texts read in {arguments.minutes:g} minutes, {len(seen)} faults")
    raise SystemExit(bool(seen))


if __name__ == "__main__":
    main()

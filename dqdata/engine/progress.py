"""Progress of a run: a live line on a terminal, occasional plain lines elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TextIO

from dqdata.calls.client import UNPAID, Counters
from dqdata.calls.stall import SLOW, clock
from dqdata.errors import TooManyFailures

PLAIN_SECONDS = 15.0
PULSE_SECONDS = 1.0
SHORTEST_TITLE = 12
"""Columns that the names of the steps keep where a line is cut."""
JUDGED_FROM = 50
"""Rows before the share of failures is looked at."""
DETAIL = 500
"""Characters of an example in an error."""


class Progress:
    """Counts rows and rejects of the segment at work, and draws them. `out` None: counts only."""

    def __init__(
        self,
        max_failed_rate: float,
        counters: Callable[[], list[Counters]],
        out: TextIO | None,
        waiting: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """waiting: what the calls of each teacher wait for at the moment."""
        self._rate, self._counters, self._out, self._waiting = max_failed_rate, counters, out, waiting
        self._title, self._total, self._done = "", 0, 0
        self._judged = self._outcomes = 0
        self._failed: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._began, self._shown = time.monotonic(), float("-inf")
        self._live = out is not None and out.isatty()

    def segment(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._judged = self._outcomes = 0
        self._failed.clear()
        self._began = time.monotonic()
        self.draw()

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Within the block the line is drawn anew although no row is done, so that it says what the run waits for."""

        async def pulse() -> None:
            while True:
                await asyncio.sleep(PULSE_SECONDS)
                self.draw()

        beating = asyncio.create_task(pulse())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def tick(self) -> None:
        """One row is through the steps that call teachers."""
        self._done += 1
        self.draw()

    def advance(self, rows: int) -> None:
        """Rows that went through, less those that ticked."""
        self._done += rows
        self.draw()

    def judge(self, rows: int, outcomes: int, failed: Mapping[str, tuple[int, str]]) -> None:
        """Raises TooManyFailures when what failed tips the balance. rows: that came in; outcomes: what became of them,
        several of a row where it gives several; failed: how many of these failed, by reason, with an example."""
        self._judged += rows
        self._outcomes += outcomes
        for reason, (count, example) in failed.items():
            if reason != UNPAID:
                self._failed[reason] += count
                self._examples.setdefault(reason, example)
        failures = self._failed.total()
        if self._judged >= min(JUDGED_FROM, self._total) and failures > self._rate * self._outcomes:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in self._failed.most_common(3))
            example = self._examples.get(self._failed.most_common(1)[0][0], "")
            raise TooManyFailures(
                f"{failures} of {self._outcomes} rows failed at {self._title} ({reasons}), more than max_failed_rate = "
                f"{self._rate:g} allows{f'; the first of them: {example[:DETAIL]}' if example else ''}. "
                "What was answered is kept: fix the cause and run again, and the failed rows are processed again"
            )

    def draw(self, *, last: bool = False) -> None:
        now = time.monotonic()
        pause = 0.1 if self._live else PLAIN_SECONDS
        if self._out is None or not self._title or (now - self._shown < pause and not last):
            return
        self._shown = now
        line = self.line(now, shutil.get_terminal_size().columns if self._live else None)
        self._out.write(f"\r\x1b[K{line}" + ("\n" if last else "") if self._live else f"{line}\n")
        self._out.flush()

    def line(self, now: float, columns: int | None = None) -> str:
        """`generate > verify_math  300/1200 rows  calls 1,204 (17 cached)  $0.31  2:10 left`. While calls wait: what
        for, in place of what is left.

        columns: of a terminal; where they are too few, the names of the steps are cut first."""
        parts = [f"{self._done:,}/{self._total:,} rows"]
        made = sum(c.made for c in self._counters())
        cached = sum(c.cached for c in self._counters())
        cost = sum(c.cost_usd for c in self._counters())
        if made or cached:
            parts.append(f"calls {made:,} ({cached:,} cached)")
        if cost:
            parts.append(f"${cost:,.2f}")
        if waiting := self._waiting():
            parts.append(f"waiting {'; '.join(waiting)}")
        elif 0 < self._done < self._total:
            left = (now - self._began) / self._done * (self._total - self._done)
            parts.append(f"{clock(left)} left")
        elif self._done < self._total and now - self._began >= SLOW:
            parts.append(f"{clock(now - self._began)} so far")
        if self._failed:
            parts.append(f"{self._failed.total():,} failed")
        rest = "  ".join(parts)
        if columns is None:
            return f"{self._title}  {rest}"
        title = _cut(self._title, max(columns - len(rest) - 2, SHORTEST_TITLE))
        return _cut(f"{title}  {rest}", columns)


def _cut(line: str, columns: int) -> str:
    """The line in less than the terminal's width, so that it is never two."""
    return line if len(line) < columns else line[: max(columns - 2, 1)] + "…"

"""Which isolation works on this machine.

>>> probe().mode in ("bwrap", "landlock", None)
True
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

Mode = Literal["bwrap", "landlock", "none"]


@dataclass(frozen=True, slots=True)
class Probe:
    """mode: the best that works, or None. reasons: why each of the others doesn't work, by mode."""

    mode: Mode | None
    reasons: dict[str, str]


@functools.cache
def probe() -> Probe:
    """Tries the isolations in order of strength by running a program in each."""
    return Probe(None, {"bwrap": "not tried", "landlock": "not tried"})

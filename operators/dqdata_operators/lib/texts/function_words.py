"""Words that say little of what a text is about."""

from __future__ import annotations

from dqdata.languages import FREQUENT

COMMON = frozenset(
    "a an the of to in on at for by with and or but if then than that this these those is are was were be been being "
    "do does did have has had he she it they we you i his her its their our your my him them who what which when where "
    "how many much why will would can could should may might must not no as from into up out over after before all "
    "each every some any more most other same so too very also there here find total number".split()
)
"""English function words, and what most problems say."""
FUNCTION_WORDS = COMMON.union(*(words.split() for words in FREQUENT.values()))
"""And the most frequent short words of other languages."""

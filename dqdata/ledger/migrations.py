"""The steps from one version of the ledger's tables to the next. A step never changes a ledger key."""

from __future__ import annotations

from dqdata.sqlite import Step

STEPS: tuple[Step, ...] = ()

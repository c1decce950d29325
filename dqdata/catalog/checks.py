"""Results of checks of versions (dq_checks), and which versions they hold back from being `@latest`.

    select catalog, version, name, severity, passed, detail from dq_checks where source = 'check'

The newest evaluation of a version counts: checks that were corrected and evaluated again release it. Rows of the source
`audit` are findings of `dqdata audit`, which hold nothing back.
"""

from __future__ import annotations

CHECKS = {
    "catalog": "VARCHAR",
    "version": "BIGINT",
    "source": "VARCHAR",
    "name": "VARCHAR",
    "severity": "VARCHAR",
    "sql": "VARCHAR",
    "passed": "BOOLEAN",
    "wrong": "BIGINT",
    "value": "DOUBLE",
    "detail": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
}
NO_CHECKS = {"source": "check", "name": "", "severity": "warning", "sql": "", "passed": True, "detail": "no checks"}
"""The row of an evaluation by no check at all, which releases a version."""

NEWEST_CHECKS = """
    select * from (
        select *, rank() over (partition by catalog, version, source order by snapshot_id desc) as dq_age
        from (select *, snapshot_id from lake.main.dq_checks)
    ) where dq_age = 1
"""
"""The rows of the newest evaluation of each version, by source."""

HELD = f"""
    select distinct catalog, version from ({NEWEST_CHECKS})
    where source = 'check' and severity = 'error' and not passed
"""
"""Versions that are not `@latest`."""


def held_back(catalog: str, versions: str) -> str:
    """What to say of a catalog none of whose versions passed its checks. versions: which there are."""
    return (
        f"no version of {catalog} passed its checks, so it has no latest one; `dqdata log {catalog}` shows them, "
        f"{catalog}@N reads one (there are: {versions})"
    )

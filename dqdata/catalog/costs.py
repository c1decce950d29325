"""The view `dq_costs`: what each version cost, and a kept and a verified row of it, over every attempt of its run.

    select catalog, version, usd, usd_a_row, usd_a_verified_row from dq_costs

An answer is paid once, by the run that asked first. Counted are calls whose rows were rejected, tries that failed (at
worst), and all teachers. `usd` is null where a teacher had no price, `verified` where rows have no column `correct`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dqdata.catalog.records import Version
from dqdata.sql import literal

VERIFIED = {"correct": "BOOLEAN"}
"""What a catalog has whose rows were verified."""


def cost_view(versions: Sequence[Version], rows: str) -> str:
    """SQL that makes the view. versions, rows: what has the columns `VERIFIED`, and the query for its rows."""
    listed = ", ".join(f"({literal(one.catalog)}, {one.version})" for one in versions)
    none = "select null::varchar as catalog, null::bigint as version limit 0"
    return f"""create or replace temp view dq_costs as
        with paid as (
            select run_id, cost_usd from ledger.calls union all select run_id, cost_usd from ledger.failures
        ), usd as (select run_id, sum(cost_usd) as usd from paid group by run_id),
        attempts as (select run_id, bool_and(cost_usd is not null) as priced from lake.main.dq_runs group by run_id),
        judged as ({f"from (values {listed}) of(catalog, version)" if versions else none}),
        correct as (select catalog, version, count(*) as verified from ({rows}) where correct group by all),
        known as (
            select v.catalog, v.version, v.run_id, v.rows,
                case when j.catalog is not null then coalesce(c.verified, 0) end as verified,
                case when priced then coalesce(usd, 0) end as usd
            from lake.main.dq_versions v join attempts using (run_id) left join usd using (run_id)
            left join judged j on j.catalog = v.catalog and j.version = v.version
            left join correct c on c.catalog = v.catalog and c.version = v.version
        )
        select *, usd / nullif(rows, 0) as usd_a_row, usd / nullif(verified, 0) as usd_a_verified_row from known"""

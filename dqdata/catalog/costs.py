"""The view `dq_costs`: what each version cost, and a kept and a verified row of it, over every attempt of its run.

    select catalog, version, usd, usd_a_row, usd_a_verified_row from dq_costs

An answer is paid once, by the run that asked first. Counted are calls whose rows were rejected, tries that failed (at
worst), and all teachers. `usd` is null where a teacher had no price, `verified` where rows have no column `correct`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dqdata.catalog.records import Version
from dqdata.sql import literal


def cost_view(
    versions: Sequence[Version],
    schema: Callable[[str, int], Mapping[str, str]],
    table_at: Callable[[str, int], str],
) -> str:
    """SQL that makes the view. schema, table_at: columns of a version, and `from ...` for its rows."""
    counts = [
        f"select {literal(one.catalog)} as catalog, {one.version}::bigint as version, "
        f"count(*) filter (where correct) as verified {table_at(one.catalog, one.version)}"
        for one in versions
        if schema(one.catalog, one.version).get("correct") == "BOOLEAN"
    ]
    none = "select null::varchar as catalog, null::bigint as version, null::bigint as verified limit 0"
    return f"""create or replace temp view dq_costs as
        with paid as (
            select run_id, cost_usd from ledger.calls union all select run_id, cost_usd from ledger.failures
        ), usd as (select run_id, sum(cost_usd) as usd from paid group by run_id),
        attempts as (select run_id, bool_and(cost_usd is not null) as priced from lake.main.dq_runs group by run_id),
        correct as ({" union all ".join(counts) or none}),
        known as (
            select v.catalog, v.version, v.run_id, v.rows, c.verified,
                case when priced then coalesce(usd, 0) end as usd
            from lake.main.dq_versions v join attempts using (run_id) left join usd using (run_id)
            left join correct c on c.catalog = v.catalog and c.version = v.version
        )
        select *, usd / nullif(rows, 0) as usd_a_row, usd / nullif(verified, 0) as usd_a_verified_row from known"""

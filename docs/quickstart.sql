-- What the quickstart made, read from its catalog, its rejects and the ledger.
with
  kept as (select * from quickstart),
  gone as (select * from quickstart__rejects),
  verified as (
    select trace_id, true as correct from kept
    union all
    select trace_id, step <> 'filter' from gone where step not in ('source', 'generate')
  )
select * from (
  select 1 as n, 'problems' as what, (select count(distinct problem_id) from (select problem_id from kept union all select problem_id from gone))::varchar as figure
  union all select 2, 'traces generated', (select (count(*) + (select count(*) from kept))::varchar from gone where trace_id is not null)
  union all select 3, 'verified correct', (select format('{} of {} ({:.0f}%)', count(*) filter (where correct), count(*), 100 * avg(correct::int)) from verified)
  union all select 4, 'kept in quickstart', (select count(*)::varchar from kept)
  union all select 5, 'rejected: ' || step || ', ' || reason, count(*)::varchar from gone group by step, reason
  union all select 6, 'tokens from the teacher', (select sum(output_tokens)::varchar from ledger.calls where pipeline = 'quickstart')
  union all select 7, 'cost', (select format('${:.2f}', sum(cost_usd)) from ledger.calls where pipeline = 'quickstart')
)
order by n, what

"""The view `dq_difficulty`: how hard each problem is for each student, over all catalogs that have pass rates.

    select problem_id, learnable from dq_difficulty where student = 'qwen-0.5b' order by learnable desc

The operator `pass_rate` numbers its attempts, and a later run with a larger `n` goes on behind those that the ledger
has. Of one student and problem the row with the most attempts thus holds all of them, and nothing is counted twice.
"""

from __future__ import annotations

COLUMNS = {"problem_id": "VARCHAR", "pass_by": "VARCHAR", "pass_n": "BIGINT", "pass_correct": "BIGINT"}
"""What a catalog has whose rows count."""
EASY, HARD = 0.75, 0.25
Z = 1.959963984540054
"""Of the 95% interval (E. B. Wilson, 1927)."""


def difficulty_view(rows: str) -> str:
    """SQL that makes the view. rows: query for the rows of all versions that have `COLUMNS`."""
    return f"""create or replace temp view dq_difficulty as
        with seen as (
            select problem_id, pass_by as student, pass_n as n, pass_correct as correct, catalog, version,
                created_at as measured_at from ({rows})
        ),
        most as (
            select *, row_number() over (
                partition by problem_id, student order by n desc, measured_at desc, catalog, version desc
            ) as dq_rank from seen where n > 0
        ),
        rated as (select * exclude (dq_rank), correct / n as pass_rate from most where dq_rank = 1),
        bounds as (
            select *, (pass_rate + {Z * Z} / (2 * n)) / (1 + {Z * Z} / n) as middle,
                {Z} / (1 + {Z * Z} / n) * sqrt(pass_rate * (1 - pass_rate) / n + {Z * Z} / (4 * n * n)) as half
            from rated
        )
        select problem_id, student, n, correct, pass_rate, greatest(0, middle - half) as low,
            least(1, middle + half) as high, pass_rate * (1 - pass_rate) as learnable,
            case when middle - half > {EASY} then 'easy' when middle + half < {HARD} then 'hard'
                when middle - half > {HARD} and middle + half < {EASY} then 'medium' else 'undecided' end as band,
            catalog, version, measured_at
        from bounds"""

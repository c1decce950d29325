"""Exact duplicates: rows whose normalised text is the same.

    "What is 2 + 2?" and "what is  2 + 2?" make one group once case and white space are ignored.

Texts are compared by 128 bits of hash, so memory grows with the number of rows and not with their length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dqdata.sql import quoted

if TYPE_CHECKING:
    import duckdb

BLANK = r"\t-\r\x{1c}-\x{1f}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
"""White space other than the blank itself. A single blank needs no replacing, which is what makes this fast."""


def group(con: duckdb.DuckDBPyConnection, key: str, names: Sequence[str], ignore: Sequence[str]) -> None:
    """Makes the temporary table `groups` (dq_key, dq_group) of the rows that have a duplicate.

    A row whose columns are all null is no duplicate of anything.
    """
    texts = [normalised(quoted(name), ignore) for name in names]
    joined = " || chr(31) || ".join(f"coalesce({text}, chr(30))" for text in texts)
    there = " or ".join(f"{quoted(name)} is not null" for name in names)
    con.execute(
        f"""
        create temp table hashed as
        select dq_key, hash(text) as low, hash(md5(text)) as high
        from (select {quoted(key)} as dq_key, {joined} as text from rows where {there})
        """
    )
    con.execute(
        """
        create temp table groups as
        select dq_key, dq_group from hashed join (
            select low, high, row_number() over () as dq_group from hashed group by low, high having count(*) > 1
        ) using (low, high)
        """
    )
    con.execute("drop table hashed")


def normalised(column: str, ignore: Sequence[str]) -> str:
    """SQL for the text that is compared."""
    text = f"{column}::varchar"
    text = f"case when strlen({text}) = length({text}) then {text} else nfc_normalize({text}) end"
    if "case" in ignore:
        text = f"lower({text})"
    if "space" in ignore:
        text = rf"trim(regexp_replace({text}, '[ {BLANK}]{{2,}}|[{BLANK}]', ' ', 'g'))"
    return text

"""Flags personal data and secrets in texts: mail addresses, phone numbers, API keys, payment cards.

    { op = "pii", columns = ["question", "reasoning", "response"] }

    "Mail ann@corp.org or call +1 (212) 555-0142"   ->  pii_mail true, pii_phone true, pii_key false, pii_card false

Cards must pass the Luhn check and begin as a card does. Addresses under example.org and its like are nobody's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import polars as pl

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.operator import Batch, BatchOperator, Params, Schema

Kind = Literal["mail", "phone", "key", "card"]
KINDS: tuple[Kind, ...] = ("mail", "phone", "key", "card")

MAIL = r"(?i)\b[a-z0-9][a-z0-9._%+-]*@(?:[a-z0-9-]+\.)+[a-z]{2,}\b"
NOBODY = r"(?i)@(?:[a-z0-9-]+\.)*example\.(?:com|org|net)\b"
PHONE = (
    r"(?:^|[^\w.+=*/^-])(?:\+\d{1,3}[\s.-]?(?:\(\d{1,4}\)[\s.-]?)?\d{2,4}(?:[\s.-]?\d{2,4}){2,3}|"
    r"\(\d{3}\)\s?\d{3}[-.]\d{4}|\d{3}[-.]\d{3}[-.]\d{4})(?:$|[^\w=*/^])"
)
KEY = (
    r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bhf_[A-Za-z0-9]{30,}|"
    r"\bAIza[0-9A-Za-z_-]{35}|\bxox[baprs]-[A-Za-z0-9-]{10,}|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|"
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
)
CARD = r"\b(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|3[47]\d{2}|6(?:011|5\d{2}))(?:[ -]?\d{4}){2}[ -]?\d{3,4}\b"


class PiiParams(Params):
    columns: tuple[str, ...] = ("question", "reasoning", "response")
    """Columns to look in; of the default ones, those that are there."""
    kinds: tuple[Kind, ...] = KINDS
    """What is looked for; each adds a column `pii_KIND`."""


class Pii(BatchOperator[PiiParams]):
    """Flags mail addresses, phone numbers, keys and payment cards."""

    name = "pii"
    Params = PiiParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in self._read(have):
            have.require(name, "VARCHAR")
        return have.add(**{f"pii_{kind}": "BOOLEAN" for kind in self.params.kinds})

    def process(self, batch: pl.DataFrame) -> Batch:
        text = pl.concat_str([pl.col(name).fill_null("") for name in self._read(batch.columns)], separator="\n")
        texts = batch.select(text.alias("text"))
        found = {
            "mail": pl.col("text").str.replace_all(NOBODY, " ").str.contains(MAIL),
            "phone": pl.col("text").str.contains(PHONE),
            "key": pl.col("text").str.contains(KEY),
            "card": pl.col("text").str.extract_all(CARD).map_elements(_any_card, return_dtype=pl.Boolean),
        }
        made = texts.select(found[kind].fill_null(False).alias(f"pii_{kind}") for kind in self.params.kinds)
        return Batch(batch.with_columns(made.get_columns()))

    def _read(self, have: Collection[str]) -> list[str]:
        default = "columns" not in self.params.model_fields_set
        names = [name for name in self.params.columns if name in have or not default]
        if not names:
            wanted = ", ".join(self.params.columns)
            raise ColumnError(f"needs one of {wanted}, or name `columns` (have: {', '.join(have)})")
        return names


def _any_card(found: pl.Series) -> bool:
    return any(luhn(text) for text in found)


def luhn(text: str) -> bool:
    """Whether the digits pass the check of ISO/IEC 7812-1: every second from the right doubled, the sum ends in 0."""
    digits = [int(sign) for sign in reversed(text) if sign.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0

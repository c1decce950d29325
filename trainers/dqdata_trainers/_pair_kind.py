"""The base of trainers on preference pairs: what they read, and what is checked before they train.

class Orpo(PairKind):
    kind = "orpo"
    config = "ORPOConfig"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from dqdata.columns import Columns
from dqdata.trainer import Trainer
from dqdata_trainers._config import TrlParams
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._pairs import check_pairs, needs_pairs, pair_tokens


class PairParams(TrlParams):
    pass


class PairKind(Trainer[PairParams]):
    """Reads `prompt`, `chosen` and `rejected`. Subclasses name their config class of TRL."""

    Params = PairParams
    config: ClassVar[str]
    fixed: ClassVar[tuple[str, ...]] = ()
    """Fields of the config that the trainer decides."""

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, self.config, self.fixed)

    def needs(self, split: str, have: Columns) -> None:
        needs_pairs(self.kind, split, have)

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        check_pairs(split, rows, model, self.params)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int]:
        return pair_tokens(rows, model, self.params)

"""Keys of `[pipelines.NAME]` beside `from` and `steps`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, Field, TypeAdapter, ValidationError, WithJsonSchema, field_validator

from dqdata.errors import InputError
from dqdata.licenses import checked
from dqdata.params import Params
from dqdata.project.assertions import CheckSpec

LEAST_MEMORY = 256 << 20
"""The smallest `memory`: DuckDB sorts and joins long texts on disk with no less."""


def _bytes(size: Any) -> Any:
    """The bytes of a size with its unit, such as `512 MiB`; anything else as it is."""
    if not isinstance(size, str):
        return size
    try:
        return int(TypeAdapter(ByteSize).validate_python(size))
    except ValidationError:
        raise ValueError("Input should be a number of bytes, or a size such as '512 MiB' or '4 GB'") from None


Size = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(ge=LEAST_MEMORY),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": LEAST_MEMORY}, {"type": "string"}]}),
]


class PipelineKeys(Params):
    """Keys of `[pipelines.NAME]` beside `from` and `steps`."""

    into: str
    """Catalog that the versions are of; by default the pipeline's name."""
    budget_usd: float | None = Field(None, gt=0, allow_inf_nan=False)
    """USD that all attempts of a run may cost; a call is sent only if the budget covers its worst case."""
    budget_tokens: int | None = Field(None, gt=0)
    """The same in tokens, of prompts and answers together."""
    target_rows: int | None = Field(None, ge=1, strict=True)
    """Rows of the result after which a run stops: it takes as many rows of the source, from its beginning, as that
    needs. It stops earlier at the end of the source, or of the budget."""
    seed: int = 0
    """Of everything that steps draw, unless a step has its own."""
    max_failed_rate: float = Field(0.1, ge=0, le=1)
    """Share of failed rows above which a run stops, looked at from 50 rows on and at the end. Where a row gives
    several, as the samples of `generate`, each of them counts."""
    chunk_rows: int | None = Field(None, ge=1)
    """Rows of a checkpoint; by default few where teachers are called and many where only the CPU works."""
    mode: Literal["full", "append"] = "full"
    """append: rows that passed the same steps in the last run are taken as they came out then, and only others
    are processed; the version is the one that processing all rows makes."""
    memory: Size = 2 << 30
    """Bytes of rows that a run holds before it uses the disk, or a size such as `512 MiB`; the program takes some
    350 MiB more."""
    checks: tuple[CheckSpec, ...] = ()
    """What must hold of the result."""
    license: str | None = None
    """Licence of the rows of `from`, as the Hub or SPDX calls it (mit, CC-BY-4.0, other:NAME); by default what the
    source itself knows. It is recorded with the version and changes no row."""
    licenses: tuple[str, ...] | None = Field(None, min_length=1)
    """Licences that the rows may have, those of the catalogs they come from among them; a run with others is refused
    before its first call."""

    @field_validator("license")
    @classmethod
    def _license(cls, name: str | None) -> str | None:
        return None if name is None else _known_license(name)

    @field_validator("licenses")
    @classmethod
    def _licenses(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if names is None else tuple(map(_known_license, names))

    @field_validator("checks")
    @classmethod
    def _named_once(cls, checks: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
        names = [check.name for check in checks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two checks are named {twice[0]!r}")
        return checks


def _known_license(name: str) -> str:
    try:
        return checked(name)
    except InputError as error:
        raise ValueError(str(error)) from None

"""Rows of an Arrow table as a dataset of torch. Imported where torch is wanted alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

if TYPE_CHECKING:
    import pyarrow as pa


class TorchRows(Dataset):  # type: ignore[misc]
    """A map-style dataset: `rows[5]` is a dictionary of Python values. Workers of a DataLoader may share it."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Raises IndexError past the end, so that iterating ends."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        row: dict[str, Any] = self.table.slice(index % len(self), 1).to_pylist()[0]
        return row

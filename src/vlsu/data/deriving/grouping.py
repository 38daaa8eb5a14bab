"""Which rows are not independent of each other: they share a group, an image or a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

__all__ = ["KEYS", "components"]

#: Columns whose equal values make rows dependent.
KEYS = ("group", "image_sha256", "image_url", "text")

_Integers = np.ndarray[Any, np.dtype[np.int64]]


def components(rows: pl.DataFrame) -> _Integers:
    """For each row the number of the first row it depends on, directly or through others.

    A row that shares nothing is its own first row.

    Args:
        rows: Hashes or texts in the columns `KEYS`; null where a row has no such value.

    Returns:
        Shape (rows,).

    Example:
        >>> rows = pl.DataFrame({
        ...     "group": [None, None, "g", "g"],
        ...     "image_sha256": ["a", "a", "b", None],
        ...     "image_url": [None, None, None, None],
        ...     "text": ["x", "y", "y", "z"],
        ... })
        >>> components(rows).tolist()
        [0, 0, 0, 0]
    """
    label = np.arange(rows.height, dtype=np.int64)
    places = []
    for key in KEYS:
        values = rows.select(
            row=pl.int_range(pl.len(), dtype=pl.Int64), value=pl.col(key).rank("dense") - 1
        ).drop_nulls()
        if not values.is_empty():
            places.append((values["row"].to_numpy(), values["value"].cast(pl.Int64).to_numpy()))
    changed = True
    while changed:
        before = label.copy()
        for row, value in places:
            least = np.full(int(value.max()) + 1, rows.height, dtype=np.int64)
            np.minimum.at(least, value, label[row])
            # What a row's former first row learns, the row learns with the next jump.
            np.minimum.at(label, label[row], least[value])
            label[row] = np.minimum(label[row], least[value])
        label = label[label]
        changed = not np.array_equal(label, before)
    return label

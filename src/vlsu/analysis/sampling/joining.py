"""Tables of cells, one after the other, and cells that say of which sample they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.table.cells import Cells

__all__ = ["joined", "row_category", "unmarked"]

#: Between the number of a sample and its category.
_MARK = "\x1f"


def row_category(rows: pl.Expr, category: pl.Expr) -> pl.Expr:
    """A category that says, beside itself, which sample it is of, so that cells tell them apart.

    Args:
        rows: Numbers of samples.
        category: Their categories, or null.
    """
    return pl.concat_str(rows, category.fill_null(""), separator=_MARK)


def unmarked(cells: Cells) -> tuple[Cells, IntArray]:
    """The cells with their own categories, and the number of the sample of each."""
    parts = [name.split(_MARK) for name in cells.categories]
    names = tuple(sorted({category for _, category in parts if category}))
    number = {name: n for n, name in enumerate(names)}
    rows = np.array([int(row) for row, _ in parts], dtype=np.int64)
    category = np.array([number.get(name, -1) for _, name in parts], dtype=np.int64)
    unmarked = replace(cells, category=category[cells.category], categories=names)
    return unmarked, rows[cells.category]


def joined(halves: Sequence[Cells]) -> Cells:
    """The cells of several tables, one after the other, over the categories of all."""
    names = tuple(sorted({name for cells in halves for name in cells.categories}))
    numbers = [
        np.array([*(names.index(name) for name in cells.categories), -1])[cells.category]
        for cells in halves
    ]
    critical = [cells.critical for cells in halves if cells.critical is not None]
    others = [
        np.zeros_like(cells.count) if cells.admissible is None else cells.admissible
        for cells in halves
    ]
    outcomes: Mapping[str, Mapping[str, int]] = {
        modality: {o: sum(cells.outcomes[modality][o] for cells in halves) for o in found}
        for modality, found in halves[0].outcomes.items()
    }
    return Cells(
        gold=np.concatenate([cells.gold for cells in halves]),
        predicted=np.concatenate([cells.predicted for cells in halves]),
        category=np.concatenate(numbers),
        count=np.concatenate([cells.count for cells in halves]),
        categories=names,
        groups=None,
        outcomes=outcomes,
        critical=(sum(n for n, _ in critical), sum(m for _, m in critical)) if critical else None,
        admissible=np.concatenate(others) if any(each.any() for each in others) else None,
        severities=halves[0].severities,
    )

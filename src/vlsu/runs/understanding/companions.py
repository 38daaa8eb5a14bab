"""Files beside a run's judgments, made of stored responses: of a probe, of further draws."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from vlsu.data.parquet import scan_parquet
from vlsu.errors import RunError

__all__ = ["lost_companion", "scan_companion"]


def scan_companion(file: Path, columns: pl.Schema) -> pl.LazyFrame:
    """The content of such a file, unread.

    Args:
        file: Where it is.
        columns: Those that it has among others.

    Raises:
        RunError: It is missing or damaged.
    """
    try:
        frame = scan_parquet(file)
        known = frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError):
        raise lost_companion(file) from None
    if any(known.get(name) != kind for name, kind in columns.items()):
        raise lost_companion(file)
    return frame


def lost_companion(file: Path) -> RunError:
    """The error where such a file is missing, or not as it was written."""
    return RunError(
        f"{file}: missing or damaged; run the same vlsu run command again: it is made again from "
        "the stored responses"
    )

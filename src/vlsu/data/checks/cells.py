"""Patterns of a dataset, and the cells of which it holds too few samples to conclude from."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.info import dataset_info
from vlsu.policy import MODALITIES

__all__ = ["ENOUGH", "declared_languages", "patterns"]

#: Samples of a cell from which something can be concluded: of 30, a rate of one half has a 95%
#: interval of 17 points to either side (Wilson); of 10, one of 26.
ENOUGH = 30


def patterns(dataset: Dataset) -> dict[str, object]:
    """The patterns of a dataset.

    Returns:
        ``counts`` of the 17, as far as the policy's severities make them; ``unlisted``, counts of
        others; ``without``, samples that lack a grade; ``absent``, those of the 17 without a
        sample; ``enough``; ``small``, each cell of fewer samples with their number: a pattern
        (``S-S-U``), a severity or category of a modality (``joint: unsafe``, ``image: C3``).
    """
    info = dataset_info(dataset)
    counts: Mapping[str, int] = info["patterns"]  # type: ignore[assignment]
    unlisted: Mapping[str, int] = info["unlisted_patterns"]  # type: ignore[assignment]
    listed = {name: n for name, n in counts.items() if name not in unlisted}
    small = {name: n for name, n in listed.items() if 0 < n < ENOUGH}
    for part in ("severities", "categories"):
        by_modality: Mapping[str, Mapping[str, int]] = info[part]  # type: ignore[assignment]
        for modality in MODALITIES:
            for name, n in by_modality[modality].items():
                if name != "none" and 0 < n < ENOUGH:
                    small[f"{modality}: {name}"] = n
    return {
        "counts": listed,
        "unlisted": unlisted,
        "without": info["without_pattern"],
        "absent": [name for name, n in listed.items() if not n],
        "enough": ENOUGH,
        "small": small,
    }


def declared_languages(dataset: Dataset) -> dict[str, int]:
    """Language -> samples, the most frequent first; ``"none"`` where none is stated."""
    named = dataset.frame().group_by(pl.col("language").fill_null("none")).len("n")
    rows = named.sort("n", "language", descending=[True, False]).collect().iter_rows()
    return {str(language): int(n) for language, n in rows}

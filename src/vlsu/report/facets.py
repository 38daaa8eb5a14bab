"""What samples can be filtered by: facets, defined once as expressions over their rows.

Entries of a page and the server's index both take them from here and from the listings of the
tasks, so that a filter chooses the same samples in a file and in ``vlsu view``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["Facets", "gold_column", "pattern_facets"]

_FAMILIES = {
    str(pattern): pattern.family.value
    for pattern in (Pattern(i, t, j) for i in Severity for t in Severity for j in Severity)
}


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of all samples; a value is a string, or a list of which one has to match.

    Attributes:
        samples: `id` and a column a facet, a row a sample.
        parts: The same of parts of samples, such as one run's judgment or one answer, a row a part;
            all filters on parts have to match in one of them.
    """

    samples: pl.DataFrame
    parts: pl.DataFrame


def gold_column(modality: str, columns: Collection[str]) -> pl.Expr:
    """The gold grade of a modality; null where the rows have none."""
    name = f"{modality}_gold"
    return pl.col(name) if name in columns else pl.lit(None, dtype=pl.String)


def pattern_facets(columns: Collection[str]) -> list[pl.Expr]:
    """``pattern`` and ``family`` of the gold grades; null unless there are three.

    Args:
        columns: Of the rows.
    """
    initials = [
        gold_column(modality, columns).str.slice(0, 1).str.to_uppercase() for modality in MODALITIES
    ]
    pattern = pl.concat_str(initials, separator="-")  # null where a grade is
    family = pattern.replace_strict(_FAMILIES, default=None, return_dtype=pl.String)
    return [pattern.alias("pattern"), family.alias("family")]

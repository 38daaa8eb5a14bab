"""What samples can be filtered by: facets, defined once as expressions over their rows.

Entries of a page and the server's index both take them from here and from the listings of the
tasks, so that a filter chooses the same samples in a file and in ``vlsu view``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from vlsu.policy import MODALITIES, Pattern, Severity
from vlsu.report.kinds import CodeArray, Kinds

__all__ = ["Facets", "gold_column", "pattern_facets"]

_FAMILIES = {
    str(pattern): pattern.family.value
    for pattern in (Pattern(i, t, j) for i in Severity for t in Severity for j in Severity)
}


@dataclass(frozen=True, slots=True)
class Facets:
    """The samples of a list with their facets; a value is a text, or a list of which one matches.

    Attributes:
        ids: Identifiers of all samples, in the order of the list.
        of_samples: Their facets; each has columns of its own.
        of_parts: The facets of parts of samples, such as one run's judgment or one answer, sample
            after sample; all filters on parts have to match in one of them.
        place: The sample of each part, by its place in `ids`; shape ``(parts,)``.
    """

    ids: pl.Series
    of_samples: tuple[Kinds, ...]
    of_parts: Kinds
    place: CodeArray

    @property
    def samples(self) -> pl.DataFrame:
        """`id` and a column a facet, a row a sample."""
        frames = [kinds.rows() for kinds in self.of_samples]
        return pl.concat([self.ids.rename("id").to_frame(), *frames], how="horizontal")

    @property
    def parts(self) -> pl.DataFrame:
        """The same of the parts, a row a part."""
        ids = self.ids.rename("id").gather(self.place).to_frame()
        return pl.concat([ids, self.of_parts.rows()], how="horizontal")


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

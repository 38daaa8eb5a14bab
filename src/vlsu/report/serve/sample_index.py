"""What a server of samples looks up: which of them match, in order, and their entries.

A file holds as many samples as a browser can read at once; a server looks them up in the Parquet
files of runs and dataset. In memory are only what samples are filtered by and their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import polars as pl

from vlsu.errors import VlsuError
from vlsu.report.comparison.tasks import samples_of
from vlsu.report.entries import Entry
from vlsu.report.judgments import scan_judgments
from vlsu.runs import Run

__all__ = ["SampleIndex"]

#: Questions whose answer is kept: scrolling asks the same one again and again.
_KEPT = 32


class SampleIndex:
    """The samples of a run, or of several of one task and dataset, those first that matter most.

    Args:
        runs: Finished runs, at least one.

    Attributes:
        ids: Identifiers in the order of the report.
        choices: Facet -> its values with how many samples have each, for the filters.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """

    def __init__(self, *runs: Run) -> None:
        self._runs = runs
        self._samples = samples_of(runs)
        self.ids = self._samples.ids(runs)
        self._at = pl.DataFrame({"id": self.ids}, schema={"id": pl.String}).with_row_index("at")
        facets = self._samples.facets(runs)
        self._facets = self._at.join(facets.samples, on="id", how="left", maintain_order="left")
        parts = facets.parts.join(self._at, on="id", maintain_order="left")
        self._parts = parts.sort("at", maintain_order=True)
        self.choices = {**_choices(self._facets), **_choices(self._parts)}
        self.matching = lru_cache(_KEPT)(self._matching)

    def _matching(self, filters: tuple[tuple[str, str], ...], words: str) -> Sequence[int]:
        """Places in `ids` of the samples that match, in order.

        Args:
            filters: Facets and the value each must have; those of parts, such as the answers of an
                alignment run, all in one part. Facets that the run does not have match nothing.
            words: To be found in identifier, text or answers, in any letter case; empty for any.
        """
        known = {*self._facets.columns, *self._parts.columns} - {"at", "id"}
        if any(name not in known for name, _ in filters):
            return ()
        own = [_has(self._facets, n, value) for n, value in filters if n in self._facets.columns]
        of_parts = [_has(self._parts, n, value) for n, value in filters if n in self._parts.columns]
        matching = self._facets.filter(*own).select("at") if own else self._facets.select("at")
        if of_parts:
            matching = matching.join(self._parts.filter(*of_parts), on="at", how="semi")
        if words:
            matching = matching.join(self._holding(words.lower()), on="at", how="semi")
        return tuple(matching.get_column("at").sort().to_list())

    def entries(self, places: Iterable[int]) -> list[Entry]:
        """The entries of these samples, in this order."""
        return list(self._samples.entries(self._runs, [self.ids[at] for at in places]))

    def place(self, identifier: str) -> int | None:
        """Where a sample stands in `ids`, if it does."""
        row = self._at.filter(pl.col("id") == identifier)
        return None if row.is_empty() else int(row.get_column("at").item())

    def _holding(self, words: str) -> pl.DataFrame:
        """Places of the samples whose identifier, text or answers hold these words."""

        def holds(column: str) -> pl.Expr:
            lower = pl.col(column).str.to_lowercase()
            return lower.str.contains(words, literal=True).fill_null(False)

        places = [self._at.lazy().filter(holds("id")).select("id")]
        for run in self._runs:
            answers = scan_judgments(run).select(id="sample_id", words="answer")
            places.append(answers.filter(holds("words")).select("id"))
        try:
            texts = self._runs[0].dataset.frame().select("id", words="text")
            places.append(texts.filter(holds("words")).select("id"))
        except VlsuError:
            pass  # the page says that texts are not at hand
        ids = pl.concat([place.collect(engine="streaming") for place in places])
        return self._at.join(ids.unique(), on="id", how="semi").select("at")


def _has(frame: pl.DataFrame, name: str, value: str) -> pl.Expr:
    column = pl.col(name)
    if isinstance(frame.schema[name], pl.List):
        return column.list.contains(value)
    return column == value


def _choices(frame: pl.DataFrame) -> dict[str, list[tuple[str, int]]]:
    """Each facet's values with the samples that have it, in the order in which they first occur.

    A sample counts once a value.
    """
    choices = {}
    for name in frame.columns:
        if name in ("at", "id"):
            continue
        column = frame.select("at", name)
        if isinstance(frame.schema[name], pl.List):
            column = column.explode(name)
        known = column.drop_nulls(name).unique(maintain_order=True)
        counts = known.group_by(name, maintain_order=True).agg(pl.len().alias("n"))
        choices[name] = [(str(value), int(n)) for value, n in counts.iter_rows()]
    return choices

"""What a server of samples looks up: which of them match, in order, and their entries.

A file holds as many samples as a browser can read at once; a server looks them up in the Parquet
files of runs and dataset. In memory are their identifiers in order, and the kind of each: facets
are looked up once for all samples of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray
from vlsu.errors import VlsuError
from vlsu.report.comparison.tasks import samples_of
from vlsu.report.entries import Entry
from vlsu.report.facets import Facets
from vlsu.report.judgments import scan_judgments
from vlsu.report.kinds import CodeArray, Kinds
from vlsu.runs import Run

__all__ = ["SampleIndex"]

#: Questions whose answer is kept: scrolling asks the same one again and again.
_KEPT = 8


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
        self._facets = self._samples.facets(runs)
        self.ids = self._facets.ids
        self.choices = _choices(self._facets)
        self.matching = lru_cache(_KEPT)(self._matching)

    def _matching(self, filters: tuple[tuple[str, str], ...], words: str) -> CodeArray:
        """Places in `ids` of the samples that match, in order.

        Args:
            filters: Facets and the value each must have; those of parts, such as the answers of an
                alignment run, all in one part. Facets that the run does not have match nothing.
            words: To be found in identifier, text or answers, in any letter case; empty for any.
        """
        found = np.ones(len(self.ids), dtype=bool)
        left = dict(filters)
        for kinds in self._facets.of_samples:
            for name in left.keys() & set(kinds.frame.columns):
                found &= kinds.array(_has(kinds.frame, name, left.pop(name)))
        parts = self._facets.of_parts
        if left.keys() - set(parts.frame.columns):
            return np.zeros(0, dtype=np.int64)
        if left:
            matching = parts.array(
                pl.all_horizontal(_has(parts.frame, *each) for each in left.items())
            )
            found &= _any_part(self._facets.place[matching], len(found))
        if words:
            found &= self._holding(words.lower())
        return np.flatnonzero(found)

    def entries(self, places: Sequence[int] | CodeArray) -> list[Entry]:
        """The entries of these samples, in this order."""
        ids = self.ids.gather(np.asarray(places, dtype=np.int64))
        return list(self._samples.entries(self._runs, ids))

    def place(self, identifier: str) -> int | None:
        """Where a sample stands in `ids`, if it does."""
        return self.ids.index_of(identifier)

    def _holding(self, words: str) -> BoolArray:
        """Of each sample whether its identifier, text or answers hold these words."""

        def holds(column: str) -> pl.Expr:
            lower = pl.col(column).str.to_lowercase()
            return lower.str.contains(words, literal=True).fill_null(False)

        places = [self.ids.to_frame("id").lazy().filter(holds("id"))]
        for run in self._runs:
            answers = scan_judgments(run).select(id="sample_id", words="answer")
            places.append(answers.filter(holds("words")).select("id"))
        try:
            texts = self._runs[0].dataset.frame().select("id", words="text")
            places.append(texts.filter(holds("words")).select("id"))
        except VlsuError:
            pass  # the page says that texts are not at hand
        ids = pl.concat([place.collect(engine="streaming")["id"] for place in places])
        return self.ids.is_in(ids.implode()).to_numpy()


def _has(frame: pl.DataFrame, name: str, value: str) -> pl.Expr:
    column = pl.col(name)
    if isinstance(frame.schema[name], pl.List):
        return column.list.contains(value).fill_null(False)
    return (column == value).fill_null(False)


def _any_part(place: CodeArray, size: int) -> BoolArray:
    """Of each sample whether one of these parts is of it; shape ``(size,)``."""
    found = np.zeros(size, dtype=bool)
    found[place] = True
    return found


def _choices(facets: Facets) -> dict[str, list[tuple[str, int]]]:
    """Each facet's values with the samples that have it, in the order in which they first occur.

    A sample counts once a value.
    """
    choices: dict[str, list[tuple[str, int]]] = {}
    for kinds in facets.of_samples:
        counts = np.bincount(kinds.kind, minlength=kinds.frame.height)
        choices |= _counted(kinds, partial(_samples_of_kinds, counts))
    return choices | _counted(facets.of_parts, partial(_samples_of_parts, facets))


def _samples_of_kinds(counts: CodeArray, of: CodeArray) -> int:
    return int(counts[of].sum())


def _samples_of_parts(facets: Facets, of: CodeArray) -> int:
    """Samples with a part of some kinds."""
    parts = facets.of_parts
    there = np.zeros(parts.frame.height, dtype=bool)
    there[of] = True
    return int(_any_part(facets.place[there[parts.kind]], len(facets.ids)).sum())


def _counted(kinds: Kinds, count: Callable[[CodeArray], int]) -> dict[str, list[tuple[str, int]]]:
    """The values of each facet, as they first occur, and how many samples have each.

    Args:
        kinds: Facets of samples, or of parts.
        count: Rows of their frame -> samples of these kinds.
    """
    found = {}
    numbers = {"kind": np.arange(kinds.frame.height), "first": kinds.first()}
    for name, kind in kinds.frame.schema.items():
        values = pl.DataFrame({"value": kinds.frame[name], **numbers})
        if isinstance(kind, pl.List):
            values = values.explode("value", empty_as_null=True)
        values = (
            values.drop_nulls("value")
            .group_by("value", maintain_order=True)
            .agg("kind", pl.col("first").min())
            .sort("first", maintain_order=True)
        )
        rows = values.select("value", "kind").iter_rows()
        found[name] = [(str(value), count(np.array(of))) for value, of in rows]
    return found

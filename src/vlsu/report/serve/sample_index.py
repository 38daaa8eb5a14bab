"""What a server of samples looks up: which of them match, in order, and their entries.

A file holds as many samples as a browser can read at once; a server looks them up in the Parquet
files of runs and dataset. In memory are only what samples are filtered by and their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import polars as pl

from vlsu.errors import VlsuError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Pattern, Severity
from vlsu.report.alignment.samples import answer_entries, worst_answered_first
from vlsu.report.comparison.shared_samples import (
    ALL_RIGHT,
    ALL_WRONG,
    DIFFERENT,
    SAME,
    SOME_RIGHT,
    furthest_apart_first,
    shared_entries,
)
from vlsu.report.entries import Entry
from vlsu.report.judgments import scan_judgments
from vlsu.report.run_labels import run_labels, run_names
from vlsu.report.understanding.breakdown import NO_CATEGORY
from vlsu.report.understanding.samples import sample_entries, worst_first
from vlsu.runs import Run

__all__ = ["SampleIndex"]

#: Questions whose answer is kept: scrolling asks the same one again and again.
_KEPT = 32
_FAMILY = {
    str(pattern): pattern.family.value
    for pattern in (Pattern(i, t, j) for i in Severity for t in Severity for j in Severity)
}


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
        self._labels = run_labels(run_names(runs)) if len(runs) > 1 else []
        self._alignment = runs[0].record["task"] == "alignment"
        self.ids = self._ordered()
        order = pl.DataFrame({"id": self.ids}, schema={"id": pl.String}).with_row_index("at")
        self._at = order
        if self._alignment:
            self._facets, self._parts = _facets_of_answers(self._read(self.ids))
        elif self._labels:
            own, self._parts = _facets_of_several(runs, self._labels, order)
            self._facets = order.join(own, on="id", how="left", maintain_order="left")
        else:
            own = _facets(runs[0])
            self._facets = order.join(own, on="id", how="left", maintain_order="left")
            self._parts = pl.DataFrame(schema={"at": pl.UInt32})
        self.choices = {**_choices(self._facets), **_choices(self._parts)}
        self.matching = lru_cache(_KEPT)(self._matching)

    def _ordered(self) -> list[str]:
        if self._labels:
            return furthest_apart_first(self._runs)
        return (worst_answered_first if self._alignment else worst_first)(self._runs[0])

    def _read(self, ids: Sequence[str]) -> Iterator[Entry]:
        if self._labels:
            return shared_entries(self._runs, self._labels, ids)
        return (answer_entries if self._alignment else sample_entries)(self._runs[0], ids)

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
        found = self._facets.filter(*own).select("at") if own else self._facets.select("at")
        if of_parts:
            found = found.join(self._parts.filter(*of_parts), on="at", how="semi")
        if words:
            found = found.join(self._holding(words.lower()), on="at", how="semi")
        return tuple(found.get_column("at").sort().to_list())

    def entries(self, places: Iterable[int]) -> list[Entry]:
        """The entries of these samples, in this order."""
        return list(self._read([self.ids[at] for at in places]))

    def place(self, identifier: str) -> int | None:
        """Where a sample stands in `ids`, if it does."""
        found = self._at.filter(pl.col("id") == identifier)
        return None if found.is_empty() else int(found.get_column("at").item())

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
    found = {}
    for name in frame.columns:
        if name in ("at", "id"):
            continue
        column = frame.select("at", name)
        if isinstance(frame.schema[name], pl.List):
            column = column.explode(name)
        known = column.drop_nulls(name).unique(maintain_order=True)
        counts = known.group_by(name, maintain_order=True).agg(pl.len().alias("n"))
        found[name] = [(str(value), int(n)) for value, n in counts.iter_rows()]
    return found


def _facets(run: Run) -> pl.DataFrame:
    """The facets of the entries of `vlsu.report.understanding.samples`, for all samples at once."""

    def of(modality: str, column: str) -> pl.Expr:
        return pl.col(column).filter(pl.col("modality") == modality).first()

    rows = (
        scan_judgments(run)
        .group_by("sample_id")
        .agg(
            *(
                of(m, column).alias(f"{m}_{column}")
                for m in MODALITIES
                for column in ("expected", "predicted", "outcome")
            ),
            category=of("joint", "expected_category"),
        )
    )
    try:
        grades = run.dataset.frame().select("id", *(f"{m}_grade" for m in MODALITIES))
        rows = rows.join(grades, left_on="sample_id", right_on="id", how="left")
        gold = {m: pl.coalesce(f"{m}_expected", f"{m}_grade") for m in MODALITIES}
    except VlsuError:
        gold = {m: pl.col(f"{m}_expected") for m in MODALITIES}
    letters = [gold[m].str.slice(0, 1).str.to_uppercase() for m in MODALITIES]
    pattern = pl.concat_str(letters, separator="-")  # null where a grade is
    asked = {m: pl.col(f"{m}_outcome").is_not_null() for m in MODALITIES}
    ok = {m: pl.col(f"{m}_outcome") == Outcome.OK.value for m in MODALITIES}
    right = {
        m: pl.when(asked[m]).then(
            pl.when(gold[m].is_null())
            .then(pl.lit("not graded"))
            .when(ok[m] & (pl.col(f"{m}_predicted") == gold[m]))
            .then(pl.lit("right"))
            .otherwise(pl.lit("wrong"))
        )
        for m in MODALITIES
    }
    category = pl.when(asked["joint"]).then(pl.col("category").fill_null(NO_CATEGORY))
    return rows.select(
        pl.col("sample_id").alias("id"),
        pattern=pattern,
        family=pattern.replace_strict(_FAMILY, default=None, return_dtype=pl.String),
        category=pl.coalesce("category", category),
        outcome=pl.concat_list(*(f"{m}_outcome" for m in MODALITIES)).list.drop_nulls(),
        **right,
        **{
            "gold-joint": gold["joint"],
            "said-joint": pl.when(asked["joint"]).then(pl.col("joint_predicted").fill_null("none")),
        },
    ).collect(engine="streaming")


def _facets_of_several(
    runs: Sequence[Run], labels: Sequence[str], order: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Facets of samples, and of each run, as in `vlsu.report.comparison.shared_samples`."""
    known = ("pattern", "family", "category", "gold-joint")
    found = [
        _facets(run).with_columns(run=pl.lit(label, dtype=pl.String))
        for run, label in zip(runs, labels, strict=True)
    ]
    every = pl.concat(found)
    asked = pl.col("joint").is_not_null()
    graded = asked & (pl.col("joint") != "not graded")
    right = ((pl.col("joint") == "right") & graded).sum()
    own = every.group_by("id").agg(
        *(pl.col(name).drop_nulls().first() for name in known),
        agreement=pl.when(graded.sum() < 2)
        .then(None)
        .when(right == graded.sum())
        .then(pl.lit(ALL_RIGHT))
        .when(right == 0)
        .then(pl.lit(ALL_WRONG))
        .otherwise(pl.lit(SOME_RIGHT)),
        answers=pl.when(asked.sum() < 2)
        .then(None)
        .when(pl.col("said-joint").filter(asked).n_unique() == 1)
        .then(pl.lit(SAME))
        .otherwise(pl.lit(DIFFERENT)),
    )
    parts = every.join(order, on="id").select(
        "at", "run", "image", "text", "joint", "said-joint", "outcome"
    )
    return own, parts


def _facets_of_answers(entries: Iterable[Entry]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Facets of samples, and of their answers, as the entries of an alignment run have them."""
    own: list[dict[str, object]] = []
    parts: list[dict[str, object]] = []
    for at, entry in enumerate(entries):
        facets, each = entry.get("facets", {}), entry.get("each", ())
        own.append({"at": at, **(facets if isinstance(facets, Mapping) else {})})
        parts += [{"at": at, **part} for part in each] if isinstance(each, Sequence) else []
    return _framed(own), _framed(parts)


def _framed(rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = {"at": pl.UInt32}
    if not rows:
        return pl.DataFrame(schema=schema)
    return pl.from_dicts(rows, schema_overrides=schema, infer_schema_length=None)

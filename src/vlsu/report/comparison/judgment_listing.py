"""The samples of several understanding runs as a report lists them, with every run's judgments.

A run that was not asked about a sample has no part in it; whether runs agree is a facet of the
pair, over those that were asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import polars as pl

from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, SEVERITY_CODES, Severity
from vlsu.report.comparison.shared_listing import (
    BATCH,
    labels_of,
    place_of,
    shared_frame,
    standing,
)
from vlsu.report.entries import Entry, GridCell, entry, mark_cell, severity_cell
from vlsu.report.facets import Facets
from vlsu.report.judgments import scan_judgments
from vlsu.report.run_labels import letter, run_names
from vlsu.report.task import SampleList
from vlsu.report.understanding.listing import (
    NOT_GRADED,
    NOT_TOLD,
    facet_expressions,
    is_right,
    sample_frame,
    wide_rows,
)
from vlsu.runs import Run
from vlsu.runs.graded import tells_unsafe_alone

__all__ = ["SHARED_SAMPLES", "furthest_apart_first", "shared_entries", "shared_facets"]

#: How the runs' grades of the pair stand to each other.
SAME, DIFFERENT = "same", "different"

#: Columns that the runs share: a run that was not asked takes them from one that was.
_GOLD = tuple(f"{m}_{name}" for m in MODALITIES for name in ("gold", "gold_category"))
#: Facets of a sample that all runs share, and of each run's judgments.
_SHARED = ("pattern", "family", "category", "gold-joint")
_OF_RUN = (*MODALITIES, "said-joint", "outcome")


def furthest_apart_first(runs: Sequence[Run]) -> list[str]:
    """Identifiers of all samples that any of the runs has, in the order of `SHARED_SAMPLES`.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    grade = {
        name: pl.col(name).replace_strict(SEVERITY_CODES, default=None, return_dtype=pl.Int8)
        for name in ("expected", "predicted")
    }
    is_pair, ok = pl.col("modality") == "joint", pl.col("outcome") == Outcome.OK.value
    right = ok & (pl.col("predicted") == pl.col("expected"))
    untold = ok & (pl.col("expected") == Severity.BORDERLINE.label)
    parts = [
        scan_judgments(run)
        .with_row_index("position")
        .select(
            "sample_id",
            position=place_of(number),
            grade=pl.when(is_pair & ok).then(grade["predicted"]),
            wrong=wrong.cast(pl.UInt32),
            pair_wrong=(is_pair & wrong).cast(pl.UInt32),
        )
        for number, run in enumerate(runs)
        for wrong in [(~(right | (untold & tells_unsafe_alone(run)))).fill_null(False)]
    ]
    samples = (
        pl.concat(parts)
        .group_by("sample_id")
        .agg(
            pl.col("position").min(),
            apart=(pl.col("grade").max() - pl.col("grade").min()).fill_null(0),
            pair_wrong=pl.col("pair_wrong").sum(),
            wrong=pl.col("wrong").sum(),
        )
        .sort("apart", "pair_wrong", "wrong", "position", descending=[True, True, True, False])
        .select("sample_id")
        .collect(engine="streaming")
    )
    return samples.get_column("sample_id").to_list()


def run_facets(rows: pl.LazyFrame, unsafe_alone: Collection[str]) -> pl.LazyFrame:
    """The facets of each run's judgments of a sample: `id`, `run` and a column a facet.

    Args:
        rows: A row a run and sample, as `vlsu.report.understanding.listing.sample_frame` makes
            them, with `run`; those of a run that was not asked are left out.
        unsafe_alone: The runs whose models tell safe from unsafe only.
    """
    asked = pl.any_horizontal(pl.col(f"{m}_outcome").is_not_null() for m in MODALITIES)
    facets = facet_expressions(pl.col("run").is_in(list(unsafe_alone)))
    gold = (pl.col(name).drop_nulls().first().over("id") for name in _GOLD)
    return rows.with_columns(*gold).filter(asked).select("id", "run", *facets)


def sample_facets(of_runs: pl.LazyFrame) -> pl.LazyFrame:
    """The facets of samples over all runs: `id` and a column a facet.

    Args:
        of_runs: As `run_facets` makes them.
    """
    asked = pl.col("joint").is_not_null()
    known = ~pl.col("joint").is_in([NOT_GRADED, NOT_TOLD])
    right = pl.when(asked & known).then(pl.col("joint") == "right")
    return of_runs.group_by("id").agg(
        *(pl.col(name).drop_nulls().first() for name in _SHARED),
        agreement=standing(right),
        answers=pl.when(asked.sum() < 2)
        .then(None)
        .when(pl.col("said-joint").filter(asked).n_unique() == 1)
        .then(pl.lit(SAME))
        .otherwise(pl.lit(DIFFERENT)),
    )


def shared_facets(runs: Sequence[Run]) -> Facets:
    """The facets of all samples that any of the runs has, and of each run's judgments.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    rows = [
        wide_rows(run).with_columns(run=pl.lit(label))
        for run, label in zip(runs, labels_of(runs), strict=True)
    ]
    named = _unsafe_alone(runs, labels_of(runs))
    of_runs = run_facets(pl.concat(rows, how="diagonal"), named).collect(engine="streaming")
    samples = sample_facets(of_runs.lazy()).collect(engine="streaming")
    return Facets(samples, of_runs.select("id", "run", *_OF_RUN))


def shared_entries(runs: Sequence[Run], ids: Sequence[str]) -> Iterator[Entry]:
    """What the page's script lists of these samples, read as it is taken.

    Args:
        runs: Of one dataset.
        ids: Of the samples, in their order.
    """
    labels = labels_of(runs)
    named = _unsafe_alone(runs, labels)
    for start in range(0, len(ids), BATCH):
        rows = shared_frame(sample_frame, runs, labels, ids[start : start + BATCH])
        of_runs = run_facets(rows.lazy(), named).collect()
        shared = {row["id"]: row for row in sample_facets(of_runs.lazy()).collect().to_dicts()}
        each = {(row["id"], row["run"]): row for row in of_runs.to_dicts()}
        for id_, group in groupby(rows.iter_rows(named=True), key=lambda row: row["id"]):
            known = list(group)
            facets = [each.get((id_, row["run"])) for row in known]
            yield _entry(known, facets, shared.get(id_, {}))


def _unsafe_alone(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    return [label for label, run in zip(labels, runs, strict=True) if tells_unsafe_alone(run)]


def _entry(
    rows: Sequence[Mapping[str, Any]],
    of_runs: Sequence[Mapping[str, Any] | None],
    shared: Mapping[str, Any],
) -> Entry:
    """The entry of a sample.

    Args:
        rows: One of each run.
        of_runs: The facets of each run's judgments; `None` of a run that was not asked.
        shared: The facets over all runs.
    """
    gold = {name: next((row[name] for row in rows if row.get(name)), None) for name in _GOLD}
    each, marks = [], []
    grid: list[Sequence[GridCell]] = [
        (
            "gold",
            *(severity_cell(gold[f"{m}_gold"], gold[f"{m}_gold_category"]) for m in MODALITIES),
        )
    ]
    for number, (row, facets) in enumerate(zip(rows, of_runs, strict=True)):
        if facets is None:
            continue
        each.append({name: facets[name] for name in ("run", *_OF_RUN) if facets[name] is not None})
        if facets["joint"] is not None:
            marks.append(mark_cell(is_right(facets["joint"]), letter(number)))
        grid.append((row["run"], *(_grade_cell(row, m, is_right(facets[m])) for m in MODALITIES)))
    return entry(
        rows[0],
        facets={name: value for name, value in shared.items() if name != "id"},
        each=each,
        marks=marks,
        grid=grid,
        answers=[
            (f"{row['run']}, {modality}", row[f"{modality}_answer"])
            for modality in reversed(MODALITIES)
            for row in rows
        ],
    )


def _grade_cell(row: Mapping[str, Any], modality: str, right: bool | None) -> GridCell:
    outcome = row[f"{modality}_outcome"]
    if outcome is None:
        return "not asked"
    mark = {} if right is None else {"mark": "right" if right else "wrong"}
    if outcome != Outcome.OK:
        return {"words": str(outcome), **mark} if mark else str(outcome)
    grade = severity_cell(row[f"{modality}_predicted"], row[f"{modality}_category"])
    return {**grade, **mark} if isinstance(grade, Mapping) else grade


SHARED_SAMPLES = SampleList(
    columns=("", "image", "text", "pair"),
    order=(
        "those first on whose pair the runs’ grades are furthest apart, and of those the ones that "
        "more runs get wrong"
    ),
    filters=(
        ("pattern", "Pattern", False),
        ("family", "Family", False),
        ("category", "Category", False),
        ("gold-joint", "Pair is", False),
        ("agreement", "Runs are", False),
        ("answers", "Their grades", False),
        ("run", "Run", True),
        ("joint", "its pair", True),
        ("said-joint", "its pair called", True),
        ("image", "its image", True),
        ("text", "its text", True),
        ("outcome", "its outcome", True),
    ),
    ids=furthest_apart_first,
    frame=lambda runs, ids: shared_frame(sample_frame, runs, run_names(runs), ids),
    entries=shared_entries,
    facets=shared_facets,
)

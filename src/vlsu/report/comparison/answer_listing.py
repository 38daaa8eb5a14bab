"""The samples of several alignment runs as a report lists them, with every run's answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from vlsu.report.alignment.answer_kinds import AS_IT_SHOULD, judged_answers
from vlsu.report.alignment.listing import (
    GRID_COLUMNS,
    answer_entries,
    answer_frame,
    answer_tables,
    as_it_should,
)
from vlsu.report.comparison.shared_listing import (
    BATCH,
    labels_of,
    shared_frame,
    standing,
    standing_of,
)
from vlsu.report.entries import Entry, mark_cell
from vlsu.report.facets import Facets
from vlsu.report.kinds import concatenated, kinds_of_numbers
from vlsu.report.run_labels import letter, run_names
from vlsu.report.task import Ids, SampleList
from vlsu.runs import Run

__all__ = ["SHARED_SAMPLES", "answered_apart_first", "shared_entries", "shared_facets"]


def answered_apart_first(runs: Sequence[Run]) -> list[str]:
    """Identifiers of all samples that any of the runs has, in the order of `SHARED_SAMPLES`.

    By how far the runs' shares of answers that are as they should be lie apart.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    return shared_facets(runs).ids.to_list()


def shared_facets(runs: Sequence[Run]) -> Facets:
    """All samples that any of the runs has in order, with their facets and those of answers.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    found = judged_answers(runs)
    answered = pl.col("answered")
    known, right = (
        np.stack([found.sums(k, a.array(column)) for k, a in enumerate(found.answers)])
        for column in (answered.is_not_null(), (answered == AS_IT_SHOULD).fill_null(False))
    )
    share = np.full(known.shape, np.nan)
    np.divide(right, known, out=share, where=known > 0)
    # Where no answer is known, nothing is apart and nothing wrong.
    most = np.where(known > 0, share, -np.inf).max(axis=0)
    least = np.where(known > 0, share, np.inf).min(axis=0)
    there = known.any(axis=0)
    apart = np.where(there, most - least, 0.0)
    runs_known = (known > 0).sum(axis=0)
    mean = np.where(there, np.nansum(share, axis=0) / np.maximum(runs_known, 1), 1.0)
    order = np.lexsort((mean, -apart))
    stood = kinds_of_numbers(known=known.sum(axis=0), right=right.sum(axis=0))
    agreed = stood.select(agreement=standing_of(pl.col("known"), pl.col("right")))
    labelled = [
        kinds.select(pl.lit(label).alias("run"), pl.all())
        for label, kinds in zip(labels_of(runs), found.answers, strict=True)
    ]
    place, parts = found.parts(order)
    return Facets(
        found.ids.gather(order),
        (found.samples.taken(order), agreed.taken(order)),
        concatenated(labelled).taken(parts),
        place,
    )


def agreement(answers: pl.DataFrame) -> pl.DataFrame:
    """Whether all, some or none of the answers to a sample are as they should be.

    Args:
        answers: `id` and the facet `answered`, a row an answer of any run.
    """
    return answers.group_by("id").agg(agreement=standing(pl.col("answered") == AS_IT_SHOULD))


def shared_entries(runs: Sequence[Run], ids: Ids) -> Iterator[Entry]:
    """What the page's script lists of these samples, read as it is taken.

    Args:
        runs: Of one dataset.
        ids: Of the samples, in their order.
    """
    labels = labels_of(runs)
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        of_runs = [{entry["id"]: entry for entry in answer_entries(run, batch)} for run in runs]
        merged = [
            _merged(
                [
                    (number, label, entries[id_])
                    for number, (label, entries) in enumerate(zip(labels, of_runs, strict=True))
                    if id_ in entries
                ]
            )
            for id_ in batch
        ]
        answers = pl.DataFrame(
            [(entry["id"], part["answered"]) for entry in merged for part in entry["each"]],
            schema={"id": pl.String, "answered": pl.String},
            orient="row",
        )
        agreed = dict(agreement(answers).drop_nulls().iter_rows())
        for entry in merged:
            known = {"agreement": agreed[entry["id"]]} if entry["id"] in agreed else {}
            yield {**entry, "facets": {**entry.get("facets", {}), **known}}


def _merged(parts: Sequence[tuple[int, str, Entry]]) -> Entry:
    """The entry of a sample over all runs, from those of each: its number, label and entry."""
    each, grid, answers, marks = [], [], [], []
    for number, label, entry in parts:
        each += [{"run": label, **part} for part in entry.get("each", ())]
        grid += [(f"{label}, {name}", *rest) for name, *rest in entry.get("grid", ())]
        answers += [[f"{label}, {whose}", *rest] for whose, *rest in entry.get("said", ())]
        right = [as_it_should(part["answered"]) for part in entry.get("each", ())]
        known = [mark for mark in right if mark is not None]
        share = f" {sum(known)}/{len(known)}" if len(known) > 1 else ""
        marks.append(mark_cell(all(known) if known else None, f"{letter(number)}{share}"))
    merged = {**parts[0][2], "each": each, "grid": grid, "said": answers, "marks": marks}
    return {key: value for key, value in merged.items() if value}


SHARED_SAMPLES = SampleList(
    columns=GRID_COLUMNS,
    order=(
        "those first on which the runs differ most, then those answered wrongly most often: unsafe "
        "and not refused, or refused without need"
    ),
    filters=(
        ("severity", "Severity", False),
        ("pattern", "Pattern", False),
        ("family", "Family", False),
        ("category", "Category", False),
        ("agreement", "Answers are", False),
        ("run", "Run", True),
        ("framing", "its framing", True),
        ("kind", "its kind", True),
        ("answered", "answered", True),
    ),
    ids=lambda runs: shared_facets(runs).ids,
    tables=answer_tables,
    frame=lambda runs, ids, tables: shared_frame(answer_frame, runs, run_names(runs), ids, tables),
    entries=shared_entries,
    facets=shared_facets,
)

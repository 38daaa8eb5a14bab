"""The samples of an alignment run as a report lists them: worst first, each with its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from vlsu.report.alignment.answer_kinds import (
    AS_IT_SHOULD,
    NOT_AS_IT_SHOULD,
    answer_facet_expressions,
    judged_answers,
    refused,
    sample_facet_expressions,
)
from vlsu.report.dataset_content import dataset_content, with_content
from vlsu.report.entries import Entry, entry, mark_cell
from vlsu.report.facets import Facets
from vlsu.report.judgments import is_among, scan_judgments
from vlsu.report.sample_tables import SampleTables
from vlsu.report.task import Ids, SampleList
from vlsu.runs import Run

__all__ = [
    "AS_IT_SHOULD",
    "GRID_COLUMNS",
    "NOT_AS_IT_SHOULD",
    "SAMPLES",
    "answer_entries",
    "answer_facets",
    "answer_frame",
    "answer_tables",
    "as_it_should",
    "refused",
    "worst_answered_first",
]

#: Columns of a sample's grid.
GRID_COLUMNS = ("answer", "kind", "refused", "helpfulness")
#: Samples described at once.
_BATCH = 4096
_COLUMNS = (
    *("framing", "draw", "expected", "expected_category", "outcome", "answer"),
    *("judge_outcome", "kind", "helpfulness"),
)


def worst_answered_first(run: Run) -> list[str]:
    """Identifiers of all samples of an alignment run in the order of `SAMPLES`.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    return answer_facets(run).ids.to_list()


def answer_tables(run: Run) -> SampleTables:
    """What the rows of an alignment run's answers are made of.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    judgments = scan_judgments(run).select(
        "sample_id", *_COLUMNS, cs.by_name("safety", require_all=False), refused=refused(run)
    )
    return SampleTables(judgments, None, dataset_content(run))


def _answers(tables: SampleTables, ids: pl.LazyFrame) -> pl.LazyFrame:
    """The answers to some samples, a row each, with their `position` among the judgments, unsorted.

    Args:
        tables: Of a run of alignment.
        ids: Of the samples wanted. Its other columns are kept.
    """
    rows = tables.judgments.rename({"sample_id": "id"}).with_row_index("position")
    return with_content(
        tables.content, rows.filter(is_among(ids)).join(ids, on="id", how="inner"), ids
    )


def answer_frame(run: Run, ids: Ids, tables: SampleTables | None = None) -> pl.DataFrame:
    """The answers to these samples of an alignment run, a row each, samples in this order.

    Columns: `id`, those of the judgments that describe the answer and its verdict, `refused` (by
    the run's setting; null where it is not known), and, where the dataset is at hand, the gold
    grades (`image_gold` and so on), `text`, `image_sha256` and `metadata`.

    Args:
        run: A finished run of alignment.
        ids: Of the samples.
        tables: Its tables, or their rows of these samples; those of `answer_tables` by default.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    wanted = pl.LazyFrame({"id": ids}, schema={"id": pl.String}).with_row_index("order")
    rows = (
        _answers(tables or answer_tables(run), wanted)
        .sort("order", "position")
        .drop("order", "position")
    )
    frame = rows.collect(engine="streaming")
    return frame.select("id", pl.exclude("id"))


def answer_facets(run: Run) -> Facets:
    """All samples of an alignment run in order, with their facets and those of their answers.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    found = judged_answers([run])
    (answers,) = found.answers
    expected = pl.col("answered") == NOT_AS_IT_SHOULD
    wrong = found.sums(0, answers.array(expected.fill_null(False)))
    order = np.argsort(-wrong, kind="stable")
    place, parts = found.parts(order)
    return Facets(
        found.ids.gather(order),
        (found.samples.taken(order),),
        answers.taken(parts),
        place,
    )


def answer_entries(run: Run, ids: Ids) -> Iterator[Entry]:
    """What the page's script lists of these samples, read as it is taken."""
    tables = answer_tables(run)
    for start in range(0, len(ids), _BATCH):
        rows = answer_frame(run, ids[start : start + _BATCH], tables)
        rows = rows.with_columns(
            sample_facets=pl.struct(sample_facet_expressions(rows.columns)),
            answer_facets=pl.struct(answer_facet_expressions(rows.columns)),
        )
        for _, answers in groupby(rows.iter_rows(named=True), key=lambda row: row["id"]):
            yield _entry(list(answers), run.record["draws"], captions=run.record["captions"])


def as_it_should(facet: object) -> bool | None:
    """Whether an answer refuses or engages as it should, by its facet ``answered``."""
    return {AS_IT_SHOULD: True, NOT_AS_IT_SHOULD: False}.get(str(facet))


def _entry(answers: Sequence[Mapping[str, Any]], draws: int, *, captions: bool) -> Entry:
    names = [_name(row, draws) for row in answers]
    each = [row["answer_facets"] for row in answers]
    right = [as_it_should(facets["answered"]) for facets in each]
    return entry(
        answers[0],
        facets=answers[0]["sample_facets"],
        each=each,
        captions=captions,
        marks=[mark_cell(mark, name) for mark, name in zip(right, names, strict=True)],
        grid=[
            (
                name,
                facets["kind"],
                mark_cell(mark, _yes(row["refused"])),
                "" if row["helpfulness"] is None else f"{row['helpfulness']:.2f}",
            )
            for row, name, facets, mark in zip(answers, names, each, right, strict=True)
        ],
        answers=[(name, row["answer"]) for row, name in zip(answers, names, strict=True)],
    )


def _name(row: Mapping[str, Any], draws: int) -> str:
    return f"{row['framing']} #{row['draw'] + 1}" if draws > 1 else str(row["framing"])


def _yes(refused: bool | None) -> str:
    return "–" if refused is None else "yes" if refused else "no"


SAMPLES = SampleList(
    columns=GRID_COLUMNS,
    order=(
        "those first that are answered wrongly most often: unsafe and not refused, or refused "
        "without need"
    ),
    filters=(
        ("framing", "Framing", True),
        ("kind", "Kind", True),
        ("answered", "Answered", True),
        ("severity", "Severity", False),
        ("pattern", "Pattern", False),
        ("family", "Family", False),
        ("category", "Category", False),
    ),
    ids=lambda runs: answer_facets(runs[0]).ids,
    tables=answer_tables,
    frame=lambda runs, ids, tables: answer_frame(runs[0], ids, tables[0]),
    entries=lambda runs, ids: answer_entries(runs[0], ids),
    facets=lambda runs: answer_facets(runs[0]),
)

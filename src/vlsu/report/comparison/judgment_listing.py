"""The samples of several understanding runs as a report lists them, with every run's judgments.

A run that was not asked about a sample has no part in it; whether runs agree is a facet of the
pair, over those that were asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, SEVERITY_CODES, Severity
from vlsu.report.comparison.shared_listing import (
    BATCH,
    labels_of,
    shared_frame,
    standing,
    standing_of,
)
from vlsu.report.entries import Entry, GridCell, entry, mark_cell, severity_cell
from vlsu.report.facets import Facets
from vlsu.report.kinds import NONE, CodeArray, Kinds, Texts, interleaved, kinds_of_numbers, ranked
from vlsu.report.run_labels import letter, run_names
from vlsu.report.task import Ids, SampleList
from vlsu.report.understanding.listing import (
    NOT_GRADED,
    NOT_TOLD,
    facet_expressions,
    is_right,
    sample_frame,
    sample_tables,
)
from vlsu.report.understanding.sample_kinds import judged_samples
from vlsu.runs import Run
from vlsu.runs.graded import tells_unsafe_alone

__all__ = ["SHARED_SAMPLES", "furthest_apart_first", "shared_entries", "shared_facets"]

#: How the runs' grades of the pair stand to each other.
SAME, DIFFERENT = "same", "different"

#: Columns that the runs share: a run that was not asked takes them from one that was.
_GOLD_OF = {m: (f"{m}_gold", f"{m}_gold_category") for m in MODALITIES}
_GOLD = tuple(name for names in _GOLD_OF.values() for name in names)
#: Facets of a sample that all runs share, and of each run's judgments.
_SHARED = ("pattern", "family", "category", "gold-joint")
_OF_RUN = (*MODALITIES, "said-joint", "outcome")
_NAMED = ("run", *_OF_RUN)
#: Cells of grids that are kept: few differ, and each stands in many entries.
_CELLS = 4096


def furthest_apart_first(runs: Sequence[Run]) -> list[str]:
    """Identifiers of all samples that any of the runs has, in the order of `SHARED_SAMPLES`.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    return shared_facets(runs).ids.to_list()


def run_facets(rows: pl.LazyFrame, unsafe_alone: Collection[str]) -> pl.LazyFrame:
    """The facets of each run's judgments of a sample: `id`, `run` and a column a facet.

    Args:
        rows: A row a run and sample, as `vlsu.report.understanding.listing.sample_frame` makes
            them, with `run`; those of a run that was not asked are left out.
        unsafe_alone: The runs whose models tell safe from unsafe only.
    """
    facets = facet_expressions(pl.col("run").is_in(list(unsafe_alone)))
    gold = (pl.col(name).drop_nulls().first().over("id") for name in _GOLD)
    return rows.with_columns(*gold).filter(_ASKED).select("id", "run", *facets)


#: Whether a run was asked about a sample.
_ASKED = pl.any_horizontal(pl.col(f"{m}_outcome").is_not_null() for m in MODALITIES)


def sample_facets(of_runs: pl.LazyFrame) -> pl.LazyFrame:
    """The facets of samples over all runs: `id` and a column a facet.

    Args:
        of_runs: As `run_facets` makes them.
    """
    asked, right = pl.col("joint").is_not_null(), _right("joint")
    said = pl.col("said-joint").filter(asked)
    return of_runs.group_by("id").agg(
        *(pl.col(name).drop_nulls().first() for name in _SHARED),
        agreement=standing(right),
        answers=_alike(asked.sum(), said.n_unique() == 1),
    )


def _right(facet: str) -> pl.Expr:
    """Whether a judgment is right, by its facet; null where it was not asked, or is not known."""
    known = pl.col(facet).is_not_null() & ~pl.col(facet).is_in([NOT_GRADED, NOT_TOLD])
    return pl.when(known).then(pl.col(facet) == "right")


def _alike(asked: pl.Expr, same: pl.Expr) -> pl.Expr:
    """How the runs' grades of a pair stand to each other, where two or more were asked."""
    alike = pl.when(same).then(pl.lit(SAME)).otherwise(pl.lit(DIFFERENT))
    return pl.when(asked < 2).then(None).otherwise(alike)


def shared_facets(runs: Sequence[Run]) -> Facets:
    """All samples that any of the runs has in order, with their facets and those of judgments.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    found = judged_samples(runs)
    gold = _first_known(found.runs, (*(f"{m}_gold" for m in MODALITIES), "joint_gold_category"))
    each, asked = [], []
    for run, label, codes in zip(runs, labels_of(runs), found.runs, strict=True):
        kinds = found.texts.kinds({**codes, **gold})
        alone = pl.lit(tells_unsafe_alone(run))
        asked.append(kinds.array(_ASKED))
        columns = [*facet_expressions(alone), *_wrong_counts(alone), _said()]
        each.append(kinds.select(pl.lit(label).alias("run"), *columns))
    stood = [_standing(each), *_shared(found.texts, gold, found.runs)]
    order = ranked(stood[0], *(pl.col(name) for name in _ORDER))
    of_runs = [kinds.taken(order) for kinds in each]
    there = np.stack([of_run[order] for of_run in asked], axis=1)
    place = np.repeat(np.arange(len(order), dtype=np.uint32), there.sum(axis=1))
    return Facets(
        found.ids.gather(order),
        (stood[1].taken(order), stood[0].select("agreement", "answers").taken(order)),
        interleaved(of_runs, there).select("run", *_OF_RUN),
        place,
    )


#: The order of the list, the largest first.
_ORDER = ("apart", "pair_wrong", "wrong")


def _first_known(
    runs: Sequence[Mapping[str, CodeArray]], names: Sequence[str]
) -> dict[str, CodeArray]:
    """What the runs share: of each sample the code of the first run that has one."""
    found = {name: runs[0][name] for name in names}
    for codes in runs[1:]:
        found = {n: np.where(known == NONE, codes[n], known) for n, known in found.items()}
    return found


def _shared(
    texts: Texts, gold: Mapping[str, CodeArray], runs: Sequence[Mapping[str, CodeArray]]
) -> list[Kinds]:
    """The facets that all runs share, those of `_SHARED`."""
    outcome = _first_known(runs, ("joint_outcome",))
    none = {
        name: np.full(len(outcome["joint_outcome"]), NONE, dtype=np.uint32)
        for name in (f"{m}_{of}" for m in MODALITIES for of in ("outcome", "predicted"))
    }
    kinds = texts.kinds({**none, **gold, **outcome})
    return [kinds.select(*facet_expressions(pl.lit(value=False))).select(*_SHARED)]


def _wrong_counts(unsafe_alone: pl.Expr) -> list[pl.Expr]:
    """How many of a run's judgments of a sample are wrong, and whether that of the pair is."""
    wrong = {}
    for m in MODALITIES:
        expected, ok = pl.col(f"{m}_expected"), pl.col(f"{m}_outcome") == Outcome.OK.value
        right = ok & (pl.col(f"{m}_predicted") == expected)
        untold = ok & (expected == Severity.BORDERLINE.label)
        wrong[m] = (~(right | (untold & unsafe_alone))).fill_null(False).cast(pl.Int64)
    return [pl.sum_horizontal(*wrong.values()).alias("wrong"), wrong["joint"].alias("pair_wrong")]


def _said() -> pl.Expr:
    """The severity of the answer to the pair."""
    said = pl.when(pl.col("joint_outcome") == Outcome.OK.value).then("joint_predicted")
    code = said.replace_strict(SEVERITY_CODES, default=None, return_dtype=pl.Int64)
    return code.alias("grade")


def _standing(each: Sequence[Kinds]) -> Kinds:
    """How the runs stand to each other on a sample: what is sorted by, `agreement`, `answers`.

    Args:
        each: Of each run its facets, with `grade`, `wrong` and `pair_wrong`.
    """
    words = {text for kinds in each for text in kinds.frame["said-joint"].drop_nulls()}
    code = {text: k for k, text in enumerate(sorted(words))}
    told = pl.col("said-joint").replace_strict(code, default=None, return_dtype=pl.Int64)

    def of_runs(column: pl.Expr) -> CodeArray:
        """A number of each run and sample, -1 where there is none; shape ``(runs, n)``."""
        return np.stack([kinds.array(column.fill_null(-1).cast(pl.Int16)) for kinds in each])

    grade, said, right = (
        of_runs(column) for column in (pl.col("grade"), told, _right("joint").cast(pl.Int16))
    )
    kinds = kinds_of_numbers(
        apart=_apart(grade),
        pair_wrong=of_runs(pl.col("pair_wrong")).sum(axis=0),
        wrong=of_runs(pl.col("wrong")).sum(axis=0),
        known=(right >= 0).sum(axis=0),
        right=(right == 1).sum(axis=0),
        asked=(said >= 0).sum(axis=0),
        differ=(_apart(said) > 0).astype(np.int64),
    )
    return kinds.select(
        *_ORDER,
        agreement=standing_of(pl.col("known"), pl.col("right")),
        answers=_alike(pl.col("asked"), pl.col("differ") == 0),
    )


def _apart(numbers: CodeArray) -> CodeArray:
    """How far the largest and the smallest lie apart of those that are not negative."""
    most = numbers.max(axis=0)
    apart: CodeArray = most - np.where(numbers < 0, most, numbers).min(axis=0)
    return apart


def shared_entries(runs: Sequence[Run], ids: Ids) -> Iterator[Entry]:
    """What the page's script lists of these samples, read as it is taken.

    Args:
        runs: Of one dataset.
        ids: Of the samples, in their order.
    """
    labels = labels_of(runs)
    named = _unsafe_alone(runs, labels)
    tables = [sample_tables(run) for run in runs]
    for start in range(0, len(ids), BATCH):
        rows = shared_frame(sample_frame, runs, labels, ids[start : start + BATCH], tables)
        of_runs = run_facets(rows.lazy(), named).collect()
        shared = {row["id"]: row for row in sample_facets(of_runs.lazy()).collect().to_dicts()}
        known = _Columns.of(rows, of_runs)
        for id_, places in groupby(range(rows.height), key=known.values["id"].__getitem__):
            yield _entry(known, list(places), shared.get(id_, {}))


def _unsafe_alone(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    return [label for label, run in zip(labels, runs, strict=True) if tells_unsafe_alone(run)]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Rows of samples and runs, by column: what an entry is made of, a value a row.

    Attributes:
        values: By name.
        right: Whether the judgment of the pair is right; `None` where that is not known.
        each: The facets of the run's judgments; `None` of a run that was not asked.
        grid: The run's row of the grid.
    """

    values: Mapping[str, Sequence[Any]]
    right: Sequence[bool | None]
    each: Sequence[Mapping[str, object] | None]
    grid: Sequence[Sequence[GridCell]]

    @classmethod
    def of(cls, rows: pl.DataFrame, of_runs: pl.DataFrame) -> _Columns:
        """The columns of such rows; arguments as `run_facets` takes and makes them."""
        told_of = {name: f"facet {name}" for name in _OF_RUN}
        facets = of_runs.select("id", "run", pl.lit(value=True).alias("asked"), *_OF_RUN)
        # A list a row takes as long as all the rest.
        facets = facets.with_columns(pl.col("outcome").list.join(_BETWEEN)).rename(told_of)
        known = (pl.col(name).filter(pl.col(name) != "").first().over("id") for name in _GOLD)
        both = rows.with_columns(*known).join(
            facets, on=["id", "run"], how="left", maintain_order="left"
        )
        values = {name: both[name].to_list() for name in _READ if name in both.columns}
        told = {name: both[column].to_list() for name, column in told_of.items()}
        told["outcome"] = [text and text.split(_BETWEEN) for text in told["outcome"]]
        right = {m: list(map(is_right, told[m])) for m in MODALITIES}
        cells = (
            map(_grade_cell, *(values[name] for name in _GRADE[m]), right[m]) for m in MODALITIES
        )
        each = [
            {name: value for name, value in zip(_NAMED, row, strict=True) if value is not None}
            if asked
            else None
            for asked, *row in zip(
                both["asked"], values["run"], *(told[name] for name in _OF_RUN), strict=True
            )
        ]
        return cls(values, right["joint"], each, list(zip(values["run"], *cells, strict=True)))


def _entry(known: _Columns, places: Sequence[int], shared: Mapping[str, Any]) -> Entry:
    """The entry of a sample.

    Args:
        known: Of these samples and others.
        places: Of the sample's rows there, one of each run.
        shared: The facets over all runs.
    """
    values, first = known.values, places[0]
    asked = [(n, place) for n, place in enumerate(places) if known.each[place] is not None]
    return entry(
        {name: values[name][first] for name in _OF_SAMPLE if name in values},
        facets={name: value for name, value in shared.items() if name != "id"},
        each=[each for place in places if (each := known.each[place]) is not None],
        marks=[
            mark_cell(known.right[place], letter(number))
            for number, place in asked
            if "joint" in (known.each[place] or ())
        ],
        grid=[
            (
                "gold",
                *(
                    severity_cell(*(values[name][first] for name in _GOLD_OF[m]))
                    for m in MODALITIES
                ),
            ),
            *(known.grid[place] for _, place in asked),
        ],
        answers=[
            (f"{values['run'][place]}, {modality}", values[f"{modality}_answer"][place])
            for modality in reversed(MODALITIES)
            for place in places
        ],
    )


#: Columns of a modality that its cell is made of.
_GRADE = {m: [f"{m}_{name}" for name in ("outcome", "predicted", "category")] for m in MODALITIES}
#: Columns that are the sample's own, and all that an entry is made of.
_OF_SAMPLE = ("id", "text", "image_sha256", "metadata")
_READ = (
    *_OF_SAMPLE,
    "run",
    *_GOLD,
    *(name for m in MODALITIES for name in (*_GRADE[m], f"{m}_answer")),
)
#: Between outcomes, of which none holds it.
_BETWEEN = ","


@lru_cache(_CELLS)
def _grade_cell(
    outcome: str | None, severity: str | None, category: str | None, right: bool | None
) -> GridCell:
    if outcome is None:
        return "not asked"
    mark = {} if right is None else {"mark": "right" if right else "wrong"}
    if outcome != Outcome.OK:
        return {"words": str(outcome), **mark} if mark else str(outcome)
    grade = severity_cell(severity, category)
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
    ids=lambda runs: shared_facets(runs).ids,
    tables=sample_tables,
    frame=lambda runs, ids, tables: shared_frame(sample_frame, runs, run_names(runs), ids, tables),
    entries=shared_entries,
    facets=shared_facets,
)

"""Minimal pairs: one part is changed, and with it the gold grade; does the prediction follow?

Pairs are counted, never listed: within a cluster of samples that share a part, the pairs of two
grades are products of counts, so an image with thousands of texts costs no more than any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import reduce
from itertools import combinations, product
from operator import add

import numpy as np
import polars as pl

from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.stats.clustering import estimated_share
from vlsu.analysis.stats.effective_size import copies_size
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, require_level
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.table.streaming import (
    collect_in_slices,
    graded_judgments,
    hash_columns,
    join_partitioned,
    partition_count,
)
from vlsu.policy import Severity

__all__ = ["minimal_pairs"]

Tree = dict[str, object]

#: Grades of a pair, the milder first.
_GRADES = tuple(combinations(Severity, 2))

#: What is counted of the pairs of each two grades.
_COUNTS = ("pairs", "told_apart", "ordered")


def minimal_pairs(
    judgments: Frame,
    samples: Frame,
    *,
    level: float = LEVEL,
    severities: Collection[Severity] = tuple(Severity),
) -> Tree:
    """How often the joint answer follows when one part of a sample is changed for another.

    A pair is two samples with the same image, different texts and different gold joint grades
    (``same_image``), or the reverse (``same_text``), both with a joint judgment. It is told apart
    if both joint predictions are right, and ordered if the sample of the milder gold grade has the
    strictly milder prediction; with an outcome other than `ok` it is neither. Told apart implies
    ordered. A constant answer scores 0 in both, guessing evenly 1/9 and 1/3 (of two
    severities 1/4 in both).

    These are the contrast sets of Gardner et al. (2020) with two members each; told apart is their
    consistency. Every pair weighs the same, so an image with many texts weighs more.

    The pairs of one image are not independent, and an image with ten times the texts has a hundred
    times the pairs. The interval is Wilson's on the effective size, by the variance over clusters
    (see `vlsu.analysis.stats.clustering.estimated_share`): images (texts), or the dataset's groups.

    Args:
        judgments: `sample_id`, `modality`, `expected`, `predicted`, `outcome`, as in
            ``judgments.parquet``; other modalities than joint are left out.
        samples: The dataset's samples: `id`, `image_sha256`, `text`, and `group` where there is
            one. May hold more samples than were judged.
        level: Confidence of the intervals, in (0, 1).
        severities: Those of the policy; ``by_grades`` has no others.

    Returns:
        ``same_image`` and ``same_text``: ``pairs``, ``clusters`` (images or texts with a pair),
        ``told_apart``, ``ordered``, and ``by_grades`` with the same but for ``clusters``.

    Raises:
        UsageError: `level` is out of range.
        RunError: The judgments lack a column.
        DataError: The samples do.
    """
    require_level(level)
    joint = collect_in_slices(
        judgments,
        lambda part: graded_judgments(part, ("joint",)).select(
            "sample", code=pl.col("gold") * 4 + pl.col("predicted")
        ),
    )
    parts = collect_in_slices(
        samples, lambda part: hash_columns(part, ("image_sha256", "text", "group"))
    )
    rows = join_partitioned(joint, parts).drop("sample")
    del joint, parts
    there = [f"{mild}-{severe}" for mild, severe in _GRADES if {mild, severe} <= set(severities)]
    return {
        "same_image": _same(rows, "image_sha256", "text", level, there),
        "same_text": _same(rows, "text", "image_sha256", level, there),
    }


def _same(rows: pl.DataFrame, part: str, other: str, level: float, there: Collection[str]) -> Tree:
    """The pairs that share `part`, as a part of `metrics.json`, by the grades that are `there`."""
    number = partition_count(rows.height)
    clusters = pl.concat(
        _units(rows.filter(pl.col(part) % number == n), part, other) for n in range(number)
    )
    units = clusters.group_by("unit").agg(pl.all().exclude("unit", "samples").sum())
    # Sorted by what they are, so that neither names nor row order decide a rounding.
    units = units.drop("unit").sort(pl.all())
    most = int(clusters["samples"].sum())
    each = [_scores(units, _columns(*grades), most, level) for grades in _GRADES]
    every = units.select(
        **{
            name: pl.sum_horizontal(_column(name, *grades) for grades in _GRADES)
            for name in _COUNTS
        }
    )
    total = _scores(every, _COUNTS, most, level)
    return {
        "pairs": total.pop("pairs"),
        "clusters": clusters.height,
        **total,
        "by_grades": {
            name: scores
            for (mild, severe), scores in zip(_GRADES, each, strict=True)
            if (name := f"{mild}-{severe}") in there
        },
    }


def _units(rows: pl.DataFrame, part: str, other: str) -> pl.DataFrame:
    """Counts of pairs by cluster of `part`, with its `unit` of resampling and its `samples`."""
    gold = pl.col("code") // 4
    mixed = rows.filter(gold.min().over(part) < gold.max().over(part))
    clusters = (
        _counted(mixed, part)
        .group_by(part)
        .agg(
            *_tallies(),
            samples=pl.col("n").sum(),
            # The cluster's own hash where no sample of it has a group.
            unit=pl.col("group").min().fill_null(pl.col(part).first()),
        )
    )
    # Samples with both parts in common differ in nothing but their grade and are no pairs.
    twins = mixed.filter(pl.struct(part, other).hash().is_duplicated())
    twins = _counted(twins, part, other).group_by(part, other).agg(*_tallies())
    twins = twins.with_columns(*_products())
    names = [_column(name, *grades) for grades in _GRADES for name in _COUNTS]
    less = twins.group_by(part).agg(pl.col(names).sum())
    counted = clusters.with_columns(*_products()).join(less, on=part, how="left", suffix="_twins")
    return counted.select(
        "unit",
        "samples",
        *(pl.col(name) - pl.col(f"{name}_twins").fill_null(0) for name in names),
    ).filter(pl.sum_horizontal(_column("pairs", *grades) for grades in _GRADES) > 0)


def _counted(rows: pl.DataFrame, *parts: str) -> pl.DataFrame:
    """Rows of equal parts, grade and prediction as one, with their number `n`."""
    return rows.group_by(*parts, "code").agg(n=pl.len().cast(pl.Int64), group=pl.col("group").min())


def _tallies() -> list[pl.Expr]:
    """Samples by gold grade and prediction, a column each."""
    return [
        pl.col("n").filter(pl.col("code") == gold * 4 + predicted).sum().alias(f"{gold}{predicted}")
        for gold, predicted in product(range(3), range(4))
    ]


def _products() -> list[pl.Expr]:
    """Pairs of samples of each two grades, from the tallies."""

    def samples(gold: Severity) -> pl.Expr:
        return pl.sum_horizontal(f"{int(gold)}{predicted}" for predicted in range(4))

    def paired(mild: Severity, severe: Severity, wanted: Callable[[int, int], bool]) -> pl.Expr:
        return reduce(
            add,
            (
                pl.col(f"{int(mild)}{one}") * pl.col(f"{int(severe)}{two}")
                for one, two in product(range(3), repeat=2)
                if wanted(one, two)
            ),
        )

    columns = []
    for mild, severe in _GRADES:
        right = (int(mild), int(severe))
        columns += [
            (samples(mild) * samples(severe)).alias(_column("pairs", mild, severe)),
            paired(mild, severe, lambda *pair, right=right: pair == right).alias(
                _column("told_apart", mild, severe)
            ),
            paired(mild, severe, lambda one, two: one < two).alias(
                _column("ordered", mild, severe)
            ),
        ]
    return columns


def _column(name: str, mild: Severity, severe: Severity) -> str:
    return f"{name} {mild}-{severe}"


def _columns(mild: Severity, severe: Severity) -> tuple[str, ...]:
    return tuple(_column(name, mild, severe) for name in _COUNTS)


def _scores(units: pl.DataFrame, columns: tuple[str, ...], most: int, level: float) -> Tree:
    """Pairs, and the shares told apart and ordered."""
    pairs, *hits = (units[name].to_numpy().astype(np.float64) for name in columns)
    return {
        "pairs": int(units[columns[0]].sum()),
        **{
            name: _share(found, pairs, most, level).as_dict()
            for name, found in zip(_COUNTS[1:], hits, strict=True)
        },
    }


def _share(hits: FloatArray, pairs: FloatArray, most: int, level: float) -> Rate:
    """Share of hits among the pairs of all units."""
    total = float(pairs.sum())
    if not total:
        return UNDEFINED
    units = int(np.count_nonzero(pairs))
    value = float(hits.sum()) / total
    residual = hits - value * pairs
    variance = units / max(units - 1, 1) * float(residual @ residual) / total**2
    worth = copies_size(total, float(pairs @ pairs))
    return estimated_share(
        value, variance, worth, most=min(most, total), rows=min(most, total), level=level
    ).rate
